package engine

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/hclspec/decode"
)

// PrepareState makes sure that a plan can name the state it is for and be signed with its key:
// it makes an empty state and a key where there are none. Nothing else is written.
func (e *Engine) PrepareState(ctx context.Context) error {
	if e.store != nil {
		return nil
	}
	return state.Prepare(ctx, e.stateOptions())
}

// Save writes a plan down for ApplySaved, as of this engine's configuration and state. It
// returns what is to be stored; the plan may be incomplete, and says so then.
func (e *Engine) Save(ctx context.Context, p *plan.Plan, expires time.Time) ([]byte, error) {
	reader, err := e.State(ctx)
	if err != nil {
		return nil, err
	}
	signer, err := reader.Signer()
	if err != nil {
		return nil, err
	}
	s := &plan.Saved{
		Plan: p, Expires: expires.UTC(), State: e.statePath, Files: e.savedFiles(),
		ReadPaths: e.spec.Settings.PathsRead, WritePaths: e.spec.Settings.PathsWrite,
		Environment: e.prog.surroundings(reader.Keyed),
	}
	return s.Encode(signer)
}

// surroundings are what sinks refer to, directly or by way of locals, of the environment and the
// working directory, which are a daemon's own. What sources are asked with does not count: it is
// not delivered. All of it may be secret and short, so only who has the key can tell what it is.
func (p *program) surroundings(keyed func(string) string) map[string]string {
	out := map[string]string{}
	seen := map[address.Address]bool{}
	var visit func(a address.Address)
	visit = func(a address.Address) {
		n := p.nodes[a]
		if n == nil || seen[a] || a.Type == address.Source {
			return
		}
		seen[a] = true
		for _, r := range n.refs {
			if r.Root == "env" || r.Root == "path" && r.Name == "cwd" {
				name := r.Root + "." + r.Name
				out[name] = p.surrounding(name, keyed)
			}
		}
		for _, on := range p.graph.Dependencies(a) {
			visit(on)
		}
	}
	for a := range p.nodes {
		if a.Type == address.Sink {
			visit(a)
		}
	}
	return out
}

// surrounding is the keyed hash of one of them, "" where it is not set.
func (p *program) surrounding(name string, keyed func(string) string) string {
	value, set := "", false
	if variable, ok := strings.CutPrefix(name, "env."); ok {
		value, set = p.environ[variable]
	} else if dir, err := os.Getwd(); err == nil {
		value, set = dir, true
	}
	if !set {
		return ""
	}
	return keyed(decode.RawHash([]byte(value)))
}

// savedFiles are the looks at files that made the configuration.
func (e *Engine) savedFiles() []plan.File {
	found := map[hclspec.Read]fileFound{}
	for r, f := range e.spec.Sources() {
		found[r] = foundIn(f)
	}
	for _, f := range e.prog.fileReads() {
		for r, is := range f.all() {
			found[r] = is
		}
	}
	var out []plan.File
	for _, r := range sortedReads(found) {
		out = append(out, plan.File{Kind: string(r.Kind), Path: r.Path, Pattern: r.Pattern, Hash: found[r].text()})
	}
	return out
}

// text identifies what was found, "" for nothing.
func (f fileFound) text() string {
	if !f.ok {
		return ""
	}
	return "sha256:" + hex.EncodeToString(f.sum[:])
}

// OpenSaved makes an engine that carries out one saved plan. Nothing is loaded: what the plan
// says is all there is, but for the state. That one, opts.StatePath, vouches for the plan by its
// key: where it is must never be taken from the plan, which anybody could have written together
// with a key of their own. The engine must be closed.
func OpenSaved(opts Options, s *plan.Saved) *Engine {
	e := &Engine{opts: opts, statePath: opts.StatePath, spec: &hclspec.Spec{Dir: s.Plan.Dir}}
	e.spec.Settings.PathsWrite = s.WritePaths
	if e.opts.Parallelism <= 0 {
		e.opts.Parallelism = DefaultParallelism
	}
	e.opts.Logger = opts.logger()
	if path, err := filepath.Abs(opts.StatePath); err == nil {
		e.statePath = path
	}
	return e
}

