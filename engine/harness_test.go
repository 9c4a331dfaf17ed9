package engine_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"go.uber.org/goleak"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/providers"
	"tidegate/providers/all"
)

func TestMain(m *testing.M) {
	if raceEnabled && os.Getenv("GORACE") == "" {
		// Each process would sleep for a second before it ends.
		os.Setenv("GORACE", "atexit_sleep_ms=20")
	}
	// Tests that run side by side mostly wait, and more of them can than there are processors.
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == p.DefValue {
		if err := p.Value.Set("6"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// module is a configuration in a directory of its own, run in-process by a real engine with
// real kinds.
type module struct {
	t       *testing.T
	dir     string
	environ []string
	events  []engine.Event
}

// newModule writes the given files (name, text, name, text ...).
func newModule(t *testing.T, files ...string) *module {
	t.Helper()
	m := &module{t: t, dir: t.TempDir(), environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=/"}}
	for i := 0; i+1 < len(files); i += 2 {
		m.write(files[i], files[i+1])
	}
	return m
}

func (m *module) path(name string) string { return filepath.Join(m.dir, name) }

func (m *module) write(name, text string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.path(name)), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(m.path(name), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// read returns a file's bytes, "" and false if there is none.
func (m *module) read(name string) (string, bool) {
	m.t.Helper()
	data, err := os.ReadFile(m.path(name))
	if os.IsNotExist(err) {
		return "", false
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return string(data), true
}

func (m *module) lines(name string) []string {
	m.t.Helper()
	text, _ := m.read(name)
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func (m *module) wantFile(name, want string) {
	m.t.Helper()
	if got, ok := m.read(name); !ok || got != want {
		m.t.Errorf("%s holds %q (exists: %t), want %q", name, got, ok, want)
	}
}

func (m *module) load() (*engine.Engine, hcl.Diagnostics) {
	m.t.Helper()
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		m.t.Fatal(err)
	}
	return engine.Load(context.Background(), engine.Options{
		Dir: m.dir, Registry: registry, Environ: m.environ, Command: "test", Version: "0.1.0",
		Events: func(e engine.Event) { m.events = append(m.events, e) },
	})
}

// validate says what is wrong without looking at anything.
func (m *module) validate() hcl.Diagnostics {
	m.t.Helper()
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		m.t.Fatal(err)
	}
	e, diags := engine.Validate(m.t.Context(), engine.Options{Dir: m.dir, Registry: registry})
	defer e.Close()
	return diags
}

// plan plans as the command would: with no lock.
func (m *module) plan() (*plan.Plan, hcl.Diagnostics) {
	m.t.Helper()
	e, diags := m.load()
	defer e.Close()
	if diags.HasErrors() {
		return nil, diags
	}
	p, more := e.Plan(context.Background(), engine.PlanOptions{})
	return p, append(diags, more...)
}

// apply plans under the lock and carries the plan out.
func (m *module) apply() (*plan.Plan, engine.Result, hcl.Diagnostics) {
	m.t.Helper()
	return m.run(engine.PlanOptions{})
}

func (m *module) run(opts engine.PlanOptions) (*plan.Plan, engine.Result, hcl.Diagnostics) {
	m.t.Helper()
	m.events = nil
	e, diags := m.load()
	defer e.Close()
	if diags.HasErrors() {
		return nil, engine.Result{}, diags
	}
	ctx := context.Background()
	if err := e.Lock(ctx); err != nil {
		m.t.Fatal(err)
	}
	p, more := e.Plan(ctx, opts)
	diags = append(diags, more...)
	result, more := e.Apply(ctx, p)
	return p, result, append(diags, more...)
}

// mustApply applies and fails the test on any error.
func (m *module) mustApply() (*plan.Plan, engine.Result) {
	m.t.Helper()
	p, result, diags := m.apply()
	if diags.HasErrors() {
		m.t.Fatalf("apply: %s", texts(diags))
	}
	return p, result
}

// wantNoChanges plans again and wants nothing to be left to do.
func (m *module) wantNoChanges() {
	m.t.Helper()
	p, diags := m.plan()
	if diags.HasErrors() {
		m.t.Fatalf("plan: %s", texts(diags))
	}
	if p.HasChanges() {
		m.t.Errorf("the second plan has changes: %+v", p.Summary())
		for _, c := range p.Sinks {
			if c.Action != plan.NoOp || c.Wait != nil {
				m.t.Logf("%s: %s, wants %s %v %+v", c.Address, c.Action, c.Wanted, c.Reasons, c.Wait)
			}
		}
	}
}

func sinkChange(t *testing.T, p *plan.Plan, addr string) *plan.SinkChange {
	t.Helper()
	for _, c := range p.Sinks {
		if c.Address.String() == addr {
			return c
		}
	}
	t.Fatalf("the plan has no %s", addr)
	return nil
}

func sourceChange(t *testing.T, p *plan.Plan, addr string) *plan.SourceChange {
	t.Helper()
	for _, c := range p.Sources {
		if c.Address.String() == addr {
			return c
		}
	}
	t.Fatalf("the plan has no %s", addr)
	return nil
}

func texts(diags hcl.Diagnostics) string {
	var out []string
	for _, d := range diags {
		where := ""
		if d.Subject != nil {
			where = filepath.Base(d.Subject.Filename) + ":" + d.Subject.String()[strings.LastIndex(d.Subject.String(), ":")+1:] + " "
		}
		out = append(out, where+d.Summary+": "+d.Detail)
	}
	return strings.Join(out, "\n")
}

func wantError(t *testing.T, diags hcl.Diagnostics, parts ...string) {
	t.Helper()
	if !diags.HasErrors() {
		t.Errorf("there is no error, want one with %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(texts(diags), part) {
			t.Errorf("no error mentions %q:\n%s", part, texts(diags))
		}
	}
}

// revision is one kept content of a sink.
type revision struct {
	number  int64
	content string
}

// revisions reads the kept contents of a sink, newest first.
func (m *module) revisions(addr string) []revision {
	m.t.Helper()
	ctx := context.Background()
	r, err := state.OpenReader(ctx, state.Options{Path: m.path(engine.DefaultState)})
	if err != nil {
		m.t.Fatal(err)
	}
	defer r.Close()
	ledger, err := r.Load(ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	a, err := address.Parse(addr)
	if err != nil {
		m.t.Fatal(err)
	}
	var out []revision
	for _, rev := range ledger.Sinks[a].Revisions {
		data, err := r.Blob(ctx, rev.Payload)
		if err != nil {
			m.t.Fatal(err)
		}
		out = append(out, revision{rev.Number, string(data)})
	}
	return out
}

// applyWith applies under a context and with options of its own.
func (m *module) applyWith(ctx context.Context, opts engine.PlanOptions, change func(*engine.Options)) (*plan.Plan, engine.Result, hcl.Diagnostics) {
	m.t.Helper()
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		m.t.Fatal(err)
	}
	options := engine.Options{Dir: m.dir, Registry: registry, Environ: m.environ, Command: "test", Version: "0.1.0"}
	change(&options)
	e, diags := engine.Load(context.Background(), options)
	defer e.Close()
	if diags.HasErrors() {
		return nil, engine.Result{}, diags
	}
	if err := e.Lock(context.Background()); err != nil {
		m.t.Fatal(err)
	}
	p, more := e.Plan(context.Background(), opts)
	diags = append(diags, more...)
	result, more := e.Apply(ctx, p)
	return p, result, append(diags, more...)
}
