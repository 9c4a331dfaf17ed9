package cli_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The table is the architecture: which package may import which of ours. A pattern matches
// as path.Match does; the first row that matches a package counts. See
// docs/decisions/0001-leaf-packages.md for where it goes beyond a tree of nouns.
var importTable = []struct {
	pkg string // of the module, "." for main.go
	may []string
}{
	{".", []string{"engine/cli", "providers/all"}},

	// Leaves: small packages of values that everything may import.
	{"hclspec/address", nil},
	{"hclspec/mark", nil},
	{"hclspec/scan", nil},
	{"hclspec/typo", nil},
	{"hclspec/decode", []string{"hclspec/mark", "hclspec/scan"}},
	{"hclspec/encode", []string{"hclspec/decode"}},
	{"hclspec/gotemplate", nil},

	{"hclspec", nil},

	{"providers", nil},
	{"providers/all", []string{"providers", "providers/*/*"}},
	{"providers/providertest", []string{"providers"}},
	{"providers/userfile", []string{"providers/internal/durable"}},
	{"providers/internal/*", []string{"providers"}},
	{"providers/internal/*/*", []string{"providers"}}, // helpers of tests that several kinds share
	{"providers/*/*", []string{"providers", "providers/internal/*"}},

	{"engine", []string{"engine/graph", "engine/plan", "engine/state", "engine/diff", "engine/queue", "hclspec", "providers"}},
	{"engine/graph", nil},
	{"engine/plan", []string{"engine/graph", "engine/state", "engine/diff"}},
	{"engine/state", nil},
	{"engine/diff", nil},
	{"engine/queue", nil},
	{"engine/git", nil},
	{"engine/modules", []string{"engine/git", "engine/state", "hclspec", "providers/userfile"}},
	{"engine/scenario", []string{"engine", "engine/standin", "engine/plan", "engine/state", "hclspec", "providers"}},
	{"engine/view", []string{"engine", "engine/scenario", "engine/graph", "engine/plan", "engine/diff", "engine/state"}},
	{"engine/standin", []string{"providers"}},
	{"engine/review", []string{"engine", "engine/git", "engine/standin", "engine/plan", "engine/state", "hclspec", "providers"}},
	{"engine/web", []string{"engine", "engine/view", "engine/plan", "engine/state"}},
	{"engine/cli", []string{"engine", "engine/modules", "engine/review", "engine/scenario", "engine/view", "engine/web", "engine/plan", "engine/state", "hclspec", "providers", "providers/userfile"}},
}

var leaves = []string{"hclspec/address", "hclspec/mark", "hclspec/scan", "hclspec/typo", "hclspec/decode", "hclspec/encode", "hclspec/gotemplate"}

// pure packages take values and return values: they meet no file, network, process or context.
var (
	purePackages = []string{"engine/plan", "engine/graph", "engine/diff", "hclspec/address", "hclspec/mark", "hclspec/scan", "hclspec/typo", "hclspec/decode", "hclspec/encode", "hclspec/gotemplate"}
	effects      = []string{"context", "database/sql", "io/fs", "net", "net/http", "os", "os/exec", "os/signal", "syscall"}
)

// topLevel is all there is beside dotfiles.
var topLevel = []string{
	"LICENSE", "README.md", "docs", "engine", "examples", "go.mod", "go.sum", "hclspec",
	"main.go", "providers", "testdata",
}

var kindFolders = []string{"source", "detector", "rule", "ratelimit", "sink"}

func TestImportsAreThoseOfTheTable(t *testing.T) {
	for pkg, files := range goFiles(t) {
		may, listed := importsOf(pkg)
		if !listed {
			t.Errorf("%s has no row in the table of packages", pkg)
			continue
		}
		for name, file := range files {
			for _, imp := range importPaths(file) {
				ours, is := strings.CutPrefix(imp, "tidegate/")
				switch {
				case is && !matchesAny(may, ours):
					t.Errorf("%s: package %s may not import %s", name, pkg, ours)
				case !is && slices.Contains(purePackages, pkg) && slices.Contains(effects, imp):
					t.Errorf("%s: package %s is pure and may not import %s", name, pkg, imp)
				}
			}
		}
	}
}

// importsOf returns what a package may import, the leaves included.
func importsOf(pkg string) (may []string, listed bool) {
	for _, row := range importTable {
		if matches(row.pkg, pkg) {
			if slices.Contains(leaves, pkg) {
				return row.may, true
			}
			return slices.Concat(row.may, leaves), true
		}
	}
	return nil, false
}

func matches(pattern, pkg string) bool {
	ok, _ := path.Match(pattern, pkg)
	return ok
}

func matchesAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, pkg) })
}

func TestTopLevelIsFixed(t *testing.T) {
	got := topNames(t)
	for _, name := range got {
		if !strings.HasPrefix(name, ".") && !slices.Contains(topLevel, name) {
			t.Errorf("%s does not belong to the top level", name)
		}
	}
	for _, name := range topLevel {
		if !slices.Contains(got, name) {
			t.Errorf("%s is missing", name)
		}
	}
}

// topNames asks git, so that what is only lying around does not count; without git the
// directory itself is looked at.
func topNames(t *testing.T) []string {
	var names []string
	if out, err := exec.Command("git", "-C", moduleRoot, "ls-files", "-z").Output(); err == nil && len(out) > 0 {
		for _, file := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
			if _, err := os.Lstat(filepath.Join(moduleRoot, filepath.FromSlash(file))); err != nil {
				continue // removed and not yet committed
			}
			top, _, _ := strings.Cut(file, "/")
			names = append(names, top)
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	entries, err := os.ReadDir(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestModuleIsNamedTidegate(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(moduleRoot, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(string(data), "\n"); first != "module tidegate" {
		t.Errorf("go.mod begins with %q", first)
	}
}

// A kind is a value in a list: nothing registers itself, and every folder is in the list.
func TestKindsAreListed(t *testing.T) {
	packages := goFiles(t)
	var listed []string
	for _, file := range packages["providers/all"] {
		listed = append(listed, importPaths(file)...)
	}
	for pkg, files := range packages {
		if pkg != "providers" && !strings.HasPrefix(pkg, "providers/") {
			continue
		}
		for name, file := range files {
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s has an init function; a kind is a value in a list", name)
				}
			}
		}
		kind := strings.Split(pkg, "/")
		if len(kind) == 3 && slices.Contains(kindFolders, kind[1]) && !slices.Contains(listed, "tidegate/"+pkg) {
			t.Errorf("%s is not listed in providers/all", pkg)
		}
	}
}

// moduleRoot is where tests of this package find the module.
var moduleRoot = filepath.Join("..", "..")

// goFiles parses the module's files that are no tests, by package and by name.
func goFiles(t *testing.T) map[string]map[string]*ast.File {
	t.Helper()
	packages := map[string]map[string]*ast.File{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(moduleRoot, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != moduleRoot && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(moduleRoot, filepath.Dir(name))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(dir)
		if packages[pkg] == nil {
			packages[pkg] = map[string]*ast.File{}
		}
		packages[pkg][filepath.ToSlash(strings.TrimPrefix(name, moduleRoot+string(filepath.Separator)))] = file
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func importPaths(file *ast.File) []string {
	out := make([]string, len(file.Imports))
	for i, spec := range file.Imports {
		out[i], _ = strconv.Unquote(spec.Path.Value)
	}
	return out
}
