package plan

import (
	"bytes"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/diff"
	"tidegate/hclspec/mark"
)

func (d *deciding) before() Value {
	switch {
	case d.Last != nil:
		return Of(markLike(d.Last.Values, d.Values))
	case d.ack != nil && d.ack.Fingerprint == d.Fingerprint:
		return Of(d.Values)
	}
	return Value{}
}

// markLike marks the attributes of what was applied that are sensitive by now.
func markLike(v, like cty.Value) cty.Value {
	if like == cty.NilVal || v == cty.NilVal || v.IsMarked() {
		return v
	}
	attrs := v.AsValueMap()
	for name, a := range attrs {
		if like.Type().HasAttribute(name) && mark.Has(like.GetAttr(name)) {
			attrs[name] = a.Mark(mark.Sensitive)
		}
	}
	if len(attrs) == 0 {
		return v
	}
	return cty.ObjectVal(attrs)
}

// contentDiff shows the way from what the target holds to what it should.
func (d *deciding) contentDiff() {
	d.out.ContentChanged = d.HeldHash != d.Hash
	switch {
	case d.hidden:
	case d.FilledLater:
		// What would be compared is not what is sent.
		d.out.Size = 0
	case !d.Opaque:
		lines := diff.LineDiff(d.Held, d.Content, contextLines)
		d.out.Lines, d.out.Keys = &lines, d.keyDiff(d.Held, d.Content)
	case d.Content != nil:
		var old []byte
		if d.Last != nil {
			old = d.Last.Content
		}
		lines := diff.LineDiff(old, d.Content, contextLines)
		d.out.Lines, d.out.Keys = &lines, d.keyDiff(old, d.Content)
	}
}

// maxKeyChanges bounds what is kept of a comparison by key: nobody reads more.
const maxKeyChanges = 10_000

// keyDiff compares contents that are documents with keys, nil for others.
func (d *deciding) keyDiff(old, new []byte) *KeyDiff {
	if d.Format == "" || len(old) == 0 || bytes.Equal(old, new) {
		return nil
	}
	changes, ok := diff.Documents(d.Format, old, new)
	if !ok || len(changes) > maxKeyChanges {
		return nil
	}
	return &KeyDiff{Changes: shownChanges(changes)}
}

// ValueChanges returns the differences between two values for showing; either may be NilVal.
func ValueChanges(before, after cty.Value) []ValueChange {
	return shownChanges(diff.Values(before, after))
}

func shownChanges(changes []diff.Change) []ValueChange {
	out := make([]ValueChange, len(changes))
	for i, ch := range changes {
		if ch.Sensitive {
			// Where one side was marked, neither may be shown.
			ch.Before, ch.After = hide(ch.Before), hide(ch.After)
		}
		out[i] = ValueChange{
			Path: ch.Path.String(), Action: ch.Action,
			Before: Of(ch.Before), After: Of(ch.After), Sensitive: ch.Sensitive,
		}
	}
	return out
}

func hide(v cty.Value) cty.Value {
	if v == cty.NilVal {
		return v
	}
	return v.Mark(mark.Sensitive)
}
