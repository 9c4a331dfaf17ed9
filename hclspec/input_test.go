package hclspec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func TestPrecedenceOfInputs(t *testing.T) {
	spec := load(t, "main.hcl", `
variable "a" { default = "default" }
variable "b" { default = "default" }
variable "c" { default = "default" }
variable "d" { default = "default" }
variable "e" { default = "default" }
variable "f" { default = "default" }
variable "g" { default = "default" }
`,
		"tidegate.hclvars", "c = \"hclvars\"\nd = \"hclvars\"\ne = \"hclvars\"\nf = \"hclvars\"\ng = \"hclvars\"\n",
		"tidegate.hclvars.json", `{"d": "json", "e": "json", "f": "json", "g": "json"}`,
		"b.auto.hclvars", "e = \"b.auto\"\nf = \"b.auto\"\ng = \"b.auto\"\n",
		"a.auto.hclvars.json", `{"e": "a.auto", "f": "a.auto", "g": "a.auto"}`,
		"late.hclvars", "f = \"var-file\"\ng = \"var-file\"\n")
	inputs, diags := CollectInputs(spec, InputOptions{
		Environ: []string{"TIDEGATE_VAR_b=env", "TIDEGATE_VAR_c=env", "TIDEGATE_VAR_unknown=x", "PATH=/bin", "b=no"},
		Flags:   []InputFlag{{"var", "f=var"}, {"var", "g=var"}, {"var-file", filepath.Join(spec.Dir, "late.hclvars")}, {"var", "g=last=one"}},
	})
	if len(diags) > 0 {
		t.Fatal(messages(diags))
	}
	values, diags := spec.VariableValues(inputs, false)
	if len(diags) > 0 {
		t.Fatal(messages(diags))
	}
	for name, want := range map[string]string{"a": "default", "b": "env", "c": "hclvars", "d": "json", "e": "b.auto", "f": "var-file", "g": "last=one"} {
		if got := values[name].AsString(); got != want {
			t.Errorf("var.%s = %q, want %q", name, got, want)
		}
	}
	if got := len(spec.InputFiles(spec.Dir)); got != 4 {
		t.Errorf("%d input files, want 4", got)
	}
}

func TestRawValuesFollowTheType(t *testing.T) {
	spec := load(t, "main.hcl", `
variable "text" { type = string }
variable "number" { type = number }
variable "bool" { type = bool }
variable "list" { type = list(string) }
variable "object" { type = object({ a = string, b = optional(number, 7) }) }
variable "any" { type = any }
variable "untyped" {}
`)
	inputs, diags := CollectInputs(spec, InputOptions{Flags: []InputFlag{
		{"var", `text=["x"]`},
		{"var", "number=9007199254740993"},
		{"var", "bool=true"},
		{"var", `list=["a", "b"]`},
		{"var", `object={ a = 1 }`},
		{"var", `any=[1]`},
		{"var", `untyped=[1]`},
	}})
	if len(diags) > 0 {
		t.Fatal(messages(diags))
	}
	got, diags := spec.VariableValues(inputs, false)
	if len(diags) > 0 {
		t.Fatal(messages(diags))
	}
	for name, want := range map[string]cty.Value{
		"text":    cty.StringVal(`["x"]`),
		"number":  cty.MustParseNumberVal("9007199254740993"),
		"bool":    cty.True,
		"list":    cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}),
		"object":  cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("1"), "b": cty.NumberIntVal(7)}),
		"any":     cty.TupleVal([]cty.Value{cty.NumberIntVal(1)}),
		"untyped": cty.StringVal("[1]"),
	} {
		if !got[name].RawEquals(want) {
			t.Errorf("var.%s = %#v, want %#v", name, got[name], want)
		}
	}
}

