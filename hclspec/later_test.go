package hclspec

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// An expression without its syntax tree is where it was and means what it meant.
func TestLaterMeansTheSame(t *testing.T) {
	for name, tt := range map[string]struct {
		text  string
		whole bool // the syntax tree has to stay
	}{
		"text":            {text: `"größe"`},
		"escapes":         {text: `"a\"b\n$${x}"`},
		"number":          {text: `1.50`},
		"list":            {text: `[local.b, "x", [true, null]]`},
		"template":        {text: `"${local.b}/x-${upper("y")}"`},
		"wrapped":         {text: `"${local.b}"`},
		"object":          {text: `{ a = 1, "b c" = local.b, "${local.b}" = [] }`},
		"function":        {text: `try(env.NOBODY_SETS_THIS, file("x"), local.b)`},
		"index":           {text: `local.list[0]`},
		"mistake":         {text: `local.b.c`},
		"several lines":   {text: "[\n  1,\n]", whole: true},
		"heredoc":         {text: "<<EOT\nx ${local.b}\nEOT", whole: true},
		"calculation":     {text: `(1 + 2) * 3`, whole: true},
		"for expression":  {text: `[for x in local.list : x]`, whole: true},
		"parts of a list": {text: `[1 + 1]`, whole: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := "# ä\nlocals { before = \"ü\" }\nlocals {\n  a = " + tt.text + "\n}\n"
			if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			spec, diags := Load(dir)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			expr := spec.Locals["a"].Expr
			small := spec.Later(expr)
			if _, is := small.(*later); is == tt.whole {
				t.Fatalf("%T", small)
			}
			if again := spec.Later(small); again != small {
				t.Errorf("a second time it is %T", again)
			}
			if d := cmp.Diff(aspects(expr), aspects(small)); d != "" {
				t.Errorf("(-syntax +later)\n%s", d)
			}
		})
	}
}

func TestLaterLeavesJSON(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl.json"), []byte(`{"locals":{"a":"x"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	spec, diags := Load(dir)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if expr := spec.Locals["a"].Expr; spec.Later(expr) != expr {
		t.Errorf("it became %T", spec.Later(expr))
	}
}

// aspects is all that anybody asks of an expression.
func aspects(expr hcl.Expression) []string {
	ctx := &hcl.EvalContext{Functions: Functions(FunctionOptions{}), Variables: map[string]cty.Value{
		"local": cty.ObjectVal(map[string]cty.Value{"b": cty.StringVal("bee"), "list": cty.TupleVal([]cty.Value{cty.Zero})}),
		"env":   cty.EmptyObjectVal,
	}}
	v, diags := expr.Value(ctx)
	out := []string{
		fmt.Sprint(expr.Range(), expr.StartRange()), fmt.Sprintf("%#v", v), fmt.Sprint(diags),
		fmt.Sprint("reads files: ", ReadsFiles(expr)),
	}
	for _, d := range diags {
		out = append(out, fmt.Sprint(d.Subject, d.Context, d.Expression.Range()))
	}
	for _, traversal := range expr.Variables() {
		out = append(out, fmt.Sprint("refers to ", traversal.SourceRange(), traversal.RootName()))
	}
	items, diags := hcl.ExprList(expr)
	for _, item := range items {
		out = append(out, fmt.Sprint("item ", item.Range()))
	}
	traversal, more := hcl.AbsTraversalForExpr(expr)
	return append(out, fmt.Sprint(diags.HasErrors(), more.HasErrors(), len(traversal)))
}
