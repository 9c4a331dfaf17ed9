package userfile_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"tidegate/providers/userfile"
)

func TestReplaceKeepsModeAndLink(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	write(t, file, "old")
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", link); err != nil {
		t.Skip(err)
	}
	if err := userfile.Replace(t.Context(), link, []byte("old"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, file); got != "new" {
		t.Errorf("the file holds %q", got)
	}
	if to, err := os.Readlink(link); err != nil || to != "file" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, want 0640", info.Mode())
	}
	alone(t, dir, "file", "link")
}

// What an editor saved after it was read is not overwritten.
func TestReplaceLeavesWhatWasSavedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, "saved meanwhile")
	err := userfile.Replace(t.Context(), file, []byte("old"), []byte("new"))
	if err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("error %v", err)
	}
	if got := read(t, file); got != "saved meanwhile" {
		t.Errorf("the file holds %q", got)
	}
	alone(t, dir, "file")
}

// What is saved is for its owner alone, whatever was there, and what a killed run left is gone.
func TestSave(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "plan")
	write(t, file, "old")
	write(t, filepath.Join(dir, ".another.tidegate-0123abcd"), "half")
	if err := userfile.Save(t.Context(), file, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, file); got != "new" {
		t.Errorf("the file holds %q", got)
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	alone(t, dir, "plan")
	if err := userfile.Save(t.Context(), filepath.Join(dir, "gone", "plan"), nil); err == nil {
		t.Error("it was saved in a directory that is not there")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// alone expects nothing else in dir, such as a temporary file.
func alone(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the directory holds %q, want %q", got, names)
	}
}
