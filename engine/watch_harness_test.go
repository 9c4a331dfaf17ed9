package engine_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"tidegate/engine"
	"tidegate/hclspec/address"
	"tidegate/providers"
	"tidegate/providers/all"
)

// daemon is a real daemon over a module's directory, in this process.
type daemon struct {
	*engine.Daemon
	m       *module
	started string // what was said of the configuration
	stop    context.CancelFunc
	ended   chan error
	mutex   sync.Mutex
	seen    []engine.Event
	change  chan struct{} // closed and renewed at each event
}

// watch starts a daemon. It is stopped at the end of the test, if that has not happened.
func (m *module) watch(opts ...func(*engine.Options, *engine.WatchOptions)) *daemon {
	m.t.Helper()
	d := m.prepareWatch(opts...)
	d.start()
	return d
}

func (m *module) prepareWatch(opts ...func(*engine.Options, *engine.WatchOptions)) *daemon {
	m.t.Helper()
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		m.t.Fatal(err)
	}
	d := &daemon{m: m, ended: make(chan error, 1), change: make(chan struct{})}
	o := engine.Options{
		Dir: m.dir, Registry: registry, Environ: m.environ, Command: "test", Version: "0.1.0", Events: d.event,
	}
	if os.Getenv("TIDEGATE_TEST_LOG") != "" {
		o.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: os.Stderr})
	}
	w := engine.WatchOptions{}
	for _, f := range opts {
		f(&o, &w)
	}
	inner, diags := engine.NewDaemon(context.Background(), o, w)
	if inner == nil {
		m.t.Fatalf("the daemon does not start: %s", diags)
	}
	d.Daemon, d.started = inner, texts(diags)
	return d
}

func (d *daemon) start() {
	ctx, cancel := context.WithCancel(context.Background())
	d.stop = cancel
	go func() {
		err := d.Run(ctx)
		if closed := d.Close(); err == nil {
			err = closed
		}
		d.ended <- err
	}()
	d.m.t.Cleanup(d.halt)
}

// halt stops the daemon and waits for its end.
func (d *daemon) halt() {
	if d.stop == nil {
		return
	}
	d.stop()
	d.stop = nil
	if err := <-d.ended; err != nil {
		d.m.t.Errorf("the daemon ended with: %s", err)
	}
}

func (d *daemon) event(ev engine.Event) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.seen = append(d.seen, ev)
	close(d.change)
	d.change = make(chan struct{})
}

// guardRemoved names the guard that is taken out, where guards can be.
const guardRemoved = "TIDEGATE_TEST_WITHOUT"

// patience bounds every wait of these tests; nothing waits for it to pass, but for a test that is to
// fail without a guard. A machine may be slow and have much else to do.
var patience = func() time.Duration {
	if os.Getenv(guardRemoved) != "" {
		return 20 * time.Second
	}
	return 2 * time.Minute
}()

// await waits until a condition holds. It is asked again after each event, and from time to
// time for what no event tells of.
func (d *daemon) await(what string, condition func() bool) {
	d.m.t.Helper()
	deadline := time.After(patience)
	for {
		d.mutex.Lock()
		change := d.change
		d.mutex.Unlock()
		if condition() {
			return
		}
		select {
		case <-change:
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			d.m.t.Fatalf("waited in vain until %s\n%s", what, d.describe())
		}
	}
}

func (d *daemon) describe() string {
	out := ""
	s, err := d.Status(context.Background())
	if err != nil {
		out = err.Error() + "\n"
	} else {
		for _, src := range s.Sources {
			out += fmt.Sprintf("%s %s %s\n", src.Address, src.State, src.Reason)
		}
		for _, snk := range s.Sinks {
			out += fmt.Sprintf("%s %s %s\n", snk.Address, snk.State, snk.Reason)
		}
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for _, ev := range d.seen {
		out += fmt.Sprintf("%T%+v\n", ev, ev)
	}
	return out
}

// awaitFile waits until a file of the module holds the text.
func (d *daemon) awaitFile(name, want string) {
	d.m.t.Helper()
	d.await(fmt.Sprintf("%s holds %q", name, want), func() bool {
		got, _ := d.m.read(name)
		return got == want
	})
}

func (d *daemon) source(name string) *engine.SourceStatus {
	d.m.t.Helper()
	s, err := d.Status(context.Background())
	if err != nil {
		d.m.t.Fatal(err)
	}
	a, err := address.Parse(name)
	if err != nil {
		d.m.t.Fatal(err)
	}
	for _, src := range s.Sources {
		if src.Address == a {
			return src
		}
	}
	d.m.t.Fatalf("no source %s", name)
	return nil
}

func (d *daemon) sink(name string) *engine.SinkStatus {
	d.m.t.Helper()
	s, err := d.Status(context.Background())
	if err != nil {
		d.m.t.Fatal(err)
	}
	for _, snk := range s.Sinks {
		if snk.Address.String() == name {
			return snk
		}
	}
	d.m.t.Fatalf("no sink %s", name)
	return nil
}

func (d *daemon) awaitSource(name, state string) {
	d.m.t.Helper()
	d.await(name+" is "+state, func() bool { return d.source(name).State == state })
}

func (d *daemon) awaitSink(name, state string) {
	d.m.t.Helper()
	d.await(name+" is "+state, func() bool { return d.sink(name).State == state })
}

// events returns those of one type, so far.
func events[E engine.Event](d *daemon) []E {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	var out []E
	for _, ev := range d.seen {
		if e, ok := ev.(E); ok {
			out = append(out, e)
		}
	}
	return out
}

// replace replaces a file as a careful writer does.
func (m *module) replace(name, text string) {
	m.t.Helper()
	temp := m.path(name + ".new")
	if err := os.WriteFile(temp, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(temp, m.path(name)); err != nil {
		m.t.Fatal(err)
	}
}

// logText is what a daemon logs.
type logText struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *logText) count(words string) int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return strings.Count(l.text.String(), words)
}

func (l *logText) option(o *engine.Options, _ *engine.WatchOptions) {
	o.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: l})
}
