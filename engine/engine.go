// Package engine is where effects meet data: it observes the world along the graph of a
// configuration, lets plan.Compute compare, and carries plans out.
//
// Whatever fails stays where it failed: a source that cannot be reached, a value that is
// refused or a sink that does not take its delivery leaves everything that does not depend
// on it untouched, and the ledger never says more than what was acknowledged.
package engine

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/graph"
	"tidegate/engine/state"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/providers"
)

// Options say which configuration is run and in which surroundings.
type Options struct {
	Dir         string // of the root module, "" for the current directory
	Registry    *providers.Registry
	StatePath   string              // --state; "" for the block, $STATE_DIRECTORY or the default
	Flags       []hclspec.InputFlag // --var and --var-file in their order
	Environ     []string            // of the process
	Parallelism int                 // deliveries at a time, 0 for DefaultParallelism
	Events      func(Event)         // called by one goroutine at a time; nil for none
	Logger      hclog.Logger        // nil for none
	Command     string              // names the process to whoever finds the state locked
	Version     string              // of the tool
	// Inputs are values of variables by name, which win over all others.
	Inputs map[string]hclspec.VariableInput
}

func (o *Options) logger() hclog.Logger {
	if o.Logger == nil {
		return hclog.NewNullLogger()
	}
	return o.Logger
}

// The defaults of design section 7.
const (
	DefaultParallelism = 10
	maxFetches         = 64
	maxFetchesPerHost  = 8
)

// DefaultState is where the ledger is, beside the configuration, if nothing says otherwise.
var DefaultState = filepath.Join(".tidegate", "state.db")

// Engine runs one configuration. It is made by Load and must be closed. Its methods are not
// to be called concurrently.
type Engine struct {
	opts      Options
	spec      *hclspec.Spec
	prog      *program
	written   string // hash of prog before any instances followed data; "" if none did
	statePath string
	store     state.Store // nil until Lock
	clock     func() time.Time
	reader    state.Reader // nil until State

	console *observer // what console evaluates over, nil until first needed

	eventMutex sync.Mutex
}

// Load reads and checks a configuration without touching any source, sink or state. The
// engine is never nil: with errors in the diagnostics only Files, Spec and Close are of use.
func Load(_ context.Context, opts Options) (*Engine, hcl.Diagnostics) {
	return load(opts, loadOptions{})
}

// Validate is Load where nothing of the surroundings is known: environment, required
// variables and sources stand for unknown values.
func Validate(_ context.Context, opts Options) (*Engine, hcl.Diagnostics) {
	return load(opts, loadOptions{validate: true})
}

// LoadBase is Load of the same configuration as it was at some time, with the same options.
// What did not change since is shared.
func (e *Engine) LoadBase(_ context.Context, tree hclspec.Tree) (*Engine, hcl.Diagnostics) {
	e.prog.digests()
	base, diags := load(e.opts, loadOptions{stored: tree.Stored, find: tree.Find, directory: tree.Directory, before: e})
	if base.prog != nil {
		base.prog.digests()
	}
	return base, diags
}

// loadOptions say how a configuration is loaded.
type loadOptions struct {
	validate  bool
	before    *Engine        // what did not change is taken over from it; nil for nothing
	stored    hclspec.Stored // read instead of the disk; nil for the disk
	find      func(hclspec.Read) (hclspec.Found, bool)
	directory func(dir string) (hclspec.Stored, bool)
}

