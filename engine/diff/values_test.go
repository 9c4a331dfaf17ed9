package diff

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
)

var (
	str  = cty.StringVal
	num  = cty.NumberIntVal
	list = func(v ...cty.Value) cty.Value { return cty.TupleVal(v) }
	obj  = cty.ObjectVal
)

type attrs = map[string]cty.Value

// server is an object as one finds them in lists.
func server(name string, port int64) cty.Value {
	return obj(attrs{"name": str(name), "port": num(port)})
}

// describe writes a change as "action path before => after".
func describe(changes []Change) []string {
	var out []string
	for _, c := range changes {
		s := fmt.Sprintf("%s %s: %s => %s", c.Action, c.Path, short(c.Before), short(c.After))
		if c.Sensitive {
			s += " (sensitive)"
		}
		out = append(out, s)
	}
	return out
}

func short(v cty.Value) string {
	if v == cty.NilVal {
		return "absent"
	}
	return fmt.Sprintf("%v", plain(v))
}

func TestValues(t *testing.T) {
	secret := func(v cty.Value) cty.Value { return v.Mark("sensitive") }
	for _, tt := range []struct {
		name          string
		before, after cty.Value
		want          []string
	}{
		{"both absent", cty.NilVal, cty.NilVal, nil},
		{"appears", cty.NilVal, str("x"), []string{"add : absent => x"}},
		{"disappears", str("x"), cty.NilVal, []string{"remove : x => absent"}},
		{"appears as null", cty.NilVal, cty.NullVal(cty.String), []string{"add : absent => <nil>"}},
		{"primitive", str("x"), str("y"), []string{"change : x => y"}},
		{"nulls of any type are equal", cty.NullVal(cty.String), cty.NullVal(cty.Number), nil},
		{"from null", cty.NullVal(cty.String), str(""), []string{"change : <nil> => "}},
		{"another kind", str("1"), num(1), []string{"change : 1 => 1"}},
		{"numbers by value", cty.MustParseNumberVal("1.50"), cty.NumberFloatVal(1.5), nil},
		{"zeros", cty.NumberFloatVal(math.Copysign(0, -1)), num(0), nil},
		{
			"large numbers are not rounded",
			cty.MustParseNumberVal("9007199254740993"), cty.MustParseNumberVal("9007199254740992"),
			[]string{"change : 9007199254740993 => 9007199254740992"},
		},
		{
			"keys in order, deep",
			obj(attrs{"b": num(1), "a": obj(attrs{"y": num(1), "x": num(1)}), "c": num(1)}),
			obj(attrs{"b": num(2), "a": obj(attrs{"y": num(1), "x": num(2)}), "d": num(1)}),
			[]string{"change a.x: 1 => 2", "change b: 1 => 2", "remove c: 1 => absent", "add d: absent => 1"},
		},
		{"map and object are alike", cty.MapVal(attrs{"a": num(1)}), obj(attrs{"a": num(1)}), nil},
		{"empty map and object are alike", cty.MapValEmpty(cty.String), cty.EmptyObjectVal, nil},
		{"list and tuple are alike", cty.ListVal([]cty.Value{num(1)}), list(num(1)), nil},
		{
			"null is not absent", obj(attrs{}), obj(attrs{"a": cty.NullVal(cty.String)}),
			[]string{"add a: absent => <nil>"},
		},
		{
			"insert does not rewrite the tail",
			list(str("a"), str("b"), str("c")), list(str("a"), str("x"), str("b"), str("c")),
			[]string{"add [1]: absent => x"},
		},
		{
			"remove counts in the old list, change in the new",
			list(str("a"), str("b"), server("c", 1)), list(str("b"), server("c", 2)),
			[]string{"remove [0]: a => absent", "change [1].port: 1 => 2"},
		},
		{
			"rotate", list(num(1), num(2), num(3)), list(num(2), num(3), num(1)),
			[]string{"remove [0]: 1 => absent", "add [2]: absent => 1"},
		},
		{
			"like goes with like beside an insert",
			list(server("a", 80), server("b", 80)),
			list(server("new", 80), server("a", 81), server("b", 80)),
			[]string{"add [0]: absent => map[name:new port:80]", "change [1].port: 80 => 81"},
		},
		{
			"one of two is dropped, the other changed",
			list(server("a", 80), server("b", 80)), list(server("b", 81)),
			[]string{"remove [0]: map[name:a port:80] => absent", "change [0].port: 80 => 81"},
		},
		{
			"secrets do not say which belong together",
			list(obj(attrs{"name": secret(str("a")), "port": num(1)}), obj(attrs{"name": secret(str("b")), "port": num(2)})),
			list(obj(attrs{"name": secret(str("b")), "port": num(3)})),
			[]string{"change [0].name: secret(a) => secret(b) (sensitive)", "change [0].port: 1 => 3", "remove [1]: map[name:secret(b) port:2] => absent"},
		},
		{
			"lists in lists", list(list(num(1), num(2))), list(list(num(0), num(1), num(2))),
			[]string{"add [0][0]: absent => 0"},
		},
		{
			"marked leaf", obj(attrs{"a": secret(str("x")), "b": num(1)}), obj(attrs{"a": secret(str("y")), "b": num(1)}),
			[]string{"change a: secret(x) => secret(y) (sensitive)"},
		},
		{
			"below a mark", obj(attrs{"a": secret(obj(attrs{"p": str("x"), "q": num(1)}))}), obj(attrs{"a": secret(obj(attrs{"p": str("y"), "q": num(1)}))}),
			[]string{"change a: secret(map[p:x q:1]) => secret(map[p:y q:1]) (sensitive)"},
		},
		{
			"marked on one side", obj(attrs{"a": secret(str("x"))}), obj(attrs{"a": str("y")}),
			[]string{"change a: secret(x) => y (sensitive)"},
		},
		{"marks alone", secret(str("x")), str("x"), nil},
		{"equal below a mark", secret(list(num(1))), secret(list(num(1))), nil},
		{
			"marked member of a list", list(secret(str("x")), num(1)), list(num(0), secret(str("x")), num(1)),
			[]string{"add [0]: absent => 0"},
		},
		{
			"an added object may hold marks", obj(attrs{}), obj(attrs{"a": obj(attrs{"p": secret(str("x"))})}),
			[]string{"add a: absent => map[p:secret(x)]"},
		},
		{"unknown", obj(attrs{"a": num(1)}), obj(attrs{"a": cty.UnknownVal(cty.Number)}), []string{"change a: 1 => unknown"}},
		{"unknown stays a change", cty.UnknownVal(cty.String), cty.UnknownVal(cty.String), []string{"change : unknown => unknown"}},
		{
			"sets by member", cty.SetVal([]cty.Value{str("a"), str("b.c")}), cty.SetVal([]cty.Value{str("b.c"), str("d")}),
			[]string{`remove ["a"]: a => absent`, `add ["d"]: absent => d`},
		},
		{
			"set of lists", cty.SetVal([]cty.Value{cty.ListVal([]cty.Value{num(1)})}), cty.SetVal([]cty.Value{cty.ListVal([]cty.Value{num(2)})}),
			[]string{`remove ["[1]"]: [1] => absent`, `add ["[2]"]: absent => [2]`},
		},
		{
			"sets of two types", cty.SetVal([]cty.Value{str("1")}), cty.SetVal([]cty.Value{num(1)}),
			[]string{"change : set[1] => set[1]"},
		},
		{"empty sets", cty.SetValEmpty(cty.String), cty.SetValEmpty(cty.Number), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := describe(Values(tt.before, tt.after))
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("Values (-want +got):\n%s", d)
			}
		})
	}
}