func TestMistakesInInputs(t *testing.T) {
	const vars = "variable \"url\" { default = \"\" }\nvariable \"list\" {\n  type = list(string)\n  default = []\n}\n"
	for name, c := range map[string]struct {
		flags []InputFlag
		files []string
		want  []string
	}{
		"undeclared by --var":      {[]InputFlag{{"var", "urll=x"}}, nil, []string{"error: Undeclared variable", `Did you mean "url"?`}},
		"undeclared in a file":     {nil, []string{"tidegate.hclvars", "urll = 1\n"}, []string{"tidegate.hclvars:1,1-5: warning: Undeclared variable", `Did you mean "url"?`}},
		"no equals sign":           {[]InputFlag{{"var", "url"}}, nil, []string{"Invalid --var"}},
		"blanks":                   {[]InputFlag{{"var", "url = x"}}, nil, []string{"has blanks around it"}},
		"missing file":             {[]InputFlag{{"var-file", "/nowhere/x.hclvars"}}, nil, []string{"File cannot be read", "no such file"}},
		"reference in a file":      {nil, []string{"x.auto.hclvars", "url = var.list\n"}, []string{"x.auto.hclvars:1,7-10: error: Variables not allowed"}},
		"block in a file":          {nil, []string{"x.auto.hclvars", "url {}\n"}, []string{"x.auto.hclvars:1,1-4"}},
		"nesting in a file":        {nil, []string{"x.auto.hclvars", "url = " + strings.Repeat("[", 150_000)}, []string{"Nesting too deep"}},
		"nesting in json":          {nil, []string{"x.auto.hclvars.json", strings.Repeat("[", 150_000)}, []string{"Nesting too deep"}},
		"unknown option":           {[]InputFlag{{"vra", "url=x"}}, nil, []string{"Unknown option"}},
		"one message for one file": {nil, []string{"x.auto.hclvars", "url = \"\xff\"\n"}, []string{"Invalid UTF-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := load(t, append([]string{"main.hcl", vars}, c.files...)...)
			_, diags := CollectInputs(spec, InputOptions{Flags: c.flags})
			wantMessage(t, diags, c.want...)
		})
	}
	for _, raw := range []string{"[", "a.b", "1 2", strings.Repeat("(", 150_000)} {
		spec := load(t, "main.hcl", vars)
		if _, diags := CollectInputs(spec, InputOptions{Flags: []InputFlag{{"var", "list=" + raw}}}); !diags.HasErrors() {
			t.Errorf("--var list=%.10s passed", raw)
		}
	}
}

func TestNullableAndSensitive(t *testing.T) {
	spec := load(t, "main.hcl", `
variable "a" {
  type     = string
  nullable = false
  default  = "x"
}
variable "b" {
  type     = string
  nullable = false
}
variable "c" {
  sensitive = true
  type      = list(string)
}
`)
	null := VariableInput{Value: cty.NullVal(cty.DynamicPseudoType), Source: "--var"}
	secret := VariableInput{Value: cty.TupleVal([]cty.Value{cty.StringVal("s")}), Source: "--var"}
	values, diags := spec.VariableValues(map[string]VariableInput{"a": null, "b": null, "c": secret}, false)
	wantMessage(t, diags, "var.b is not nullable")
	if got := values["a"]; got.AsString() != "x" {
		t.Errorf("null for a variable that is not nullable gives %#v, want the default", got)
	}
	if !values["c"].HasMark(Sensitive) {
		t.Error("var.c is not marked")
	}
	values, diags = spec.VariableValues(nil, true)
	if len(diags) > 0 {
		t.Error(messages(diags))
	}
	if got := values["b"]; got.IsKnown() || got.Type() != cty.String {
		t.Errorf("a missing value is %#v, want an unknown string", got)
	}
	if _, diags := spec.VariableValues(nil, false); len(diags) != 1 || !strings.Contains(diags[0].Detail, "var.b and var.c have") {
		t.Errorf("missing values: %s", messages(diags))
	}
}

func TestASensitiveValueIsNotShown(t *testing.T) {
	spec := load(t, "main.hcl", `
variable "a" {
  sensitive = true
  type      = map(number)
}
`)
	for _, raw := range []string{`{ hunter2 = "hunter2" }`, `hunter2`, `{ "hunter2" `, `hunter2()`} {
		inputs, diags := CollectInputs(spec, InputOptions{Flags: []InputFlag{{"var", "a=" + raw}}})
		_, more := spec.VariableValues(inputs, false)
		if got := messages(append(diags, more...)); strings.Contains(got, "hunter2") {
			t.Errorf("--var a=%s shows the value:\n%s", raw, got)
		}
	}
	if err := os.WriteFile(filepath.Join(spec.Dir, "tidegate.hclvars"), []byte("a = \"hunter2\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	inputs, _ := CollectInputs(spec, InputOptions{})
	if _, diags := spec.VariableValues(inputs, false); len(diags) != 1 || diags[0].Subject != nil {
		t.Errorf("a snippet of the file would show the value: %s", messages(diags))
	}
}
