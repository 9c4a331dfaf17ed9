package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/hclspec/decode"
	"tidegate/providers"
)

// bombConfig is of kinds that panic at the places that are named.
type bombConfig struct {
	At string `hcl:"at"`
}

// blow panics if this is one of the places.
func (c *bombConfig) blow(place string) {
	if slices.Contains(strings.Fields(c.At), place) {
		var nothing []int
		_ = nothing[len(place)]
	}
}

func newBomb() *bombConfig { return &bombConfig{} }

// bombs are kinds whose code panics.
func bombs() []*providers.Kind {
	return []*providers.Kind{
		providers.SourceKind("bomb", providers.Doc{Summary: "A fake.", Detectors: []string{"watch", "hash"}}, newBomb,
			func(c *bombConfig, _ providers.Env) (providers.Source, error) {
				c.blow("build")
				return &bombSource{c}, nil
			}),
		providers.DetectorKind("bomb", providers.Doc{Summary: "A fake."}, newBomb,
			func(c *bombConfig, _ providers.Env) (providers.Detector, error) { return &bombDetector{c}, nil }),
		providers.RuleKind("bomb", providers.Doc{Summary: "A fake."}, newBomb,
			func(c *bombConfig, _ providers.Env) (providers.Rule, error) { return &bombRule{c}, nil }),
		providers.RateLimitKind("bomb", providers.Doc{Summary: "A fake."}, newBomb,
			func(c *bombConfig, _ providers.Env) (providers.RateLimit, error) { return &bombLimit{c}, nil }),
		providers.SinkKind("bomb", providers.Doc{Summary: "A fake."}, newBomb,
			func(c *bombConfig, _ providers.Env) (providers.Sink, error) {
				c.blow("build")
				return &bombSink{c}, nil
			}),
	}
}

type bombSource struct{ *bombConfig }

func (s *bombSource) Identity() string { s.blow("identity"); return "bomb" }
func (s *bombSource) Fetch(context.Context, string) (providers.Snapshot, error) {
	s.blow("fetch")
	return providers.Snapshot{Data: []byte(`{"n":1}`), Format: "json"}, nil
}

func (s *bombSource) Watch(func(providers.Change)) (func(), error) {
	s.blow("watch")
	return func() { s.blow("stop") }, nil
}

type bombDetector struct{ *bombConfig }

func (d *bombDetector) Delay(providers.History) time.Duration { d.blow("delay"); return time.Second }
func (d *bombDetector) Ignore() []string                      { d.blow("ignore"); return nil }
func (d *bombDetector) FailureThreshold() int                 { d.blow("threshold"); return 5 }
func (d *bombDetector) Debounce() time.Duration               { d.blow("debounce"); return time.Second }

func (d *bombDetector) BackoffMax() time.Duration { d.blow("backoff"); return time.Minute }
func (d *bombDetector) Window() time.Duration     { return time.Minute }

type bombRule struct{ *bombConfig }

func (r *bombRule) Judge(context.Context, providers.Candidate) ([]providers.Finding, error) {
	r.blow("judge")
	return nil, nil
}

type bombLimit struct{ *bombConfig }

func (l *bombLimit) Next(_ providers.Counter, now time.Time) time.Time { l.blow("next"); return now }

func (l *bombLimit) Take(c providers.Counter, _ time.Time) providers.Counter {
	l.blow("take")
	return c
}

type bombSink struct{ *bombConfig }

func (s *bombSink) Target() string      { s.blow("target"); return "bomb" }
func (s *bombSink) Fingerprint() string { return decode.RawHash([]byte("bomb")) }
func (s *bombSink) Read(context.Context) (providers.Observed, error) {
	s.blow("read")
	return providers.Observed{}, nil
}

func (s *bombSink) Write(context.Context, providers.Delivery) error {
	s.blow("write")
	return nil
}

func (s *bombSink) Delete(context.Context) error { s.blow("delete"); return nil }
func (s *bombSink) Sweep(context.Context) error  { s.blow("sweep"); return nil }
func (s *bombSink) Watch(func(providers.Change)) (func(), error) {
	s.blow("watch")
	return func() { s.blow("stop") }, nil
}

