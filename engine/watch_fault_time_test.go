//go:build unix

package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/providers"
)

// A burst over five sources makes one delivery of a sink that settles, and constant noise does
// not put it off for ever.
func TestWatchSettleMakesOneDeliveryOfABurst(t *testing.T) {
	const names = "a b c d e"
	for what, config := range map[string]string{
		"of what is made from the sources": `
sink "sim" "out" {
  name  = "out"
  value = join(" ", [for v in [source.sim.a.value, source.sim.b.value, source.sim.c.value, source.sim.d.value, source.sim.e.value] : tostring(v.n)])
  settle {
    min = "3s"
    max = "10s"
  }
}`,
		"of what other sinks trigger": strings.Join(each(names, `
sink "sim" "to_%[1]s" {
  name  = "to_%[1]s"
  value = tostring(source.sim.%[1]s.value.n)
}`), "") + `
sink "sim" "out" {
  name     = "out"
  value    = "reload"
  triggers = [sink.sim.to_a, sink.sim.to_b, sink.sim.to_c, sink.sim.to_d, sink.sim.to_e]
  settle {
    min = "3s"
    max = "10s"
  }
}`,
	} {
		t.Run(what, func(t *testing.T) {
			simulate(t, func(t *testing.T, w *sim) {
				m := newModule(t, "main.hcl", simSources(`interval = "1s"`, strings.Fields(names)...)+config)
				d := w.watch(m)
				pass(time.Minute)
				first := len(w.got("out"))
				if first == 0 || first > 2 {
					t.Fatalf("%d first deliveries: %q", first, w.got("out"))
				}
				for i, name := range strings.Fields(names) {
					w.set(name, fmt.Sprintf(`{"n":%d}`, i+10))
					pass(1500 * time.Millisecond)
				}
				pass(time.Minute)
				got := w.got("out")
				if len(got) != first+1 {
					t.Errorf("the burst made %d deliveries: %q", len(got)-first, got)
				}
				if last := got[len(got)-1]; last != "reload" && last != "10 11 12 13 14" {
					t.Errorf("the delivery has %q", last)
				}
				begun := time.Now()
				for i := range 60 {
					w.set("a", fmt.Sprintf(`{"n":%d}`, 100+i))
					pass(time.Second)
				}
				if n := len(w.got("out")) - len(got); n < 4 || n > 8 {
					t.Errorf("%d deliveries during %s of noise, want one each 10s", n, time.Since(begun))
				}
				pass(time.Minute)
				d.awaitSink("sink.sim.out", engine.StateOK)
			})
		})
	}
}

// each formats a text with each of some words.
func each(words, format string) []string {
	var out []string
	for _, word := range strings.Fields(words) {
		out = append(out, fmt.Sprintf(format, word))
	}
	return out
}

