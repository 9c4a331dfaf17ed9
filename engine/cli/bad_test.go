package cli_test

import (
	"bytes"
	"context"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
	"tidegate/engine/view"
	"tidegate/providers"
	"tidegate/providers/all"
)

var updateBad = flag.Bool("update-bad", false, "write what is said of the files in testdata/bad beside them")

const badDir = "../../testdata/bad"

// generated are bad files that nobody wants to keep: too large, or too dull.
var generated = map[string]func() string{
	"huge.hcl":          func() string { return "locals {\n  a = \"" + strings.Repeat("x", 4<<20) + "\"\n}\n" },
	"bomb_brackets.hcl": func() string { return "locals {\n  a = " + strings.Repeat("[", 100_000) + "\n}\n" },
	"bomb_parentheses.hcl": func() string {
		return "locals {\n  a = " + strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300) + "\n}\n"
	},
	"bomb_blocks.hcl": func() string { return strings.Repeat("sink \"file\" \"a\" {\n", 300) + strings.Repeat("}\n", 300) },
	"bomb_templates.hcl": func() string {
		return "locals {\n  a = " + strings.Repeat("\"${", 250) + "1" + strings.Repeat("}\"", 250) + "\n}\n"
	},
	"bomb_operators.hcl": func() string { return "locals {\n  a = 1" + strings.Repeat(" + 1", 20_000) + "\n}\n" },
	"bomb_negations.hcl": func() string { return "locals {\n  a = " + strings.Repeat("!", 50_000) + "true\n}\n" },
	"bomb_json.hcl.json": func() string { return strings.Repeat(`{"a":`, 10_000) },
	"bomb_number.hcl":    func() string { return "locals {\n  a = 1e999999\n}\n" },
	"long_line.hcl": func() string {
		return "locals {\n  a = [" + strings.Repeat("\"an element of a list that somebody's program wrote\", ", 500) + "local.nothing]\n}\n"
	},
	"byte_order_mark.hcl": func() string { return "\ufefflocals {\n  a = local.nothing\n}\n" },
	"carriage_returns.hcl": func() string {
		return "locals {\r\n  a = local.nothing\r\n  b = <<EOT\r\n${local.gone}\r\nEOT\r\n}\r\n"
	},
	"old_carriage_returns.hcl": func() string { return "locals {\r  a = 1\r}\r" },
	"utf16.hcl":                func() string { return "\xff\xfel\x00o\x00c\x00a\x00l\x00s\x00" },
	"latin1.hcl":               func() string { return "locals {\n  town = \"K\xf6ln\"\n}\n" },
	"null_byte.hcl":            func() string { return "sink \"file\" \"a\" {\n  path    = \"x\x00y\"\n  content = \"\"\n}\n" },
	"null_byte_in_code.hcl":    func() string { return "locals {\n  a\x00 = 1\n}\n" },
	"escape_sequence.hcl":      func() string { return "locals {\n  a = \"\x1b[31mred\" + local.nothing\n}\n" },
	"empty.hcl.json":           func() string { return "" },
	"null_byte.hcl.json":       func() string { return "{\"locals\":{\"a\":\"x\x00y\"}}" },
}

// What is said of each file in testdata/bad, alone in a directory, stands beside it: as a
// terminal of 80 columns shows it, and as validate --json does. A directory there is a
// configuration of several files.
func TestBadFiles(t *testing.T) {
	cases := badCases(t)
	if len(cases) < 60 {
		t.Errorf("%d bad files, want 60", len(cases))
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) {
			text, doc := badOutput(t, cases[name])
			fitsATerminal(t, text)
			compareBad(t, name+".txt", text)
			compareBad(t, name+".json", doc)
		})
	}
}

// badCases returns the files of each case, by its name.
func badCases(t *testing.T) map[string]map[string]string {
	t.Helper()
	cases := map[string]map[string]string{}
	for name, make := range generated {
		cases[strings.ReplaceAll(name, ".hcl", "")] = map[string]string{name: make()}
	}
	entries, err := os.ReadDir(badDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(badDir, e.Name())
		switch {
		case e.Name() == "expected":
		case e.IsDir():
			files := map[string]string{}
			inner, err := os.ReadDir(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range inner {
				files[f.Name()] = readText(t, filepath.Join(path, f.Name()))
			}
			cases[e.Name()] = files
		case strings.HasSuffix(e.Name(), ".hcl"), strings.HasSuffix(e.Name(), ".hcl.json"):
			cases[strings.Replace(e.Name(), ".hcl", "", 1)] = map[string]string{e.Name(): readText(t, path)}
		}
	}
	delete(cases, "required") // nothing is wrong with it but that values are missing
	return cases
}

// badOutput is what the tool says of some files in both forms.
func badOutput(t *testing.T, files map[string]string) (text, doc string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	e, diags := engine.Validate(context.Background(), engine.Options{Dir: dir, Registry: registry, Version: "0.1.0"})
	defer e.Close()
	if !diags.HasErrors() {
		t.Error("nothing is wrong with it")
	}
	// The names of files decide where lines are broken, so they are the same each time.
	const base = "/srv/app"
	src := view.Sources{Files: map[string]*hcl.File{}, Base: base}
	for name, file := range e.Files() {
		src.Files[strings.Replace(name, dir, base, 1)] = file
	}
	for _, d := range diags {
		d.Detail = strings.ReplaceAll(d.Detail, dir, base)
		if d.Subject != nil {
			d.Subject = d.Subject.Ptr()
			d.Subject.Filename = strings.Replace(d.Subject.Filename, dir, base, 1)
		}
	}
	var asText, asJSON bytes.Buffer
	if err := view.Diagnostics(&asText, diags, src, view.Style{Width: 80}); err != nil {
		t.Fatal(err)
	}
	if err := view.DiagnosticsJSON(&asJSON, diags, src); err != nil {
		t.Fatal(err)
	}
	return asText.String(), asJSON.String()
}

func compareBad(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(badDir, "expected", name)
	if *updateBad {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(readText(t, path), got); d != "" {
		t.Errorf("%s (-want +got, -update-bad writes it):\n%s", name, d)
	}
}

// fitsATerminal wants every line for people to fit 80 columns, but for names that are to be
// copied whole, and no control characters.
func fitsATerminal(t *testing.T, text string) {
	t.Helper()
	for _, line := range strings.Split(text, "\n") {
		if n := len([]rune(line)); n > 80 && len(strings.Fields(line)) > 2 && !strings.Contains(line, "/srv/app/") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.ContainsAny(text, "\x1b\x00\r") {
		t.Error("control characters reach the terminal")
	}
}
