package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/diff"
	"tidegate/hclspec/decode"
	"tidegate/hclspec/mark"
)

func TestWhatIsFilledLaterIsUnknown(t *testing.T) {
	secret := cty.StringVal("s").Mark(mark.Sensitive)
	attrs := func(stdin, x, token cty.Value) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{
			"command": cty.TupleVal([]cty.Value{cty.StringVal("tell"), stdin}), "stdin": stdin,
			"env": cty.MapVal(map[string]cty.Value{"A.B": x, "Y": cty.StringVal("y")}), "token": token,
		})
	}
	later := cty.UnknownVal(cty.String)
	paths := UnknownPaths(attrs(later, later, later.Mark(mark.Sensitive)))
	if d := cmp.Diff([]string{"command[1]", `env["A.B"]`, "stdin", "token"}, paths); d != "" {
		t.Errorf("unknown paths (-want +got):\n%s", d)
	}
	c := &SinkChange{After: Of(attrs(cty.StringVal(""), cty.StringVal(""), secret)), Filled: paths}
	got := c.Shown()
	if again := UnknownPaths(got.Value); !cmp.Equal(again, paths) {
		t.Errorf("shown as unknown: %v, want %v", again, paths)
	}
	if !got.GetAttr("token").IsMarked() || !got.GetAttr("env").Index(cty.StringVal("Y")).RawEquals(cty.StringVal("y")) {
		t.Errorf("shown: %#v", got.Value)
	}
	if c := (&SinkChange{After: c.After}); !c.Shown().RawEquals(c.After.Value) {
		t.Error("nothing is filled in, and something is unknown")
	}
}

func TestIgnoredPlacesAreVolatile(t *testing.T) {
	path := func(s string) decode.Path {
		p, err := decode.ParsePath(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	number := func(n int64) cty.Value { return cty.NumberIntVal(n) }
	value := func(n int64) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{
			"at": number(n), "list": cty.TupleVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"at": number(n), "v": number(n)})}),
			"meta": cty.ObjectVal(map[string]cty.Value{"deep": cty.ObjectVal(map[string]cty.Value{"x": number(n)})}),
		})
	}
	changes := diff.Values(value(1), value(2))
	var volatile []string
	for _, c := range markVolatile(shownChanges(changes), changes, []decode.Path{path("at"), path("list[*].at"), path("meta")}) {
		if c.Volatile {
			volatile = append(volatile, c.Path)
		}
	}
	if d := cmp.Diff([]string{"at", "list[0].at", "meta.deep.x"}, volatile); d != "" {
		t.Errorf("volatile (-want +got):\n%s", d)
	}
}