// InvalidPlan is the Summary of a PlanRefusal for bytes that nobody can trust.
const InvalidPlan = "Invalid plan"

// A PlanRefusal says why a saved plan is not applied. Nothing was changed.
type PlanRefusal struct {
	Summary string   // "Stale plan"
	Detail  string   // whole sentences
	Moved   []string // what moved since the plan was made, each a phrase
}

func (r *PlanRefusal) Error() string {
	if len(r.Moved) == 0 {
		return r.Detail
	}
	return r.Detail + "\n  - " + strings.Join(r.Moved, "\n  - ")
}

// CheckSaved verifies a saved plan against the state's key without taking the lock, and refuses
// one that no state could make fit: of another version, expired, incomplete or changed.
func (e *Engine) CheckSaved(ctx context.Context, s *plan.Saved, now time.Time) error {
	reader, err := e.State(ctx)
	if err != nil {
		return err
	}
	signer, err := reader.Signer()
	if err != nil {
		return fmt.Errorf("read the key that signed the plan: %w", err)
	}
	if err := s.Verify(signer); err != nil {
		return &PlanRefusal{Summary: InvalidPlan, Detail: fmt.Sprintf("The plan cannot be trusted: %s.", err)}
	}
	switch {
	case s.Plan.ToolVersion != e.opts.Version:
		return &PlanRefusal{Summary: "Plan of another version", Detail: fmt.Sprintf(
			"The plan was made by Tidegate %s, and this is %s. What they mean by a plan may differ; plan again.", s.Plan.ToolVersion, e.opts.Version)}
	case s.Plan.Incomplete:
		return &PlanRefusal{Summary: "Incomplete plan", Detail: "The plan is incomplete: something failed while it was made, so it shows less than what is needed. Mend that and plan again."}
	case now.After(s.Expires):
		return &PlanRefusal{Summary: "Expired plan", Detail: fmt.Sprintf(
			"The plan expired at %s. Plan again, or for longer (--expires).", s.Expires.UTC().Format(time.RFC3339))}
	}
	return nil
}

// ownLineage refuses a plan for another state than the one at hand.
func (e *Engine) ownLineage(p *plan.Plan, l *state.Ledger) error {
	if p.Lineage == l.Lineage {
		return nil
	}
	return &PlanRefusal{Summary: "Plan for another state", Detail: fmt.Sprintf(
		"The plan was made for a state of the lineage %s, and %s has %s: it is another one, or was made anew.", p.Lineage, e.statePath, l.Lineage)}
}

// stalePlan lists what moved since a plan was made.
func stalePlan(p *plan.Plan, moved []string) *PlanRefusal {
	return &PlanRefusal{
		Summary: "Stale plan",
		Detail:  fmt.Sprintf("The plan of %s is not applied, since not everything is as it was then. Plan again. This moved:", p.Time.UTC().Format(time.RFC3339)),
		Moved:   moved,
	}
}

// ApplySaved applies a saved plan that CheckSaved let pass: exactly its bytes, or nothing. It
// evaluates nothing and looks at no source; rate limits are asked again. Lock must have been
// called. What moved since the plan was made is a *PlanRefusal.
func (e *Engine) ApplySaved(ctx context.Context, s *plan.Saved) (Result, hcl.Diagnostics, error) {
	ledger, err := e.store.Load(ctx)
	if err != nil {
		return Result{}, nil, err
	}
	p := s.Plan
	if err := e.ownLineage(p, ledger); err != nil {
		return Result{}, nil, err
	}
	if gone := outdated(ledger, p.Moves); len(gone) > 0 {
		return Result{}, nil, stalePlan(p, gone)
	}
	ledger, _ = renamed(ledger, p.Moves, nil)
	moved := append(movedFiles(s), p.Moved(ledger)...)
	pushed, err := e.movedPushes(ctx, p)
	if err != nil {
		return Result{}, nil, err
	}
	moved = append(append(moved, pushed...), e.movedTargets(ctx, p)...)
	if len(moved) == 0 {
		moved = p.Rebase(ledger, e.planLimiters(p), time.Now())
	}
	if len(moved) > 0 {
		return Result{}, nil, stalePlan(p, moved)
	}
	result, diags := e.Apply(ctx, p)
	return result, diags, nil
}