// beside is what has nothing to do with what panics.
const beside = `
source "sim" "ok" {
  name     = "ok"
  interval = "1s"
}
sink "sim" "ok" {
  name  = "ok"
  value = tostring(source.sim.ok.value.n)
}
`

const (
	bombSourceBlock = `
source "bomb" "b" { at = "%s" }
sink "sim" "b" {
  name  = "b"
  value = tostring(source.bomb.b.value.n)
}`
	bombSimBlock = `
source "sim" "b" {
  name = "b"
  %s
}
sink "sim" "b" {
  name  = "b"
  value = tostring(source.sim.b.value.n)
  %s
}`
)

// E7: a panic in the code of a kind, wherever it is called, is an error of the block it belongs to.
// The log has the stack, and everything else goes on.
func TestWatchE7PanicsStayWithTheirBlock(t *testing.T) {
	limited := func(at, inSource, inSink string) string {
		return fmt.Sprintf("rate_limit \"bomb\" \"b\" { at = %q }\n", at) + fmt.Sprintf(bombSimBlock, inSource, inSink)
	}
	detected := func(at string) string {
		return fmt.Sprintf("detector \"bomb\" \"b\" { at = %q }\n", at) + fmt.Sprintf(bombSimBlock, `detectors = [detector.bomb.b]`, "")
	}
	type says struct{ config, address, state string }
	for name, want := range map[string]says{
		"source fetch":       {fmt.Sprintf(bombSourceBlock, "fetch"), "source.bomb.b", engine.StateFailing},
		"source identity":    {fmt.Sprintf(bombSourceBlock, "identity"), "source.bomb.b", engine.StateFailing},
		"source watch":       {fmt.Sprintf(bombSourceBlock, "watch"), "source.bomb.b", engine.StateOK}, // it is polled
		"source stop":        {fmt.Sprintf(bombSourceBlock, "stop"), "source.bomb.b", engine.StateOK},
		"detector delay":     {detected("delay"), "source.sim.b", engine.StateDegraded},
		"detector ignore":    {detected("ignore"), "source.sim.b", engine.StateDegraded}, // again and again
		"detector threshold": {detected("threshold"), "source.sim.b", engine.StateDegraded},
		"detector debounce":  {detected("debounce"), "source.sim.b", engine.StateDegraded},
		"detector backoff":   {detected("backoff"), "source.sim.b", engine.StateDegraded},
		"rule":               {`rule "bomb" "b" { at = "judge" }` + "\n" + fmt.Sprintf(bombSimBlock, `rules = [rule.bomb.b]`, ""), "source.sim.b", engine.StateFailing},
		"limit next, source": {limited("next", `rate_limits = [rate_limit.bomb.b]`, ""), "source.sim.b", engine.StateDeferred},
		"limit next, sink":   {limited("next", "", `rate_limits = [rate_limit.bomb.b]`), "sink.sim.b", engine.StateDeferred},
		"limit take, sink":   {limited("take", "", `rate_limits = [rate_limit.bomb.b]`), "sink.sim.b", engine.StateDeferred},
		"sink target":        {`sink "bomb" "b" { at = "target" }`, "sink.bomb.b", engine.StateFailed},
		"sink read":          {`sink "bomb" "b" { at = "read" }`, "sink.bomb.b", engine.StateFailed},
		"sink write":         {`sink "bomb" "b" { at = "write" }`, "sink.bomb.b", engine.StateFailed},
		"sink watch":         {`sink "bomb" "b" { at = "watch" }`, "sink.bomb.b", engine.StateOK},
		"sink stop":          {`sink "bomb" "b" { at = "stop" }`, "sink.bomb.b", engine.StateOK},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, w *sim) {
				w.kinds = bombs()
				m := newModule(t, "main.hcl", beside+want.config)
				log := &logText{}
				d := w.watch(m, log.option)
				pass(time.Second)
				w.set("ok", `{"n":2}`)
				pass(5 * time.Second)
				wantValues(t, "what is beside", w.got("ok"), "1", "2")
				state, reason := d.stateOf(want.address)
				if state != want.state || state != engine.StateOK && state != engine.StateDeferred && !strings.Contains(reason, "internal error: runtime error: index out of range") {
					t.Errorf("%s is %s: %s", want.address, state, reason)
				}
				if err := d.Pause(t.Context(), engine.Pause{Pattern: want.address}); err != nil {
					t.Fatal(err)
				}
				if _, err := d.Resume(t.Context(), want.address); err != nil {
					t.Fatal(err)
				}
				w.set("ok", `{"n":3}`)
				pass(5 * time.Second)
				m.write("main.hcl", beside)
				if err := d.Reload(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.set("ok", `{"n":4}`)
				pass(5 * time.Second)
				wantValues(t, "what is beside", w.got("ok"), "1", "2", "3", "4")
				d.halt()
				if log.count("a kind panicked") == 0 || log.count("engine_test.(*bombConfig).blow") == 0 {
					t.Error("the log has no stack")
				}
			})
		})
	}
}

