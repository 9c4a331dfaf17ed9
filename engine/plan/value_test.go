package plan

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"tidegate/hclspec/mark"
)

type attrs = map[string]cty.Value

func secret(v cty.Value) cty.Value { return v.Mark(mark.Sensitive) }

func TestShapesOfAValue(t *testing.T) {
	type (
		object = map[string]any
		list   = []any
	)
	str := cty.StringVal
	for _, c := range []struct {
		name                      string
		v                         cty.Value
		plain, sensitive, unknown any
	}{
		{"absent", cty.NilVal, nil, false, false},
		{"null", cty.NullVal(cty.String), nil, false, false},
		{"string", str("a"), "a", false, false},
		{"bool", cty.True, true, false, false},
		{"number", cty.MustParseNumberVal("12345678901234567890.5"), json.Number("12345678901234567890.5"), false, false},
		{"secret", secret(str("a")), nil, true, false},
		{"unknown", cty.UnknownVal(cty.String), nil, false, true},
		{"unknown of any type", cty.DynamicVal, nil, false, true},
		{"unknown secret", secret(cty.UnknownVal(cty.String)), nil, true, true},
		{"secret null", secret(cty.NullVal(cty.String)), nil, true, false},
		{"no attributes", cty.EmptyObjectVal, object{}, object{}, object{}},
		{"no members", cty.EmptyTupleVal, list{}, list{}, list{}},
		{
			"attributes", cty.ObjectVal(attrs{"a": str("x"), "b": secret(str("y")), "c": cty.UnknownVal(cty.Bool)}),
			object{"a": "x", "b": nil, "c": nil},
			object{"b": true},
			object{"c": true},
		},
		{"map", cty.MapVal(attrs{"a": str("x"), "b": secret(str("y"))}), object{"a": "x", "b": nil}, object{"b": true}, object{}},
		{"secret map", secret(cty.MapVal(attrs{"a": str("x")})), nil, true, object{}},
		{
			"list", cty.ListVal([]cty.Value{str("x"), secret(str("y")), cty.UnknownVal(cty.String)}),
			list{"x", nil, nil},
			list{false, true, false},
			list{false, false, true},
		},
		{"set", cty.SetVal([]cty.Value{str("x")}), list{"x"}, false, false},
		{
			"nested", cty.ObjectVal(attrs{
				"plain":  cty.ObjectVal(attrs{"a": str("x")}),
				"list":   cty.TupleVal([]cty.Value{str("x"), cty.EmptyTupleVal}),
				"secret": cty.ObjectVal(attrs{"a": str("x"), "b": cty.TupleVal([]cty.Value{str("x"), secret(str("y"))})}),
			}),
			object{"plain": object{"a": "x"}, "list": list{"x", list{}}, "secret": object{"a": "x", "b": list{"x", nil}}},
			object{"secret": object{"b": list{false, true}}},
			object{},
		},
	} {
		v := Of(c.v)
		if diff := cmp.Diff(c.plain, v.Plain()); diff != "" {
			t.Errorf("%s: plain (-want +got):\n%s", c.name, diff)
		}
		if diff := cmp.Diff(c.sensitive, v.Sensitive()); diff != "" {
			t.Errorf("%s: sensitive (-want +got):\n%s", c.name, diff)
		}
		if diff := cmp.Diff(c.unknown, v.Unknown()); diff != "" {
			t.Errorf("%s: unknown (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestJSONOfAValue(t *testing.T) {
	for _, c := range []struct {
		name string
		v    cty.Value
		want string
	}{
		{"absent", cty.NilVal, `null`},
		{"null", cty.NullVal(cty.String), `{"value":null,"type":"string"}`},
		{"string", cty.StringVal("a"), `{"value":"a","type":"string"}`},
		{"secret", secret(cty.NumberIntVal(1234)), `{"value":"(sensitive value)","type":"string","sensitive":[[]]}`},
		{
			"secret inside", cty.ObjectVal(attrs{"a": secret(cty.True), "b": cty.True}),
			`{"value":{"a":"(sensitive value)","b":true},"type":["object",{"a":"string","b":"bool"}],"sensitive":[["a"]]}`,
		},
		{
			"unknown inside", cty.TupleVal([]cty.Value{cty.True, secret(cty.UnknownVal(cty.String)), cty.UnknownVal(cty.Bool)}),
			`{"value":[true,"(sensitive value)",null],"type":["tuple",["bool","string","bool"]],"sensitive":[[1]],"unknown":[[1],[2]]}`,
		},
	} {
		data, err := json.Marshal(Of(c.v))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if string(data) != c.want {
			t.Errorf("%s: %s, want %s", c.name, data, c.want)
		}
	}
}

// Unknown members keep the types of lists, maps and sets of objects in agreement.
func TestJSONOfUnknownMembers(t *testing.T) {
	unknown, known := cty.ObjectVal(attrs{"a": cty.UnknownVal(cty.String)}), cty.ObjectVal(attrs{"a": cty.StringVal("x")})
	for _, v := range []cty.Value{
		cty.ListVal([]cty.Value{unknown, known}),
		cty.SetVal([]cty.Value{unknown, known}),
		cty.MapVal(attrs{"k": unknown, "l": known}),
		cty.MapVal(attrs{"k": cty.ListVal([]cty.Value{cty.UnknownVal(cty.String)}), "l": cty.ListVal([]cty.Value{cty.StringVal("x")})}),
	} {
		text := marshal(t, Of(v))
		var got Value
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.IsWhollyKnown() && !v.Type().IsSetType() {
			t.Errorf("%s is read as %#v with %v", text, got.Value, err)
		}
	}
}

func TestDamagedJSONOfAValueIsAnError(t *testing.T) {
	for _, text := range []string{
		`{`, `7`, `{}`, `{"value":1}`, `{"type":"string"}`, `{"value":{},"type":"string"}`, `{"value":1,"type":"nonsense"}`,
		`{"value":1,"type":"number","sensitive":[["a"]]}`, `{"value":1,"type":"number","sensitive":true}`, `{"value":[1],"type":["tuple",["number"]],"sensitive":[[1]]}`,
	} {
		var v Value
		if err := json.Unmarshal([]byte(text), &v); err == nil {
			t.Errorf("%s is read as %#v", text, v.Value)
		}
	}
}

// canary stands in every secret, whether as a value or as a key of a marked map.
const canary = "CANARY"

// drawn values are secret from the first mark downwards; only there is the canary.
type drawing struct {
	*rapid.T
	unknown bool // parts may be unknown
}

func (d drawing) value(depth int, inSecret bool) cty.Value {
	if !inSecret && rapid.IntRange(0, 4).Draw(d.T, "mark") == 0 {
		return secret(d.value(depth, true))
	}
	text := func() string {
		s := rapid.SampledFrom([]string{"", "x", "ü\"\n", "<tag>"}).Draw(d.T, "text")
		if inSecret {
			s += canary
		}
		return s
	}
	if d.unknown && rapid.IntRange(0, 5).Draw(d.T, "unknown") == 0 {
		return rapid.SampledFrom([]cty.Value{cty.UnknownVal(cty.String), cty.DynamicVal}).Draw(d.T, "of")
	}
	kinds := 4
	if depth > 0 {
		kinds = 9
	}
	n := func() int { return rapid.IntRange(0, 3).Draw(d.T, "length") }
	switch rapid.IntRange(0, kinds-1).Draw(d.T, "kind") {
	case 0:
		return cty.StringVal(text())
	case 1:
		return cty.BoolVal(rapid.Bool().Draw(d.T, "bool"))
	case 2:
		return cty.NumberFloatVal(float64(rapid.Int64Range(-1<<40, 1<<40).Draw(d.T, "number")) / 8)
	case 3:
		return cty.NullVal(rapid.SampledFrom([]cty.Type{cty.String, cty.DynamicPseudoType, cty.Map(cty.Number)}).Draw(d.T, "null of"))
	case 4:
		members := attrs{}
		for i := range n() {
			members[fmt.Sprint("k", i, text())] = d.value(depth-1, inSecret)
		}
		return cty.ObjectVal(members)
	case 5:
		var members []cty.Value
		for range n() {
			members = append(members, d.value(depth-1, inSecret))
		}
		return cty.TupleVal(members)
	case 6:
		members := attrs{}
		for i := range n() + 1 {
			members[fmt.Sprint("k", i, text())] = d.text(text(), inSecret)
		}
		return cty.MapVal(members)
	case 7:
		members := []cty.Value{d.text(text(), inSecret)}
		for range n() {
			members = append(members, d.text(text(), inSecret))
		}
		return cty.ListVal(members)
	}
	members := []cty.Value{cty.StringVal(text())}
	for range n() {
		members = append(members, cty.StringVal(text()))
	}
	return cty.SetVal(members)
}

// text is a string that may be secret or unknown by itself.
func (d drawing) text(s string, inSecret bool) cty.Value {
	switch rapid.IntRange(0, 4).Draw(d.T, "member") {
	case 0:
		if !inSecret {
			return secret(cty.StringVal(s + canary))
		}
	case 1:
		if d.unknown {
			return cty.UnknownVal(cty.String)
		}
	}
	return cty.StringVal(s)
}

func marshal(t interface{ Fatalf(string, ...any) }, v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%#v does not marshal: %v", v, err)
	}
	return string(data)
}

// Nothing that a plan may write down of a value holds any part of a secret.
func TestNoSecretIsShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawing{t, rapid.Bool().Draw(t, "with unknowns")}
		before, after := d.value(3, false), d.value(3, false)
		v := Of(after)
		for name, text := range map[string]string{
			"JSON": marshal(t, v), "plain": marshal(t, v.Plain()), "sensitive": marshal(t, v.Sensitive()),
		} {
			if strings.Contains(text, canary) {
				t.Errorf("%s of %#v holds a secret:\n%s", name, after, text)
			}
		}
		if text := marshal(t, ValueChanges(before, after)); strings.Contains(text, canary) {
			t.Errorf("the changes from %#v to %#v hold a secret:\n%s", before, after, text)
		}
	})
}

// The keys of a map that is secret as a whole are secret, too.
func TestUnknownShapeShowsNoSecretKey(t *testing.T) {
	v := secret(cty.MapVal(attrs{canary: cty.UnknownVal(cty.String)}))
	if text := marshal(t, Of(v).Unknown()); strings.Contains(text, canary) {
		t.Errorf("unknown: %s", text)
	}
}

func TestValueSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawing{t, rapid.Bool().Draw(t, "with unknowns")}.value(3, false)
		text := marshal(t, Of(v))
		var got Value
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%s is not read: %v", text, err)
		}
		if !mark.Has(v) && v.IsWhollyKnown() && !got.RawEquals(v) {
			t.Errorf("%#v is read as %#v", v, got.Value)
		}
		for name, of := range map[string]func(Value) any{"plain": Value.Plain, "sensitive": Value.Sensitive, "unknown": Value.Unknown} {
			if name == "unknown" && v.IsMarked() {
				continue // of what is secret as a whole not even the type is kept
			}
			if diff := cmp.Diff(of(Of(v)), of(got)); diff != "" {
				t.Errorf("%#v is read as %#v, %s:\n%s", v, got.Value, name, diff)
			}
		}
	})
}
