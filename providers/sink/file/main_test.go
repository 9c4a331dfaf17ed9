//go:build unix

package file

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newSink returns a sink "file" of the given body, relative to dir.
func newSink(t *testing.T, dir, format string, args ...any) *sink {
	t.Helper()
	env := providers.Env{ModuleDir: dir, RootDir: dir}
	return providertest.NewSink(t, Kind(), fmt.Sprintf(format, args...), env).(*sink)
}

func write(t *testing.T, s *sink) error {
	t.Helper()
	return s.Write(t.Context(), providers.Delivery{})
}

func mustWrite(t *testing.T, s *sink) {
	t.Helper()
	if err := write(t, s); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s holds %.40q (%v), want %.40q", filepath.Base(path), got, err, want)
	}
}

func only(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
}

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}
