package engine_test

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// On a terminal of 20 columns every line fits, but for words that are copied whole: addresses,
// paths, hashes and times.
func TestNarrowTerminal(t *testing.T) {
	m := newModule(t, "app.json", `{"v":1,"text":"some words that are no single one"}`, "main.hcl", `
source "file" "app" { path = "app.json" }
rule "assert" "sane" {
  severity = "warning"
  assertion {
    condition     = length(value.text) < 10
    error_message = "The text is rather long for what it says."
  }
}
source "file" "judged" {
  path  = "app.json"
  rules = [rule.assert.sane]
}
sink "file" "app" {
  path     = "app.conf"
  content  = "v = ${source.file.app.value.v}\n"
  on_drift = "warn"
}
sink "exec" "reload" {
  command  = ["true", "one argument", "another argument"]
  triggers = [sink.file.app]
}
output "v" { value = source.file.app.value.v }
`)
	narrow := []string{"TERM=xterm", "NO_COLOR=1"}
	read := func(code int, parts []string, args ...string) {
		t.Helper()
		screen, got := m.onTerminal(20, narrow, args...)
		screen = strings.ReplaceAll(screen, "\r", "")
		if got != code {
			t.Errorf("%v exits with %d\n%s", args, got, screen)
		}
		for _, part := range parts {
			if !strings.Contains(words(screen), part) {
				t.Errorf("%v does not say %q\n%s", args, part, screen)
			}
		}
		for _, line := range strings.Split(screen, "\n") {
			longest := 0
			for _, word := range strings.Fields(line) {
				longest = max(longest, utf8.RuneCountInString(word))
			}
			if utf8.RuneCountInString(line) > 20 && longest <= 12 {
				t.Errorf("%v: a line of %d columns that could be broken: %q", args, utf8.RuneCountInString(line), line)
			}
		}
	}
	read(0, []string{"sink.file.app will be created", "Plan: 2 to add", "To do exactly this: tidegate apply x.plan"}, "plan", "--out", "x.plan")
	read(0, []string{"sink.file.app will be created", "Plan: 2 to add"}, "show", "x.plan")
	m.mustApply()
	read(0, []string{"sink.file.app", "revision 1:"}, "show")
	read(0, []string{"action: create", "address: sink.file.app", "revision: 1", "cause: source.file.app at"}, "history")
	read(0, []string{"No drift"}, "drift")
	m.write("app.conf", "mine\n")
	read(2, []string{"sink.file.app", "1 drifted"}, "drift")
	m.write("app.json", `{"v":2,"text":"some words that are no single one"}`)
	read(0, []string{"sink.file.app"}, "plan")
}
