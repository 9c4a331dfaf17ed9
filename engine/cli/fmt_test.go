package cli_test

import (
	"path/filepath"
	"testing"
)

// What users copy is in style.
func TestExamplesAreFormatted(t *testing.T) {
	for _, dir := range []string{"examples", "engine/cli/starter"} {
		if code, out := tidegate(t, "fmt", "--check", "--recursive", filepath.Join(moduleRoot, filepath.FromSlash(dir))); code != 0 {
			t.Errorf("%s: exit code %d\n%s", dir, code, out)
		}
	}
}
