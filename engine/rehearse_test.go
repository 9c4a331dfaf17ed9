package engine_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/providers"
	"tidegate/providers/all"
)

// A rehearsal plans and applies by its own clock and with its own state, and leaves the one of
// the configuration alone.
func TestARehearsalHasItsOwnStateAndClock(t *testing.T) {
	m := newModule(t, "main.hcl", `
rate_limit "sliding_window" "slow" {
  max = 1
  per = "1h"
}

source "webhook" "app" {
  rate_limits = [rate_limit.sliding_window.slow]
}

sink "file" "app" {
  path        = "out.json"
  content     = jsonencode(source.webhook.app.value)
  rate_limits = [rate_limit.sliding_window.slow]
}
`)
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	e, diags := engine.Load(t.Context(), engine.Options{Dir: m.dir, Registry: registry, Version: "0.1.0"})
	if diags.HasErrors() {
		t.Fatal(texts(diags))
	}
	defer e.Close()
	store := state.NewMemory()
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start
	r := e.Rehearse(store, func() time.Time { return now })
	app := address.Of(address.Source, "webhook", "app")
	round := func(value string) (*plan.SourceChange, *plan.SinkChange) {
		t.Helper()
		if value != "" {
			if err := r.Deposit(t.Context(), app, json.RawMessage(value)); err != nil {
				t.Fatal(err)
			}
		}
		p, diags := r.Plan(t.Context(), engine.PlanOptions{})
		if !p.Time.Equal(now) {
			t.Errorf("planned at %s, want %s", p.Time, now)
		}
		if _, more := r.Apply(t.Context(), p); append(diags, more...).HasErrors() {
			t.Fatal(texts(append(diags, more...)))
		}
		return p.Sources[0], p.Sinks[0]
	}
	if s, _ := round(""); s.Problem != plan.Waiting {
		t.Errorf("before the first push: %s", s.Problem)
	}
	if s, k := round(`{"a":1}`); s.Action != plan.Read || k.Action != plan.Create {
		t.Errorf("first push: %s, %s", s.Action, k.Action)
	}
	now = start.Add(59 * time.Minute)
	if s, _ := round(`{"a":2}`); s.Problem != plan.Limited || !s.Until.Equal(start.Add(time.Hour)) {
		t.Errorf("too early: %s until %s", s.Problem, s.Until)
	}
	now = start.Add(time.Hour)
	if s, k := round(""); s.Action != plan.Read || k.Action != plan.Update {
		t.Errorf("in time: %s, %s", s.Action, k.Action)
	}
	if got, _ := m.read("out.json"); got != `{"a":2}` {
		t.Errorf("the sink was written: %s", got)
	}
	ledger, err := store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	row := ledger.Sinks[address.Of(address.Sink, "file", "app")]
	if row == nil || !row.Acknowledged.At.Equal(now) {
		t.Errorf("the ledger says %+v", row)
	}
	if _, err := os.Stat(m.path(".tidegate")); !os.IsNotExist(err) {
		t.Errorf("a rehearsal made the state of the configuration: %v", err)
	}
}
