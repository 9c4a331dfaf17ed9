package diff

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"
)

// plain turns a value into what fmt and reflect can compare without knowing cty: types that do not
// matter are gone, everything else is kept.
func plain(v cty.Value) any {
	if v.IsMarked() {
		v, _ = v.Unmark()
		return secretly{plain(v)}
	}
	switch t := v.Type(); {
	case !v.IsKnown():
		return unknown{}
	case v.IsNull():
		return nil
	case t == cty.String:
		return v.AsString()
	case t == cty.Number:
		return number10(v.AsBigFloat().Text('g', 40))
	case t == cty.Bool:
		return v.True()
	case t.IsMapType() || t.IsObjectType():
		out := map[string]any{}
		for it := v.ElementIterator(); it.Next(); {
			key, member := it.Element()
			out[key.AsString()] = plain(member)
		}
		return out
	default:
		out := []any{}
		for it := v.ElementIterator(); it.Next(); {
			_, member := it.Element()
			out = append(out, plain(member))
		}
		if t.IsSetType() {
			return set{out}
		}
		return out
	}
}

type (
	unknown  struct{}
	number10 string
	set      struct{ members []any }
	secretly struct{ v any }
)

func (unknown) String() string    { return "unknown" }
func (s set) String() string      { return fmt.Sprintf("set%v", s.members) }
func (s secretly) String() string { return fmt.Sprintf("secret(%v)", s.v) }

// bare drops the marks.
func bare(v cty.Value) any {
	v, _ = v.UnmarkDeep()
	return plain(v)
}

func drawValue(t *rapid.T, depth int) cty.Value {
	kinds := []string{"string", "number", "bool", "null", "unknown", "secret", "set"}
	if depth > 0 {
		kinds = append(kinds, "object", "object", "tuple", "tuple", "tuple", "list", "map")
	}
	few := func() []cty.Value {
		var out []cty.Value
		for range rapid.IntRange(0, 5).Draw(t, "n") {
			out = append(out, drawValue(t, depth-1))
		}
		return out
	}
	keyed := func(members []cty.Value) map[string]cty.Value {
		out := map[string]cty.Value{}
		for _, v := range members {
			out[rapid.SampledFrom([]string{"id", "name", "a", "x.y", ""}).Draw(t, "key")] = v
		}
		return out
	}
	words := func() (out []cty.Value) {
		for _, s := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 4).Draw(t, "words") {
			out = append(out, cty.StringVal(s))
		}
		return out
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "string":
		return cty.StringVal(rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "s"))
	case "number":
		return cty.NumberIntVal(rapid.Int64Range(0, 3).Draw(t, "i"))
	case "bool":
		return cty.BoolVal(rapid.Bool().Draw(t, "b"))
	case "null":
		return cty.NullVal(cty.DynamicPseudoType)
	case "unknown":
		if rapid.IntRange(0, 3).Draw(t, "rarely") == 0 {
			return cty.UnknownVal(cty.String)
		}
		return cty.EmptyTupleVal
	case "secret":
		text := cty.StringVal(rapid.SampledFrom([]string{"SECRET1", "SECRET2"}).Draw(t, "s"))
		if rapid.Bool().Draw(t, "deep") {
			return cty.ObjectVal(map[string]cty.Value{"p": text, "q": cty.True}).Mark("sensitive")
		}
		return text.Mark("sensitive")
	case "set":
		if w := words(); len(w) > 0 {
			return cty.SetVal(w)
		}
		return cty.SetValEmpty(cty.String)
	case "object":
		return cty.ObjectVal(keyed(few()))
	case "tuple":
		return cty.TupleVal(few())
	case "list":
		if w := words(); len(w) > 0 {
			return cty.ListVal(w)
		}
		return cty.ListValEmpty(cty.String)
	default:
		if m := keyed(words()); len(m) > 0 {
			return cty.MapVal(m)
		}
		return cty.MapValEmpty(cty.String)
	}
}

// edit returns v with something changed somewhere: what a new version of a configuration looks like.
func drawEdit(t *rapid.T, v cty.Value) cty.Value {
	if v.IsMarked() || !v.IsKnown() || v.IsNull() || rapid.IntRange(0, 3).Draw(t, "here") == 0 {
		return drawValue(t, 1)
	}
	switch kindOf(v) {
	case kindSequence:
		members := v.AsValueSlice()
		at := rapid.IntRange(0, len(members)).Draw(t, "at")
		switch what := rapid.IntRange(0, 2).Draw(t, "what"); {
		case what == 0 || at == len(members):
			members = slices.Insert(members, at, drawValue(t, 1))
		case what == 1:
			members = slices.Delete(members, at, at+1)
		default:
			members[at] = drawEdit(t, members[at])
		}
		return cty.TupleVal(members)
	case kindMapping:
		members := v.AsValueMap()
		for _, key := range slices.Sorted(maps.Keys(members)) {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				members[key] = drawEdit(t, members[key])
			case 1:
				delete(members, key)
			}
		}
		return cty.ObjectVal(members)
	}
	return drawValue(t, 1)
}

func TestApplyOfValuesIsTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawValue(t, 4)
		after := before
		for range rapid.IntRange(0, 4).Draw(t, "edits") {
			after = drawEdit(t, after)
		}
		if rapid.IntRange(0, 9).Draw(t, "other") == 0 {
			after = drawValue(t, 4)
		}
		changes := Values(before, after)
		checkPaths(t, before, after, changes)
		checkSecrets(t, changes)
		got, err := Apply(before, changes)
		if err != nil {
			t.Fatalf("Apply: %v; changes:\n%s", err, strings.Join(describe(changes), "\n"))
		}
		if want := bare(after); !reflect.DeepEqual(bare(got), want) {
			t.Fatalf("applied: %v; want %v; changes:\n%s", bare(got), want, strings.Join(describe(changes), "\n"))
		}
		known := before.IsWhollyKnown() && after.IsWhollyKnown()
		if same := reflect.DeepEqual(bare(before), bare(after)); known && same != (len(changes) == 0) {
			t.Fatalf("equal is %t, with changes:\n%s", same, strings.Join(describe(changes), "\n"))
		}
	})
}

// TestEditedListsApply has the inserts, removals, moves and changes in longer lists that the values of
// TestApplyOfValuesIsTheOther seldom hold.
func TestEditedListsApply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		distinct := rapid.SampledFrom([]int{2, 10, 1000}).Draw(t, "distinct")
		objects := rapid.Bool().Draw(t, "objects")
		member := func() cty.Value {
			n := int64(random.IntN(distinct))
			if objects {
				return server(fmt.Sprint(n), int64(random.IntN(3)))
			}
			return cty.NumberIntVal(n)
		}
		var before []cty.Value
		for range random.IntN(30) {
			before = append(before, member())
		}
		after := slices.Clone(before)
		for range random.IntN(6) {
			at := random.IntN(len(after) + 1)
			switch what := random.IntN(4); {
			case what == 0 || at == len(after):
				after = slices.Insert(after, at, member())
			case what == 1:
				after = slices.Delete(after, at, at+1)
			case what == 2:
				after[at] = member()
			case what == 3:
				moved := after[at]
				after = slices.Insert(slices.Delete(after, at, at+1), random.IntN(len(after)), moved)
			}
		}
		was, is := cty.TupleVal(before), cty.TupleVal(after)
		changes := Values(was, is)
		checkPaths(t, was, is, changes)
		got, err := Apply(was, changes)
		if err != nil || !got.RawEquals(is) {
			t.Fatalf("applied: %v, %v; want %v; changes:\n%s", got, err, bare(is), strings.Join(describe(changes), "\n"))
		}
	})
}

// checkPaths checks that each path leads to what its change says is there, and never through a mark.
func checkPaths(t *rapid.T, before, after cty.Value, changes []Change) {
	for _, c := range changes {
		if n := len(c.Path); n > 0 && (c.Path[n-1].Kind == Element || c.Action == ActionRemove) {
			continue // its last step leads nowhere in the new value
		}
		if got := lookUp(t, after, c.Path); !got.RawEquals(c.After) {
			t.Fatalf("%s holds %#v, not %#v", c.Path, got, c.After)
		}
	}
}

func lookUp(t *rapid.T, v cty.Value, path Path) cty.Value {
	for _, s := range path {
		if v.IsMarked() {
			t.Fatalf("%s leads through a mark", path)
		}
		if s.Kind == Index {
			v = v.AsValueSlice()[s.Index]
		} else {
			v = v.AsValueMap()[s.Name]
		}
	}
	return v
}

// checkSecrets checks that secrets are still marked and that Sensitive is right.
func checkSecrets(t *rapid.T, changes []Change) {
	for _, c := range changes {
		marked := false
		for _, v := range []cty.Value{c.Before, c.After} {
			if v == cty.NilVal {
				continue
			}
			marked = marked || v.IsMarked()
			if showsSecret(v) {
				t.Fatalf("%v is not marked", describe([]Change{c}))
			}
		}
		if marked != c.Sensitive {
			t.Fatalf("Sensitive is %t: %v", c.Sensitive, describe([]Change{c}))
		}
	}
}

// showsSecret looks for a secret outside of marked values.
func showsSecret(v cty.Value) bool {
	shown := false
	visible := func(_ cty.Path, v cty.Value) (bool, error) {
		if v.IsMarked() {
			return false, nil
		}
		if v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			shown = shown || strings.HasPrefix(v.AsString(), "SECRET")
		}
		return true, nil
	}
	if err := cty.Walk(v, visible); err != nil {
		panic(err)
	}
	return shown
}

func TestSameAndFingerprintAgreeWithValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawValue(t, 3), drawValue(t, 3)
		if rapid.Bool().Draw(t, "marks alone") {
			after, _ = before.UnmarkDeep()
		}
		a, b := newNode(before), newNode(after)
		if changes := Values(before, after); same(&a, &b) != (len(changes) == 0) {
			t.Fatalf("same is %t, changes are %v", same(&a, &b), describe(changes))
		}
		if reflect.DeepEqual(bare(before), bare(after)) && a.print != b.print {
			t.Fatalf("%#v and %#v are equal with two fingerprints", before, after)
		}
	})
}
