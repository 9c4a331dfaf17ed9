package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine"
	"tidegate/hclspec/decode"
	"tidegate/providers"
	"tidegate/providers/all"
)

// sim is a world of fake origins and targets that do as they are told, for tests whose subject
// is time. Everything between them is real, the state on the disk included.
type sim struct {
	mutex   sync.Mutex
	origins map[string]*simOrigin
	targets map[string]*simTarget
	inside  map[string]int // looks at the same time, by host; "" for all
	most    map[string]int
	kinds   []*providers.Kind // beside ours and the fakes
}

// simOrigin is where a source of kind "sim" looks.
type simOrigin struct {
	data   string // JSON
	answer func(n int, last string) (providers.Snapshot, error)
	hang   chan struct{} // looks wait until it is closed
	looks  []time.Time
}

// simTarget is where a sink of kind "sim" delivers.
type simTarget struct {
	refuse func(n int, value string) error // nil takes everything
	slow   time.Duration
	hang   chan struct{}
	got    []simWrite // what was acknowledged
	tried  []simWrite
	inside int
	most   int // writes at the same time

	reading time.Duration // that it takes to look at a readable one
	reads   int           // how often it was looked at
	wakes   map[*func(providers.Change)]bool
}

type simWrite struct {
	value, id string
	at        time.Time
}

func newSim() *sim {
	return &sim{
		origins: map[string]*simOrigin{}, targets: map[string]*simTarget{},
		inside: map[string]int{}, most: map[string]int{},
	}
}

type simSourceConfig struct {
	Name string  `hcl:"name"`
	Host *string `hcl:"host,optional"`
}

type simSinkConfig struct {
	Name     string  `hcl:"name"`
	Value    *string `hcl:"value,optional"`
	Readable bool    `hcl:"readable,optional"`
}

func (w *sim) registry(t testing.TB) *providers.Registry {
	t.Helper()
	detectors := []string{"hash", "etag", "watch", "webhook"}
	for _, k := range w.kinds {
		if k.Type == "detector" {
			detectors = append(detectors, k.Name)
		}
	}
	kinds := append(append(unnotified(all.Kinds()), w.kinds...),
		providers.SourceKind("sim", providers.Doc{Summary: "A fake.", Detectors: detectors}, func() *simSourceConfig { return &simSourceConfig{} },
			func(c *simSourceConfig, _ providers.Env) (providers.Source, error) {
				s := &simSource{world: w, name: c.Name, host: "none"}
				if c.Host != nil {
					s.host = *c.Host
					return &simHosted{s}, nil
				}
				return s, nil
			}),
		providers.SinkKind("sim", providers.Doc{Summary: "A fake."}, func() *simSinkConfig { return &simSinkConfig{} },
			func(c *simSinkConfig, _ providers.Env) (providers.Sink, error) {
				s := &simSink{world: w, name: c.Name}
				if c.Value != nil {
					s.value = *c.Value
				}
				if c.Readable {
					return &simReadable{s}, nil
				}
				return s, nil
			}))
	registry, err := providers.NewRegistry(kinds)
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

func (w *sim) origin(name string) *simOrigin {
	o := w.origins[name]
	if o == nil {
		o = &simOrigin{data: `{"n":1}`}
		w.origins[name] = o
	}
	return o
}

func (w *sim) target(name string) *simTarget {
	g := w.targets[name]
	if g == nil {
		g = &simTarget{}
		w.targets[name] = g
	}
	return g
}

// set lets an origin hold a document from now on.
func (w *sim) set(name, data string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	o := w.origin(name)
	o.data, o.answer = data, nil
}

// answers lets an origin answer the n-th look from now on, 1 for the first, as f says.
func (w *sim) answers(name string, f func(n int, last string) (providers.Snapshot, error)) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	o := w.origin(name)
	before := len(o.looks)
	o.answer = func(n int, last string) (providers.Snapshot, error) { return f(n-before, last) }
}

// fails lets an origin fail from now on.
func (w *sim) fails(name string) {
	w.answers(name, func(int, string) (providers.Snapshot, error) {
		return providers.Snapshot{}, providers.Temporary(errors.New("the origin is down"))
	})
}

// with changes origins and targets safely.
func (w *sim) with(f func()) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	f()
}

func (w *sim) looks(name string) []time.Time {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.Clone(w.origin(name).looks)
}

// got returns the values that a target acknowledged, in order.
func (w *sim) got(name string) []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return valuesOf(w.target(name).got)
}

func (w *sim) tried(name string) []simWrite {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.Clone(w.target(name).tried)
}

func valuesOf(writes []simWrite) []string {
	var out []string
	for _, x := range writes {
		out = append(out, x.value)
	}
	return out
}

func wantValues(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

type simSource struct {
	world *sim
	name  string
	host  string // "none" if it has none
}

// simHosted is one of several sources of one host.
type simHosted struct{ *simSource }

func (s *simHosted) Identity() string {
	return (&url.URL{Scheme: "sim", Host: s.host, Path: "/" + s.name}).String()
}

func (s *simSource) Fetch(ctx context.Context, last string) (providers.Snapshot, error) {
	w := s.world
	w.mutex.Lock()
	o := w.origin(s.name)
	o.looks = append(o.looks, time.Now())
	n, answer, hang := len(o.looks), o.answer, o.hang
	snapshot := providers.Snapshot{Data: []byte(o.data), Format: "json"}
	for _, of := range []string{"", s.host} {
		w.inside[of]++
		w.most[of] = max(w.most[of], w.inside[of])
	}
	w.mutex.Unlock()
	defer w.with(func() { w.inside[""]--; w.inside[s.host]-- })
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return providers.Snapshot{}, ctx.Err()
		}
	}
	if answer != nil {
		return answer(n, last)
	}
	return snapshot, nil
}