// TestHugeMemberOfASet would take a megabyte of digits to name the member.
func TestHugeMemberOfASet(t *testing.T) {
	huge := cty.SetVal([]cty.Value{cty.MustParseNumberVal("1e1000000")})
	got := Values(cty.SetValEmpty(cty.Number), huge)
	if len(got) != 1 || len(got[0].Path.String()) > 300 {
		t.Errorf("%d changes, want one with a short path", len(got))
	}
}

func TestPathString(t *testing.T) {
	key := func(s string) Step { return Step{Kind: Key, Name: s} }
	for _, tt := range []struct {
		path Path
		want string
	}{
		{nil, ""},
		{Path{key("a"), key("b"), indexStep(0), key("x.y")}, `a.b[0]["x.y"]`},
		{Path{key("x y"), key("a-b"), key("-a"), key("1a"), key("")}, `["x y"].a-b["-a"]["1a"][""]`},
		{Path{indexStep(3), key("grün"), {Kind: Element, Name: "m"}}, `[3].grün["m"]`},
		{Path{key("q\"\\\n\r\t${x} %{y} $x \x1b\u202e\U000E0001")}, `["q\"\\\n\r\t$${x} %%{y} $x \u001b\u202e\U000e0001"]`},
	} {
		if got := tt.path.String(); got != tt.want {
			t.Errorf("String = %s, want %s", got, tt.want)
		}
	}
}

