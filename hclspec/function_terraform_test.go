package hclspec_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"tidegate/engine/view"
	"tidegate/hclspec"
	"tidegate/hclspec/mark"
)

// With -record they ask the terraform on the PATH anew, which has to be of the version that the
// functions follow. With -update, what our errors say is written to errors.txt.

const recorded = "testdata/terraform"

// recordedHome stands for the home directory, of which pathexpand tells.
const recordedHome = "/home/example"

// A recording is what Terraform says of one expression.
type recording struct {
	Expr   string `json:"expr"`
	Failed bool   `json:"failed,omitempty"`
	Text   string `json:"text,omitempty"` // as the console shows it, where parts are unknown or sensitive
	Type   string `json:"type,omitempty"`
	JSON   string `json:"json,omitempty"` // of jsonencode, with secrets; none of an infinite number
}

func TestFunctionsAnswerAsTerraformRecorded(t *testing.T) {
	t.Setenv("HOME", recordedHome)
	expressions := lines(t, filepath.Join(recorded, "expressions.txt"))
	results := filepath.Join(recorded, "results.jsonl")
	if *record {
		recordAnswers(t, expressions, results)
	}
	var errs strings.Builder
	otherwise := deviations()
	dir := absolute(t, filepath.Join(recorded, "files"))
	funcs := hclspec.Functions(hclspec.FunctionOptions{ModuleDir: dir})
	told := strings.NewReplacer(dir, "DIR")
	ctx := &hcl.EvalContext{Functions: funcs, Variables: map[string]cty.Value{"local": recordedLocals()}}
	for i, line := range lines(t, results) {
		var want recording
		if err := json.Unmarshal([]byte(line), &want); err != nil {
			t.Fatal(err)
		}
		if i >= len(expressions) || want.Expr != expressions[i] {
			t.Fatalf("line %d of %s is about %s: record anew", i+1, results, want.Expr)
		}
		got, err := answer(ctx, want.Expr)
		if err != nil {
			got = recording{Expr: want.Expr, Failed: true}
			if want.Failed {
				fmt.Fprintf(&errs, "%s\n\t%s\n", want.Expr, told.Replace(err.Error()))
			}
		}
		diff := cmp.Diff(want, got)
		switch why := otherwise[want.Expr]; {
		case diff != "" && why == "":
			t.Errorf("%s (-Terraform +ours): %v\n%s", want.Expr, err, diff)
		case diff == "" && why != "":
			t.Errorf("%s is answered as by Terraform, and not otherwise", want.Expr)
		}
		delete(otherwise, want.Expr)
	}
	for expr := range otherwise {
		t.Errorf("%s is not among the expressions", expr)
	}
	golden := filepath.Join(recorded, "errors.txt")
	if flag.Lookup("update").Value.String() == "true" {
		write(t, golden, []byte(errs.String()))
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), errs.String()); diff != "" {
		t.Errorf("errors (-expected +ours; -update writes them):\n%s", diff)
	}
}

// deviations hold where we answer otherwise than Terraform 1.11, and why.
func deviations() map[string]string {
	const newer = "the library that Terraform takes the function from has a value by now where Terraform 1.11 has an error"
	const null = "Terraform 1.11 says of a null that its text is not known: what depends on it would wait for ever"
	const static = "a reference to nothing is an error before anything is evaluated, by the engine"
	return map[string]string{
		`contains([null], null)`:       newer,
		`element(["a", "b", "c"], -1)`: newer,
		`signum(0.5)`:                  newer,
		`signum(-0.5)`:                 newer,
		`format("%s", null)`:           null,
		`format("%v", null)`:           null,
		`format("%d", null)`:           null,
		`formatlist("%s", null)`:       null,
		`can(local.nothing_here)`:      static,
		`try(local.nothing_here, "d")`: static,
		`sensitive(local.unknown)`:     "the console shows that it is a secret, and not that it is unknown",
		`templatestring("a", {})`:      "a text that is written in place is as good as one that is referred to",
	}
}

// recordedLocals are the values of testdata/terraform/main.tf.
func recordedLocals() cty.Value {
	text := cty.UnknownVal(cty.String)
	texts := cty.UnknownVal(cty.List(cty.String)).RefineNotNull()
	secret := cty.StringVal("s3cret").Mark(mark.Sensitive)
	x := cty.StringVal("x")
	return cty.ObjectVal(map[string]cty.Value{
		"unknown": cty.DynamicVal, "unknown_string": text,
		"unknown_number": cty.UnknownVal(cty.Number), "unknown_bool": cty.UnknownVal(cty.Bool),
		"unknown_list": texts, "unknown_set": cty.UnknownVal(cty.Set(cty.DynamicPseudoType)),
		"unknown_map": cty.UnknownVal(cty.Map(cty.String)).RefineNotNull(),
		"partly":      cty.TupleVal([]cty.Value{cty.StringVal("a"), text}),
		"partly_list": cty.ListVal([]cty.Value{cty.StringVal("a"), text}),
		"partly_map":  cty.ObjectVal(map[string]cty.Value{"a": x, "b": text}),
		"secret":      secret, "secret_number": cty.NumberIntVal(4).Mark(mark.Sensitive),
		"secret_list":   cty.TupleVal([]cty.Value{cty.StringVal("a"), secret}),
		"secret_map":    cty.ObjectVal(map[string]cty.Value{"a": x, "b": secret}),
		"template_text": cty.StringVal("Hello, ${name}!"),
		"template_one":  cty.StringVal("${v}"),
		"template_loop": cty.StringVal("%{ for x in list }${x};%{ endfor }"),
		"template_bad":  cty.StringVal("${"),
		"template_self": cty.StringVal(`${templatestring("x", {})}`),
		"secret_whole":  cty.ObjectVal(map[string]cty.Value{"a": x}).Mark(mark.Sensitive),
	})
}

