package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/engine"
	"tidegate/providers"
	"tidegate/providers/all"
)

// fakeWorld holds origins and targets in memory, so that time can be virtual. They are fakes:
// the real kinds are tested in real time elsewhere.
type fakeWorld struct {
	mutex   sync.Mutex
	random  *rand.Rand
	faults  bool
	origins map[string]*fakeOrigin
	targets map[string]*fakeTarget
	wrong   []string
}

// fakeOrigin counts up; a value below 0 is refused by the rule.
type fakeOrigin struct {
	good, now int
	garbage   bool
	down      int // looks that fail from now on
	looks     int
	last      time.Time
}

type fakeTarget struct {
	value, writes int
	down          int
	id            string
}

type fakeConfig struct {
	Name  string  `hcl:"name"`
	Value *string `hcl:"value,optional"`
}

func (w *fakeWorld) kinds() []*providers.Kind {
	doc := providers.Doc{Summary: "A fake of the tests.", Detectors: []string{"hash"}}
	return append(all.Kinds(),
		providers.SourceKind("fake", doc, func() *fakeConfig { return &fakeConfig{} }, func(c *fakeConfig, _ providers.Env) (providers.Source, error) {
			return &fakeSource{w, c.Name}, nil
		}),
		providers.SinkKind("fake", providers.Doc{Summary: "A fake of the tests."}, func() *fakeConfig { return &fakeConfig{} }, func(c *fakeConfig, _ providers.Env) (providers.Sink, error) {
			return &fakeSink{w, c.Name, *c.Value}, nil
		}))
}

type fakeSource struct {
	world *fakeWorld
	name  string
}

func (s *fakeSource) Fetch(context.Context, string) (providers.Snapshot, error) {
	w := s.world
	w.mutex.Lock()
	defer w.mutex.Unlock()
	o := w.origins[s.name]
	if o == nil {
		o = &fakeOrigin{good: 1, now: 1}
		w.origins[s.name] = o
	}
	o.looks++
	o.last = time.Now()
	if w.faults {
		switch n := w.random.IntN(1000); {
		case n < 4 && o.down == 0:
			o.down = 1 + w.random.IntN(6)
		case n < 6:
			o.garbage = true
		case n < 8:
			o.now = -o.good
		case n < 18:
			o.good++
			o.now, o.garbage = o.good, false
		case n < 300:
			o.now, o.garbage = o.good, false
		}
	}
	if o.down > 0 {
		o.down--
		return providers.Snapshot{}, providers.Temporary(errors.New("the origin is down"))
	}
	data := fmt.Appendf(nil, `{"n": %d}`, o.now)
	if o.garbage {
		data = data[:5]
	}
	return providers.Snapshot{Data: data, Format: "json"}, nil
}

type fakeSink struct {
	world       *fakeWorld
	name, value string
}

func (s *fakeSink) Target() string      { return s.name }
func (s *fakeSink) Fingerprint() string { return "sha256:" + s.value }
func (s *fakeSink) Read(context.Context) (providers.Observed, error) {
	return providers.Observed{Opaque: true}, nil
}
func (s *fakeSink) Delete(context.Context) error { return providers.Permanent(errors.New("no")) }
func (s *fakeSink) Write(_ context.Context, d providers.Delivery) error {
	w := s.world
	w.mutex.Lock()
	defer w.mutex.Unlock()
	t := w.targets[s.name]
	if t == nil {
		t = &fakeTarget{}
		w.targets[s.name] = t
	}
	if w.faults && t.down == 0 && w.random.IntN(20) == 0 {
		t.down = 1 + w.random.IntN(10)
	}
	if t.down > 0 {
		t.down--
		return providers.Temporary(errors.New("the target is down"))
	}
	var v struct{ N int }
	if err := json.Unmarshal([]byte(s.value), &v); err != nil || v.N <= 0 || v.N < t.value {
		w.wrong = append(w.wrong, fmt.Sprintf("%s got %s after %d", s.name, s.value, t.value))
	}
	if d.ID == t.id {
		w.wrong = append(w.wrong, fmt.Sprintf("%s was acknowledged and got %s again", s.name, d.ID))
	}
	t.value, t.id = v.N, d.ID
	t.writes++
	return nil
}

// A month of 50 sources that are polled every five minutes, with origins that fail, send
// garbage and what the rule refuses, and targets that are down: no wrong, old or repeated
// value is ever delivered, and once the faults stop everything has converged within two
// intervals (with what a back-off adds).
func TestWatchAMonth(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a month takes some seconds")
	}
	const sources = 50
	days := 30
	if raceEnabled {
		days = 2 // it makes everything ten times slower
	}
	var config strings.Builder
	config.WriteString(`
rule "assert" "positive" {
  assertion {
    condition     = value.n > 0
    error_message = "negative"
  }
}
`)
	for i := range sources {
		fmt.Fprintf(&config, `
source "fake" "s%[1]d" {
  name     = "s%[1]d"
  interval = "5m"
  rules    = [rule.assert.positive]
}
sink "fake" "s%[1]d" {
  name  = "s%[1]d"
  value = jsonencode(source.fake.s%[1]d.value)
}
`, i)
	}
	m := newModule(t, "main.hcl", config.String())
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWorld{
			random: rand.New(rand.NewPCG(1, 2)), faults: true,
			origins: map[string]*fakeOrigin{}, targets: map[string]*fakeTarget{},
		}
		registry, err := providers.NewRegistry(w.kinds())
		if err != nil {
			t.Fatal(err)
		}
		d, diags := engine.NewDaemon(context.Background(), engine.Options{
			Dir: m.dir, Registry: registry, Environ: m.environ, Command: "test", Version: "0.1.0",
		}, engine.WatchOptions{ConfigInterval: -1})
		if d == nil {
			t.Fatal(diags)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		time.Sleep(time.Duration(days) * 24 * time.Hour)
		w.mutex.Lock()
		w.faults = false
		looks := 0
		for name, o := range w.origins {
			o.good++
			o.now, o.garbage, o.down = o.good, false, 0
			looks += o.looks
			if since := time.Since(o.last); since > 11*time.Minute {
				t.Errorf("%s was not looked at for %s", name, since)
			}
		}
		for _, target := range w.targets {
			target.down = 0
		}
		w.mutex.Unlock()
		time.Sleep(20 * time.Minute)
		w.mutex.Lock()
		for name, o := range w.origins {
			if target := w.targets[name]; target == nil || target.value != o.good {
				t.Errorf("%s has not converged: origin %+v, target %+v", name, o, target)
			}
		}
		if full := sources * days * 24 * 12; looks < full*9/10 || looks > full*11/10 {
			t.Errorf("%d looks in a month, want about %d", looks, full)
		}
		for _, text := range w.wrong {
			t.Error(text)
		}
		w.mutex.Unlock()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("%d looks", looks)
	})
}
