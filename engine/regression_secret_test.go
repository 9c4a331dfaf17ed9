//go:build unix

package engine_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/diff"
	"tidegate/engine/plan"
	"tidegate/engine/view"
)

const canary = "canary-hunter2"

// shown is everything that a plan tells: its JSON without the bytes that only apply needs, its
// texts and its diffs.
func shown(t *testing.T, p *plan.Plan) string {
	t.Helper()
	out := new(bytes.Buffer)
	if err := view.PlanText(out, p, view.Style{}); err != nil {
		t.Fatal(err)
	}
	if err := view.PlanJSON(out, p, nil, view.Sources{}); err != nil {
		t.Fatal(err)
	}
	told := *p
	told.Sources, told.Sinks = nil, nil
	for _, c := range p.Sources {
		told := *c
		told.Blobs = nil
		write(t, out, told)
	}
	for _, c := range p.Sinks {
		lines := []diff.Lines{}
		if c.Lines != nil {
			lines = append(lines, *c.Lines)
		}
		if c.Drift != nil {
			lines = append(lines, c.Drift.Lines)
		}
		for _, l := range lines {
			out.WriteString(l.Unified("a", "b"))
		}
		told := *c
		told.Payload, told.Blobs, told.Replaces = nil, nil, nil
		write(t, out, told)
		out.Write(c.Changes)
	}
	write(t, out, told)
	return out.String()
}

func write(t *testing.T, out *bytes.Buffer, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(data)
}

// wantNoSecret looks for the canary in a text, also as base64.
func wantNoSecret(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))} {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("the secret is in %s: ...%s...", where, text[max(0, i-120):min(len(text), i+60)])
			return
		}
	}
}

// wantNoSecretInDiagnostics looks into diagnostics as they are shown, with the values of their
// expressions.
func wantNoSecretInDiagnostics(t *testing.T, where string, diags hcl.Diagnostics) {
	t.Helper()
	out := bytes.NewBufferString(texts(diags))
	if err := view.Diagnostics(out, diags, view.Sources{}, view.Style{}); err != nil {
		t.Fatal(err)
	}
	if err := view.DiagnosticsJSON(out, diags, view.Sources{}); err != nil {
		t.Fatal(err)
	}
	wantNoSecret(t, "the diagnostics of "+where, out.String())
}

// stateHolds returns the files of the state's directory that hold the canary.
func (m *module) stateHolds() []string {
	m.t.Helper()
	var out []string
	for _, name := range regular(m.t, m.path(".tidegate")) {
		if text, _ := m.read(".tidegate/" + name); strings.Contains(text, canary) {
			out = append(out, name)
		}
	}
	return out
}

func TestRegressionContentThatIsNoLongerSensitiveKeepsItsPast(t *testing.T) {
	o := newOrigin(t, "", "")
	config := func(content, more string) string {
		return fmt.Sprintf(`
variable "secret" {
  type      = string
  sensitive = true
}
rate_limit "sliding_window" "slow" {
  max = 1
  per = "1h"
}
sink "file" "f" {
  path    = "f.txt"
  content = %[1]s
  mode    = "0600"
  %[2]s
}
sink "http" "h" {
  url  = "%[3]s/hook"
  body = %[1]s
  %[2]s
}
sink "exec" "e" {
  command = ["/bin/sh", "-c", "cat > stdin.txt"]
  stdin   = %[1]s
  %[2]s
}
`, content, more, o.URL)
	}
	const limited = "rate_limits = [rate_limit.sliding_window.slow]"
	for _, c := range []struct{ what, more, held string }{
		{"in step", "", ""},
		{"drifted", "", "edited by hand"},
		{"drifted from a part of it", "", "first\nedited\n" + "last"},
		{"deferred", limited, ""},
		{"deferred and drifted", limited, "edited by hand"},
		{"drift is told", `on_drift = "warn"`, "edited by hand"},
	} {
		t.Run(c.what, func(t *testing.T) {
			m := newModule(t, "main.hcl", config(`"first\n${var.secret}\nlast"`, c.more))
			m.environ = append(m.environ, "TIDEGATE_VAR_secret="+canary)
			m.mustApply()
			if c.held != "" {
				m.write("f.txt", c.held)
			}
			m.write("main.hcl", config(`"first\nplain\nlast"`, c.more))
			p, diags := m.plan()
			wantNoSecret(t, "the plan", shown(t, p))
			wantNoSecretInDiagnostics(t, "the plan", diags)
			m.mustApply()
			p, _ = m.plan()
			wantNoSecret(t, "the next plan", shown(t, p))
			if files := m.stateHolds(); len(files) > 0 {
				t.Errorf("the secret is in %v", files)
			}
			if c.more != limited {
				m.wantFile("f.txt", "first\nplain\nlast")
				m.wantFile("stdin.txt", "first\nplain\nlast")
			}
		})
	}
}

