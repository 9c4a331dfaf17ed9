package all

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegate/hclspec"
	"tidegate/providers"
	"tidegate/providers/providertest"
)

var update = flag.Bool("update", false, "rewrite docs/reference")

func TestKinds(t *testing.T) {
	registry, err := providers.NewRegistry(Kinds())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range registry.Kinds() {
		t.Run(k.Type+"/"+k.Name, func(t *testing.T) { providertest.Kind(t, k) })
		for _, name := range k.Detectors {
			if registry.Kind("detector", name) == nil {
				t.Errorf("%s %q names the detector %q, which is not built in", k.Type, k.Name, name)
			}
		}
	}
}

// Every folder with a kind is in the list.
func TestListIsComplete(t *testing.T) {
	folders, err := filepath.Glob("../[a-z]*/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range folders {
		dir := filepath.Dir(file)
		switch filepath.Base(filepath.Dir(dir)) {
		case "source", "detector", "rule", "ratelimit", "sink":
			found[dir] = true
		}
	}
	if len(found) != len(Kinds()) {
		t.Errorf("there are %d folders of kinds, and the list holds %d kinds", len(found), len(Kinds()))
	}
}

// go test ./providers/all -update rewrites the reference pages.
func TestReferenceIsFresh(t *testing.T) {
	const dir = "../../docs/reference"
	want := providers.Reference(Kinds())
	want["functions.md"] = hclspec.FunctionReference()
	if *update {
		rewrite(t, dir, want)
	}
	got := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil {
			got[filepath.ToSlash(name)], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asText(want), asText(got)); diff != "" {
		t.Errorf("docs/reference is stale; run go test ./providers/all -update\n%s", diff)
	}
}

func asText(pages map[string][]byte) map[string]string {
	out := make(map[string]string, len(pages))
	for name, page := range pages {
		out[name] = string(page)
	}
	return out
}

func rewrite(t *testing.T, dir string, pages map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, page := range pages {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