// Of several detectors the earliest look serves all and re-arms all.
func TestWatchSeveralDetectorsShareTheLooks(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", `
detector "hash" "slow" {
  interval          = "10m"
  ignore            = ["at"]
  failure_threshold = 7
}
detector "hash" "quick" {
  interval          = "1m"
  ignore            = ["meta.*"]
  failure_threshold = 2
}
detector "webhook" "now" {}
`+simSources(`detectors = [detector.hash.slow, detector.hash.quick, detector.webhook.now]`, "a")+`
sink "sim" "out" {
  name  = "out"
  value = jsonencode(source.sim.a.value)
}`)
		w.set("a", `{"at":1,"meta":{"x":1},"n":1}`)
		d := w.watch(m)
		pass(time.Hour)
		if n := len(w.looks("a")); n < 55 || n > 67 {
			t.Errorf("%d looks in an hour, want one a minute", n)
		}
		// What either of them ignores is no difference.
		w.set("a", `{"at":2,"meta":{"x":2},"n":1}`)
		pass(3 * time.Minute)
		wantValues(t, "delivered", w.got("out"), `{"at":1,"meta":{"x":1},"n":1}`)
		// A hint looks at once, and the others wait from then on.
		w.set("a", `{"at":3,"meta":{"x":3},"n":2}`)
		before := len(w.looks("a"))
		d.Notify(parsed(t, "detector.webhook.now"))
		pass(time.Second)
		looks := w.looks("a")
		if len(looks) != before+1 {
			t.Errorf("the hint made %d looks", len(looks)-before)
		}
		wantValues(t, "delivered", w.got("out"), `{"at":1,"meta":{"x":1},"n":1}`, `{"at":3,"meta":{"x":3},"n":2}`)
		pass(2 * time.Minute)
		if looks = w.looks("a"); looks[before+1].Sub(looks[before]) < 50*time.Second {
			t.Errorf("the look after the hint came after %s", looks[before+1].Sub(looks[before]))
		}
		// The lowest threshold counts.
		w.fails("a")
		for s := d.source("source.sim.a"); s.Failures < 4; s = d.source("source.sim.a") {
			if s.Failures >= 2 != (s.State == engine.StateDegraded) {
				t.Errorf("after %d failures it is %s", s.Failures, s.State)
			}
			pass(100 * time.Millisecond)
		}
	})
}

// How often it changed and failed is known after a restart: an adaptive interval stays short,
// and a back-off goes on.
func TestWatchPaceSurvivesARestart(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", `
detector "hash" "adaptive" {
  interval = "1m"
  jitter   = 0
  adaptive {
    min    = "10s"
    max    = "10m"
    window = "1h"
  }
}
`+simSources(`detectors = [detector.hash.adaptive]`, "busy")+simSources(`interval = "10s"`, "down"))
		w.fails("down")
		d := w.watch(m)
		for i := range 12 {
			w.set("busy", fmt.Sprintf(`{"n":%d}`, i+2))
			pass(time.Minute)
		}
		pace := func(name string) time.Duration {
			from := time.Now()
			pass(4 * time.Minute)
			seen := between(w.looks(name), from, time.Now())
			if len(seen) == 0 {
				return 4 * time.Minute
			}
			return 4 * time.Minute / time.Duration(len(seen))
		}
		if p := pace("busy"); p > 15*time.Second {
			t.Errorf("a source that changes all the time is looked at each %s", p)
		}
		failures := d.source("source.sim.down").Failures
		if failures < 5 {
			t.Errorf("%d failures are known", failures)
		}
		d.halt()
		d = w.watch(m)
		pass(time.Second)
		if now := d.source("source.sim.down"); now.Failures <= failures || now.State != engine.StateDegraded {
			t.Errorf("after the restart it is %s with %d failures, before with %d", now.State, now.Failures, failures)
		}
		from := time.Now()
		pass(10 * time.Minute)
		for _, gap := range gaps(between(w.looks("down"), from, time.Now())) {
			if gap < 2*time.Minute {
				t.Errorf("a source in back-off was looked at again after %s", gap)
			}
		}
		if p := pace("busy"); p > 15*time.Second {
			t.Errorf("after the restart the source that changes all the time is looked at each %s", p)
		}
		// One that never changes any more is not looked at as often as it may be, only because
		// somebody started a daemon.
		pass(3 * time.Hour)
		if p := pace("busy"); p < 3*time.Minute {
			t.Errorf("a source that is calm is looked at each %s", p)
		}
		d.halt()
		w.watch(m)
		from = time.Now()
		pass(2 * time.Minute)
		if n := len(between(w.looks("busy"), from, time.Now())); n > 3 {
			t.Errorf("a calm source was looked at %d times in the 2 minutes after a restart", n)
		}
	})
}

// Push beside poll: the newest of both wins, and a poll that brings the bytes of before the
// push does not undo it.
func TestWatchNewestOfPushAndPollWins(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources("interval = \"1m\"\npush {}", "a")+`
sink "sim" "out" {
  name  = "out"
  value = jsonencode(source.sim.a.value)
}`)
		d := w.watch(m)
		pass(5 * time.Minute)
		send := func(data string, want engine.PushOutcome) {
			t.Helper()
			if got := d.push("a", data, ""); got.Outcome != want {
				t.Errorf("push of %s: %+v", data, got)
			}
			pass(5 * time.Minute) // some polls of what the origin had before
		}
		send(`{"n":2}`, engine.PushAccepted)
		send(`{"n":2}`, engine.PushUnchanged)
		w.set("a", `{"n":3}`)
		pass(5 * time.Minute)
		send(`{"n":4}`, engine.PushAccepted)
		w.fails("a")
		pass(20 * time.Minute)
		send(`{"n":5}`, engine.PushAccepted)
		d.halt()
		d = w.watch(m)
		pass(5 * time.Minute)
		w.set("a", `{"n":3}`) // back, and as old as before
		pass(20 * time.Minute)
		w.set("a", `{"n":6}`)
		pass(10 * time.Minute)
		wantValues(t, "delivered", w.got("out"), `{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`, `{"n":5}`, `{"n":6}`)
	})
}

// A sender that goes back and forth means it: what was pushed is never held as flapping.
func TestWatchPushesAreNotHeldAsFlapping(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources("interval = \"1m\"\npush {}", "a")+`
sink "sim" "out" {
  name  = "out"
  value = tostring(source.sim.a.value.n)
}`)
		d := w.watch(m)
		pass(time.Minute)
		want := []string{"1"}
		for i := range 8 {
			n := 2 + i%2
			if got := d.push("a", fmt.Sprintf(`{"n":%d}`, n), ""); got.Outcome != engine.PushAccepted {
				t.Fatalf("push %d: %+v", i, got)
			}
			pass(10 * time.Second)
			want = append(want, fmt.Sprint(n))
		}
		wantValues(t, "delivered", w.got("out"), want...)
	})
}

// H19, R22, "Cloudflare 2025-11-18": replicas that disagree. After A, B, A the next B is held
// and reported, and the value that is seen three times in a row has settled.
func TestWatchH19FlappingIsHeld(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "1m"`, "a")+`
sink "sim" "out" {
  name  = "out"
  value = source.sim.a.text
}`)
		w.answers("a", func(n int, _ string) (providers.Snapshot, error) {
			return providers.Snapshot{Data: []byte([]string{`{"v":"A"}`, `{"v":"B"}`}[(n-1)%2]), Format: "json"}, nil
		})
		d := w.watch(m)
		pass(30 * time.Minute)
		wantValues(t, "delivered while it flaps", w.got("out"), `{"v":"A"}`, `{"v":"B"}`, `{"v":"A"}`)
		d.await("it is reported", func() bool {
			return slices.ContainsFunc(events[engine.SourceState](d), func(e engine.SourceState) bool { return e.To == engine.StateFlapping })
		})
		d.halt() // what is held stays held
		d = w.watch(m)
		pass(10 * time.Minute)
		if n := len(w.got("out")); n != 3 {
			t.Errorf("after a restart: %q", w.got("out"))
		}
		w.set("a", `{"v":"B"}`)
		from := time.Now()
		pass(10 * time.Minute)
		got := w.got("out")
		if len(got) != 4 || got[3] != `{"v":"B"}` {
			t.Fatalf("after it has settled: %q", got)
		}
		if looks := between(w.looks("a"), from, w.tried("out")[3].at.Add(time.Millisecond)); len(looks) > 3 {
			t.Errorf("it took %d equal looks to settle, want 3", len(looks))
		}
		d.awaitSource("source.sim.a", engine.StateOK)
		w.set("a", `{"v":"C"}`) // what is new is never held
		pass(2 * time.Minute)
		if got = w.got("out"); got[len(got)-1] != `{"v":"C"}` {
			t.Errorf("a third value was held: %q", got)
		}
	})
}

