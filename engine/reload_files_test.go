package engine

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegate/providers"
	"tidegate/providers/all"
)

// A daemon looks at what counts as configuration, and at nothing beside it: a changed file of
// tests is no reason to load.
func TestADaemonWatchesItsConfigurationAlone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"main.hcl", "more.hcl.json", "tidegate.hclvars", "x.auto.hclvars.json", "main.test.hcl", "main.test.hcl.json", ".hidden.hcl", "#main.hcl", "notes.txt",
	} {
		text := "locals {}\n"
		if strings.HasSuffix(name, ".json") {
			text = "{}"
		} else if strings.HasSuffix(name, ".hclvars") {
			text = ""
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	e, diags := Load(t.Context(), Options{Dir: dir, Registry: registry})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	out := stamps{}
	e.stamp(out)
	var got []string
	for _, path := range slices.Sorted(maps.Keys(out)) {
		if filepath.Dir(path) == dir {
			got = append(got, filepath.Base(path))
		}
	}
	want := []string{"main.hcl", "more.hcl.json", "tidegate.hclvars", "x.auto.hclvars.json"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
