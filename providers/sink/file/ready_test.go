//go:build unix

package file

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/providers"
	"tidegate/providers/providertest/host"
)

// wantUnready expects Ready and Write to say the same, for good.
func wantUnready(t *testing.T, s *sink, want string) {
	t.Helper()
	for name, err := range map[string]error{"Ready": s.Ready(t.Context()), "Write": write(t, s)} {
		if class, _ := providers.Classify(err); err == nil || !strings.Contains(err.Error(), want) || class != providers.ClassPermanent {
			t.Errorf("%s: %v (class %d), want %q for good", name, err, class, want)
		}
	}
}

func TestReadyLooksAtTheDirectory(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "file"), "x", 0o644)
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		"path = \"out/app\"\ncontent = \"a\"":                                "out does not exist",
		"path = \"dangling/app\"\ncontent = \"a\"":                           "set create_dirs = true",
		"path = \"file/app\"\ncontent = \"a\"":                               "not a directory",
		"path = \"file/deep/app\"\ncontent = \"a\"\ncreate_dirs = true":      "not a directory",
		"path = \"file/deep/deep/app\"\ncontent = \"a\"\ncreate_dirs = true": "not a directory",
	} {
		wantUnready(t, newSink(t, dir, "%s", body), want)
	}
	for _, body := range []string{
		"path = \"app\"\ncontent = \"a\"",
		"path = \"new/deep/app\"\ncontent = \"a\"\ncreate_dirs = true",
	} {
		if err := newSink(t, dir, "%s", body).Ready(t.Context()); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	only(t, dir, "dangling", "file") // nothing was made
}

func TestReadyKnowsWhoMayWrite(t *testing.T) {
	if !host.AsNobody(t) {
		return
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	wantUnready(t, newSink(t, dir, "path = \"app\"\ncontent = \"a\""), "needs the right to write")
	wantUnready(t, newSink(t, dir, "path = \"a/b/app\"\ncontent = \"a\"\ncreate_dirs = true"), "right to")
}

func TestReadyStaysInsideOfPathsWrite(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	s := newSink(t, dir, "path = %q\ncontent = \"a\"", filepath.Join(other, "app"))
	s.options.Roots, s.options.Setting = []string{dir}, "paths.write"
	wantUnready(t, s, "lies outside of paths.write")
}
