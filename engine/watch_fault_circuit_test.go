//go:build unix

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/providers"
)

func hostedSources(host, attributes string, n int) (string, []string) {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%s%d", host, i))
	}
	return simSources(fmt.Sprintf("host = %q\n  %s", host, attributes), names...), names
}

// H27: a host that fails is asked by a single source at a time, less and less often, and once
// it has healed all its sources are served again within the longest back-off. Other hosts do
// not notice (B7).
func TestWatchH27CircuitOfAHost(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		bad, badNames := hostedSources("bad", `detectors = [detector.hash.quick]`, 20)
		good, goodNames := hostedSources("good", `detectors = [detector.hash.quick]`, 20)
		m := newModule(t, "main.hcl", `
detector "hash" "quick" {
  interval = "10s"
  backoff { max = "1m" }
}
`+bad+good+simSources("host = \"alone\"\n  detectors = [detector.hash.quick]", "alone"))
		d := w.watch(m)
		pass(10 * time.Minute)
		from := time.Now()
		pass(10 * time.Minute)
		usual := w.looksOf(goodNames, from, time.Now())
		for _, name := range append(badNames, "alone") {
			w.fails(name)
		}
		pass(5 * time.Minute) // until it has opened and stays open for as long as it may
		w.with(func() { w.most["bad"] = 0 })
		from = time.Now()
		pass(10 * time.Minute)
		if n := w.looksOf(badNames, from, time.Now()); n < 9 || n > 22 {
			t.Errorf("20 sources asked a host that is down %d times in 10 minutes, want about one each minute", n)
		}
		for _, gap := range gaps(between(w.looks("alone"), from, time.Now())) {
			if gap > 61*time.Second {
				t.Errorf("a host with a single source was asked again after %s, longer than its back-off", gap)
			}
		}
		if w.most["bad"] != 1 {
			t.Errorf("%d asked at the same time, want a single probe", w.most["bad"])
		}
		if n := w.looksOf(goodNames, from, time.Now()); n < usual*9/10 || n > usual*11/10 {
			t.Errorf("the other host was asked %d times, usually %d", n, usual)
		}
		for _, name := range badNames[1:] {
			if s := d.source("source.sim." + name); s.State != engine.StateFailing && s.State != engine.StateDegraded {
				t.Errorf("%s is %s", name, s.State)
			}
		}
		for i, name := range badNames {
			w.set(name, fmt.Sprintf(`{"n":%d}`, 100+i))
		}
		healed := time.Now()
		for len(between(accepted(d, "bad"), healed, time.Now().Add(time.Second))) < len(badNames) {
			if time.Since(healed) > 65*time.Second {
				t.Fatalf("%s after it has healed only %d of its sources are served", time.Since(healed), len(between(accepted(d, "bad"), healed, time.Now())))
			}
			pass(100 * time.Millisecond)
		}
		t.Logf("all served again after %s", time.Since(healed))
	})
}

// accepted returns when sources were accepted whose names begin so.
func accepted(d *daemon, prefix string) []time.Time {
	var out []time.Time
	s, err := d.Status(context.Background())
	if err != nil {
		d.m.t.Fatal(err)
	}
	for _, src := range s.Sources {
		if strings.HasPrefix(src.Address.Name, prefix) {
			out = append(out, src.LastChange)
		}
	}
	return out
}

// A probe that is overtaken by a pushed value, or whose source is configured anew or paused
// meanwhile, does not leave its host alone for ever.
func TestWatchH27ProbeThatIsOvertaken(t *testing.T) {
	for what, disturb := range map[string]func(t *testing.T, d *daemon, m *module){
		"by a push": func(t *testing.T, d *daemon, m *module) {
			for i := range 3 {
				if got := d.push(fmt.Sprint("bad", i), `{"n":50}`, ""); got.Outcome != engine.PushAccepted {
					t.Error(got)
				}
			}
		},
		"by a reload": func(t *testing.T, d *daemon, m *module) {
			text, _ := m.read("main.hcl")
			m.write("main.hcl", strings.ReplaceAll(text, `host = "bad"`, `host = "other"`)+simSources("host = \"bad\"\ninterval = \"10s\"", "late"))
			if err := d.Reload(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"by a pause": func(t *testing.T, d *daemon, m *module) {
			if err := d.Pause(t.Context(), engine.Pause{Pattern: "source.sim.bad*", Until: time.Now().Add(time.Minute)}); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			simulate(t, func(t *testing.T, w *sim) {
				config, names := hostedSources("bad", "interval = \"10s\"\npush {}", 12)
				m := newModule(t, "main.hcl", config)
				d := w.watch(m)
				pass(time.Minute)
				for _, name := range names {
					w.fails(name)
				}
				pass(3 * time.Minute)
				hang := make(chan struct{})
				w.with(func() {
					for _, name := range names {
						w.origin(name).hang = hang
					}
				})
				pass(6 * time.Minute) // one of them asks, and hangs
				disturb(t, d, m)
				pass(time.Second)
				w.with(func() {
					for _, name := range names {
						w.origin(name).hang = nil
					}
				})
				close(hang)
				pass(2 * time.Minute)
				for i, name := range append(names, "late") {
					w.set(name, fmt.Sprintf(`{"n":%d}`, 100+i))
				}
				from := time.Now()
				pass(12 * time.Minute)
				for _, at := range accepted(d, "") {
					if at.Before(from) {
						t.Errorf("a source was not served since the host healed\n%s", d.describe())
						break
					}
				}
			})
		})
	}
}

// Sources whose host changes by a reload while they wait for their turn at the old one.
func TestWatchReloadToAnotherHostWhileLooksWait(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		config, names := hostedSources("old", `interval = "10s"`, 30)
		m := newModule(t, "main.hcl", config)
		hang := make(chan struct{})
		w.with(func() {
			for _, name := range names {
				w.origin(name).hang = hang
			}
		})
		d := w.watch(m)
		pass(time.Minute)
		if w.most["old"] != 8 {
			t.Errorf("%d looks at one host at the same time, want 8", w.most["old"])
		}
		m.write("main.hcl", strings.ReplaceAll(config, `host = "old"`, `host = "new"`))
		if err := d.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		close(hang)
		pass(time.Minute)
		for _, name := range names {
			if s := d.source("source.sim." + name); s.State != engine.StateOK {
				t.Errorf("%s is %s: %s", name, s.State, s.Reason)
			}
		}
		if w.most["new"] > 8 {
			t.Errorf("%d looks at the new host at the same time, want at most 8", w.most["new"])
		}
	})
}

