package hclspec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilesOfTestsAreNoConfiguration(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("main.hcl", "locals { a = 1 }\n")
	for _, name := range []string{"b.test.hcl", "a.test.hcl.json", ".c.test.hcl", "#d.test.hcl", "e.test.hcl~"} {
		write(name, "this is no HCL {{{")
	}
	spec, diags := Load(dir)
	if diags.HasErrors() || spec.Locals["a"] == nil || len(spec.Files) != 1 {
		t.Errorf("loaded %v: %s", spec.Files, diags)
	}
	got, diags := TestFiles(dir)
	want := []string{filepath.Join(dir, "a.test.hcl.json"), filepath.Join(dir, "b.test.hcl")}
	if diff := cmp.Diff(want, got); diff != "" || diags.HasErrors() {
		t.Error(diff, diags)
	}
	if got, diags := TestFiles(filepath.Join(dir, "none")); got != nil || diags != nil {
		t.Error(got, diags)
	}
	if _, diags := TestFiles(filepath.Join(dir, "main.hcl")); !diags.HasErrors() {
		t.Error("a file passes for a directory")
	}
}

// What a file of tests may cost is bounded as for configuration.
func TestAFileOfTestsIsGuarded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.test.hcl")
	for name, c := range map[string]struct{ text, want string }{
		"nesting": {"x = " + strings.Repeat("[", 300), "Nesting too deep"},
		"utf-8":   {"x = \"\xff\"", "Invalid UTF-8"},
		"size":    {strings.Repeat("#", MaxFileBytes+1), "File too large"},
		"syntax":  {"run \"a\" {", "Unclosed configuration block"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, diags := ReadTestFile(path); !diags.HasErrors() || diags[0].Summary != c.want {
			t.Errorf("%s: %s", name, diags)
		}
	}
	if err := os.WriteFile(path, []byte("x = [for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c]]]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	body, file, diags := ReadTestFile(path)
	if diags.HasErrors() || file == nil {
		t.Fatal(diags)
	}
	attrs, _ := body.JustAttributes()
	spec := newSpec(filepath.Dir(path))
	if _, diags := attrs["x"].Expr.Value(spec.validationContext(nil, nil)); !diags.HasErrors() || diags[0].Summary != tooManySteps {
		t.Errorf("loops in loops: %s", diags)
	}
	if _, _, diags := ReadTestFile(path + ".none"); !diags.HasErrors() {
		t.Error("a missing file is read")
	}
}
