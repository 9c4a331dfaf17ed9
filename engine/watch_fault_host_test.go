//go:build unix

package engine_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/providers"
)

var errDown = providers.Temporary(errors.New("the origin is down"))

// looksOf counts the looks at some origins in a stretch of time.
func (w *sim) looksOf(names []string, from, to time.Time) int {
	n := 0
	for _, name := range names {
		n += len(between(w.looks(name), from, to))
	}
	return n
}

// B7, E8: one source that hangs and one that fails do not change how often the others are
// looked at, and keep no delivery waiting.
func TestWatchB7E8BrokenSourcesDisturbNobody(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		names := strings.Fields("a b c d e")
		m := newModule(t, "main.hcl", simSources(`interval = "10s"`, append(names, "hangs", "fails", "panics")...)+strings.Join(each("a b c d e", `
sink "sim" "to_%[1]s" {
  name  = "to_%[1]s"
  value = tostring(source.sim.%[1]s.value.n)
}`), ""))
		d := w.watch(m)
		pass(time.Minute)
		from := time.Now()
		pass(time.Hour)
		usual := w.looksOf(names, from, time.Now())
		w.fails("fails")
		w.answers("panics", func(int, string) (providers.Snapshot, error) { panic("a bug of the kind") })
		w.with(func() { w.origin("hangs").hang = make(chan struct{}) })
		from = time.Now()
		pass(time.Hour)
		if n := w.looksOf(names, from, time.Now()); n < usual*95/100 || n > usual*105/100 {
			t.Errorf("%d looks at the others, usually %d", n, usual)
		}
		if n := w.looksOf([]string{"fails", "panics"}, from, time.Now()); n > 80 {
			t.Errorf("%d looks at those that fail", n)
		}
		for i, name := range names {
			w.set(name, fmt.Sprintf(`{"n":%d}`, 10+i))
		}
		pass(12 * time.Second)
		for i, name := range names {
			wantValues(t, name, w.got("to_"+name), "1", fmt.Sprint(10+i))
		}
		// E7: the panic is one failure of many.
		if s := d.source("source.sim.panics"); s.State != engine.StateDegraded || !strings.Contains(s.Reason, "a bug of the kind") || s.Errors == 0 {
			t.Errorf("the one that panics is %+v", s)
		}
		if s := d.source("source.sim.hangs"); s.State == engine.StateOK && time.Since(s.LastSuccess) > 30*time.Minute {
			t.Errorf("a source that hangs for an hour is %+v", s)
		}
		w.set("panics", `{"n":2}`)
		pass(10 * time.Minute)
		d.awaitSource("source.sim.panics", engine.StateOK)
	})
}