// H24: what an origin asks for is obeyed, and holds for that source alone.
func TestWatchH24RetryAfter(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources("host = \"h\"\ninterval = \"10s\"", "limited", "free")+
			simSources("host = \"i\"\ninterval = \"10s\"", "other"))
		d := w.watch(m)
		pass(time.Minute)
		w.answers("limited", func(int, string) (providers.Snapshot, error) {
			return providers.Snapshot{}, providers.After(errors.New("status 429"), 20*time.Minute)
		})
		pass(time.Minute)
		from := time.Now()
		pass(2 * time.Hour)
		for _, gap := range gaps(between(w.looks("limited"), from, time.Now())) {
			if gap < 20*time.Minute || gap > 26*time.Minute {
				t.Errorf("asked again after %s, want 20m", gap)
			}
		}
		for _, name := range []string{"free", "other"} {
			if n := len(between(w.looks(name), from, time.Now())); n < 600 {
				t.Errorf("%s was looked at %d times in two hours", name, n)
			}
		}
		if s := d.source("source.sim.limited"); s.NextLook.Before(time.Now()) || s.State == engine.StateOK {
			t.Errorf("%+v", s)
		}
	})
}

// Looks that wait for their turn at a host do not ask it any more once it is found to be down.
func TestWatchCircuitOpensWhileLooksWait(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		config, names := hostedSources("bad", `interval = "1m"`, 40)
		m := newModule(t, "main.hcl", config)
		for _, name := range names {
			w.answers(name, func(int, string) (providers.Snapshot, error) {
				time.Sleep(10 * time.Second)
				return providers.Snapshot{}, errDown
			})
		}
		from := time.Now()
		d := w.watch(m)
		pass(20*time.Second + 500*time.Millisecond)
		// Eight at a time; four of those were replaced until the fifth failure told; then one probe.
		if n := w.looksOf(names, from, time.Now()); n > 8+4+1 {
			t.Errorf("%d asked a host that is down, of which nobody but 12 and a probe could not know", n)
		}
		for _, name := range names {
			if s := d.source("source.sim." + name); s.State != engine.StateFailing && s.State != engine.StateDegraded {
				t.Errorf("%s is %s", name, s.State)
			}
		}
		if !d.Ready() {
			t.Error("it waits for sources whose host is down")
		}
	})
}

// A crowd of sources of other hosts, more than are looked at at the same time. They can be made
// to hang all at once.
func crowd() (config string, names []string) {
	config = "detector \"hash\" \"ten\" { interval = \"10s\" }\ndetector \"webhook\" \"now\" {}\n"
	for i := range 80 {
		names = append(names, fmt.Sprint("crowd", i))
		config += simSources(fmt.Sprintf("host = \"host%d\"\n  detectors = [detector.hash.ten, detector.webhook.now]", i), names[i])
	}
	return config, names
}

// awaitLook waits until one of the origins has been looked at.
func (w *sim) awaitLook(names []string) {
	looks := func() int { return w.looksOf(names, time.Time{}, time.Now()) }
	for before := looks(); looks() == before; {
		pass(100 * time.Millisecond)
	}
}

// hold lets looks at some origins hang from now on, and returns how to let them go.
func (w *sim) hold(names []string) (release func()) {
	hang := make(chan struct{})
	set := func(c chan struct{}) {
		w.with(func() {
			for _, name := range names {
				w.origin(name).hang = c
			}
		})
	}
	set(hang)
	return func() { set(nil); close(hang) }
}

