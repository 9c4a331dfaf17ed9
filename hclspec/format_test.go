package hclspec_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"tidegate/hclspec"
)

var record = flag.Bool("record", false, "ask the terraform on the PATH how it formats, and write testdata/format.jsonl anew")

// formatCorpus has one text a line, and what Terraform made of it.
const formatCorpus = "testdata/format.jsonl"

type formatCase struct {
	In  string `json:"in"`
	Out string `json:"out"` // equal to In where it does not parse
}

// What Terraform 1.11.4 did with the texts of the corpus is what we do.
func TestFormatIsTerraforms(t *testing.T) {
	if *record {
		recordFormats(t)
	}
	file, err := os.Open(formatCorpus)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	changed, total := 0, 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c formatCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		total++
		if c.In != c.Out {
			changed++
		}
		out, _ := hclspec.Format([]byte(c.In), "main.hcl")
		if diff := cmp.Diff(c.Out, string(out)); diff != "" {
			t.Errorf("%q (-terraform +ours):\n%s", c.In, diff)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if total < 500 || changed < 300 {
		t.Errorf("the corpus has %d texts, %d of which are changed", total, changed)
	}
}

// What is not ours to format, or no longer would be a configuration, stays as it is.
func TestFormatLeavesAlone(t *testing.T) {
	for name, test := range map[string]struct{ src, want string }{
		"syntax":    {"a = \n  b=1\n", "Invalid expression"},
		"encoding":  {"# \xff\na=1\n", "Invalid UTF-8"},
		"depth":     {"a=" + strings.Repeat("[", 100_000), "Nesting too deep"},
		"unclosed":  {"a=<<EOT\nb", "Unterminated template string"},
		"half file": {"sink \"file\" \"a\" {\n  path=", "Missing expression"},
	} {
		t.Run(name, func(t *testing.T) {
			out, diags := hclspec.Format([]byte(test.src), "main.hcl")
			if string(out) != test.src {
				t.Errorf("it became %q", out)
			}
			if !diags.HasErrors() || diags[0].Summary != test.want || diags[0].Subject == nil || diags[0].Subject.Filename != "main.hcl" {
				t.Errorf("diagnostics %v, want %q", diags, test.want)
			}
		})
	}
}

// Where terraform fmt would leave a file that does not parse, the interpolation stays.
func TestFormatKeepsWhatMustBeWrapped(t *testing.T) {
	for _, src := range []string{
		"x = \"${# c\n  a}\"\n",
		"x = \"${(a)\n  ? (\n  b) : (c)}\"\n",
		"x = \"${(a) ? # c\n  (\n  b) : (c)}\"\n",
		"x = \"${[a,\n  b][0] == <<EOT\na\nEOT\n  }\"\n",
	} {
		out, diags := hclspec.Format([]byte("y=1\n"+src), "main.hcl")
		if diags.HasErrors() {
			t.Errorf("%q: %v", src, diags)
		}
		if got := string(out); !strings.HasPrefix(got, "y = 1\n") || !strings.Contains(got, "${") {
			t.Errorf("%q became %q", src, got)
		}
		if _, diags := hclsyntax.ParseConfig(out, "main.hcl", hcl.InitialPos); diags.HasErrors() {
			t.Errorf("%q became %q: %v", src, out, diags)
		}
	}
}

// A text in style stays as it is, and one that is not becomes one that parses.
func FuzzFormat(f *testing.F) {
	for _, text := range formatSeeds {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		out, diags := hclspec.Format(src, "main.hcl")
		if diags.HasErrors() {
			if !bytes.Equal(out, src) {
				t.Errorf("%q does not parse and became %q", src, out)
			}
			return
		}
		if _, diags := hclsyntax.ParseConfig(out, "main.hcl", hcl.InitialPos); diags.HasErrors() {
			t.Errorf("%q became %q: %v", src, out, diags)
		}
	})
}