func TestRegressionErrorsDoNotQuoteSensitiveArguments(t *testing.T) {
	const variable = "variable \"p\" {\n  type = string\n  sensitive = true\n}\n"
	for name, config := range map[string]string{
		"timeout of a sink":    `sink "exec" "s" {` + "\n command = [\"true\"]\n timeout = var.p\n}",
		"timeout of a source":  `source "exec" "s" {` + "\n command = [\"true\"]\n timeout = var.p\n}",
		"interval":             `source "file" "s" {` + "\n path = \"x.txt\"\n interval = var.p\n}",
		"mode of a file":       `sink "file" "s" {` + "\n path = \"x.txt\"\n content = \"x\"\n mode = var.p\n}",
		"decode":               `source "file" "s" {` + "\n path = \"main.hcl\"\n decode = var.p\n}",
		"number":               `source "file" "s" {` + "\n path = \"x.txt\"\n max_bytes = var.p\n}",
		"address of a server":  `source "http" "s" { url = var.p }`,
		"per of a limit":       `rate_limit "sliding_window" "s" {` + "\n max = 1\n per = var.p\n}",
		"pattern in a local":   `locals { x = regex(var.p, "abc") }` + "\nsink \"file\" \"s\" {\n path = \"x.txt\"\n content = local.x\n}",
		"pattern in a sink":    `sink "file" "s" {` + "\n path = \"x.txt\"\n content = regex(var.p, \"abc\")\n}",
		"pattern in a source":  `source "static" "s" { value = regex(var.p, "abc") }`,
		"pattern in an output": `output "s" {` + "\n value = regex(var.p, \"abc\")\n sensitive = true\n}",
		"pattern in a precondition": `sink "file" "s" {` + "\n path = \"x.txt\"\n content = \"x\"\n" + `
  precondition {
    condition     = length(regexall(var.p, "abc")) == 0
    error_message = "it matches."
  }
}`,
		"pattern in a precondition over data": `
source "file" "v" { path = "v.txt" }
sink "file" "s" {
  path    = "x.txt"
  content = "x"
  precondition {
    condition     = length(regexall(var.p, source.file.v.text)) == 0
    error_message = "it matches."
  }
}`,
		"pattern in a rule": `
source "file" "v" {
  path  = "v.txt"
  rules = [rule.assert.r]
}
rule "assert" "r" {
  assertion {
    condition     = length(regexall(var.p, value)) == 0
    error_message = "it matches."
  }
}`,
		"message of a rule": `
source "file" "v" {
  path  = "v.txt"
  rules = [rule.assert.r]
}
rule "assert" "r" {
  assertion {
    condition     = value == "nothing"
    error_message = "bad: ${regex(var.p, value)}"
  }
}`,
		"index":             `locals { x = { a = "b" }[var.p] }` + "\nsink \"file\" \"s\" {\n path = \"x.txt\"\n content = local.x\n}",
		"number in a local": `locals { x = tonumber(var.p) }` + "\nsink \"file\" \"s\" {\n path = \"x.txt\"\n content = tostring(local.x)\n}",
		"json in a local":   `locals { x = jsondecode(var.p) }` + "\nsink \"file\" \"s\" {\n path = \"x.txt\"\n content = tostring(local.x)\n}",
		"file in a local":   `locals { x = file(var.p) }` + "\nsink \"file\" \"s\" {\n path = \"x.txt\"\n content = local.x\n}",
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "v.txt", "some text", "main.hcl", variable+config)
			m.environ = append(m.environ, "TIDEGATE_VAR_p="+canary+"(")
			p, diags := m.plan()
			if !diags.HasErrors() {
				t.Error("there is no error")
			}
			wantNoSecretInDiagnostics(t, name, diags)
			if p != nil {
				wantNoSecret(t, "the plan", shown(t, p))
			}
			_, _, diags = m.apply()
			wantNoSecretInDiagnostics(t, name, diags)
			if _, err := os.Stat(m.path(".tidegate")); err == nil && len(m.stateHolds()) > 0 {
				t.Errorf("the secret is in %v", m.stateHolds())
			}
		})
	}
}