// Sources that were spared, and waited for a worker until their host could be tried, do not ask;
// they must not take the place of the one that does, or nobody ever would.
func TestWatchSparedSourcesWaitForAWorker(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		others, busy := crowd()
		bad, names := hostedSources("bad", `interval = "10s"`, 12)
		m := newModule(t, "main.hcl", others+bad)
		for _, name := range names {
			w.fails(name)
		}
		d := w.watch(m)
		pass(30 * time.Minute) // the circuit stays open for as long as it may
		w.awaitLook(names)
		release := w.hold(busy)
		d.Notify(parsed(t, "detector.webhook.now"))
		pass(6 * time.Minute) // all of the host have asked, and wait for a worker
		for _, name := range names {
			w.set(name, `{"n":2}`)
		}
		release()
		pass(10 * time.Minute)
		for _, name := range names {
			if s := d.source("source.sim." + name); s.State != engine.StateOK {
				t.Errorf("%s is %s: %s", name, s.State, s.Reason)
			}
		}
	})
}

// Sources that are spared, and one that is to try its host again, wait for a worker like others.
// Where they are removed meanwhile they give back the places that they had and no others, and
// the host is not left alone for ever.
func TestWatchSparedSourcesAreRemovedWhileTheyWait(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		others, busy := crowd()
		bad, badNames := hostedSources("bad", `interval = "10s"`, 12)
		// Two are paused: one stays, so that the host goes on being one that fails, and one is to
		// try when nobody else asks any more.
		others += simSources("host = \"bad\"\ninterval = \"10s\"", "stays")
		m := newModule(t, "main.hcl", others+bad+simSources("host = \"bad\"\ninterval = \"10s\"", "tries"))
		d := w.watch(m)
		for _, name := range []string{"stays", "tries"} {
			if err := d.Pause(t.Context(), engine.Pause{Pattern: "source.sim." + name}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range badNames {
			w.fails(name)
		}
		pass(30 * time.Minute) // the circuit stays open for as long as it may
		w.awaitLook(badNames)
		release := w.hold(busy)
		d.Notify(parsed(t, "detector.webhook.now"))
		// Every worker hangs, for less than the longest that a look may take, and everybody else
		// waits: one of them to try the host, for which it is time again after five minutes.
		pass(9 * time.Minute)
		if _, err := d.Resume(t.Context(), "source.sim.tries"); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		var late []string
		for i := range 20 {
			late = append(late, fmt.Sprint("late", i))
		}
		reloadWith(t, d, others+simSources("host = \"bad\"\ninterval = \"10s\"", late...))
		pass(time.Second)
		w.with(func() { clear(w.most) })
		release()
		pass(10 * time.Minute)
		for _, name := range slices.Concat(busy, late) {
			if s := d.source("source.sim." + name); s.State != engine.StateOK {
				t.Errorf("%s is %s: %s", name, s.State, s.Reason)
			}
		}
		// As many places as before, and not one more.
		for _, names := range [][]string{late, busy} {
			release := w.hold(names)
			pass(time.Minute)
			release()
			pass(time.Minute)
		}
		if all, bad := w.most[""], w.most["bad"]; all != 64 || bad != 8 {
			t.Errorf("%d look at the same time and %d at one host, want 64 and 8", all, bad)
		}
	})
}

// A source whose host comes out of another source's value belongs to the host where it looks
// now: it is spared while that one fails, and when the old one fails it does not notice.
func TestWatchHostOutOfAnotherSource(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		one, oneNames := hostedSources("one", `interval = "10s"`, 6)
		two, twoNames := hostedSources("two", `interval = "10s"`, 6)
		m := newModule(t, "main.hcl", simSources(`interval = "1s"`, "where")+one+two+
			simSources("host = source.sim.where.value.host\ninterval = \"10s\"", "moves"))
		w.set("where", `{"host":"one"}`)
		d := w.watch(m)
		pass(time.Minute)
		w.set("where", `{"host":"two"}`)
		pass(time.Minute)
		looks := func(long time.Duration) int {
			from := time.Now()
			pass(long)
			return w.looksOf([]string{"moves"}, from, time.Now())
		}
		for _, name := range oneNames {
			w.fails(name)
		}
		pass(5 * time.Minute)
		from := time.Now()
		if n := looks(10 * time.Minute); n < 50 {
			t.Errorf("it was looked at %d times in 10 minutes, although only its former host is down", n)
		}
		if n := w.looksOf(oneNames, from, time.Now()); n > 5 {
			t.Errorf("its former host was asked %d times in 10 minutes while it is down", n)
		}
		if s := d.source("source.sim.moves"); s.State != engine.StateOK {
			t.Errorf("it is %s: %s", s.State, s.Reason)
		}
		for _, name := range append(twoNames, "moves") {
			w.fails(name)
		}
		pass(5 * time.Minute)
		all := append(twoNames, "moves")
		from = time.Now()
		pass(time.Hour)
		if n := w.looksOf(all, from, time.Now()); n > 20 {
			t.Errorf("its host, which is down, was asked %d times in an hour, want one probe each 5 minutes", n)
		}
	})
}
