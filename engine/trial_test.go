package engine_test

import (
	"os"
	"strings"
	"testing"

	"tidegate/engine"
)

func TestYAMLAliasesMayWriteADocumentOut(t *testing.T) {
	m := newModule(t, "c.yaml", "base: &b {image: \"registry.example.com/x\"}\na: *b\nc: *b\n", "main.hcl", `
source "file" "c" { path = "c.yaml" }
sink "file" "c" {
  path    = "c.json"
  content = jsonencode(source.file.c.value.c)
}
`)
	m.mustApply()
	m.wantFile("c.json", `{"image":"registry.example.com/x"}`)
}

func TestSinkMayNotWriteOurOwnFiles(t *testing.T) {
	for _, path := range []string{".tidegate/state.db", ".tidegate/state.key", ".tidegate/../.tidegate/state.lock", "main.hcl"} {
		m := newModule(t, "main.hcl", `
sink "file" "f" {
  path    = "`+path+`"
  content = "x"
}
`)
		if err := os.Mkdir(m.path(".tidegate"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, diags := m.load()
		wantError(t, diags, "Sink writes a file of Tidegate's own", "sink.file.f")
	}
}

func TestPrivateSourceIsSealedInTheState(t *testing.T) {
	m := newModule(t, "private.json", `{"n":"canary-private"}`, "main.hcl", `
source "file" "p" { path = "private.json" }
sink "file" "p" {
  path    = "p.json"
  content = jsonencode(source.file.p.value)
  mode    = "0600"
}
`)
	if err := os.Chmod(m.path("private.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.mustApply()
	m.wantNoChanges()
	m.wantStateWithout("canary-private")
	m.wantFile("p.json", `{"n":"canary-private"}`)
}

func TestSecretThatCannotBeComparedIsLeftAlone(t *testing.T) {
	o := newOrigin(t, "", "")
	m := newModule(t, "main.hcl", `
variable "v" {
  default   = "canary-body"
  sensitive = true
}
sink "http" "h" {
  url  = "`+o.URL+`"
  body = var.v
}
`)
	m.mustApply()
	if err := os.Remove(m.path(".tidegate/state.key")); err != nil {
		t.Fatal(err)
	}
	p, diags := m.plan()
	wantError(t, diags, "Secret cannot be compared", "sink.http.h")
	if c := sinkChange(t, p, "sink.http.h"); c.Action.Delivers() {
		t.Errorf("the plan says %s without knowing", c.Action)
	}
}

func TestSecretInTheNameOfATargetIsHidden(t *testing.T) {
	m := newModule(t, "canary-name.txt", "x", "main.hcl", `
variable "s" {
  default   = "canary-name"
  sensitive = true
}
source "file" "s" { path = "${var.s}.txt" }
source "file" "missing" { path = "${var.s}/missing.txt" }
sink "file" "s" {
  path    = "${var.s}.out"
  content = source.file.s.value
}
`)
	_, _, diags := m.apply()
	if text := texts(diags); strings.Contains(text, "canary-name") {
		t.Errorf("the secret is in the diagnostics:\n%s", text)
	}
	for _, e := range m.events {
		if strings.Contains(strings.ToLower(eventText(e)), "canary-name") {
			t.Errorf("the secret is in an event: %s", eventText(e))
		}
	}
	m.wantStateWithout("canary-name")
	if got, _ := m.read("canary-name.out"); got != "x" {
		t.Errorf("the sink holds %q\n%s", got, texts(diags))
	}
}

func TestStateWithoutSecretsHasNoKey(t *testing.T) {
	m := newModule(t, "main.hcl", staticToFile)
	m.mustApply()
	m.write("main.hcl", strings.Replace(staticToFile, "8080", "8081", 1))
	m.mustApply()
	m.wantFile("out/app.json", `{"name":"app","port":8081}`)
	if _, ok := m.read(".tidegate/state.key"); ok {
		t.Error("a key was made although there is nothing to seal")
	}
}

func eventText(e engine.Event) string {
	switch e := e.(type) {
	case engine.LookFinished:
		return e.Reason
	case engine.DeliveryStarted:
		return e.Target
	case engine.DeliveryFinished:
		return e.Target + e.Err
	}
	return ""
}

// wantStateWithout searches all files of the state.
func (m *module) wantStateWithout(secret string) {
	m.t.Helper()
	entries, err := os.ReadDir(m.path(".tidegate"))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, e := range entries {
		if text, _ := m.read(".tidegate/" + e.Name()); strings.Contains(text, secret) {
			m.t.Errorf("%q is in %s", secret, e.Name())
		}
	}
}