func load(opts Options, how loadOptions) (*Engine, hcl.Diagnostics) {
	e := &Engine{opts: opts, clock: time.Now}
	if e.opts.Parallelism <= 0 {
		e.opts.Parallelism = DefaultParallelism
	}
	if e.opts.Logger == nil {
		e.opts.Logger = hclog.NewNullLogger()
	}
	if e.opts.Dir == "" {
		e.opts.Dir = "."
	}
	from, c := hclspec.LoadOptions{Stored: how.stored, Directory: how.directory}, compileOptions{validate: how.validate, stored: how.stored, find: how.find}
	if how.before != nil && how.before.prog.sound {
		from.Previous, c.before = how.before.spec, how.before.prog
	}
	spec, diags := hclspec.LoadWith(e.opts.Dir, from)
	if c.before != nil && !c.before.bears(spec) {
		// Every block is to be compiled, also those whose syntax was let go of.
		c.before, from.Previous = nil, nil
		spec, diags = hclspec.LoadWith(e.opts.Dir, from)
	}
	e.spec = spec
	if diags.HasErrors() && len(spec.Files) == 0 {
		return e, diags
	}
	path, more := e.findState()
	e.statePath = path
	diags = append(diags, more...)
	c.whole = !diags.HasErrors()
	if how.before != nil {
		c.keys = how.before.prog.keysets
	}
	prog, more := compile(spec, e.opts, c)
	for range maxModuleRounds {
		keys := prog.constantKeysets()
		if diags.HasErrors() || more.HasErrors() || sameKeysets(keys, prog.keysets) {
			break
		}
		prog, more = prog.with(keys, nil)
	}
	e.prog = prog
	if how.validate && !diags.HasErrors() && !more.HasErrors() {
		more = append(more, prog.tryInstances()...)
	}
	diags = append(diags, more...)
	diags = spec.WithoutConsequences(fold(append(diags, e.ownFiles()...)))
	prog.sound = !diags.HasErrors()
	return e, diags
}

// maxModuleRounds bounds how often instances come out of others that came out of others.
const maxModuleRounds = 32

// ownFiles finds sinks that would write the state or the configuration itself.
func (e *Engine) ownFiles() hcl.Diagnostics {
	own := map[string]string{}
	base := strings.TrimSuffix(e.statePath, filepath.Ext(e.statePath))
	for _, path := range []string{e.statePath, e.statePath + "-wal", e.statePath + "-shm", base + ".lock", base + ".key"} {
		own[resolved(path)] = "the state"
	}
	dirs := map[string]string{} // most files are in one
	for name := range e.spec.Files {
		path, err := filepath.Abs(name)
		if err != nil {
			continue
		}
		dir := filepath.Dir(path)
		if _, known := dirs[dir]; !known {
			dirs[dir] = filepath.Dir(resolved(path))
		}
		own[filepath.Join(dirs[dir], filepath.Base(path))] = "the configuration"
	}
	modules := hclspec.ModulesDir(e.spec.Dir)
	if real, err := filepath.EvalSymlinks(modules); err == nil {
		modules = real
	}
	var diags hcl.Diagnostics
	for _, n := range e.prog.sorted {
		what, ok := own[n.writes]
		if strings.HasPrefix(n.writes, modules+string(filepath.Separator)) {
			what, ok = "the modules from git", true
		}
		if ok && n.writes != "" {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Sink writes a file of Tidegate's own", Subject: n.rng().Ptr(),
				Detail: fmt.Sprintf("%s would replace %s, which is part of %s. Give it another path.", n.addr, n.writes, what),
			})
		}
	}
	return diags
}