// E7: a detector that panics is not asked again, its sources are polled slowly all the same, and
// another one is asked after a reload.
func TestWatchE7DetectorThatPanics(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		w.kinds = bombs()
		config := `detector "bomb" "b" { at = "%s" }` + "\n" + fmt.Sprintf(bombSimBlock, `detectors = [detector.bomb.b]`, "")
		m := newModule(t, "main.hcl", fmt.Sprintf(config, "delay"))
		log := &logText{}
		d := w.watch(m, log.option)
		pass(time.Second)
		from := time.Now()
		w.set("b", `{"n":2}`)
		pass(10 * time.Minute)
		wantValues(t, "what it is polled for", w.got("b"), "1", "2")
		if n := len(between(w.looks("b"), from, time.Now())); n < 9 || n > 12 {
			t.Errorf("it was looked at %d times in 10 minutes", n)
		}
		if n := log.count("a kind panicked"); n != 1 {
			t.Errorf("it was said %d times", n)
		}
		m.write("main.hcl", fmt.Sprintf(config, "nowhere"))
		if err := d.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if s := d.source("source.sim.b"); s.State != engine.StateOK {
			t.Errorf("%+v", s)
		}
	})
}

// E7: a configuration over which a kind panics is a broken one: what runs goes on.
func TestWatchE7ReloadThatPanics(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		w.kinds = bombs()
		m := newModule(t, "main.hcl", beside)
		d := w.watch(m)
		pass(time.Second)
		for _, block := range []string{`source "bomb" "b" { at = "build" }`, `sink "bomb" "b" { at = "build" }`} {
			m.write("main.hcl", beside+block)
			if err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "internal error") || !strings.Contains(err.Error(), "main.hcl:") {
				t.Errorf("%s: %v", block, err)
			}
		}
		w.set("ok", `{"n":2}`)
		pass(5 * time.Second)
		wantValues(t, "what runs", w.got("ok"), "1", "2")
	})
}

// E7: a panic while what a killed delivery left is swept away at the start.
func TestWatchE7PanicAtTheStart(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		w.kinds = bombs()
		m := newModule(t, "main.hcl", beside+`sink "bomb" "b" { at = "write sweep" }`)
		for n := range 2 {
			w.set("ok", fmt.Sprintf(`{"n":%d}`, n))
			d := w.watch(m)
			pass(5 * time.Second)
			d.awaitSink("sink.bomb.b", engine.StateFailed)
			d.halt()
		}
		wantValues(t, "what is beside", w.got("ok"), "0", "1")
	})
}

// stateOf returns the state of a source or sink, and why it is so.
func (d *daemon) stateOf(name string) (state, reason string) {
	if strings.HasPrefix(name, "source.") {
		s := d.source(name)
		return s.State, s.Reason
	}
	s := d.sink(name)
	return s.State, s.Reason
}