func evaluate(ctx *hcl.EvalContext, src string) (cty.Value, error) {
	expr, diags := hclspec.ParseExpression([]byte(src), "x")
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	v, diags := expr.Value(ctx)
	if diags.HasErrors() {
		return cty.NilVal, fmt.Errorf("%s: %s", diags[0].Summary, diags[0].Detail)
	}
	return v, nil
}

// answer is what ours says of an expression, in the words of Terraform's console.
func answer(ctx *hcl.EvalContext, src string) (recording, error) {
	v, err := evaluate(ctx, src)
	if err != nil {
		return recording{}, err
	}
	out := recording{Expr: src, Text: covered(view.Value(v)), Type: typeText(v.Type())}
	plain, _ := v.UnmarkDeep()
	encoded, err := stdlib.JSONEncode(plain)
	switch {
	case err != nil:
		out.JSON = ""
	case !encoded.IsKnown():
		out.JSON = "(known after apply)"
	default:
		out.JSON = encoded.AsString()
	}
	return out, nil
}

// typeText is the type as the console writes it, on one line.
func typeText(ty cty.Type) string {
	switch {
	case ty.IsObjectType():
		var b strings.Builder
		names := ty.AttributeTypes()
		for _, name := range sorted(names) {
			fmt.Fprintf(&b, "%s: %s, ", name, typeText(names[name]))
		}
		return "object({" + b.String() + "})"
	case ty.IsTupleType():
		var b strings.Builder
		for _, e := range ty.TupleElementTypes() {
			b.WriteString(typeText(e) + ", ")
		}
		return "tuple([" + b.String() + "])"
	case ty.IsListType():
		return "list(" + typeText(ty.ElementType()) + ")"
	case ty.IsSetType():
		return "set(" + typeText(ty.ElementType()) + ")"
	case ty.IsMapType():
		return "map(" + typeText(ty.ElementType()) + ")"
	}
	if ty == cty.DynamicPseudoType {
		return "dynamic"
	}
	return ty.FriendlyName()
}

// recordAnswers asks the console for each expression, in a copy of the files.
func recordAnswers(t *testing.T, expressions []string, results string) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(recorded, "files"))); err != nil {
		t.Fatal(err)
	}
	main, err := os.ReadFile(filepath.Join(recorded, "main.tf"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "main.tf"), main)
	run := func(input string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "terraform", args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(input+"\n")
		cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+os.DevNull, "HOME="+recordedHome, "CHECKPOINT_DISABLE=1")
		out, err := cmd.Output()
		return strings.TrimSuffix(string(out), "\n"), err
	}
	if out, err := run("", "init", "-no-color"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all := make([]recording, len(expressions))
	for i, expr := range expressions { // one by one, as each console locks the state
		if i%100 == 0 {
			t.Logf("%d of %d", i, len(expressions))
		}
		all[i] = recording{Expr: expr}
		text, err := run(expr, "console", "-no-color")
		if err != nil {
			all[i].Failed = true
			continue
		}
		ty, err := run("type("+expr+")", "console", "-no-color")
		if err != nil {
			t.Fatalf("type of %s: %v", expr, err)
		}
		encoded, err := run("nonsensitive(jsonencode("+expr+"))", "console", "-no-color")
		if err != nil { // of an infinite number
			encoded = ""
		}
		if text := ""; json.Unmarshal([]byte(encoded), &text) == nil {
			encoded = unescaped(text)
		}
		all[i] = recording{Expr: expr, Text: covered(text), Type: oneLine(ty), JSON: encoded}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, r := range all {
		if err := enc.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	write(t, results, b.Bytes())
}

// covered leaves out what JSON says better.
func covered(text string) string {
	if strings.Contains(text, "(known after apply)") || strings.Contains(text, mark.Redacted) {
		return text
	}
	return ""
}

// unescaped takes the escapes of templates out of a text that the console wrote.
func unescaped(s string) string {
	return strings.NewReplacer("$${", "${", "%%{", "%{").Replace(s)
}

// oneLine writes a type of the console without its indentation.
func oneLine(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		b.WriteString(line)
		if strings.HasSuffix(line, ",") {
			b.WriteString(" ")
		}
	}
	return strings.ReplaceAll(b.String(), ", )", ")")
}

func lines(t testing.TB, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func absolute(t testing.TB, path string) string {
	t.Helper()
	out, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