// recordFormats has Terraform format our own files, the seeds, and both with small changes.
func recordFormats(t *testing.T) {
	texts := slices.Clone(formatSeeds)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".hcl" || d.Name() == "nesting.hcl" {
			return err
		}
		data, err := os.ReadFile(path)
		if len(data) < 1000 && !slices.Contains(texts, string(data)) {
			texts = append(texts, string(data))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for whole := len(texts); len(texts) < 4000; {
		texts = append(texts, spoil(random, texts[random.IntN(whole)]))
	}
	dir := t.TempDir()
	name := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%04d.tf", i)) }
	for i, text := range texts {
		if err := os.WriteFile(name(i), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// It fails because of the files that do not parse.
	if out, err := exec.Command("terraform", "fmt", "-list=false", dir).CombinedOutput(); err != nil && !bytes.Contains(out, []byte("Error")) {
		t.Fatalf("terraform fmt: %v\n%s", err, out)
	}
	var corpus bytes.Buffer
	enc := json.NewEncoder(&corpus)
	enc.SetEscapeHTML(false)
	kept, refused := map[string]bool{}, 0
	for i, text := range texts {
		out, err := os.ReadFile(name(i))
		if err != nil {
			t.Fatal(err)
		}
		// Of what stays as it is, some; of what changes, each change once.
		unchanged := text == string(out)
		if _, diags := hclsyntax.ParseConfig(out, "", hcl.InitialPos); diags.HasErrors() && !unchanged {
			continue // Terraform broke it: see TestFormatKeepsWhatMustBeWrapped
		}
		if kept[string(out)] || unchanged && refused > 150 || len(kept) > 900 {
			continue
		}
		if unchanged {
			refused++
		}
		kept[string(out)] = true
		if err := enc.Encode(formatCase{text, string(out)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(formatCorpus, corpus.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// spoil changes a few places of a text, mostly so that it still parses.
func spoil(random *rand.Rand, text string) string {
	if lines := strings.SplitAfter(text, "\n"); len(lines) > 12 {
		first := random.IntN(len(lines) - 8)
		text = strings.Join(lines[first:min(len(lines), first+4+random.IntN(12))], "")
	}
	for range 1 + random.IntN(3) {
		if text == "" {
			return text
		}
		at := random.IntN(len(text))
		before, after := text[:at], text[at:]
		pick := func(from ...string) string { return from[random.IntN(len(from))] }
		switch random.IntN(6) {
		case 0:
			text = before + strings.Replace(after, " ", pick("", "   ", "\t", "\n"), 1)
		case 1:
			text = before + strings.Replace(after, "\n", pick("", "\n\n\n", " # c\n", "\r\n", "\n  /* c */ ", " // c\n\n"), 1)
		case 2:
			if name, rest, ok := strings.Cut(after, "= "); ok {
				value, rest, _ := strings.Cut(rest, "\n")
				text = before + name + pick("= \"${", "=\"${\n", "= \"a${") + value + pick("}\"\n", "\n}\"\n", "}${b}\"\n") + rest
			}
		case 3:
			text = before + strings.Replace(after, "\n", "\n"+pick(formatSeeds...), 1)
		case 4:
			if k := strings.IndexAny(after, "=[{(,\""); k >= 0 {
				text = before + after[:k] + pick(" ", "\n", "(", "[", "{}", "!", "-", "a.b ", "/* c */", "...", "<<EOT\n", "\"\"", "é") + after[k:]
			}
		case 5:
			text = before + pick(" ", "  ", "\t", "\n", "=", "}", "]", ")", "\"", "# c\n", "?", ":", ",", "* ") + after
		}
	}
	return text
}

var formatSeeds = []string{
	"",
	"\n\n\n",
	"a=1",
	"a=1\nbcd =  2\n\n\nlonger_name=[1,2 , 3]\n",
	"a = 1 # one\nbb = 22 # two\nccc = \"x\" // three\n",
	"a = {\n  b = 1\n  cde=2\n      f : 3,\n}\n",
	"a = [\n1,\n   2,\n  [3,\n4],\n]\n",
	"x = \"${a}\"\n",
	"x = \"${a}${b}\"\n",
	"x = \" ${a}\"\n",
	"x = \"${upper(\"${a}\")}\"\n",
	"x = \"${\n  a\n}\"\n",
	"x = \"${a ?\n  b :\n  c}\"\n",
	"x = \"${(a ?\n  b :\n  c)}\"\n",
	"x = \"${(a) ? (\n  b) : (c)}\"\n",
	"x = \"%{ if a }b%{ endif }\"\n",
	"x = \"$${a}\"\n",
	"x = [\"${a}\", \"${b}\"]\n",
	"x = \"${<<EOT\na\nEOT\n}\"\n",
	"x = <<EOT\n  a ${ b }\nEOT\ny=1\n",
	"x = <<-EOT\n    a\n      ${b}\n    EOT\n",
	"variable a {\n  type=\"string\"\n}\n",
	"variable \"a\" {\n  type = \"list\"\n  default = \"${b}\"\n}\n",
	"variable \"a\" {\n  type = \"map\"\n}\nvariable \"b\" {\n  type = list\n}\nvariable \"c\" {\n  type = set\n}\nvariable \"d\" {\n  type = map\n}\n",
	"variable \"a\" {\n  type = \"number\"\n}\nvariable \"b\" {\n  type = object({a=string,b=optional(list(string),[])})\n}\n",
	"variable \"a\" {\n  validation {\n    type = list\n    condition = var.a!=\"\"&&length(var.a)<3\n  }\n}\n",
	"other \"a\" {\n  type = list\n}\n",
	"sink file app {\n}\n",
	"sink \"file\"     app{ path = \"x\" }\n",
	"sink /* a */ \"file\" /* b */ app /* c */ {\n}\n",
	"sink \"file\" \"a${\"b\"}\" {\n}\n",
	"sink \"file\" \"a\\\"b\\u00e9\" {}\n",
	"b {\n# lead\na = 1\n/* c */ d = 2\n}\n",
	"b {\n\n  a = 1\n\n}\nc {}\n",
	"a = [for k,v in b:k=>v if v!=null]\nb = {for k,v in c:k=>v...}\n",
	"a = b.*.c\nd = e[*].f[0]\ng = h[ \"i\" ]\n",
	"a = -1\nb = !c\nd = e+f* -g\nh = i?j:k\nl = m==n||o\n",
	"a = f(b,c...)\nd = f( b , [ 1 ] , { x = 1 } )\n",
	"a = f(\nb,\nc\n)\n",
	"a = {}\nb = []\nc = { }\nd = [ ]\n",
	"a = { \"x y\" = 1, (z) = 2 }\n",
	"a = provider::x::f(1)\n",
	"a = 1\r\nb=2\r\n",
	"\ufeffa=1\n",
	"a = \"é\" # ü\nlängerer = \"日本\" # x\n",
	"# only a comment",
	"/* one\n two */\na=1\n",
	"a = 1 /* x */ + /* y */ 2\n",
	"a = (\n1\n)\n",
	"locals { a=1\nb = 2 }\n",
}
