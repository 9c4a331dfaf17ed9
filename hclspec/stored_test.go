package hclspec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
)

// What did not change is taken over as it is, and what is wrong is found all the same.
func TestLoadTakesOverEqualFiles(t *testing.T) {
	dir := module(t, "a.hcl", `source "static" "a" { value = 1 }`, "b.hcl", `
source "static" "b" { value = 1 }
variable "v" { default = 1 }
locals { l = 1 }
output "o" { value = 1 }
`)
	before, diags := Load(dir)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, tt := range []struct{ a, want string }{
		{`source "static" "a" { value = 2 }`, ""},
		{`source "static" "b" { value = 2 }`, "Duplicate source"},
		{`variable "v" {}`, "Duplicate variable"},
		{`locals { l = 2 }`, "Duplicate local value"},
		{`output "o" { value = 2 }`, "Duplicate output"},
		{`source "static" "a" {`, "Unclosed configuration block"},
		{`sauce "static" "a" {}`, "Unsupported block type"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "a.hcl"), []byte(tt.a), 0o644); err != nil {
			t.Fatal(err)
		}
		after, diags := LoadWith(dir, LoadOptions{Previous: before})
		full, want := Load(dir)
		if d := cmp.Diff(want.Error(), diags.Error()); d != "" || !strings.Contains(diags.Error(), tt.want) {
			t.Errorf("%s: %s\n%s", tt.a, diags, d)
		}
		if after.Hash != full.Hash || len(after.Blocks) != len(full.Blocks) || len(after.Files) != len(full.Files) {
			t.Errorf("%s: another Spec than that of a whole load", tt.a)
		}
		if !strings.Contains(tt.a, "static\" \"b") && (after.Block(before.Blocks[1].Address) != before.Blocks[1]) {
			t.Errorf("%s: a block of the other file was made again", tt.a)
		}
	}
}

// A stored configuration is read in place of the disk, with the files of its functions.
func TestLoadReadsWhatIsStored(t *testing.T) {
	dir := module(t, "main.hcl", `variable "v" {}`, "x.auto.hclvars", "v = 1", "a.txt", "first", "d/b", "")
	spec, _ := Load(dir)
	if _, diags := CollectInputs(spec, InputOptions{}); diags.HasErrors() {
		t.Fatal(diags)
	}
	stored := spec.Sources()
	funcs := Functions(FunctionOptions{ModuleDir: dir, OnRead: func(r Read, f Found) { stored[r] = f }})
	const src = `[file("a.txt"), fileexists("d/b"), fileexists("none"), fileset("d", "*"), templatefile("a.txt", {})]`
	want, diags := eval(t, src, funcs, nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, name := range []string{"main.hcl", "x.auto.hclvars", "a.txt", "d/b"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "none"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	again, diags := LoadWith(dir, LoadOptions{Stored: stored})
	if diags.HasErrors() || again.Hash != spec.Hash {
		t.Errorf("%s: %s", again.Hash, diags)
	}
	inputs, diags := CollectInputs(again, InputOptions{})
	if diags.HasErrors() || inputs["v"].Value.Type() != cty.Number {
		t.Errorf("%+v, %s", inputs, diags)
	}
	got, diags := eval(t, src, Functions(FunctionOptions{ModuleDir: dir, Stored: stored}), nil)
	if diags.HasErrors() || !got.RawEquals(want) {
		t.Errorf("%#v, %s; want %#v", got, diags, want)
	}
}

// A template counts before there is anything to put into it.
func TestTemplatesAreReadBeforeTheirValuesAreKnown(t *testing.T) {
	dir := module(t, "t.tpl", "${x}", "bad.tpl", "${x")
	var reads []Read
	funcs := Functions(FunctionOptions{ModuleDir: dir, OnRead: func(r Read, _ Found) { reads = append(reads, r) }})
	vars := map[string]cty.Value{"x": cty.DynamicVal}
	for src, wrong := range map[string]bool{
		`templatefile("t.tpl", { x = x })`: false, `templatefile("t.tpl", x)`: false,
		`templatefile("bad.tpl", { x = x })`: true, `templatefile("none.tpl", x)`: true,
	} {
		reads = nil
		val, diags := eval(t, src, funcs, vars)
		if diags.HasErrors() != wrong || !wrong && val.IsKnown() || len(reads) != 1 {
			t.Errorf("%s = %#v, %v; read %v", src, val, diags, reads)
		}
	}
}

func TestReadsFiles(t *testing.T) {
	for src, want := range map[string]bool{
		`source.file.x.value`: false, `file("x")`: true, `[for i in [1]: { a = upper(templatefile("x", {})) }]`: true,
		`"a ${fileexists("x") ? 1 : 2}"`: true, `abspath("file")`: false,
	} {
		expr, diags := parseExpression(src, "x")
		if diags.HasErrors() || ReadsFiles(expr) != want {
			t.Errorf("%s: %t, %s", src, !want, diags)
		}
	}
	spec, _ := Load(module(t, "main.hcl.json", `{"locals": {"a": "${file(\"x\")}", "b": ["x"]}}`))
	if !ReadsFiles(spec.Locals["a"].Expr) || ReadsFiles(spec.Locals["b"].Expr) {
		t.Error("in JSON")
	}
}