// E7: a panic in a sink stays with that sink, and it is tried again.
func TestWatchE7PanicInASink(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "10s"`, "a")+strings.Join(each("x y", `
sink "sim" %[1]q {
  name  = %[1]q
  value = tostring(source.sim.a.value.n)
}`), ""))
		w.with(func() {
			w.target("x").refuse = func(n int, _ string) error {
				if n < 8 {
					panic("a bug of the kind")
				}
				return nil
			}
		})
		d := w.watch(m)
		pass(time.Second)
		wantValues(t, "y", w.got("y"), "1")
		if s := d.sink("sink.sim.x"); s.State != engine.StateFailed || !strings.Contains(s.LastError, "a bug of the kind") || s.Errors == 0 {
			t.Errorf("the sink is %+v", s)
		}
		pass(30 * time.Minute)
		wantValues(t, "x", w.got("x"), "1")
	})
}

// E11: a start with a thousand sources of many hosts that hang, or of one host. What is
// accepted is delivered after a short wait, looks are bounded in all and for each host, and whatever
// answers is used although others hang.
func TestWatchE11StartWithAThousandSourcesThatHang(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		var config strings.Builder
		var names []string
		for i := range 1000 {
			name := fmt.Sprintf("s%03d", i)
			names = append(names, name)
			host := "crowded"
			if i%2 == 0 {
				host = fmt.Sprintf("host%d", i)
			}
			config.WriteString(simSources(fmt.Sprintf("host = %q\ninterval = \"10s\"", host), name))
		}
		config.WriteString(simSources(`interval = "10s"`, "known") + `
sink "sim" "out" {
  name  = "out"
  value = tostring(source.sim.known.value.n)
}`)
		m := newModule(t, "main.hcl", config.String())
		w.with(func() { w.target("out").refuse = func(int, string) error { return errDown } })
		d := w.watch(m)
		pass(30 * time.Second)
		d.halt()
		hang := make(chan struct{})
		w.with(func() {
			for _, name := range names {
				w.origin(name).hang = hang
			}
			clear(w.most)
			w.target("out").refuse = nil
		})
		w.with(func() { w.origin("known").hang = hang })
		d = w.watch(m)
		pass(time.Second)
		wantValues(t, "delivered soon, of what is accepted", w.got("out"), "1")
		if d.Ready() {
			t.Error("it is ready although most sources were never tried")
		}
		pass(15 * time.Minute)
		if w.most[""] > 64 || w.most["crowded"] != 8 {
			t.Errorf("%d looks at the same time, %d at one host; want at most 64 and 8", w.most[""], w.most["crowded"])
		}
		close(hang)
		w.with(func() {
			for _, name := range names {
				w.origin(name).hang = nil
			}
		})
		pass(15 * time.Minute)
		if !d.Ready() {
			t.Error("it is not ready although all were tried")
		}
		for _, name := range names {
			if s := d.source("source.sim." + name); s.State != engine.StateOK {
				t.Errorf("%s is %s: %s", name, s.State, s.Reason)
				break
			}
		}
	})
}

// P7: a newer value that arrives while the older one is tried again takes its place. The
// older one never follows, and has not the key of the newer.
func TestWatchP7NewerUpdateDuringRetry(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "1s"`, "a")+`
sink "sim" "out" {
  name  = "out"
  value = tostring(source.sim.a.value.n)
}`)
		w.with(func() {
			w.target("out").refuse = func(_ int, value string) error {
				if value == "1" {
					return providers.Temporary(errors.New("not this one"))
				}
				return nil
			}
		})
		d := w.watch(m)
		pass(30 * time.Second)
		w.set("a", `{"n":2}`)
		pass(5 * time.Minute)
		wantValues(t, "acknowledged", w.got("out"), "2")
		tried := w.tried("out")
		keys := map[string]string{}
		for i, x := range tried {
			if i > 0 && x.value < tried[i-1].value {
				t.Errorf("%s was tried after %s", x.value, tried[i-1].value)
			}
			if k, ok := keys[x.value]; ok && k != x.id {
				t.Errorf("%s was tried under two keys", x.value)
			}
			keys[x.value] = x.id
		}
		if keys["1"] == keys["2"] || len(tried) < 4 {
			t.Errorf("tried: %v", tried)
		}
		d.awaitSink("sink.sim.out", engine.StateOK)
	})
}

