package engine_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"testing"

	"tidegate/engine"
	"tidegate/engine/plan"
)

const copyOfFile = `
source "file" "app" { path = "app.json" }
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.file.app.value)
}`

// A file that is replaced or written in place travels to the sink.
func TestWatchFollowsAFile(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
	m.write("app.json", `{"v":3}`)
	d.awaitFile("out.json", `{"v":3}`)
}

// What others do to a target is repaired.
func TestWatchRepairsDrift(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.await("the outcome is known", func() bool { return d.sink("sink.file.out").State == engine.StateOK })
	m.write("out.json", "vandals")
	d.awaitFile("out.json", `{"v":1}`)
	if err := os.Remove(m.path("out.json")); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("out.json", `{"v":1}`)
}

// A source that fails keeps what was accepted, says so, and is used again once it works.
func TestWatchFailsStatic(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	m.replace("app.json", `{"v":`)
	d.awaitSource("source.file.app", engine.StateFailing)
	m.wantFile("out.json", `{"v":1}`)
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
	d.awaitSource("source.file.app", engine.StateOK)
}

// A candidate that a rule refuses is reported once, and the next good one is applied at once.
func TestWatchReportsARejectionOnce(t *testing.T) {
	m := newModule(t, "main.hcl", `
rule "assert" "small" {
  assertion {
    condition     = value.v < 10
    error_message = "too big: ${value.v}"
  }
}
detector "hash" "quick" { interval = "100ms" }
source "file" "app" {
  path      = "app.json"
  rules     = [rule.assert.small]
  detectors = [detector.hash.quick]
}
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.file.app.value)
}`, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	m.replace("app.json", `{"v":11}`)
	d.awaitSource("source.file.app", engine.StateRejected)
	looks := d.source("source.file.app").Looks
	d.await("three more looks", func() bool { return d.source("source.file.app").Looks >= looks+3 })
	if n := len(events[engine.Rejected](d)); n != 1 {
		t.Errorf("the rejection was told %d times", n)
	}
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
}

// A sink whose triggers fire runs after what it depends on, once for each write.
func TestWatchRunsTriggers(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile+`
sink "exec" "reload" {
  command  = ["sh", "-c", "cat out.json >>runs; echo >>runs"]
  triggers = [sink.file.out]
}`, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("runs", "{\"v\":1}\n")
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("runs", "{\"v\":1}\n{\"v\":2}\n")
	d.awaitSink("sink.exec.reload", engine.StateOK)
	d.halt()
	m.wantFile("runs", "{\"v\":1}\n{\"v\":2}\n")
}

// A failing sink stays pending, is tried again, and stops nobody else.
func TestWatchTriesAFailedSinkAgain(t *testing.T) {
	t.Parallel()
	m := newModule(t, "main.hcl", copyOfFile+`
sink "exec" "fails" {
  command = ["sh", "-c", "test -e allowed && echo ${source.file.app.value.v} >done"]
  retry { attempts = 1 }
}`, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitSink("sink.exec.fails", engine.StateFailed)
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
	m.write("allowed", "")
	d.awaitFile("done", "2\n")
	d.awaitSink("sink.exec.fails", engine.StateOK)
}

// A restart goes on where the last daemon ended, without a delivery.
func TestWatchGoesOnAfterARestart(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.halt()
	if err := os.Remove(m.path("app.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(m.path("out.json")); err != nil {
		t.Fatal(err)
	}
	d = m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitSource("source.file.app", engine.StateFailing)
}

func (d *daemon) push(name, data, delivery string) engine.PushResult {
	r := d.Receivers().Sources[name]
	if r == nil {
		return engine.PushResult{Outcome: engine.PushGone}
	}
	return d.Push(context.Background(), engine.Pushed{
		Receiver: r, Name: name, Data: []byte(data), Delivery: delivery, Digest: sha256.Sum256([]byte(data)),
	})
}

// A pushed value is durable before it is answered, and reaches the sink.
func TestWatchTakesPushes(t *testing.T) {
	m := newModule(t, "main.hcl", `
rule "assert" "small" {
  assertion {
    condition     = value.v < 10
    error_message = "too big: ${value.v}"
  }
}
source "webhook" "app" { rules = [rule.assert.small] }
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.webhook.app.value)
}`)
	d := m.watch()
	d.awaitSource("source.webhook.app", engine.StateWaiting)
	d.awaitSink("sink.file.out", engine.StateBlocked)
	for _, step := range []struct {
		data, delivery string
		want           engine.PushOutcome
	}{
		{`{"v":1}`, "a", engine.PushAccepted},
		{`{"v":11}`, "b", engine.PushRejected},
		{`{"v":1}`, "a", engine.PushUnchanged},
		{`{"v":2}`, "a", engine.PushConflict},
		{`{"v":`, "c", engine.PushRejected},
	} {
		if got := d.push("app", step.data, step.delivery); got.Outcome != step.want {
			t.Errorf("push of %s as %s: %+v, want %d", step.data, step.delivery, got, step.want)
		}
	}
	d.awaitFile("out.json", `{"v":1}`)
	d.halt()
	d = m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	if got := d.push("app", `{"v":2}`, "a"); got.Outcome != engine.PushConflict {
		t.Errorf("a replay with another body after the restart: %+v", got)
	}
	for i := range 5 {
		if got := d.push("app", fmt.Sprintf(`{"v":%d}`, i), ""); got.Outcome > engine.PushUnchanged {
			t.Errorf("push %d: %+v", i, got)
		}
	}
	d.awaitFile("out.json", `{"v":4}`)
}

// A reload restarts what changed and nothing else; a broken one changes nothing.
func TestWatchReloads(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	m.write("more.hcl", `sink "file" "second" {`)
	if err := d.Reload(context.Background()); err == nil {
		t.Error("a broken configuration was taken")
	}
	m.write("more.hcl", `
sink "file" "second" {
  path    = "second.json"
  content = jsonencode(source.file.app.value)
}`)
	looks := d.source("source.file.app").Looks
	if err := d.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("second.json", `{"v":1}`)
	if got := d.source("source.file.app").Looks; got != looks {
		t.Errorf("a source that did not change was looked at %d times by the reload", got-looks)
	}
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
	d.awaitFile("second.json", `{"v":2}`)
}

// Outputs are stored as their sources move: a plan beside the daemon has nothing to change.
func TestWatchStoresOutputs(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile+`
output "v" { value = source.file.app.value.v }
output "two" { value = 2 }
`, "app.json", `{"v":1}`)
	d := m.watch()
	changes := func() int {
		p, diags := m.plan()
		if diags.HasErrors() {
			t.Fatal(texts(diags))
		}
		n := 0
		for _, c := range p.Outputs {
			if c.Action != plan.NoOp {
				n++
			}
		}
		return n
	}
	d.awaitFile("out.json", `{"v":1}`)
	d.await("the outputs are stored", func() bool { return changes() == 0 })
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
	d.await("the output has followed", func() bool { return changes() == 0 })
	m.write("main.hcl", copyOfFile)
	if err := d.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	d.await("the outputs are forgotten", func() bool { return changes() == 0 })
}
