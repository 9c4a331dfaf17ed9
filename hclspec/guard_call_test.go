package hclspec

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// What a library says of its arguments may quote them, and it knows of no marks.
func TestErrorsOfFunctionsQuoteNoSecrets(t *testing.T) {
	vars := map[string]cty.Value{
		"s": cty.StringVal("hunter2").Mark(Sensitive),
		"l": cty.ListVal([]cty.Value{cty.StringVal("hunter2").Mark(Sensitive)}),
	}
	funcs := Functions(FunctionOptions{ModuleDir: t.TempDir()})
	for _, src := range []string{
		`cidrhost(s, 1)`, `cidrnetmask(s)`, `cidrsubnet(s, 1, 1)`, `cidrsubnets(s, 1)`, `uuidv5(s, "x")`, `rsadecrypt(s, "x")`, `timeadd(s, "1h")`,
		`timeadd("2020-01-01T00:00:00Z", s)`, `formatdate(s, "2020-01-01T00:00:00Z")`, `formatdate("YYYY", s)`, `parseint(s, 10)`, `regex(s, "[")`,
		`regex("[${s}", "x")`, `jsondecode(s)`, `yamldecode("${s}: [")`, `csvdecode("${s},${s}\nx")`, `base64decode(s)`, `textencodebase64("x", s)`,
		`replace("x", "/[${s}/", "y")`, `format("%${s}", 1)`, `format("%d", s)`, `tonumber(s)`, `zipmap(l, [])`, `cidrhost(l..., 1)`, `cidrsubnets(l...)`,
		`upper(cidrhost(s, 1))`, `[for x in l : cidrhost(x, 1)]`, `templatestring("$${cidrhost(v, 1)}", { v = s })`,
	} {
		expr, diags := parseExpression(src, "x")
		if !diags.HasErrors() {
			v, more := expr.Value(&hcl.EvalContext{Functions: funcs, Variables: vars})
			if diags = more; !diags.HasErrors() && !v.ContainsMarked() {
				t.Errorf("%s: neither an error nor a secret", src)
			}
		}
		if strings.Contains(diags.Error(), "hunter2") {
			t.Errorf("%s: %v", src, diags)
		}
	}
}

func TestPanicsOfFunctionsReadAsErrors(t *testing.T) {
	funcs := map[string]function.Function{"broken": function.New(&function.Spec{
		Type: function.StaticReturnType(cty.String),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { panic("a bug") },
	})}
	_, diags := eval(t, "broken()", funcs, nil)
	if want := `Call to function "broken" failed: it has no result for these arguments.`; len(diags) != 1 || diags[0].Detail != want {
		t.Errorf("%v", diags)
	}
}