// P8, B6, S2, R14: a target that takes nothing for hours while a thousand updates arrive. It
// is tried now and then, memory and state stay as they are, others are served, and when it is
// back one delivery brings the newest value.
func TestWatchP8B6TargetDownForHours(t *testing.T) { // not beside others, whose memory would count
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "10s"`, "a")+strings.Join(each("out other", `
sink "sim" %[1]q {
  name  = %[1]q
  value = tostring(source.sim.a.value.n)
}`), ""))
		d := w.watch(m)
		pass(time.Minute)
		down := func(n int, value string) error { return errDown }
		w.with(func() { w.target("out").refuse = down })
		updates := 1000
		if raceEnabled {
			updates = 200
		}
		pad := strings.Repeat("x", 10_000) // of which nothing may be kept for each update
		set := func(i int) {
			w.set("a", fmt.Sprintf(`{"n":%d,"pad":%q}`, i, pad))
			pass(11 * time.Second)
		}
		for i := range 100 { // caches and histories are as full as they get
			set(i)
		}
		before, from := heap(), time.Now()
		for i := range updates {
			set(1000 + i)
		}
		if now := heap(); now > before+4<<20 {
			t.Errorf("%d updates of a target that is down took %d KiB of memory", updates, (now-before)>>10)
		}
		hours := time.Since(from).Hours()
		n := 0
		for _, x := range w.tried("out") {
			if x.at.After(from) {
				n++
			}
		}
		if most := int(hours*60/2.5*3) + 10; n > most {
			t.Errorf("it was tried %d times in %.1f hours, want at most %d", n, hours, most)
		}
		if got := len(w.got("other")); got < updates {
			t.Errorf("the other sink got %d of %d updates", got, updates)
		}
		had := len(w.got("out"))
		w.with(func() { w.target("out").refuse = nil })
		back := time.Now()
		pass(6 * time.Minute)
		got := w.got("out")
		if len(got) != had+1 || got[had] != fmt.Sprint(1000+updates-1) {
			t.Errorf("%d deliveries when it was back, the last is %.40s", len(got)-had, got[len(got)-1])
		}
		t.Logf("delivered %s after it was back", w.tried("out")[len(w.tried("out"))-1].at.Sub(back))
		d.awaitSink("sink.sim.out", engine.StateOK)
	})
}

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// P5: a target that asks for patience gets it; P4: what it refuses for good is not sent again
// and again, and newer content is tried at once.
func TestWatchP4P5RefusalsOfATarget(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "10s"`, "a")+`
sink "sim" "out" {
  name  = "out"
  value = tostring(source.sim.a.value.n)
}`)
		w.with(func() {
			w.target("out").refuse = func(_ int, value string) error {
				switch value {
				case "1":
					return providers.After(errors.New("status 429"), 10*time.Minute)
				case "2":
					return providers.Permanent(errors.New("status 422"))
				}
				return nil
			}
		})
		d := w.watch(m)
		pass(time.Hour)
		var times []time.Time
		for _, x := range w.tried("out") {
			times = append(times, x.at)
		}
		for _, gap := range gaps(times) {
			if gap < 10*time.Minute {
				t.Errorf("tried again after %s, asked for was 10m", gap)
			}
		}
		if len(times) < 4 {
			t.Errorf("tried %d times in an hour", len(times))
		}
		w.set("a", `{"n":2}`)
		pass(time.Hour)
		refused := len(w.tried("out")) - len(times)
		if refused < 1 || refused > 25 {
			t.Errorf("what is refused for good was sent %d times in an hour", refused)
		}
		from := time.Now()
		w.set("a", `{"n":3}`)
		pass(30 * time.Second)
		got := w.got("out")
		if !slices.Equal(got, []string{"3"}) {
			t.Errorf("newer content is not in place %s later: %q", time.Since(from), got)
		}
		d.awaitSink("sink.sim.out", engine.StateOK)
	})
}

