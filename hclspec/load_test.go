package hclspec

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/scan"
)

// module writes files, given as name and content in turn, and returns their directory.
func module(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load loads files that must be right.
func load(t testing.TB, files ...string) *Spec {
	t.Helper()
	spec, diags := Load(module(t, files...))
	if len(diags) > 0 {
		t.Fatal(messages(diags))
	}
	return spec
}

// messages shows diagnostics, one a line, with the base names of files.
func messages(diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		word := "error"
		if d.Severity == hcl.DiagWarning {
			word = "warning"
		}
		if d.Subject != nil {
			r := *d.Subject
			r.Filename = filepath.Base(r.Filename)
			fmt.Fprintf(&b, "%s: ", r)
		}
		fmt.Fprintf(&b, "%s: %s\n  %s\n", word, d.Summary, d.Detail)
	}
	return b.String()
}

// wantMessage checks for exactly one diagnostic that contains all the parts.
func wantMessage(t *testing.T, diags hcl.Diagnostics, parts ...string) {
	t.Helper()
	if len(diags) != 1 {
		t.Fatalf("%d diagnostics, want 1:\n%s", len(diags), messages(diags))
	}
	got := messages(diags)
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%q is not in:\n%s", p, got)
		}
	}
}

const everything = `
tidegate {
  required_version = ">= 0.1"
  listener { address = "127.0.0.1:8420" }
  state "local" { path = "state.db" }
  paths {
    read  = ["/etc/a/../b", "sub"]
    write = ["${path.module}/out"]
  }
}

variable "url" {
  type        = string
  description = "Where."
  default     = "http://a"
  sensitive   = true
  nullable    = false
  validation {
    condition     = startswith(var.url, "http")
    error_message = "No URL: ${var.url}."
  }
}

locals {
  a = 1
  b = local.a
}

output "o" {
  value      = local.b
  depends_on = [sink.file.app]
  precondition {
    condition     = local.b > 0
    error_message = "No."
  }
}

source "http" "app" { url = var.url }
detector "etag" "fast" { interval = "10s" }
rule "assert" "sane" {}
rate_limit "sliding_window" "gentle" { max = 10 }
sink "file" "app" { path = "x" }
`

func TestLoadReadsEverySortOfBlock(t *testing.T) {
	spec := load(t, "main.hcl", everything)
	var got []string
	for _, b := range spec.Blocks {
		got = append(got, b.Address.String())
		if spec.Block(b.Address) != b {
			t.Errorf("Block(%s) does not find it", b.Address)
		}
	}
	want := []string{"source.http.app", "detector.etag.fast", "rule.assert.sane", "rate_limit.sliding_window.gentle", "sink.file.app"}
	if !slices.Equal(got, want) {
		t.Errorf("blocks %v, want %v", got, want)
	}
	v := spec.Variables["url"]
	if v.Type != cty.String || !v.Sensitive || v.Nullable || v.Required() || len(v.Validations) != 1 || v.Description != "Where." {
		t.Errorf("variable %+v", v)
	}
	if o := spec.Outputs["o"]; len(o.DependsOn) != 1 || len(o.Preconditions) != 1 {
		t.Errorf("output %+v", o)
	}
	s := spec.Settings
	if !slices.Equal(s.PathsRead, []string{"/etc/b", spec.Dir + "/sub"}) || !slices.Equal(s.PathsWrite, []string{spec.Dir + "/out"}) {
		t.Errorf("paths %v %v", s.PathsRead, s.PathsWrite)
	}
	if s.State.Kind != "local" || s.State.Body == nil || s.Listener == nil {
		t.Errorf("settings %+v", s)
	}
}

const everythingJSON = `{
  "//": "a comment",
  "tidegate": {"required_version": ">= 0.1", "state": {"local": {"path": "x"}}, "paths": {"read": ["${path.module}/a"]}},
  "variable": {"url": {"type": "string", "default": "http://a"}, "m": {"type": "map(object({a = optional(number, 3)}))"}},
  "locals": {"a": 1, "b": "${local.a}"},
  "output": {"o": {"value": "${local.b}", "depends_on": ["sink.file.app", "${source.http.app}"]}},
  "source": {"http": {"app": {"url": "${var.url}"}, "b": {}}},
  "sink": {"file": {"app": {"path": "x"}}}
}`

func TestLoadReadsJSON(t *testing.T) {
	spec := load(t, "main.hcl.json", everythingJSON)
	var got []string
	for _, b := range spec.Blocks {
		got = append(got, b.Address.String())
	}
	if want := []string{"source.http.app", "source.http.b", "sink.file.app"}; !slices.Equal(got, want) {
		t.Errorf("blocks %v, want %v", got, want)
	}
	if v := spec.Variables["m"]; !v.Type.IsMapType() || v.Defaults == nil {
		t.Errorf("variable m is %#v", v.Type)
	}
	if refs := spec.Outputs["o"].DependsOn; len(refs) != 2 || refs[1].Target.String() != "source.http.app" {
		t.Errorf("depends_on %v", refs)
	}
	if got := slices.Sorted(maps.Keys(spec.Locals)); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("locals %v", got)
	}
	if spec.Settings.PathsRead[0] != spec.Dir+"/a" {
		t.Errorf("paths %v", spec.Settings.PathsRead)
	}
}

