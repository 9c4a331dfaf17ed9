package diff

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// The actions of a Change.
const (
	ActionAdd    = "add"
	ActionChange = "change"
	ActionRemove = "remove"
)

// Change is one difference between two values.
type Change struct {
	// Path leads to what changed. In lists and tuples the indexes count in the new value,
	// except the last one of a removal, which counts in the old one.
	Path Path
	// Action is ActionAdd, ActionChange or ActionRemove.
	Action string
	// Before and After are cty.NilVal where there is nothing: before an add, after a removal. They keep
	// the marks of the values they were taken from.
	Before, After cty.Value
	// Sensitive: Before or After is marked itself, and no part of either may be shown. When it is
	// not set there may still be marked parts further down in the two.
	Sensitive bool
}

// Values lists what turns before into after, objects and maps in the order of their keys, lists in
// the order of their members. Either side may be cty.NilVal, which is an absent
// value and differs from null.
//
// Lists and tuples compare alike, as do maps and objects, and numbers by value: the type that a decoder
// chose is no change. Members of lists are aligned, so that an inserted one is one add and not a
// change of all that follow; very large lists with very many differences are compared by index where
// aligning them would cost too much. Sets compare member by member if wholly known and of one type.
//
// A difference at or below a marked value is one change at the marked place. Marks alone are no change.
// An unknown value is always a change, because nobody can tell yet.
func Values(before, after cty.Value) []Change {
	d := &differ{aligner: newAligner()}
	switch {
	case before == cty.NilVal && after == cty.NilVal:
	case before == cty.NilVal:
		d.add(after)
	case after == cty.NilVal:
		d.remove(before)
	default:
		d.walk(before, after)
	}
	return d.changes
}

type differ struct {
	path    Path
	changes []Change
	aligner *aligner
}

func (d *differ) report(action string, before, after cty.Value) {
	d.changes = append(d.changes, Change{
		Path: slices.Clone(d.path), Action: action, Before: before, After: after,
		Sensitive: before.IsMarked() || after.IsMarked(),
	})
}

func (d *differ) add(v cty.Value)    { d.report(ActionAdd, cty.NilVal, v) }
func (d *differ) remove(v cty.Value) { d.report(ActionRemove, v, cty.NilVal) }

// at runs what at the place one step further down.
func (d *differ) at(s Step, what func()) {
	d.path = append(d.path, s)
	what()
	d.path = d.path[:len(d.path)-1]
}

func (d *differ) walk(before, after cty.Value) {
	if before.IsMarked() || after.IsMarked() {
		if !equal(before, after) {
			d.report(ActionChange, before, after)
		}
		return
	}
	kind := kindOf(before)
	if kind != kindOf(after) {
		d.report(ActionChange, before, after)
		return
	}
	switch kind {
	case kindMapping:
		d.mappings(before.AsValueMap(), after.AsValueMap())
	case kindSequence:
		d.sequences(before.AsValueSlice(), after.AsValueSlice())
	case kindSet:
		d.sets(before, after)
	default:
		if !equal(before, after) {
			d.report(ActionChange, before, after)
		}
	}
}

func (d *differ) mappings(before, after map[string]cty.Value) {
	for _, key := range unionKeys(before, after) {
		b, inB := before[key]
		a, inA := after[key]
		d.at(Step{Kind: Key, Name: key}, func() {
			switch {
			case !inB:
				d.add(a)
			case !inA:
				d.remove(b)
			default:
				d.walk(b, a)
			}
		})
	}
}

func unionKeys(a, b map[string]cty.Value) []string {
	keys := slices.AppendSeq(make([]string, 0, len(a)), maps.Keys(a))
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// sets reports removed members, then added ones, each in the order of its set. Sets that cannot be
// compared member by member are one change.
func (d *differ) sets(before, after cty.Value) {
	if equal(before, after) {
		return
	}
	if !before.Type().Equals(after.Type()) || !before.IsWhollyKnown() || !after.IsWhollyKnown() {
		d.report(ActionChange, before, after)
		return
	}
	was, is := before.AsValueSet(), after.AsValueSet()
	for _, v := range was.Subtract(is).Values() {
		d.at(elementStep(v), func() { d.remove(v) })
	}
	for _, v := range is.Subtract(was).Values() {
		d.at(elementStep(v), func() { d.add(v) })
	}
}