// A sink that settles, is limited and fails is never two deliveries at the same time (I8).
func TestWatchI8OneInFlightForEachSink(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "1s"`, "a")+`
sink "sim" "out" {
  name  = "out"
  value = tostring(source.sim.a.value.n)
}`)
		w.with(func() {
			w.target("out").slow = 3 * time.Second
			w.target("out").refuse = func(n int, _ string) error {
				if n%3 == 0 {
					return errDown
				}
				return nil
			}
		})
		d := w.watch(m)
		for i := range 200 {
			w.set("a", fmt.Sprintf(`{"n":%d}`, i))
			pass(700 * time.Millisecond)
		}
		pass(10 * time.Minute)
		if most := w.target("out").most; most != 1 {
			t.Errorf("%d deliveries at the same time", most)
		}
		got := w.got("out")
		if got[len(got)-1] != "199" {
			t.Errorf("the last delivery has %s", got[len(got)-1])
		}
		d.awaitSink("sink.sim.out", engine.StateOK)
	})
}

// A sink that is decided while what it depends on is looked at once more (our own write is told
// of, too) is decided again when that is over. What it depends on did not move meanwhile.
func TestWatchTriggerIsNotLostToANotification(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		var crowd []string // more than are decided at the same time
		for i := range 8 + 4*runtime.GOMAXPROCS(0) {
			crowd = append(crowd, fmt.Sprint("crowd", i))
		}
		m := newModule(t, "main.hcl", simSources(`interval = "10s"`, "a")+`
sink "sim" "file" {
  name     = "file"
  value    = tostring(source.sim.a.value.n)
  readable = true
}
sink "sim" "reload" {
  name     = "reload"
  value    = "reload"
  triggers = [sink.sim.file]
}
sink "sim" "after" {
  name       = "after"
  value      = tostring(source.sim.a.value.n)
  depends_on = [sink.sim.reload]
}`+strings.Join(each(strings.Join(crowd, " "), `
sink "sim" %[1]q {
  name     = %[1]q
  value    = "x"
  readable = true
}`), ""))
		d := w.watch(m)
		pass(time.Minute)
		hang := make(chan struct{})
		w.with(func() {
			w.target("file").hang = hang
			for _, name := range crowd {
				w.target(name).reading = 10 * time.Second
			}
		})
		w.set("a", `{"n":2}`)
		pass(12 * time.Second)
		for _, name := range crowd {
			w.wake(name)
		}
		pass(time.Second)
		close(hang) // what the file triggers waits for its turn to be decided
		pass(time.Second)
		w.wake("file")
		pass(time.Minute)
		wantValues(t, "after", w.got("after"), "1", "2")
		wantValues(t, "reload", w.got("reload"), "reload", "reload")
		for _, name := range []string{"file", "reload", "after"} {
			d.awaitSink("sink.sim."+name, engine.StateOK)
		}
	})
}

// S11: somebody else keeps changing a target. Whether our repairs hold for a moment or are undone
// before they are verified, each is one round, and after five the other is left alone for a
// while. What is new is delivered all the same.
func TestWatchFightIsBoundedWhoeverWins(t *testing.T) {
	for what, undone := range map[string]bool{"repairs that hold": false, "repairs that are undone at once": true} {
		t.Run(what, func(t *testing.T) {
			simulate(t, func(t *testing.T, w *sim) {
				m := newModule(t, "main.hcl", simSources(`interval = "10s"`, "a")+`
sink "sim" "out" {
  name     = "out"
  value    = tostring(source.sim.a.value.n)
  readable = true
}`)
				d := w.watch(m)
				pass(time.Minute)
				change := func() {
					w.with(func() { w.target("out").got = append(w.target("out").got, simWrite{value: "theirs"}) })
					w.wake("out")
				}
				fights := func() {
					t.Helper()
					rounds := 0
					w.with(func() {
						w.target("out").refuse = func(int, string) error {
							// One who is not left alone gives up some time, so that the test ends.
							if rounds++; rounds > 50 {
								return nil
							}
							if undone {
								go change()
								return fmt.Errorf("verify: %w", providers.ErrOtherWriter)
							}
							time.AfterFunc(time.Second, change)
							return nil
						}
					})
					before := len(w.tried("out"))
					change()
					pass(9 * time.Minute)
					if n := len(w.tried("out")) - before; n != 5 {
						t.Errorf("%d repairs before the other writer was left alone, want 5", n)
					}
					if s := d.sink("sink.sim.out"); s.State != engine.StateFighting || s.Next.IsZero() {
						t.Errorf("the sink is %s: %s", s.State, s.Reason)
					}
				}
				fights()
				w.with(func() { w.target("out").refuse = nil })
				w.set("a", `{"n":2}`)
				pass(30 * time.Second)
				if got := w.got("out"); got[len(got)-1] != "2" {
					t.Errorf("the target holds %s", got[len(got)-1])
				}
				fights()
				w.with(func() { w.target("out").refuse = nil })
				pass(5 * time.Minute) // the other has stopped
				if got := w.got("out"); got[len(got)-1] != "2" {
					t.Errorf("when the fight is over the target holds %s", got[len(got)-1])
				}
				d.awaitSink("sink.sim.out", engine.StateOK)
			})
		})
	}
}
