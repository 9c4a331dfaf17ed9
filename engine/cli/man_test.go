package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every command has a page that the program for them takes without a word.
func TestManualPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	if code, out := tidegate(t, "man", dir); code != 0 || out != "" {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".1")
		if parts := strings.Split(name, "-"); len(parts) == 2 {
			have = append(have, parts[1])
		}
		text := readText(t, page)
		for _, want := range []string{".SH \"NAME\"", ".SH \"SYNOPSIS\"", ".SH \"DESCRIPTION\""} {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %s", page, want)
			}
		}
		checkPage(t, page)
	}
	slices.Sort(have)
	if diff := cmp.Diff(documentedCommands(t), have); diff != "" {
		t.Errorf("pages (-commands +pages):\n%s", diff)
	}
	if text := readText(t, filepath.Join(dir, "tidegate-state-rm.1")); !strings.Contains(text, "tidegate\\-state\\-rm") {
		t.Errorf("the page of state rm:\n%s", text)
	}
}

// checkPage asks what there is of the programs that read pages.
func checkPage(t *testing.T, page string) {
	for _, reader := range [][]string{{"groff", "-man", "-Tutf8", "-ww", "-z"}, {"mandoc", "-T", "lint", "-W", "warning"}} {
		if _, err := exec.LookPath(reader[0]); err != nil {
			continue
		}
		cmd := exec.Command(reader[0], append(reader[1:], page)...)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s %s: %v\n%s", reader[0], page, err, out)
		}
	}
}