// resolved follows the links of the directory of a path, as a sink's own path does.
func resolved(path string) string {
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// localState is the body of state "local".
type localState struct {
	Path string `hcl:"path,optional"`
}

func (e *Engine) findState() (string, hcl.Diagnostics) {
	inDir := func(p string) string {
		if filepath.IsAbs(p) {
			return filepath.Clean(p)
		}
		return filepath.Join(e.spec.Dir, p)
	}
	if e.opts.StatePath != "" {
		path, err := filepath.Abs(e.opts.StatePath)
		if err != nil {
			return "", hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Cannot resolve --state", Detail: err.Error()}}
		}
		return path, nil
	}
	if s := e.spec.Settings.State; s.Kind != "" {
		if s.Kind != "local" {
			return "", hcl.Diagnostics{{
				Severity: hcl.DiagError, Summary: "Unknown state kind", Subject: &s.DefRange,
				Detail: fmt.Sprintf("There is no state kind %q; the only one is \"local\".", s.Kind),
			}}
		}
		var c localState
		ctx := &hcl.EvalContext{Variables: map[string]cty.Value{"path": e.spec.PathObject()}}
		diags := gohcl.DecodeBody(s.Body, ctx, &c)
		if c.Path != "" || diags.HasErrors() {
			return inDir(c.Path), diags
		}
	}
	// systemd may list several directories; the first is ours.
	if dir, _, _ := strings.Cut(lookupEnv(e.opts.Environ, "STATE_DIRECTORY"), ":"); dir != "" {
		return filepath.Join(dir, "state.db"), nil
	}
	return inDir(DefaultState), nil
}

// FindState returns where the state of a configuration is, as StatePath does after a Load, and
// looks at nothing but the tidegate block. It returns "" where that cannot be told without a
// look at all the rest.
func FindState(opts Options) string {
	spec, diags := hclspec.LoadWith(cmp.Or(opts.Dir, "."), hclspec.LoadOptions{Settings: true})
	if diags.HasErrors() {
		return ""
	}
	e := &Engine{opts: opts, spec: spec}
	path, diags := e.findState()
	if diags.HasErrors() {
		return ""
	}
	return path
}

func lookupEnv(environ []string, name string) string {
	for _, entry := range slices.Backward(environ) {
		if k, v, ok := strings.Cut(entry, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// Spec returns what was declared.
func (e *Engine) Spec() *hclspec.Spec { return e.spec }

// Files returns the configuration's files by name, for the snippets of diagnostics.
func (e *Engine) Files() map[string]*hcl.File { return e.spec.Files }

// SettingsContext is what the expressions of the tidegate block may refer to.
func (e *Engine) SettingsContext() *hcl.EvalContext {
	vars := map[string]cty.Value{}
	for name, v := range e.prog.variables {
		vars[name] = v
	}
	env := map[string]cty.Value{}
	for name, v := range e.prog.environ {
		env[name] = cty.StringVal(v)
	}
	return &hcl.EvalContext{Functions: e.prog.functions, Variables: map[string]cty.Value{
		"path": e.spec.PathObject(), "var": cty.ObjectVal(vars), "env": cty.ObjectVal(env),
	}}
}

// StatePath returns where the state is, absolute.
func (e *Engine) StatePath() string { return e.statePath }

// BlockGraph is the graph of what depends on what among the blocks of a configuration.
type BlockGraph = graph.Graph[address.Address]

// Graph returns the dependency graph of the configuration's blocks, of repeated ones that of their
// instances. It is never changed.
func (e *Engine) Graph() *BlockGraph {
	if len(e.prog.modules) == 1 && len(e.prog.groups) == 0 {
		return e.prog.graph
	}
	return e.prog.graph.Keep(func(a address.Address) bool { return !a.Type.Hidden() })
}

func (e *Engine) stateOptions() state.Options {
	return state.Options{Path: e.statePath, Command: e.opts.Command, Version: e.opts.Version}
}

// Lock opens the state for writing and holds it until Close. An apply plans under the lock.
func (e *Engine) Lock(ctx context.Context) error {
	if e.store != nil {
		return nil
	}
	store, err := state.Open(ctx, e.stateOptions())
	if err != nil {
		return err
	}
	e.store = store
	return nil
}

// State returns the state for reading: the locked one, else a private copy.
func (e *Engine) State(ctx context.Context) (state.Reader, error) {
	if e.store != nil {
		return e.store, nil
	}
	if e.reader == nil {
		reader, err := state.OpenReader(ctx, e.stateOptions())
		if err != nil {
			return nil, err
		}
		e.reader = reader
	}
	return e.reader, nil
}

// emit hands an event to the view, one at a time.
func (e *Engine) emit(ev Event) {
	e.eventMutex.Lock()
	defer e.eventMutex.Unlock()
	logEvent(e.opts.Logger, ev)
	if e.opts.Events != nil {
		e.opts.Events(ev)
	}
}

// emitQuietly is emit for what is no line of a log: metrics count it.
func (e *Engine) emitQuietly(ev Event) {
	if e.opts.Events != nil {
		e.opts.Events(ev)
	}
}

// Close releases the state and everything else the engine holds.
func (e *Engine) Close() error {
	var err error
	if e.reader != nil {
		err = e.reader.Close()
		e.reader = nil
	}
	if e.store != nil {
		if closeErr := e.store.Close(); err == nil {
			err = closeErr
		}
		e.store = nil
	}
	return err
}
