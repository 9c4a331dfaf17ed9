package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"pgregory.net/rapid"

	"tidegate/providers"
	"tidegate/providers/all"
)

// drawBlock writes one block that may or may not fit to the others.
func drawBlock(t *rapid.T) string {
	name := func(label string) string { return rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, label) }
	n := rapid.IntRange(0, 3).Draw(t, "n")
	value := rapid.SampledFrom([]string{
		fmt.Sprintf("%d", n), fmt.Sprintf(`"x  %d"`, n), "local." + name("local"), "var." + name("var"),
		"source.static." + name("source") + ".value", "source.file." + name("source") + ".value", "sink.file." + name("sink") + ".sha256",
		fmt.Sprintf(`file("t%d")`, n), fmt.Sprintf(`fileexists("t%d")`, n), `join(",", fileset(".", "t*"))`,
		fmt.Sprintf(`templatefile("t%d", { x = source.static.%s.value })`, n, name("source")),
		"env.HOME", "env.API_TOKEN", "[for x in [1, 2] : local." + name("local") + "]", "nosuch(1)", "sorce.x",
	}).Draw(t, "value")
	switch rapid.IntRange(0, 9).Draw(t, "block") {
	case 0:
		return fmt.Sprintf("variable %q {\n  default = %d\n  sensitive = %t\n}\n", name("name"), n, n == 0)
	case 1:
		return fmt.Sprintf("locals {\n  %s = %s\n}\n", name("name"), value)
	case 2:
		return fmt.Sprintf("output %q {\n  value = %s\n}\n", name("name"), value)
	case 3:
		return fmt.Sprintf("source \"static\" %q {\n  value = %s\n  rules = [rule.assert.%s]\n}\n", name("name"), value, name("rule"))
	case 4:
		return fmt.Sprintf("source \"file\" %q {\n  path = \"out%d\"\n  decode = \"text\"\n  detectors = [detector.hash.%s]\n}\n", name("name"), n, name("detector"))
	case 5:
		return fmt.Sprintf("detector \"hash\" %q {\n  interval = \"%dm\"\n}\n", name("name"), n)
	case 6:
		return fmt.Sprintf("rule \"assert\" %q {\n  assertion {\n    condition = value != %s\n    error_message = \"no\"\n  }\n}\n", name("name"), value)
	case 7:
		return fmt.Sprintf("rule \"schema\" %q {\n  path = \"t%d\"\n}\nsource \"static\" \"s%s\" {\n  value = 1\n  rules = [rule.schema.%s]\n}\n", name("name"), n, name("name"), name("rule"))
	default:
		return fmt.Sprintf("sink \"file\" %q {\n  path = \"out%d\"\n  content = jsonencode(%s)\n  depends_on = [sink.file.%s]\n}\n", name("name"), n, value, name("sink"))
	}
}

// drawFile writes the blocks of one file. Half of the time what is not likely to fit is left out.
func drawFile(t *rapid.T) string {
	text := strings.Join(rapid.SliceOfN(rapid.Custom(drawBlock), 0, 3).Draw(t, "blocks"), "\n")
	if rapid.IntRange(0, 2).Draw(t, "strict") > 0 {
		lines := strings.Split(text, "\n")
		lines = slices.DeleteFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, "  rules") || strings.HasPrefix(l, "  detectors") || strings.HasPrefix(l, "  depends_on")
		})
		text = strings.Join(lines, "\n")
	}
	return text
}

// base is there always, so that many references lead somewhere.
const base = `
locals {
  a = 1
  b = local.a
}
variable "a" { default = 1 }
variable "b" {
  default   = "secret"
  sensitive = true
}
source "static" "a" { value = local.b }
detector "hash" "a" { interval = "1m" }
rule "assert" "a" {
  assertion {
    condition     = value != local.a
    error_message = "no"
  }
}
sink "file" "a" {
  path    = "other"
  content = jsonencode(source.static.a.value)
}
`

// Whatever is edited: what is taken over and what is made anew are together what a whole
// load makes, with the same diagnostics.
func TestReloadIsALoad(t *testing.T) {
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	good := 0
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "reload")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		write := func(name, text string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		opts := Options{Dir: dir, Registry: registry, Environ: []string{"HOME=/", "API_TOKEN=x"}, Version: "0.1.0"}
		write("base.hcl", base)
		for i := range 3 {
			write(fmt.Sprintf("t%d", i), fmt.Sprintf("{} %d", i))
		}
		before, diags := load(opts, loadOptions{})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		before.prog.digests()
		for range rapid.IntRange(1, 8).Draw(t, "edits") {
			file := rapid.IntRange(0, 3).Draw(t, "file")
			name := fmt.Sprintf("f%d.hcl", file)
			switch rapid.IntRange(0, 9).Draw(t, "edit") {
			case 0:
				_ = os.Remove(filepath.Join(dir, name))
			case 1:
				write(fmt.Sprintf("t%d", file), rapid.SampledFrom([]string{"", "${x}", "${", "{}"}).Draw(t, "template"))
			case 2:
				_ = os.Remove(filepath.Join(dir, fmt.Sprintf("t%d", file)))
			case 3:
				write("x.auto.hclvars", rapid.SampledFrom([]string{"", "a = 2", `b = "other"`, "a = ", "c = 1"}).Draw(t, "values"))
			case 4:
				write("settings.hcl", rapid.SampledFrom([]string{"", `tidegate {
  paths { read = ["/tmp"] }
}`, `tidegate {
  paths { write = ["/nowhere"] }
}`}).Draw(t, "settings"))
			case 5:
				write("base.hcl", base+"\n# "+name)
			default:
				write(name, drawFile(t))
			}
			again, diags := load(opts, loadOptions{before: before})
			whole, want := load(opts, loadOptions{})
			if d := cmp.Diff(listed(want), listed(diags)); d != "" {
				t.Fatalf("diagnostics (-whole +again):\n%s", d)
			}
			if diags.HasErrors() {
				again.prog.forget()
				continue
			}
			good++
			again.prog.digests()
			whole.prog.digests()
			if d := cmp.Diff(described(whole.prog), described(again.prog)); d != "" {
				t.Fatalf("program (-whole +again):\n%s", d)
			}
			if whole.prog.hash() != again.prog.hash() {
				t.Fatal("another hash")
			}
			again.prog.slim()
			if d := cmp.Diff(described(whole.prog), described(again.prog)); d != "" {
				t.Fatalf("program without what can be had again (-whole +slim):\n%s", d)
			}
			before = again
		}
	})
	t.Logf("%d good configurations", good)
}