func TestLoadTakesOnlyConfigurationFiles(t *testing.T) {
	spec := load(t,
		"b.hcl", `source "static" "b" {}`, "a.hcl", `source "static" "a" {}`, "c.hcl.json", `{"source": {"static": {"c": {}}}}`,
		"x.test.hcl", "{{{", "y.test.hcl.json", "[", ".hidden.hcl", "}", "#a.hcl", "}", "a.hcl~", "}", "tidegate.hclvars", "}", "sub/d.hcl", "}")
	var got []string
	for _, b := range spec.Blocks {
		got = append(got, b.Address.Name)
	}
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("blocks %v", got)
	}
	if len(spec.Files) != 3 {
		t.Errorf("files %v", slices.Sorted(maps.Keys(spec.Files)))
	}
}

func TestLoadOfAWrongDirectory(t *testing.T) {
	dir := module(t, "a.txt", "")
	for path, want := range map[string]string{
		filepath.Join(dir, "none"):  "Directory not found",
		filepath.Join(dir, "a.txt"): "Not a directory",
		dir:                         "holds no .hcl files",
	} {
		spec, diags := Load(path)
		if spec == nil {
			t.Fatal("nil Spec")
		}
		wantMessage(t, diags, want)
	}
}

func TestLoadRefusesUnfitFiles(t *testing.T) {
	dir := module(t, "big.hcl", strings.Repeat("#\n", MaxFileBytes/2+1), "latin.hcl", "a = \"caf\xe9\"\n", "good.hcl", `source "static" "a" {}`)
	if err := os.Symlink("nowhere", filepath.Join(dir, "link.hcl")); err != nil {
		t.Fatal(err)
	}
	spec, diags := Load(dir)
	got := messages(diags)
	for _, want := range []string{"big.hcl:1,1-1: error: File too large", "latin.hcl:1,9-10: error: Invalid UTF-8", "link.hcl:1,1-1: error: File cannot be read"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if len(diags) != 3 || len(spec.Blocks) != 1 {
		t.Errorf("%d diagnostics, %d blocks; the good file must still be read", len(diags), len(spec.Blocks))
	}
}

func TestHashFollowsNamesAndBytes(t *testing.T) {
	hash := func(files ...string) string { return load(t, files...).Hash }
	base := hash("a.hcl", "locals {}", "x.txt", "1")
	if again := hash("a.hcl", "locals {}", "x.txt", "2"); again != base {
		t.Error("the hash depends on the directory or on other files")
	}
	for _, other := range []string{hash("b.hcl", "locals {}"), hash("a.hcl", "locals {} "), hash("a.hcl", "locals {}", "b.hcl", "")} {
		if other == base || !strings.HasPrefix(other, "sha256:") {
			t.Errorf("hash %s does not tell the difference", other)
		}
	}
}

func TestLoadIsDeterministic(t *testing.T) {
	var files []string
	for i := range 20 {
		files = append(files, fmt.Sprintf("f%02d.hcl", i), fmt.Sprintf("source \"static\" \"s\" {}\nlocals {\n a = 1\n a%d = 2\n}\nb = 1\nc = 2\n", i))
	}
	dir := module(t, files...)
	_, first := Load(dir)
	for range 10 {
		if _, diags := Load(dir); messages(diags) != messages(first) {
			t.Fatal("the order of diagnostics changes")
		}
	}
}

func TestDiagnosticsNameTheBlockAround(t *testing.T) {
	spec := load(t, "a.hcl", "source \"static\" \"a\" {\n  x = 1\n}\n", "b.hcl.json", `{"source": {"static": {"b": {}}}}`)
	for name, file := range spec.Files {
		nav := file.Nav.(interface{ ContextString(int) string })
		if got := nav.ContextString(25); filepath.Ext(name) == ".hcl" && got != `source "static" "a"` {
			t.Errorf("%s: context %q", name, got)
		}
	}
}

// FuzzLoad: no bytes make the loader or what follows it panic.
func FuzzLoad(f *testing.F) {
	for _, src := range []string{everything, everythingJSON, "{:{", `{"a":{:{`, "variable x {}", `variable "a" { type = list(`, `{"variable":{"a":{"type":"list("}}}`, `[{"locals":1}]`, "null", `{"source":{"a":[{"b":null}]}}`, `output "a" {`, `locals { a = "${`} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, name := range []string{"main.hcl", "main.hcl.json"} {
			spec := newSpec(".")
			file := &parsedFile{path: name}
			file.parse(src)
			m := merger{spec: spec}
			for _, d := range file.declared {
				m.declare(d)
			}
			m.finish()
			use(spec)
		}
	})
}

// use does with a Spec what the engine does first.
func use(spec *Spec) {
	for _, l := range spec.Locals {
		refs, _ := References(l.Expr)
		for _, r := range refs {
			spec.Resolve(r)
		}
		StaticReferences(l.Expr)
	}
	for _, b := range spec.Blocks {
		attrs, _ := b.Body.JustAttributes()
		for _, a := range attrs {
			References(a.Expr)
			StaticReferences(a.Expr)
		}
	}
	spec.VariableValues(nil, true)
}

func BenchmarkLoad(b *testing.B) {
	var src strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&src, "sink \"file\" \"s%d\" {\n  path    = \"/etc/app/%d.json\"\n  content = jsonencode(merge(local.a, { n = %d }))\n}\n", i, i, i)
	}
	dir := module(b, "main.hcl", src.String())
	b.SetBytes(int64(src.Len()))
	for b.Loop() {
		if _, diags := Load(dir); diags.HasErrors() {
			b.Fatal(diags)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	src := []byte(strings.Repeat("sink \"file\" \"s\" {\n  path    = \"/etc/app/a.json\"\n  content = jsonencode(merge(local.a, { n = 1 }))\n}\n", 20_000))
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if scan.Config(src) != nil {
			b.Fatal("refused")
		}
	}
}