func TestApplyRefusesWhatDoesNotFit(t *testing.T) {
	at := func(action string, steps ...Step) Change {
		c := Change{Path: steps, Action: action}
		if action != ActionRemove {
			c.After = num(9)
		}
		return c
	}
	key := func(s string) Step { return Step{Kind: Key, Name: s} }
	member := Step{Kind: Element, Name: "x"}
	o := obj(attrs{"a": num(1), "l": list(num(1))})
	set := cty.SetVal([]cty.Value{str("x")})
	for _, tt := range []struct {
		name    string
		value   cty.Value
		changes []Change
	}{
		{"remove of an absent key", o, []Change{at(ActionRemove, key("x"))}},
		{"change of an absent key", o, []Change{at(ActionChange, key("x"))}},
		{"add of a key that is there", o, []Change{at(ActionAdd, key("a"))}},
		{"below an absent key", o, []Change{at(ActionAdd, key("x"), key("y"))}},
		{"below a number", o, []Change{at(ActionAdd, key("a"), key("y"))}},
		{"index into an object", o, []Change{at(ActionChange, indexStep(0))}},
		{"key into a list", o, []Change{at(ActionChange, key("l"), key("x"))}},
		{"remove beyond the end", o, []Change{at(ActionRemove, key("l"), indexStep(1))}},
		{"add beyond the end", o, []Change{at(ActionAdd, key("l"), indexStep(2))}},
		{"change beyond the end", o, []Change{at(ActionChange, key("l"), indexStep(1))}},
		{"negative index", o, []Change{at(ActionAdd, key("l"), indexStep(-1))}},
		{"twice", o, []Change{at(ActionChange, key("a")), at(ActionChange, key("a"))}},
		{"null", cty.NullVal(cty.EmptyObject), []Change{at(ActionAdd, key("a"))}},
		{"absent", cty.NilVal, []Change{at(ActionAdd, key("a"))}},
		{"member of another type", set, []Change{at(ActionAdd, member)}},
		{"member that is not there", set, []Change{{Path: Path{member}, Action: ActionRemove, Before: str("y")}}},
		{"change in a set", set, []Change{at(ActionChange, member)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := Apply(tt.value, tt.changes); err == nil || got != cty.NilVal {
				t.Errorf("Apply = %#v, %v; want an error", got, err)
			}
		})
	}
}

func TestApplyKeepsTypesWhereItCan(t *testing.T) {
	for _, tt := range []struct{ before, after, want cty.Value }{
		{cty.ListVal([]cty.Value{num(1)}), list(num(1), num(2)), cty.ListVal([]cty.Value{num(1), num(2)})},
		{cty.ListVal([]cty.Value{num(1)}), list(num(1), str("x")), list(num(1), str("x"))},
		{cty.ListVal([]cty.Value{num(1)}), list(), cty.ListValEmpty(cty.Number)},
		{cty.MapVal(attrs{"a": num(1)}), obj(attrs{"a": num(2)}), cty.MapVal(attrs{"a": num(2)})},
		{cty.MapVal(attrs{"a": num(1)}), obj(attrs{}), cty.MapValEmpty(cty.Number)},
		{cty.MapVal(attrs{"a": num(1)}), obj(attrs{"a": str("x")}), obj(attrs{"a": str("x")})},
		{cty.SetVal([]cty.Value{num(1)}), cty.SetValEmpty(cty.Number), cty.SetValEmpty(cty.Number)},
	} {
		got, err := Apply(tt.before, Values(tt.before, tt.after))
		if err != nil || !got.RawEquals(tt.want) {
			t.Errorf("%#v to %#v: %#v, %v; want %#v", tt.before, tt.after, got, err, tt.want)
		}
	}
}

// TestAlignedMembersAreStillCompared uses that unknown values share a fingerprint and are never
// equal: what aligns must not be taken for equal.
func TestAlignedMembersAreStillCompared(t *testing.T) {
	unknown := cty.UnknownVal(cty.Number)
	before := list(num(0), unknown, num(1))
	got := describe(Values(before, list(unknown, num(2))))
	want := []string{"remove [0]: 0 => absent", "change [0]: unknown => unknown", "change [1]: 1 => 2"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Values (-want +got):\n%s", d)
	}
}

func TestDeepValues(t *testing.T) {
	nest := func(leaf cty.Value) cty.Value {
		for range 2000 {
			leaf = obj(attrs{"a": list(leaf)})
		}
		return leaf
	}
	if got := Values(nest(num(1)), nest(num(2))); len(got) != 1 || len(got[0].Path) != 4000 {
		t.Errorf("%d changes", len(got))
	}
}

func BenchmarkValues(b *testing.B) {
	// About 5 MB as JSON: 30,000 objects of some 170 bytes, 20,000 of them in a map.
	config := func(port func(i int) int64, from int) cty.Value {
		var members []cty.Value
		for i := from; i < 20_000; i++ {
			members = append(members, obj(attrs{
				"name": str(fmt.Sprintf("service-%d.internal.example", i)), "port": num(port(i)),
				"tags": list(str("eu-west-1"), str("blue"), num(int64(i%7))), "enabled": cty.True,
				"limits": obj(attrs{"cpu": cty.NumberFloatVal(0.5), "memory": str("512Mi"), "note": cty.NullVal(cty.String)}),
			}))
		}
		byName := attrs{}
		for i, v := range members {
			byName[fmt.Sprintf("k%d", i)] = v
		}
		return obj(attrs{"list": list(members[:len(members)/2]...), "map": obj(byName)})
	}
	plainPort := func(i int) int64 { return int64(i) }
	before := config(plainPort, 0)
	for name, after := range map[string]cty.Value{
		"equal":            config(plainPort, 0),
		"100 changes":      config(func(i int) int64 { return int64(i) + int64(b2i(i%300 == 0)) }, 0),
		"all changed":      config(func(i int) int64 { return int64(i) + 1 }, 0),
		"one removed":      config(plainPort, 1),
		"all lists differ": config(func(i int) int64 { return -1 }, 7),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Values(before, after)
			}
		})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
