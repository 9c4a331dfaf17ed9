//go:build unix

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

// B4: limits defer and coalesce; the newest value waits for its turn, over a restart too, and
// a value that is retried is counted once.
func TestWatchB4RateLimitsDeferAndCoalesce(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", `
rate_limit "sliding_window" "two" {
  max = 2
  per = "1h"
}
`+simSources(`interval = "10s"`, "a")+`
sink "sim" "out" {
  name        = "out"
  value       = tostring(source.sim.a.value.n)
  rate_limits = [rate_limit.sliding_window.two]
}`)
		begun := time.Now()
		d := w.watch(m)
		change := func(from, to int) {
			for i := from; i <= to; i++ {
				w.set("a", fmt.Sprintf(`{"n":%d}`, i))
				pass(30 * time.Second)
			}
		}
		change(1, 20)
		wantValues(t, "delivered", w.got("out"), "1", "2")
		if s := d.sink("sink.sim.out"); s.State != engine.StateDeferred || s.Next.IsZero() {
			t.Errorf("the sink is %s until %s", s.State, s.Next)
		}
		d.halt()
		d = w.watch(m)
		change(21, 30)
		wantValues(t, "delivered after a restart", w.got("out"), "1", "2")
		pass(time.Hour + time.Minute - time.Since(begun))
		wantValues(t, "delivered when the limit lets pass", w.got("out"), "1", "2", "30")
		w.with(func() {
			w.target("out").refuse = func(n int, _ string) error {
				if n%5 != 0 {
					return providers.Temporary(errors.New("not now"))
				}
				return nil
			}
		})
		change(31, 31)
		pass(10 * time.Minute)
		wantValues(t, "delivered after some tries", w.got("out"), "1", "2", "30", "31")
		d.awaitSink("sink.sim.out", engine.StateOK)
	})
}

// Limits on a source defer acceptances likewise.
func TestWatchRateLimitOnASource(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", `
rate_limit "sliding_window" "one" {
  max = 1
  per = "10m"
}
`+simSources("interval = \"10s\"\nrate_limits = [rate_limit.sliding_window.one]", "a")+`
sink "sim" "out" {
  name  = "out"
  value = tostring(source.sim.a.value.n)
}`)
		d := w.watch(m)
		for i := 1; i <= 30; i++ {
			w.set("a", fmt.Sprintf(`{"n":%d}`, i))
			pass(10 * time.Second)
		}
		wantValues(t, "delivered", w.got("out"), "1")
		if s := d.source("source.sim.a"); s.State != engine.StateDeferred {
			t.Errorf("the source is %s", s.State)
		}
		d.halt()
		d = w.watch(m)
		pass(6 * time.Minute)
		wantValues(t, "delivered", w.got("out"), "1", "30")
		d.awaitSource("source.sim.a", engine.StateOK)
	})
}

// Under a shared limit the one that waits longest comes first, whoever changes most.
func TestWatchSharedLimitServesTheLongestWaitingFirst(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		names := "a b c d e"
		m := newModule(t, "main.hcl", `
rate_limit "sliding_window" "one" {
  max   = 1
  per   = "10m"
  scope = "shared"
}
`+simSources(`interval = "10s"`, strings.Fields(names)...)+strings.Join(each(names, `
sink "sim" "to_%[1]s" {
  name        = "to_%[1]s"
  value       = tostring(source.sim.%[1]s.value.n)
  rate_limits = [rate_limit.sliding_window.one]
}
`), ""))
		d := w.watch(m)
		pass(45 * time.Minute) // the first deliveries of all five
		for _, name := range strings.Fields(names) {
			wantValues(t, "first delivery of "+name, w.got("to_"+name), "1")
		}
		turns := func(n int) []string {
			type turn struct {
				name string
				at   time.Time
			}
			var list []turn
			w.with(func() {
				for _, name := range strings.Fields(names) {
					if got := w.target("to_" + name).got; n < len(got) {
						list = append(list, turn{name, got[n].at})
					}
				}
			})
			slices.SortFunc(list, func(a, b turn) int { return a.at.Compare(b.at) })
			var out []string
			for _, x := range list {
				out = append(out, x.name)
			}
			return out
		}
		for _, name := range strings.Fields(names) {
			w.set(name, `{"n":2}`)
		}
		restart := time.Now().Add(15 * time.Minute)
		for range 6 * 60 {
			for _, name := range []string{"a", "c"} { // the noisy ones
				w.set(name, fmt.Sprintf(`{"n":%d}`, 1000+time.Now().Unix()%1_000_000))
			}
			pass(10 * time.Second)
			if !restart.IsZero() && time.Now().After(restart) {
				restart = time.Time{}
				d.halt()
				d = w.watch(m)
			}
		}
		wantValues(t, "turns", turns(1), turns(0)...)
	})
}

// What passes several shared limits counts for each of them, also after a restart.
func TestWatchSharedLimitsAreAllStored(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", strings.Join(each("x y", `
rate_limit "sliding_window" %[1]q {
  max   = 1
  per   = "1h"
  scope = "shared"
}
`), "")+simSources("interval = \"10s\"\nrate_limits = [rate_limit.sliding_window.x, rate_limit.sliding_window.y]", "both")+
			simSources("interval = \"10s\"\nrate_limits = [rate_limit.sliding_window.x]", "of_x")+
			simSources("interval = \"10s\"\nrate_limits = [rate_limit.sliding_window.y]", "of_y"))
		w.fails("of_x")
		w.fails("of_y")
		begun := time.Now()
		d := w.watch(m)
		pass(time.Minute)
		d.awaitSource("source.sim.both", engine.StateOK)
		d.halt()
		w.set("of_x", `{"n":1}`)
		w.set("of_y", `{"n":1}`)
		d = w.watch(m)
		pass(time.Until(begun.Add(59 * time.Minute)))
		for _, name := range []string{"of_x", "of_y"} {
			if s := d.source("source.sim." + name); s.State != engine.StateDeferred {
				t.Errorf("%s is %s, although its limit let another pass less than an hour ago", name, s.State)
			}
		}
		pass(3 * time.Minute)
		for _, name := range []string{"of_x", "of_y"} {
			d.awaitSource("source.sim."+name, engine.StateOK)
		}
	})
}

// Sinks under one shared limit that are let pass together each count, also after a restart.
func TestWatchSharedLimitCountsThoseThatPassTogether(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		names := strings.Fields("a b c d e")
		m := newModule(t, "main.hcl", `
rate_limit "sliding_window" "three" {
  max   = 3
  per   = "1h"
  scope = "shared"
}
`+simSources(`interval = "10s"`, "v")+strings.Join(each("a b c d e", `
sink "sim" %[1]q {
  name        = %[1]q
  value       = tostring(source.sim.v.value.n)
  rate_limits = [rate_limit.sliding_window.three]
}
`), ""))
		served := func() (n int) {
			for _, name := range names {
				n += len(w.got(name))
			}
			return n
		}
		begun := time.Now()
		d := w.watch(m)
		for round := range 3 {
			pass(10 * time.Minute)
			if n := served(); n != 3 {
				t.Errorf("%d were served before restart %d, want 3", n, round+1)
			}
			d.halt()
			d = w.watch(m)
		}
		pass(time.Until(begun.Add(time.Hour + time.Minute)))
		if n := served(); n != 5 {
			t.Errorf("%d were served after an hour, want all", n)
		}
	})
}
