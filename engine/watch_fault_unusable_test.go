//go:build unix

package engine_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/providers"
	"tidegate/providers/providertest/host"
)

const hourlyPushes = `
rate_limit "sliding_window" "hourly" {
  max = 1
  per = "1h"
}
sink "sim" "out" {
  name  = "out"
  value = jsonencode(source.sim.a.value)
}
`

// waitingPush is a daemon whose source holds {"n":1}, with a value that was sent and waits for
// a rate limit. Each look at the origin takes a second.
func waitingPush(t *testing.T, w *sim, m *module, value string) *daemon {
	t.Helper()
	w.answers("a", func(int, string) (providers.Snapshot, error) {
		time.Sleep(time.Second)
		return providers.Snapshot{Data: []byte(`{"n":1}`), Format: "json"}, nil
	})
	d := w.watch(m)
	pass(time.Minute)
	wantValues(t, "delivered", w.got("out"), `{"n":1}`)
	if got := d.push("a", value, ""); got.Outcome != engine.PushAccepted {
		t.Fatalf("%+v", got)
	}
	pass(time.Minute)
	d.awaitSource("source.sim.a", engine.StateDeferred)
	return d
}

func reloadWith(t *testing.T, d *daemon, text string) {
	t.Helper()
	d.m.write("main.hcl", text)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A value waits, and a reload takes away that values may be sent. The origin is asked at its
// interval and not without end, and what waited is gone for good.
func TestWatchPushToASourceThatTakesNoneAnyMore(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		const attributes = "interval = \"1m\"\n  rate_limits = [rate_limit.sliding_window.hourly]\n"
		m := newModule(t, "main.hcl", hourlyPushes+simSources(attributes+"  push {}", "a"))
		d := waitingPush(t, w, m, `{"n":2}`)
		reloadWith(t, d, hourlyPushes+simSources(attributes, "a"))
		from := time.Now()
		pass(10 * time.Minute)
		if n := w.looksOf([]string{"a"}, from, time.Now()); n > 13 {
			t.Errorf("the origin was asked %d times in 10 minutes, want one a minute", n)
		}
		reloadWith(t, d, hourlyPushes+simSources(attributes+"  push {}", "a"))
		d.halt()
		d = w.watch(m)
		pass(2 * time.Hour)
		wantValues(t, "delivered", w.got("out"), `{"n":1}`)
		d.awaitSource("source.sim.a", engine.StateOK)
	})
}

// A value waits, and a reload makes it too large. It is told of as a failure, and does not keep
// the source from what its origin brings.
func TestWatchPushThatAReloadMadeTooLarge(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		attributes := func(most int) string {
			return fmt.Sprintf("interval = \"1m\"\n  max_bytes = %d\n  rate_limits = [rate_limit.sliding_window.hourly]\n  push {}", most)
		}
		m := newModule(t, "main.hcl", hourlyPushes+simSources(attributes(1000), "a"))
		d := waitingPush(t, w, m, fmt.Sprintf(`{"n":2,"pad":%q}`, strings.Repeat("x", 500)))
		reloadWith(t, d, hourlyPushes+simSources(attributes(100), "a"))
		pass(2 * time.Hour)
		told := 0
		for _, s := range events[engine.SourceState](d) {
			if s.To == engine.StateFailing && strings.Contains(s.Reason, "100") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("it was told %d times that the value is too large", told)
		}
		d.awaitSource("source.sim.a", engine.StateOK)
		w.set("a", `{"n":3}`)
		pass(2 * time.Minute)
		wantValues(t, "delivered", w.got("out"), `{"n":1}`, `{"n":3}`)
	})
}