// Fallback stands in only while nothing was ever accepted, and is not accepted itself.
func TestWatchFallbackStandsInUntilTheFirstValue(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources("interval = \"10s\"\nfallback = { n = 0 }", "a")+`
sink "sim" "out" {
  name  = "out"
  value = tostring(source.sim.a.value.n)
}`)
		w.fails("a")
		d := w.watch(m)
		pass(time.Minute)
		wantValues(t, "delivered", w.got("out"), "0")
		if s := d.source("source.sim.a"); s.Version != "" || len(events[engine.Accepted](d)) > 0 {
			t.Errorf("the fallback was accepted: %+v", s)
		}
		d.halt()
		d = w.watch(m)
		pass(5 * time.Minute)
		wantValues(t, "delivered", w.got("out"), "0")
		w.set("a", `{"n":7}`)
		pass(10 * time.Minute)
		w.fails("a")
		pass(time.Hour)
		wantValues(t, "delivered", w.got("out"), "0", "7")
		d.halt()
		w.watch(m)
		pass(time.Hour)
		wantValues(t, "delivered after a restart", w.got("out"), "0", "7")
	})
}

// B5: a candidate that is refused is reported once, over restarts too, and the next good one
// is applied at the next look.
func TestWatchB5RejectionIsReportedOnceOverRestarts(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", `
rule "assert" "small" {
  assertion {
    condition     = value.n < 10
    error_message = "too big: ${value.n}"
  }
}
`+simSources("interval = \"1m\"\nrules = [rule.assert.small]", "a")+`
sink "sim" "out" {
  name  = "out"
  value = tostring(source.sim.a.value.n)
}`)
		d := w.watch(m)
		pass(5 * time.Minute)
		told := 0
		w.set("a", `{"n":11}`)
		for range 3 {
			pass(10 * time.Minute)
			if s := d.source("source.sim.a"); s.State != engine.StateRejected || !strings.Contains(s.Reason, "too big: 11") {
				t.Errorf("the source is %s: %s", s.State, s.Reason)
			}
			told += len(events[engine.Rejected](d))
			d.halt()
			d = w.watch(m)
		}
		if told != 1 {
			t.Errorf("the rejection was told %d times", told)
		}
		w.set("a", `{"n":2}`)
		from := time.Now()
		pass(10 * time.Minute)
		wantValues(t, "delivered", w.got("out"), "1", "2")
		if at := w.tried("out")[1].at; at.Sub(from) > 70*time.Second {
			t.Errorf("the good value after the bad one took %s", at.Sub(from))
		}
	})
}

// A precondition may ask whether a source is stale: nothing is delivered while it is.
func TestWatchPreconditionOnStale(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "10s"`, "a", "b")+`
sink "sim" "out" {
  name  = "out"
  value = "${source.sim.a.value.n} ${source.sim.b.value.n}"
  precondition {
    condition     = !source.sim.b.stale
    error_message = "b is stale"
  }
}`)
		d := w.watch(m)
		pass(time.Minute)
		w.fails("b")
		pass(time.Minute)
		w.set("a", `{"n":2}`)
		pass(2 * time.Minute)
		wantValues(t, "delivered while b is stale", w.got("out"), "1 1")
		if s := d.sink("sink.sim.out"); s.State != engine.StateRejected || !strings.Contains(s.Reason, "b is stale") {
			t.Errorf("the sink is %s: %s", s.State, s.Reason)
		}
		w.set("b", `{"n":3}`)
		pass(10 * time.Minute)
		wantValues(t, "delivered", w.got("out"), "1 1", "2 3")
		d.awaitSink("sink.sim.out", engine.StateOK)
	})
}

