package view

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/diff"
	"tidegate/engine/plan"
)

// sameValues says that a document differs in nothing that a program sees.
const sameValues = "the same values in another order or layout"

// contentDiff writes a diff by keys, where there is one, and one by lines, which is folded where
// it says little more.
func (p *page) contentDiff(k *plan.KeyDiff, l *diff.Lines) {
	switch {
	case k == nil:
		p.diffLines(8, l)
		return
	case len(k.Changes) == 0:
		p.prose(8, "", sameValues)
	default:
		p.prose(8, "", "by key:")
		p.listChanges(10, k.Changes)
	}
	switch {
	case rewritten(k, l):
		p.prose(8, "", fmt.Sprintf("by line: +%d -%d, folded; --json has all", l.Added, l.Removed))
	default:
		if len(k.Changes) > 0 {
			p.prose(8, "", "by line:")
		}
		p.diffLines(10, l)
	}
}

// rewritten reports whether a diff by lines is much larger than what changed, as when keys come
// in another order, or in lines so long that nobody sees where they differ.
func rewritten(k *plan.KeyDiff, l *diff.Lines) bool {
	if len(l.Hunks) == 0 {
		return l.Truncated != ""
	}
	wanted := 6
	for _, c := range k.Changes {
		wanted += 2 * (leaves(c.Before.Value) + leaves(c.After.Value))
	}
	if len(k.Changes) == 0 || l.Added+l.Removed > wanted {
		return true
	}
	for _, h := range l.Hunks {
		for _, line := range h.Lines {
			if line.Op != diff.Equal && len(line.Text) > maxReadable {
				return true
			}
		}
	}
	return false
}

// maxReadable is how long a line may be, in bytes, for people to find what differs in it.
const maxReadable = 160

// leaves counts how many lines a value takes where each has its own.
func leaves(v cty.Value) int {
	if v == cty.NilVal {
		return 0
	}
	if v, _ = v.Unmark(); !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
		return 1
	}
	n := 2
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		n += leaves(e)
	}
	return n
}
