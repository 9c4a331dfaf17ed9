package decode

import (
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func parsePaths(t *testing.T, texts ...string) []Path {
	t.Helper()
	var ps []Path
	for _, s := range texts {
		p, err := ParsePath(s)
		if err != nil {
			t.Fatal(err)
		}
		if p.String() != s {
			t.Errorf("ParsePath(%s).String() = %s", s, p)
		}
		ps = append(ps, p)
	}
	return ps
}

func TestWithout(t *testing.T) {
	for _, c := range []struct {
		in     string
		ignore []string
		want   string
	}{
		{`{"generated_at":1,"a":2}`, []string{"generated_at"}, `{"a":2}`},
		{`{"meta":{"x":{"ts":1,"v":1},"y":{"ts":2}},"ts":3}`, []string{"meta.*.ts"}, `{"meta":{"x":{"v":1},"y":{}},"ts":3}`},
		{`{"items":[{"ts":1},{"ts":2,"v":1},3]}`, []string{"items[*].ts"}, `{"items":[{},{"v":1},3]}`},
		{`{"items":[{"ts":1}]}`, []string{"items.*.ts"}, `{"items":[{}]}`},
		{`{"a":{"b.c":1,"b":{"c":2}}}`, []string{`a["b.c"]`}, `{"a":{"b":{"c":2}}}`},
		{`{"a":[1,2,3]}`, []string{"a[0]", "a[2]", "a[9]"}, `{"a":[2]}`},
		{`{"a":[1,2,3]}`, []string{"a.0"}, `{"a":[2,3]}`},
		{`{"a":{"0":1,"1":2}}`, []string{"a.0"}, `{"a":{"1":2}}`},
		{`{"a":{"0":1}}`, []string{"a[0]"}, `{"a":{"0":1}}`},
		{`[[1,2],[3,4]]`, []string{"[*][0]"}, `[[2],[4]]`},
		{`{"a":1,"b":2}`, []string{"*"}, `{}`},
		{`[1,2]`, []string{"[*]"}, `[]`},
		{`{"a":1}`, []string{"a.b", "x.y.z", "a[0]"}, `{"a":1}`},
		{`{"a":null}`, []string{"a.b"}, `{"a":null}`},
		{`{"a":{"b":1,"c":1}}`, []string{"a.b", "a"}, `{}`},
		{`{"é":1,"x":2}`, []string{"e\u0301"}, `{"x":2}`},
		{`{"a*":1,"ab":2}`, []string{`["a*"]`}, `{"ab":2}`},
		{`{"my-key":1,"x":2}`, []string{"my-key"}, `{"x":2}`},
		{`1`, []string{"a"}, `1`},
	} {
		v := mustDecode(t, JSON, c.in)
		ignore := parsePaths(t, c.ignore...)
		if got := toJSON(t, Without(v, ignore)); got != c.want {
			t.Errorf("%s less %v\n got %s\nwant %s", c.in, c.ignore, got, c.want)
		}
		if mustKey(t, v, ignore...) != mustKey(t, mustDecode(t, JSON, c.want)) {
			t.Errorf("%s less %v: the key is not that of %s", c.in, c.ignore, c.want)
		}
	}
}

func TestWithoutKeepsTypesAndMarks(t *testing.T) {
	list := cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")})
	if got := Without(list, parsePaths(t, "x", "[5]")); !got.RawEquals(list) {
		t.Errorf("an untouched list became %#v", got)
	}
	if got := Without(list, nil); !got.RawEquals(list) {
		t.Errorf("got %#v", got)
	}
	set := cty.SetVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")})
	if got := Without(set, parsePaths(t, "[0]")); !got.RawEquals(set) {
		t.Errorf("the elements of a set have no index, but got %#v", got)
	}
	m := cty.MapVal(map[string]cty.Value{"a": cty.True, "b": cty.False.Mark("inner")}).Mark("outer")
	want := cty.ObjectVal(map[string]cty.Value{"b": cty.False.Mark("inner")}).Mark("outer")
	if got := Without(m, parsePaths(t, "a")); !got.RawEquals(want) {
		t.Errorf("got %#v", got)
	}
	unknown := cty.ObjectVal(map[string]cty.Value{"a": cty.DynamicVal, "b": cty.UnknownVal(cty.List(cty.String))})
	if got := Without(unknown, parsePaths(t, "a.x", "b[0]")); !got.RawEquals(unknown) {
		t.Errorf("got %#v", got)
	}
	if got := Without(list, []Path{{}}); !got.RawEquals(list) {
		t.Error("the zero path names something")
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, s := range []string{
		"", ".", ".a", "a.", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[01]", `a["b]`, `a["b"`, `a["b"]c`, "a]", `a"b`, "a b",
		"a*", "**", "a.b*", "a.[0]", `a["\q"]`, "[*", "[0]b", "a[99999999999]",
	} {
		if p, err := ParsePath(s); err == nil {
			t.Errorf("ParsePath(%q) = %+v", s, p)
		}
	}
}
