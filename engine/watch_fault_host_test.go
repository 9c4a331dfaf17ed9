package engine_test

import (
	"context"
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

func hostedSources(host, attributes string, n int) (string, []string) {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%s%d", host, i))
	}
	return simSources(fmt.Sprintf("host = %q\n  %s", host, attributes), names...), names
}

// looksOf counts the looks at some origins in a stretch of time.
func (w *sim) looksOf(names []string, from, to time.Time) int {
	n := 0
	for _, name := range names {
		n += len(between(w.looks(name), from, to))
	}
	return n
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
// accepted is delivered at once, looks are bounded in all and for each host, and whatever
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
		wantValues(t, "delivered within a second, of what is accepted", w.got("out"), "1")
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
func TestWatchP8B6TargetDownForHours(t *testing.T) {
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