func TestRegressionSourceThatReadsASecretFileIsSensitive(t *testing.T) {
	config := func(salt string) string {
		return fmt.Sprintf(`
variable "secret" {
  type      = string
  sensitive = true
}
sink "file" "db" {
  path    = "db.json"
  content = jsonencode({ password = var.secret, salt = %q })
}
source "file" "again" { path = "db.json" }
sink "file" "copy" {
  path    = "copy.json"
  content = jsonencode(source.file.again.value)
}
sink "exec" "run" {
  command = ["/bin/sh", "-c", "cat > stdin.txt"]
  stdin   = source.file.again.text
}
`, salt)
	}
	m := newModule(t, "main.hcl", config("one"))
	m.environ = append(m.environ, "TIDEGATE_VAR_secret="+canary)
	for _, salt := range []string{"one", "one", "two"} {
		m.write("main.hcl", config(salt))
		p, diags := m.plan()
		wantNoSecret(t, "the plan", shown(t, p))
		wantNoSecretInDiagnostics(t, "the plan", diags)
		m.mustApply()
		m.wantFile("copy.json", `{"password":"`+canary+`","salt":"`+salt+`"}`)
		if info, _ := os.Stat(m.path("copy.json")); info.Mode().Perm() != 0o600 {
			t.Errorf("mode of a copy of a secret = %v, want 0600", info.Mode())
		}
		if files := m.stateHolds(); len(files) > 0 {
			t.Errorf("the secret is in %v", files)
		}
		m.wantNoChanges()
	}
}

func TestRegressionSourceThatBecomesSensitiveLeavesNoClearText(t *testing.T) {
	o := newOrigin(t, "", "")
	config := func(sensitive string) string {
		return fmt.Sprintf(`
source "file" "s" {
  path = "s.json"
  %s
}
sink "file" "f" {
  path    = "f.txt"
  content = source.file.s.value.password
}
sink "exec" "e" {
  command = ["/bin/sh", "-c", "echo ran >> ran.log; cat > stdin.txt"]
  stdin   = source.file.s.value.password
}
sink "http" "h" {
  url  = "%s/hook"
  body = source.file.s.value.password
}
`, sensitive, o.URL)
	}
	for _, history := range [][]string{{canary}, {canary, "other"}, {"other", canary}} {
		t.Run(strings.Join(history, " then "), func(t *testing.T) {
			o.mutex.Lock()
			o.posts = nil
			o.mutex.Unlock()
			m := newModule(t, "main.hcl", config(""))
			for _, password := range history {
				m.write("s.json", fmt.Sprintf(`{"password":%q}`, password))
				m.mustApply()
			}
			if len(m.stateHolds()) == 0 {
				t.Fatal("the probe finds nothing even in clear")
			}
			m.write("main.hcl", config("sensitive = true"))
			p, diags := m.plan()
			wantNoSecret(t, "the plan", shown(t, p))
			wantNoSecretInDiagnostics(t, "the plan", diags)
			m.mustApply()
			if files := m.stateHolds(); len(files) > 0 {
				t.Errorf("the clear text is still in %v", files)
			}
			m.wantRuns("after the change", "ran.log", len(history))
			if n := len(o.received()); n != len(history) {
				t.Errorf("the server got %d requests, want %d", n, len(history))
			}
			m.wantFile("f.txt", history[len(history)-1])
			m.wantNoChanges()
		})
	}
}
