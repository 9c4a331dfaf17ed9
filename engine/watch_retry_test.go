package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/providers"
)

const simOut = `
sink "sim" "out" {
  name  = "out"
  value = tostring(source.sim.a.value.n)
  retry { attempts = 1 }
}`

// E14, R14: a daemon that is started again and again is hardly more of a load to a target that
// fails than one which runs on. Another payload and another block are tried at once.
func TestWatchE14BackOffSurvivesRestarts(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "1s"`, "a")+simOut)
		w.with(func() {
			w.target("out").refuse = func(int, string) error { return providers.Temporary(errors.New("status 503")) }
		})
		for range 100 {
			d := w.watch(m)
			pass(3 * time.Second)
			if s := d.sink("sink.sim.out"); s.State != engine.StateFailed || !strings.Contains(s.LastError, "status 503") {
				t.Fatalf("%+v", s)
			}
			d.halt()
		}
		tries := len(w.tried("out"))
		// At 0, 1, 2, 4 ... 256 s, each between half and the whole, and once more after each.
		if tries < 6 || tries > 24 {
			t.Errorf("tried %d times in 5 minutes of restarts", tries)
		}
		tried := func(what string, want int) {
			t.Helper()
			n := 0
			for _, x := range w.tried("out") {
				if x.value == "2" {
					n++
				}
			}
			if n != want {
				t.Errorf("%s: tried %d times, want %d", what, n, want)
			}
		}
		w.set("a", `{"n":2}`)
		d := w.watch(m)
		pass(2 * time.Second)
		d.halt()
		tried("another payload", 1)
		for range 5 {
			d = w.watch(m)
			pass(2 * time.Second)
			d.halt()
			tried("the same, once more since somebody may have mended the target", 2)
		}
		m.write("main.hcl", simSources(`interval = "1s"`, "a")+strings.Replace(simOut, "attempts = 1", "attempts = 2", 1))
		d = w.watch(m)
		pass(100 * time.Millisecond)
		tried("another block", 3)
		pass(10 * time.Second)
		d.halt()
		w.with(func() { w.target("out").refuse = nil })
		d = w.watch(m)
		pass(time.Hour + time.Minute)
		wantValues(t, "the target", w.got("out"), "2")
		d.awaitSink("sink.sim.out", engine.StateOK)
		d.halt()
		w.set("a", `{"n":3}`)
		w.watch(m)
		pass(2 * time.Second)
		wantValues(t, "the target", w.got("out"), "2", "3")
	})
}

// E14: a delivery during which the process ends is tried again at once by the next one, and with a
// back-off if that happens again and again.
func TestWatchE14DeliveriesThatAreCutShort(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "1s"`, "a")+simOut)
		w.with(func() { w.target("out").hang = make(chan struct{}) })
		for n := range 100 {
			d := w.watch(m, func(_ *engine.Options, o *engine.WatchOptions) { o.Grace = time.Second })
			pass(2 * time.Second)
			d.halt()
			if tries := len(w.tried("out")); n == 1 && tries != 2 {
				t.Errorf("tried %d times in two starts", tries)
			}
		}
		if n := len(w.tried("out")); n < 6 || n > 14 {
			t.Errorf("tried %d times in 5 minutes of restarts", n)
		}
		w.with(func() { w.target("out").hang = nil })
		d := w.watch(m)
		pass(6 * time.Minute)
		wantValues(t, "the target", w.got("out"), "1")
		ids := map[string]bool{}
		for _, x := range w.tried("out") {
			ids[x.id] = true
		}
		if len(ids) != 1 {
			t.Errorf("one delivery had %d identities", len(ids))
		}
		d.awaitSink("sink.sim.out", engine.StateOK)
	})
}

// P5: what a target says is gone for good is not sent again, also after a restart, until its
// content or its block is another.
func TestWatchP5Gone(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		config := simSources(`interval = "1s"`, "a") + simOut
		m := newModule(t, "main.hcl", config)
		w.with(func() {
			w.target("out").refuse = func(int, string) error {
				return providers.Permanent(fmt.Errorf("status 410: %w", providers.ErrGone))
			}
		})
		tried := func(what string, want ...string) {
			t.Helper()
			if got := valuesOf(w.tried("out")); !slices.Equal(got, want) {
				t.Errorf("%s: tried %q, want %q", what, got, want)
			}
		}
		d := w.watch(m)
		pass(24 * time.Hour)
		tried("in a day", "1")
		s := d.sink("sink.sim.out")
		if s.State != engine.StateFailed || !strings.Contains(s.Reason, "status 410") || !strings.Contains(s.Reason, "not sent again until its content or its block changes") {
			t.Errorf("%+v", s)
		}
		d.halt()
		d = w.watch(m)
		pass(time.Hour)
		tried("after a restart", "1")
		if s := d.sink("sink.sim.out"); s.State != engine.StateFailed || !strings.Contains(s.Reason, "status 410") {
			t.Errorf("%+v", s)
		}
		w.set("a", `{"n":2}`)
		pass(time.Hour)
		tried("other content", "1", "2")
		m.write("main.hcl", strings.Replace(config, "attempts = 1", "attempts = 2", 1))
		if err := d.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		tried("another block", "1", "2", "2")
		d.halt()
		m.write("main.hcl", strings.Replace(config, "attempts = 1", "attempts = 3", 1))
		d = w.watch(m)
		pass(time.Hour)
		tried("another block after a restart", "1", "2", "2", "2")
		w.with(func() { w.target("out").refuse = nil })
		w.set("a", `{"n":3}`)
		pass(time.Minute)
		wantValues(t, "the target", w.got("out"), "3")
		d.awaitSink("sink.sim.out", engine.StateOK)
	})
}