// A value waits, and a reload makes its source depend on another one that has no value, so that
// nobody can judge it. It stays, over a restart too, and is used once it can be judged.
func TestWatchPushThatNobodyCanJudge(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		source := func(name string) string {
			return hourlyPushes + fmt.Sprintf(`
source "sim" "a" {
  name        = %s
  interval    = "1m"
  rate_limits = [rate_limit.sliding_window.hourly]
  push {}
}
`, name)
		}
		m := newModule(t, "main.hcl", source(`"a"`))
		d := waitingPush(t, w, m, `{"n":2}`)
		w.fails("where")
		reloadWith(t, d, source("source.sim.where.value.name")+simSources(`interval = "1m"`, "where"))
		pass(2 * time.Hour)
		d.awaitSource("source.sim.a", engine.StateBlocked)
		d.halt()
		d = w.watch(m)
		pass(time.Hour)
		wantValues(t, "delivered while nobody can judge", w.got("out"), `{"n":1}`)
		w.set("where", `{"name":"a"}`)
		pass(20 * time.Minute)
		wantValues(t, "delivered", w.got("out"), `{"n":1}`, `{"n":2}`)
		d.awaitSource("source.sim.a", engine.StateOK)
	})
}

// A value that is no JSON is refused, also where a reload moved its source to data just now, so
// that nobody can judge it; and refused again when it is repeated.
func TestWatchPushOfWhatIsNoJSON(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources("interval = \"10s\"\n  push {}", "app"))
		d := w.watch(m)
		pass(time.Minute)
		receiver := d.Receivers().Sources["app"]
		send := func() engine.PushOutcome {
			return d.Push(t.Context(), engine.Pushed{Receiver: receiver, Name: "app", Data: []byte(`{"n":`), Delivery: "one"}).Outcome
		}
		w.fails("where")
		for _, config := range []string{"", "source \"sim\" \"app\" {\n  name = source.sim.where.value.name\n  interval = \"10s\"\n  push {}\n}\n" + simSources(`interval = "10s"`, "where")} {
			if config != "" {
				reloadWith(t, d, config)
				pass(time.Minute)
			}
			for range 3 {
				if got := send(); got != engine.PushRejected {
					t.Errorf("it was answered with %d, want %d", got, engine.PushRejected)
				}
			}
		}
	})
}

// Pauses that are made while the state cannot be written hold, and all of them are known after
// a restart: what was written last is what was wanted last.
func TestWatchPausesDuringTroubleWithTheState(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	simulate(t, func(t *testing.T, w *sim) {
		names := []string{"a", "b", "c", "d"}
		m := newModule(t, "main.hcl", simSources(`interval = "1h"`, names...)+`source "webhook" "app" {}`)
		if err := os.Mkdir(m.path(".tidegate"), 0o700); err != nil {
			t.Fatal(err)
		}
		host.Mount(t, "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", m.path(".tidegate"))
		d := w.watch(m)
		pass(time.Minute)
		free := host.FillDisk(t, m.path(".tidegate/ballast"))
		pad := strings.Repeat("x", 1000)
		for i := 0; d.push("app", fmt.Sprintf(`{"n":%d,"pad":%q}`, i, pad), fmt.Sprint(i)).Outcome != engine.PushBusy; i++ {
			if i > 5000 {
				t.Fatal("a full disk takes everything")
			}
		}
		var paused sync.WaitGroup
		for _, name := range names {
			paused.Go(func() {
				if err := d.Pause(context.Background(), engine.Pause{Pattern: "source.sim." + name}); err != nil {
					t.Error(err)
				}
			})
			pass(1200 * time.Millisecond) // it is tried to write them after 1s and 3s, and after 7s
		}
		for _, name := range names {
			d.awaitSource("source.sim."+name, engine.StatePaused)
		}
		free()
		pass(5 * time.Minute)
		paused.Wait()
		d.halt()
		d = w.watch(m)
		pass(time.Minute)
		for _, name := range names {
			if s := d.source("source.sim." + name); s.State != engine.StatePaused {
				t.Errorf("%s is %s after a restart", name, s.State)
			}
		}
	})
}