// A value that is held back by nothing but a pause waits for its end, which comes by itself
// and over a restart.
func TestWatchPauseEndsByItself(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "10s"`, "a", "b")+`
sink "sim" "out" {
  name  = "out"
  value = "${source.sim.a.value.n} ${source.sim.b.value.n}"
}`)
		d := w.watch(m)
		pass(time.Minute)
		for _, p := range []engine.Pause{
			{Pattern: "source.sim.b", Until: time.Now().Add(2 * time.Hour), Reason: "maintenance"},
			{Pattern: "sink.*", Until: time.Now().Add(time.Hour)},
		} {
			if err := d.Pause(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		w.set("a", `{"n":2}`)
		w.set("b", `{"n":2}`)
		looks := len(w.looks("b"))
		pass(30 * time.Minute)
		d.halt()
		d = w.watch(m)
		pass(29 * time.Minute)
		wantValues(t, "delivered during the pause", w.got("out"), "1 1")
		d.awaitSink("sink.sim.out", engine.StatePaused)
		d.awaitSource("source.sim.b", engine.StatePaused)
		pass(10 * time.Minute)
		wantValues(t, "delivered when the sink goes on", w.got("out"), "1 1", "2 1")
		if n := len(w.looks("b")) - looks; n != 0 {
			t.Errorf("a paused source was looked at %d times", n)
		}
		pass(time.Hour)
		wantValues(t, "delivered when the source goes on", w.got("out"), "1 1", "2 1", "2 2")
		d.awaitSource("source.sim.b", engine.StateOK)
	})
}

// Whatever the kind of a source brings, what is too large, empty, or "not modified" without
// having been asked so changes nothing, and the next good value is used.
func TestWatchWhatIsNoCandidateChangesNothing(t *testing.T) {
	answers := map[string]func(n int, last string) (providers.Snapshot, error){
		"too large": func(int, string) (providers.Snapshot, error) {
			return providers.Snapshot{Data: []byte(`{"n":"` + strings.Repeat("x", 100) + `"}`), Format: "json"}, nil
		},
		"empty": func(int, string) (providers.Snapshot, error) {
			return providers.Snapshot{Data: []byte(`{}`), Format: "json"}, nil
		},
		"not modified": func(_ int, last string) (providers.Snapshot, error) {
			if last != "" {
				t.Errorf("asked with the validator %q, although there was none", last)
			}
			return providers.Snapshot{NotModified: true}, nil
		},
	}
	for what, answer := range answers {
		t.Run(what, func(t *testing.T) {
			simulate(t, func(t *testing.T, w *sim) {
				m := newModule(t, "main.hcl", simSources("interval = \"10s\"\n  max_bytes = 50", "a")+`
sink "sim" "out" {
  name  = "out"
  value = jsonencode(source.sim.a.value)
}`)
				d := w.watch(m)
				pass(time.Minute)
				w.answers("a", answer)
				pass(10 * time.Minute)
				if s := d.source("source.sim.a"); s.State != engine.StateDegraded && s.State != engine.StateRejected {
					t.Errorf("the source is %s: %s", s.State, s.Reason)
				}
				w.set("a", `{"n":2}`)
				pass(10 * time.Minute)
				wantValues(t, "delivered", w.got("out"), `{"n":1}`, `{"n":2}`)
				d.awaitSource("source.sim.a", engine.StateOK)
			})
		})
	}
}

// A source moves on several times, each time durably, while a sink is being made from what it
// held. The intent then names no content that the state has dropped, which it would refuse for
// ever.
func TestWatchSourceOutrunsASlowSink(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", `
detector "hash" "often" { interval = "1s" }
`+simSources("detectors = [detector.hash.often]", "a")+`
sink "sim" "slow" {
  name     = "slow"
  value    = source.sim.a.value.n
  readable = true
}`)
		d := w.watch(m)
		pass(time.Minute)
		w.with(func() { w.target("slow").reading = 20 * time.Second })
		for n := range 30 {
			w.set("a", fmt.Sprintf(`{"n":%d}`, 2+n))
			pass(time.Second)
		}
		pass(2 * time.Minute)
		got := w.got("slow")
		if len(got) < 3 || got[len(got)-1] != "31" {
			t.Errorf("delivered: %q", got)
		}
		if trouble := events[engine.StateTrouble](d); len(trouble) > 0 {
			t.Errorf("the state: %+v", trouble)
		}
		d.awaitSink("sink.sim.slow", engine.StateOK)
	})
}