// What random edits seldom come upon.
func TestReloadIsALoadWhere(t *testing.T) {
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	const reader = "source \"file\" \"r\" {\n  path = \"out\"\n}\n"
	const writer = "sink \"file\" \"w\" {\n  path    = \"out\"\n  content = \"1\"\n}\n"
	for name, tt := range map[string]struct{ fixed, before, after string }{
		"a local is used for the first time":     {"locals { a = 1 }", "", "locals { b = local.a }"},
		"a sink is used for the first time":      {writer, "", `output "p" { value = sink.file.w.path }`},
		"a sink writes what a source reads":      {reader, "", writer},
		"a sink no longer does":                  {reader, writer, ""},
		"text is read of a source":               {reader, "", `output "t" { value = source.file.r.text }`},
		"a cycle comes about":                    {"locals { a = try(local.b, 1) }\nlocals { c = 1 }", "locals { b = 1 }", "locals { b = local.a }"},
		"a cycle through a file comes about":     {reader, writer, strings.Replace(writer, `"1"`, "source.file.r.text", 1)},
		"a warning stays":                        {"source \"static\" \"s\" { value = 1 }\nsink \"file\" \"w\" {\n  path = \"out\"\n  content = env.API_TOKEN\n}\n", "", "locals { a = 1 }"},
		"a secret goes through a source":         {`source "static" "s" { value = env.API_TOKEN }`, "", "sink \"file\" \"w\" {\n  path = \"out\"\n  content = source.static.s.value\n}\n"},
		"a second sink writes the path":          {writer, "", strings.Replace(writer, `"w"`, `"a"`, 1)},
		"what is referred to is of another kind": {"output \"o\" { value = source.static.s.value }", `source "static" "s" { value = 1 }`, `source "env" "s" { names = ["HOME"] }`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			opts := Options{Dir: dir, Registry: registry, Environ: []string{"HOME=/", "API_TOKEN=x"}, Version: "0.1.0"}
			write("fixed.hcl", tt.fixed)
			write("other.hcl", tt.before)
			before, diags := load(opts, loadOptions{})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			before.prog.digests()
			before.prog.slim()
			write("other.hcl", tt.after)
			again, diags := load(opts, loadOptions{before: before})
			whole, want := load(opts, loadOptions{})
			if d := cmp.Diff(listed(want), listed(diags)); d != "" {
				t.Errorf("diagnostics (-whole +again):\n%s", d)
			}
			if want.HasErrors() {
				return
			}
			again.prog.digests()
			whole.prog.digests()
			if d := cmp.Diff(described(whole.prog), described(again.prog)); d != "" {
				t.Errorf("program (-whole +again):\n%s", d)
			}
		})
	}
}

// referring counts the expressions that refer to something.
func referring(n *node) (count int) {
	for _, e := range n.exprs {
		if len(e.refs) > 0 {
			count++
		}
	}
	return count
}

func listed(diags hcl.Diagnostics) []string {
	var out []string
	for _, d := range diags {
		out = append(out, fmt.Sprintf("%d %s: %s", d.Severity, d.Error(), d.Detail))
	}
	slices.Sort(out)
	return out
}

// described is all that there is to know of a program.
func described(p *program) []string {
	var out []string
	for i, wave := range p.waves {
		for _, n := range wave {
			out = append(out, fmt.Sprintf("wave %d: %s", i, n.addr))
		}
	}
	for i, n := range p.sorted {
		static := "none"
		if n.static != nil {
			static = fmt.Sprintf("%#v %t %t %t", p.valuesOf(n, n.static), n.static.source != nil, n.static.sink != nil, n.static.rule != nil)
		}
		slices.Sort(n.read)
		out = append(out, fmt.Sprintf("%s %d %v %s reads %q writes %q %v used %t reread %t cyclic %t", n.addr, n.place, p.nodes[n.addr] == n,
			n.rng(), n.reads, n.writes, n.written, n.used, n.reread, n.cyclic),
			fmt.Sprintf("  depends on %v, sinks %v, sources %v, read %v", p.graph.Dependencies(n.addr), n.sinks, n.sources, n.read),
			fmt.Sprintf("  detectors %v rules %v limits %v depends %v triggers %d refs %d exprs %d", n.detectors, n.rules, n.limits, n.depends, len(n.triggers), len(n.refs), referring(n)),
			fmt.Sprintf("  static %s constant %#v digest %x", static, n.constant, n.digest))
		if n.files != nil {
			for _, r := range sortedReads(n.files.known) {
				out = append(out, fmt.Sprintf("  reads %v: %v", r, n.files.known[r]))
			}
		}
		if n.was != nil || n.next != nil || p.sorted[i].place != i {
			out = append(out, "  is not finished")
		}
	}
	for _, a := range sortedKeys(p.warned) {
		out = append(out, fmt.Sprintf("warned of %s: %v", a, listed(p.warned[a])))
	}
	return out
}
