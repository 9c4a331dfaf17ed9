package engine_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/providers"
	"tidegate/providers/all"
)

// longestValidate is how long the check of a small file may take on a machine that does much
// else, and mostValidate what it may allocate in all.
const (
	longestValidate = 2 * time.Minute
	mostValidate    = 4 << 30
)

// FuzzValidate checks any bytes as a whole configuration, in both syntaxes: nothing crashes it,
// nothing makes it hang, and it says something about what is no configuration.
func FuzzValidate(f *testing.F) {
	for _, text := range configurations(f) {
		f.Add(text)
	}
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, name := range []string{"main.hcl", "main.hcl.json"} {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
			watchdog := time.AfterFunc(longestValidate, func() { panic("it hangs") })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			e, diags := engine.Validate(context.Background(), engine.Options{
				Dir: dir, Registry: registry, Environ: []string{"PATH=/bin"}, Command: "fuzz", Version: "0.1.0",
			})
			runtime.ReadMemStats(&after)
			watchdog.Stop()
			if used := after.TotalAlloc - before.TotalAlloc; used > mostValidate {
				t.Errorf("%d MiB for %d bytes", used>>20, len(text))
			}
			for _, d := range diags {
				if d.Summary == "" || strings.Contains(d.Detail, "panic") {
					t.Errorf("a complaint that tells nothing: %+v", d)
				}
				if d.Subject != nil && (d.Subject.Start.Byte < 0 || d.Subject.End.Byte < d.Subject.Start.Byte && d.Subject.End.Byte != 0) {
					t.Errorf("an odd place: %+v", d)
				}
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// configurations returns the text of every configuration of the examples and of testdata, good
// and bad.
func configurations(f *testing.F) [][]byte {
	var out [][]byte
	for _, root := range []string{"../examples", "../testdata/bad", "cli/starter"} {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.Contains(path, ".hcl") {
				return err
			}
			text, err := os.ReadFile(path)
			if err == nil && len(text) < 64<<10 {
				out = append(out, text)
			}
			return err
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	return out
}