type simSink struct {
	world       *sim
	name, value string
}

func (s *simSink) Target() string      { return s.name }
func (s *simSink) Fingerprint() string { return "sha256:" + s.value }
func (s *simSink) Read(context.Context) (providers.Observed, error) {
	return providers.Observed{Opaque: true}, nil
}
func (s *simSink) Delete(context.Context) error { return providers.Permanent(errors.New("no")) }

func (s *simSink) Write(ctx context.Context, d providers.Delivery) error {
	w := s.world
	x := simWrite{s.value, d.ID, time.Now()}
	w.mutex.Lock()
	g := w.target(s.name)
	g.tried = append(g.tried, x)
	g.inside++
	g.most = max(g.most, g.inside)
	n, refuse, slow, hang := len(g.tried), g.refuse, g.slow, g.hang
	w.mutex.Unlock()
	defer w.with(func() { g.inside-- })
	if slow > 0 {
		time.Sleep(slow)
	}
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if refuse != nil {
		if err := refuse(n, s.value); err != nil {
			return err
		}
	}
	w.with(func() { g.got = append(g.got, x) })
	return nil
}

// unnotified returns the kinds with files that are polled for: what the operating system tells does not
// come in virtual time, which stands still for whoever waits for it.
func unnotified(kinds []*providers.Kind) []*providers.Kind {
	type file interface {
		providers.Source
		providers.Identifier
		providers.PathReader
	}
	type written interface {
		providers.Sink
		providers.Exposer
		providers.Content
		providers.PathWriter
		providers.Readiness
		providers.Sweeper
	}
	for i, k := range kinds {
		switch {
		case k.Name == "file" && k.Type == "source":
			kinds[i] = k.StandIn(func(real any, _ cty.Value, _ providers.Env) any { return &struct{ file }{real.(file)} })
		case k.Name == "file" && k.Type == "sink":
			kinds[i] = k.StandIn(func(real any, _ cty.Value, _ providers.Env) any { return &struct{ written }{real.(written)} })
		}
	}
	return kinds
}

// simulate runs a test in virtual time.
func simulate(t *testing.T, f func(t *testing.T, w *sim)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newSim()) })
}

// simReadable is a target that can be looked at, and tells when it may have changed.
type simReadable struct{ *simSink }

func (s *simReadable) Read(context.Context) (providers.Observed, error) {
	w := s.world
	w.mutex.Lock()
	g := w.target(s.name)
	slow := g.reading
	g.reads++
	w.mutex.Unlock()
	time.Sleep(slow)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(g.got) == 0 {
		return providers.Observed{}, nil
	}
	data := []byte(g.got[len(g.got)-1].value)
	return providers.Observed{Exists: true, Data: data, Hash: decode.RawHash(data)}, nil
}

func (s *simReadable) Fingerprint() string { return decode.RawHash([]byte(s.value)) }
func (s *simReadable) Content() []byte     { return []byte(s.value) }
func (s *simReadable) Format() string      { return "" }

func (s *simReadable) Watch(wake func(providers.Change)) (stop func(), err error) {
	w := s.world
	w.mutex.Lock()
	defer w.mutex.Unlock()
	g := w.target(s.name)
	if g.wakes == nil {
		g.wakes = map[*func(providers.Change)]bool{}
	}
	g.wakes[&wake] = true
	return func() { w.with(func() { delete(g.wakes, &wake) }) }, nil
}

// wake tells that a readable target may have changed.
func (w *sim) wake(name string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for f := range w.target(name).wakes {
		(*f)(providers.Replaced)
	}
}

// watch starts a daemon among the fakes. It looks at its configuration on request alone, since
// the times of files are real.
func (w *sim) watch(m *module, opts ...func(*engine.Options, *engine.WatchOptions)) *daemon {
	m.t.Helper()
	return m.watch(append([]func(*engine.Options, *engine.WatchOptions){func(o *engine.Options, x *engine.WatchOptions) {
		o.Registry, x.ConfigInterval = w.registry(m.t), -1
	}}, opts...)...)
}

// pass lets virtual time pass, and everything that follows from it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// simSources declares sources of kind "sim" by name.
func simSources(attributes string, names ...string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "source \"sim\" %[1]q {\n  name = %[1]q\n  %[2]s\n}\n", name, attributes)
	}
	return b.String()
}

// between reports the times that lie in a stretch of time.
func between(times []time.Time, from, to time.Time) []time.Time {
	var out []time.Time
	for _, at := range times {
		if !at.Before(from) && at.Before(to) {
			out = append(out, at)
		}
	}
	return out
}

// gaps returns the time between each two.
func gaps(times []time.Time) []time.Duration {
	var out []time.Duration
	for i := 1; i < len(times); i++ {
		out = append(out, times[i].Sub(times[i-1]))
	}
	return out
}
