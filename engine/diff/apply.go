package diff

import (
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// Apply makes the changes that Values found between v and another value, and so returns that other
// value: Values finds no change between the two. Whether a list becomes a list or a tuple
// and a map a map or an object follows v where the members allow it. The changes of one list belong
// together; they must be given all at once. A change of something that v does not hold is an error,
// and the result then is cty.NilVal; what a change says was there Before is not checked.
func Apply(v cty.Value, changes []Change) (cty.Value, error) { return apply(v, changes, 0) }

// apply makes changes whose first depth steps lead to v.
func apply(v cty.Value, changes []Change, depth int) (cty.Value, error) {
	if len(changes) == 0 {
		return v, nil
	}
	if c := changes[0]; len(c.Path) == depth {
		if len(changes) > 1 {
			return cty.NilVal, fmt.Errorf("apply %q: several changes of one place", c.Path)
		}
		return c.After, nil
	}
	if v == cty.NilVal {
		return cty.NilVal, missing(changes[0])
	}
	bare, marks := v.Unmark()
	var out cty.Value
	var err error
	switch kindOf(bare) {
	case kindMapping:
		out, err = applyMapping(bare, changes, depth)
	case kindSequence:
		out, err = applySequence(bare, changes, depth)
	case kindSet:
		out, err = applySet(bare, changes, depth)
	default:
		err = missing(changes[0])
	}
	if err != nil {
		return cty.NilVal, err
	}
	return out.WithMarks(marks), nil
}

func missing(c Change) error {
	return fmt.Errorf("apply %s of %q: there is no such place", c.Action, c.Path)
}

func applyMapping(v cty.Value, changes []Change, depth int) (cty.Value, error) {
	members := v.AsValueMap()
	if members == nil {
		members = map[string]cty.Value{}
	}
	byKey := map[string][]Change{}
	for _, c := range changes {
		if c.Path[depth].Kind != Key {
			return cty.NilVal, missing(c)
		}
		byKey[c.Path[depth].Name] = append(byKey[c.Path[depth].Name], c)
	}
	for key, group := range byKey {
		old, ok := members[key]
		first := group[0]
		here := len(first.Path) == depth+1
		if ok == (here && first.Action == ActionAdd) {
			return cty.NilVal, missing(first)
		}
		changed, err := apply(old, group, depth+1)
		if err != nil {
			return cty.NilVal, err
		}
		if here && first.Action == ActionRemove {
			delete(members, key)
		} else {
			members[key] = changed
		}
	}
	return mappingLike(v.Type(), members), nil
}

func applySequence(v cty.Value, changes []Change, depth int) (cty.Value, error) {
	old := v.AsValueSlice()
	removed := map[int]bool{}
	added := map[int]cty.Value{}
	within := map[int][]Change{}
	for _, c := range changes {
		step := c.Path[depth]
		here := len(c.Path) == depth+1
		switch {
		case step.Kind != Index || step.Index < 0:
			return cty.NilVal, missing(c)
		case here && c.Action == ActionRemove:
			removed[step.Index] = true
		case here && c.Action == ActionAdd:
			added[step.Index] = c.After
		default:
			within[step.Index] = append(within[step.Index], c)
		}
	}
	kept := make([]cty.Value, 0, len(old))
	for i, member := range old {
		if !removed[i] {
			kept = append(kept, member)
		}
	}
	if len(old)-len(kept) != len(removed) {
		return cty.NilVal, fmt.Errorf("apply remove of %q: there is no such place", changes[0].Path[:depth])
	}
	members := make([]cty.Value, len(kept)+len(added))
	for i := range members {
		v, ok := added[i]
		if !ok {
			if len(kept) == 0 {
				return cty.NilVal, fmt.Errorf("apply add to %q: an index is beyond its end", changes[0].Path[:depth])
			}
			v, kept = kept[0], kept[1:]
		}
		changed, err := apply(v, within[i], depth+1)
		if err != nil {
			return cty.NilVal, err
		}
		delete(within, i)
		members[i] = changed
	}
	for _, group := range within {
		return cty.NilVal, missing(group[0])
	}
	return sequenceLike(v.Type(), members), nil
}

func applySet(v cty.Value, changes []Change, depth int) (cty.Value, error) {
	set := v.AsValueSet()
	for _, c := range changes {
		switch {
		case c.Path[depth].Kind != Element || len(c.Path) != depth+1:
			return cty.NilVal, missing(c)
		case c.Action == ActionRemove && set.Has(c.Before):
			set.Remove(c.Before)
		case c.Action == ActionAdd && c.After.Type().Equals(v.Type().ElementType()):
			set.Add(c.After)
		default:
			return cty.NilVal, missing(c)
		}
	}
	if set.Length() == 0 {
		return cty.SetValEmpty(v.Type().ElementType()), nil
	}
	return cty.SetValFromValueSet(set), nil
}

func mappingLike(t cty.Type, members map[string]cty.Value) cty.Value {
	switch {
	case !t.IsMapType():
		return cty.ObjectVal(members)
	case len(members) == 0:
		return cty.MapValEmpty(t.ElementType())
	}
	for _, v := range members {
		if !v.Type().Equals(t.ElementType()) {
			return cty.ObjectVal(members)
		}
	}
	return cty.MapVal(members)
}

func sequenceLike(t cty.Type, members []cty.Value) cty.Value {
	other := func(v cty.Value) bool { return !v.Type().Equals(t.ElementType()) }
	switch {
	case !t.IsListType() || slices.ContainsFunc(members, other):
		return cty.TupleVal(members)
	case len(members) == 0:
		return cty.ListValEmpty(t.ElementType())
	}
	return cty.ListVal(members)
}
