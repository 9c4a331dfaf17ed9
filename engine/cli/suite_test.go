package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func tryTesting(t *testing.T, e *example) {
	e.says(t, 0, "Success! The configuration is valid.", "validate")
	e.says(t, 0, "Success! 6 passed, 0 failed.", "test")
	e.says(t, 0, "Success! 1 passed, 0 failed.", "test", "--filter", "a burst*", "--verbose")

	// A rule that lets everything pass is noticed, with the place and what was to happen.
	good := e.read(t, "main.hcl")
	e.write(t, "main.hcl", strings.Replace(good, "value.timeout_seconds >= 1 && value.timeout_seconds <= var.most", "true", 1))
	e.says(t, 1, `run "a value out of range changes nothing"... fail`, "test")
	e.says(t, 1, "rule.assert.sane was to fail in this run, and did not.", "test")
	e.says(t, 1, "Failure! 5 passed, 1 failed.", "test")

	// So is a limit that is forgotten.
	e.write(t, "main.hcl", strings.Replace(good, "  rate_limits = [rate_limit.sliding_window.gentle]\n", "", 1))
	e.says(t, 1, "Reloads at each step: [1,1,1,0].", "test")
	e.write(t, "main.hcl", good)

	e.says(t, 0, "Success!", "test", "--junit-xml", e.path("results.xml"))
	if got := e.read(t, "results.xml"); strings.Count(got, "<testcase ") != 6 {
		t.Errorf("results.xml: %s", got)
	}
	e.remove(t, "results.xml")
	for _, name := range []string{"out", ".tidegate"} {
		if _, err := os.Stat(e.path(name)); err == nil {
			t.Errorf("the tests made %s", name)
		}
	}
}

// The files of tests that the page shows do what it says.
func TestDocumentedTestsPass(t *testing.T) {
	page := readText(t, filepath.Join(moduleRoot, "docs", "testing.md"))
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("main.hcl", strings.Join(fences(page, "hcl"), "\n"))
	tests := fences(page, "hcl test")
	for i, text := range tests {
		write(fmt.Sprintf("%d.test.hcl", i), text)
	}
	code, out := tidegate(t, "test", dir)
	if code != 0 || len(tests) < 4 || strings.Count(out, "... in progress") != len(tests) {
		t.Errorf("exit code %d\n%s", code, out)
	}
	// The first one is shown with its output.
	_, shown, _ := strings.Cut(page, "$ tidegate test\n")
	shown, _, _ = strings.Cut(shown, "\n```")
	write("app.test.hcl", tests[0])
	if _, out := tidegate(t, "test", "--filter", "app.test.hcl", dir); strings.TrimSpace(out) != strings.TrimSpace(shown) {
		t.Errorf("the page shows\n%s\nand not\n%s", shown, out)
	}
}
