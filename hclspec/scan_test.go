package hclspec

import (
	"strings"
	"testing"
)

func TestBombsAreRefusedBeforeTheParse(t *testing.T) {
	for name, src := range map[string]string{
		"a.hcl":      "a = " + strings.Repeat("[", 150_000),
		"b.hcl":      "a = " + strings.Repeat(`"${`, 150_000),
		"c.hcl":      strings.Repeat("a {", 150_000),
		"d.hcl.json": strings.Repeat(`{"a":`, 150_000),
		"e.hcl.json": `{"a": "${` + strings.Repeat("(", 150_000) + `"}`,
	} {
		if _, diags := parseBytes([]byte(src), name); !diags.HasErrors() {
			t.Errorf("%s: no error", name)
		}
	}
}

// The longest chain that passes must be evaluated without trouble.
func TestLongestChainsCanBeEvaluated(t *testing.T) {
	for _, src := range []string{"1" + strings.Repeat("+1", 9_990), strings.Repeat("-", 9_990) + "1", strings.Repeat("true ? 1 : ", 4_900) + "1"} {
		expr, diags := parseExpression(src, "chain")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if _, diags := expr.Value(nil); diags.HasErrors() {
			t.Error(diags)
		}
		expr.Variables()
	}
}
