package engine_test

import (
	"testing"
	"time"

	"tidegate/engine"
)

// The first delivery passes at once; of those that come too soon the newest is delivered when
// its turn comes, with nothing else to wake the sink.
func TestWatchDeliversTheNewestWhenALimitLetsItPass(t *testing.T) {
	t.Parallel()
	m := newModule(t, "main.hcl", `
rate_limit "sliding_window" "slow" {
  max = 1
  per = "5s"
}
source "file" "app" { path = "app.json" }
sink "file" "out" {
  path        = "out.json"
  content     = jsonencode(source.file.app.value)
  rate_limits = [rate_limit.sliding_window.slow]
}`, "app.json", `{"v":1}`)
	first := time.Now()
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	m.replace("app.json", `{"v":2}`)
	d.awaitSink("sink.file.out", engine.StateDeferred)
	m.replace("app.json", `{"v":3}`)
	d.awaitFile("out.json", `{"v":3}`)
	if took := time.Since(first); took < 5*time.Second {
		t.Errorf("the limit let it pass after %v", took)
	}
	for _, s := range events[engine.SinkState](d) {
		if s.From == engine.StateWaiting && s.To == engine.StateBlocked {
			t.Errorf("at the start it is told as %s: %s", s.To, s.Reason)
		}
	}
}
