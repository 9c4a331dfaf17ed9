package engine_test

import (
	"context"
	"fmt"
	"testing"

	"tidegate/engine"
)

// What was sent to a webhook source and waits for a rate limit is looked at when its time
// comes, although such a source has no detector.
func TestWatchPushWaitsForALimit(t *testing.T) {
	m := newModule(t, "main.hcl", `
rate_limit "sliding_window" "slow" {
  max = 1
  per = "1s"
}
source "webhook" "app" { rate_limits = [rate_limit.sliding_window.slow] }
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.webhook.app.value)
}`)
	d := m.watch()
	for _, data := range []string{`{"v":1}`, `{"v":2}`} {
		if got := d.push("app", data, ""); got.Outcome != engine.PushAccepted {
			t.Fatalf("push of %s: %+v", data, got)
		}
		if data == `{"v":1}` {
			d.awaitFile("out.json", data)
		}
	}
	d.awaitFile("out.json", `{"v":2}`)
}

// A source that stays paused over a restart keeps nobody from being ready.
func TestWatchPausedSourceKeepsNobodyWaiting(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	if err := d.Pause(context.Background(), engine.Pause{Pattern: "source.file.app"}); err != nil {
		t.Fatal(err)
	}
	d.halt()
	d = m.watch()
	d.await("it is ready", d.Ready)
}

// A removed sink that waits for a worker, or is with one, is forgotten and harms nobody.
func TestWatchRemovesSinksThatWaitForAWorker(t *testing.T) {
	m := newModule(t, "app.json", `{"v":1}`, "main.hcl", manySinks(200))
	d := m.watch()
	m.write("main.hcl", manySinks(1))
	if err := d.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("out0.json", `{"v":1}`)
	d.await("only one sink is left", func() bool {
		s, err := d.Status(context.Background())
		return err == nil && len(s.Sinks) == 1
	})
}

func manySinks(n int) string {
	text := `source "file" "app" { path = "app.json" }` + "\n"
	for i := range n {
		text += fmt.Sprintf("sink \"file\" \"s%[1]d\" {\n  path    = \"out%[1]d.json\"\n  content = jsonencode(source.file.app.value)\n}\n", i)
	}
	return text
}
