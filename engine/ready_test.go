//go:build unix

package engine_test

import (
	"os"
	"strings"
	"testing"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/providers/providertest/host"
)

const orphan = `
sink "file" "app" {
  path    = "out/app.json"
  content = "{}"
}
sink "file" "other" {
  path       = "other"
  content    = "x"
  depends_on = [sink.file.app]
}
sink "file" "free" {
  path    = "free"
  content = "x"
}
`

func TestAMissingDirectoryIsToldByThePlan(t *testing.T) {
	m := newModule(t, "main.hcl", orphan)
	p, diags := m.plan()
	wantError(t, diags, "main.hcl:2", "sink.file.app", "out does not exist", "create_dirs = true")
	if c := sinkChange(t, p, "sink.file.app"); c.Action != plan.NoOp || c.Wanted != plan.Create || c.Wait == nil || c.Wait.Kind != plan.RejectedByOwn {
		t.Errorf("sink.file.app: %+v", c)
	}
	if c := sinkChange(t, p, "sink.file.other"); c.Wait == nil || c.Wait.On != "sink.file.app" {
		t.Errorf("sink.file.other: %+v", c)
	}
	if !p.Failed() {
		t.Error("the plan has not failed")
	}
	_, result, diags := m.apply()
	wantError(t, diags, "out does not exist")
	if result.Failed != 0 || result.Added != 1 {
		t.Errorf("%+v", result)
	}
	m.wantFile("free", "x")

	if err := os.Mkdir(m.path("out"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.mustApply()
	m.wantFile("out/app.json", "{}")
	m.wantNoChanges()
}

func TestADirectoryThatIsAFileIsToldByThePlan(t *testing.T) {
	m := newModule(t, "main.hcl", orphan, "out", "a file")
	_, diags := m.plan()
	wantError(t, diags, "main.hcl:2", "sink.file.app", "out", "not a directory")

	m = newModule(t, "main.hcl", `
sink "file" "app" {
  path        = "out/deep/app.json"
  content     = "{}"
  create_dirs = true
}`, "out", "a file")
	_, diags = m.plan()
	wantError(t, diags, "main.hcl:2", "sink.file.app", "out", "not a directory")
}

// Who only plans may be somebody else than who applies.
func TestADirectoryThatMayNotBeWrittenIsForWhoAppliesToJudge(t *testing.T) {
	if !host.AsNobody(t) {
		return
	}
	m := newModule(t, "main.hcl", orphan, "out/keep", "")
	if err := os.Chmod(m.path("out"), 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(m.path("out"), 0o755)
	p, diags := m.plan()
	if c := sinkChange(t, p, "sink.file.app"); diags.HasErrors() || p.Failed() || c.Action != plan.Create {
		t.Errorf("%s: %s", c.Action, texts(diags))
	}
	if text := texts(diags); !strings.Contains(text, "main.hcl:2") || !strings.Contains(text, "right to write") {
		t.Errorf("no warning: %s", text)
	}
	p, result, diags := m.apply()
	wantError(t, diags, "Sink cannot be written", "right to write")
	if c := sinkChange(t, p, "sink.file.app"); c.Action != plan.NoOp || result.Added != 1 {
		t.Errorf("%+v %+v", c, result)
	}
}

// What comes before may make the directory, so that is left to apply. Without it there is one
// attempt: the next ones would find the same.
func TestADirectoryMayBeMadeByWhatComesBefore(t *testing.T) {
	const made = `
sink "exec" "make" { command = ["mkdir", "-p", "${path.module}/out"] }
sink "file" "app" {
  path       = "out/app.json"
  content    = "{}"
  depends_on = [sink.exec.make]
}
`
	m := newModule(t, "main.hcl", made)
	m.mustApply()
	m.wantFile("out/app.json", "{}")

	// Now nothing comes before any more.
	if err := os.RemoveAll(m.path("out")); err != nil {
		t.Fatal(err)
	}
	_, diags := m.plan()
	wantError(t, diags, "sink.file.app", "out does not exist")

	m = newModule(t, "main.hcl", `
sink "exec" "make" { command = ["true"] }
sink "file" "app" {
  path       = "out/app.json"
  content    = "{}"
  triggers   = [sink.exec.make]
}
`)
	p, result, diags := m.apply()
	wantError(t, diags, "sink.file.app", "out does not exist", "create_dirs = true")
	if c := sinkChange(t, p, "sink.file.app"); c.Action != plan.Create || result.Failed != 1 {
		t.Errorf("%+v %+v", c, result)
	}
	for _, e := range m.events {
		if e, ok := e.(engine.DeliveryRetried); ok {
			t.Errorf("tried again: %+v", e)
		}
	}
}

// Drift that the policy leaves alone needs no directory.
func TestADirectoryIsNotMissedWhereNothingIsWritten(t *testing.T) {
	m := newModule(t, "main.hcl", `
sink "file" "app" {
  path        = "out/app.json"
  content     = "{}"
  on_drift    = "warn"
}`)
	if err := os.Mkdir(m.path("out"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.mustApply()
	if err := os.RemoveAll(m.path("out")); err != nil {
		t.Fatal(err)
	}
	if _, diags := m.plan(); diags.HasErrors() {
		t.Error(texts(diags))
	}
}
