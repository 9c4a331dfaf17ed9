package diff

import (
	"math/big"
	"slices"
	"strconv"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
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
		d.report(ActionAdd, cty.NilVal, after)
	case after == cty.NilVal:
		d.report(ActionRemove, before, cty.NilVal)
	default:
		b, a := newNode(before), newNode(after)
		d.walk(&b, &a)
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

// step compares what is one step further down; nil is absent.
func (d *differ) step(s Step, before, after *node) {
	d.path = append(d.path, s)
	switch {
	case before == nil:
		d.report(ActionAdd, cty.NilVal, after.value())
	case after == nil:
		d.report(ActionRemove, before.value(), cty.NilVal)
	default:
		d.walk(before, after)
	}
	d.path = d.path[:len(d.path)-1]
}

func (d *differ) walk(before, after *node) {
	whole := before.marked || after.marked || before.kind != after.kind
	switch {
	case !whole && before.kind == kindMapping:
		d.mappings(before.kids, after.kids)
	case !whole && before.kind == kindSequence:
		d.sequences(before.kids, after.kids)
	case same(before, after):
	case !whole && before.kind == kindSet && membersComparable(before.v, after.v):
		d.sets(before.v, after.v)
	default:
		d.report(ActionChange, before.value(), after.value())
	}
}

// mappings takes members sorted by name.
func (d *differ) mappings(before, after []node) {
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].name < after[0].name:
			d.step(keyStep(before[0].name), &before[0], nil)
			before = before[1:]
		case len(before) == 0 || after[0].name < before[0].name:
			d.step(keyStep(after[0].name), nil, &after[0])
			after = after[1:]
		default:
			d.step(keyStep(after[0].name), &before[0], &after[0])
			before, after = before[1:], after[1:]
		}
	}
}

// membersComparable reports whether two sets can be compared member by member.
func membersComparable(a, b cty.Value) bool {
	return a.Type().Equals(b.Type()) && a.IsWhollyKnown() && b.IsWhollyKnown()
}

// sets reports removed members, then added ones, each in the order of its set.
func (d *differ) sets(before, after cty.Value) {
	was, is := before.AsValueSet(), after.AsValueSet()
	for _, v := range was.Subtract(is).Values() {
		d.step(elementStep(v), &node{v: v}, nil)
	}
	for _, v := range is.Subtract(was).Values() {
		d.step(elementStep(v), nil, &node{v: v})
	}
}

func keyStep(name string) Step { return Step{Kind: Key, Name: name} }

func indexStep(i int) Step { return Step{Kind: Index, Index: i} }

// elementStep names a member of a set: a primitive one by its text, others by their JSON.
func elementStep(v cty.Value) Step {
	s := Step{Kind: Element}
	switch {
	case v.IsNull():
		s.Name = "null"
	case v.Type() == cty.String:
		s.Name = v.AsString()
	case v.Type() == cty.Number:
		s.Name = numberText(v.AsBigFloat())
	case v.Type() == cty.Bool:
		s.Name = strconv.FormatBool(v.True())
	default:
		if text, err := ctyjson.Marshal(v, v.Type()); err == nil {
			s.Name = string(text)
		}
	}
	return s
}

// numberText writes a number in full, or by its power of two if it is so large or small that
// its digits would fill the memory.
func numberText(f *big.Float) string {
	if exp := f.MantExp(nil); exp < -1000 || exp > 1000 {
		return f.Text('p', 0)
	}
	return f.Text('f', -1)
}
