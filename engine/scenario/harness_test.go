package scenario_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"go.uber.org/goleak"

	"tidegate/engine/scenario"
	"tidegate/providers"
	"tidegate/providers/all"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write makes a directory with files (name, text, name, text ...).
func write(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i+1 < len(files); i += 2 {
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

func load(t testing.TB, dir string, opts scenario.Options, kinds ...*providers.Kind) (*scenario.Suite, hcl.Diagnostics) {
	t.Helper()
	registry, err := providers.NewRegistry(append(all.Kinds(), kinds...))
	if err != nil {
		t.Fatal(err)
	}
	opts.Engine.Dir, opts.Engine.Registry, opts.Engine.Version = dir, registry, "0.1.0"
	return scenario.Load(t.Context(), opts)
}

// runAll runs all tests of a directory and returns what became of each, by name.
func runAll(t testing.TB, dir string, kinds ...*providers.Kind) map[string]*scenario.RunResult {
	t.Helper()
	s, diags := load(t, dir, scenario.Options{}, kinds...)
	if diags.HasErrors() {
		t.Fatal(said(diags))
	}
	out := map[string]*scenario.RunResult{}
	for _, f := range s.Run(t.Context()).Files {
		for _, r := range f.Runs {
			out[r.Run.Name] = r
		}
	}
	return out
}

// said is what diagnostics say, one line each, with their places.
func said(diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		if d.Subject != nil {
			fmt.Fprintf(&b, "%s:%d,%d-%d: ", filepath.Base(d.Subject.Filename), d.Subject.Start.Line, d.Subject.Start.Column, d.Subject.End.Column)
		}
		fmt.Fprintf(&b, "%s; %s\n", d.Summary, d.Detail)
	}
	return b.String()
}

// passes runs tests all of which are to pass.
func passes(t *testing.T, files ...string) {
	t.Helper()
	for name, r := range runAll(t, write(t, files...)) {
		if r.Status != scenario.Pass {
			t.Errorf("run %q: %s\n%s", name, r.Status, said(r.Diagnostics))
		}
	}
}
