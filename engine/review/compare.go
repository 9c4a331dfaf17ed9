package review

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec"
	"tidegate/providers"
)

// Look lets a plan fetch values under a guard, record them, or read them from a recording.
type Look struct {
	Guard
	Record string // directory that fetched values are written to, "" for none
	Play   string // directory of a recording that is read instead of fetching, "" for none
}

// Session is a Look at work.
type Session struct {
	look Look
	tape *tape
}

// Begin checks that what is asked for is there.
func (l Look) Begin() *Session { return &Session{look: l, tape: newTape(l.Record, l.Play)} }

// Registry returns the kinds for a plan of the configuration in dir. Only sources, and rules
// that are programs, are other ones.
func (s *Session) Registry(real *providers.Registry, dir string) (*providers.Registry, error) {
	return (&stage{dir: resolved(dir), guard: s.look.Guard, tape: s.tape}).registry(real)
}

// Save writes the recording. It returns the addresses of the sources that it left out, whose
// values are sensitive.
func (s *Session) Save() (skipped []string, err error) {
	err = s.tape.save(time.Now())
	return s.tape.skipped, err
}

// Result is what a comparison found. The plan is never nil.
type Result struct {
	Plan  *plan.Plan
	Diags hcl.Diagnostics
	Files map[string]*hcl.File // for snippets
	// Declared describes the changed configuration as it is written, nil where it does not load.
	Declared func() *plan.Declared
}

// Compare plans what the change from a commit to the working tree does: both configurations
// are evaluated against the same values, and targets hold what the first one renders to.
// Nothing is delivered, no state is read. Rate limits let everything pass.
func Compare(ctx context.Context, opts engine.Options, ref string, look Look) *Result {
	shared := look.Begin()
	s := &stage{dir: resolved(opts.Dir), guard: look.Guard, tape: shared.tape, targets: &targets{files: map[string]target{}}}
	registry, err := s.registry(opts.Registry)
	if err != nil {
		return &Result{Plan: &plan.Plan{Incomplete: true}, Diags: failure("Cannot plan the change", err)}
	}
	opts.Registry = registry
	head, diags := engine.Load(ctx, opts)
	defer head.Close()
	out := &Result{Plan: head.Unplanned(), Diags: diags, Files: head.Files()}
	if diags.HasErrors() {
		return out
	}
	out.Declared = head.Declared
	revision, err := OpenRevision(ctx, opts.Dir, ref)
	if err != nil {
		out.Diags = append(out.Diags, failure("Cannot read the base", err)...)
		return out
	}
	defer revision.Close()
	tree, err := revision.Tree(opts.Flags)
	if err != nil {
		out.Diags = append(out.Diags, failure("Cannot read the base", err)...)
		return out
	}
	c := &comparison{stage: s, head: head, revision: revision, store: state.NewMemory(), now: time.Now(), result: out}
	c.loadBase(ctx, tree)
	c.plan(ctx)
	return out
}

// comparison is one Compare under way.
type comparison struct {
	stage    *stage
	head     *engine.Engine
	base     *engine.Engine // nil where it does not load, or there was none
	revision *Revision
	store    *state.Memory
	now      time.Time
	result   *Result
}

// loadBase loads what the change starts from. A change that mends what is broken is no worse
// for that.
func (c *comparison) loadBase(ctx context.Context, tree hclspec.Tree) {
	if len(tree.Stored) == 0 {
		return
	}
	base, wrong := c.head.LoadBase(ctx, tree)
	if !wrong.HasErrors() {
		c.base = base
		return
	}
	for _, d := range c.ofBase(wrong) {
		d.Severity, d.Detail = hcl.DiagWarning, d.Detail+" Everything counts as new, since the base does not load."
		c.result.Diags = append(c.result.Diags, d)
	}
}

// manyTargets is how many sinks and outputs a plan is narrowed to. With more, everything is
// planned, which costs less than to choose.
const manyTargets = 100

// plan plans and applies the base, and then the change on top of that.
func (c *comparison) plan(ctx context.Context) {
	clock := func() time.Time { return c.now }
	result := c.result
	before, narrow, wider := &plan.Plan{}, []string(nil), []string(nil)
	head, base := c.head, c.base
	if base != nil && !head.FollowsData() && !base.FollowsData() {
		narrow, wider = c.touched() // else only the plans tell what there is
	}
	if narrow == nil || len(narrow) > 0 {
		if c.base != nil && (narrow == nil || len(wider) > 0) {
			c.stage.revision = c.revision
			base = c.base.Rehearse(c.store, clock)
			planned, wrong := base.Plan(ctx, engine.PlanOptions{Targets: wider})
			_, more := base.Apply(ctx, planned)
			before, c.stage.revision = planned, nil
			result.Diags = append(result.Diags, c.ofBase(append(wrong, more...))...)
		}
		head = c.head.Rehearse(c.store, clock)
		p, more := head.Plan(ctx, engine.PlanOptions{Targets: narrow})
		result.Plan, result.Diags = p, append(result.Diags, more...)
	} else {
		result.Plan.Incomplete = false
	}
	p := result.Plan
	p.Selection = nil
	p.Base = &plan.Base{Ref: c.revision.Ref, Commit: c.revision.Commit, Dirty: c.revision.Dirty, Changes: head.ChangedFrom(base, before, p)}
	head.Reach(base, p)
	p.Incomplete = p.Incomplete || result.Diags.HasErrors()
}

// touched returns the addresses of sinks and outputs that the change can have an effect on: in
// the working tree together with what it removes, and in the base. nil stands for all of them.
func (c *comparison) touched() (now, before []string) {
	seeds := c.head.DiffersFrom(c.base)
	seeds = append(seeds, c.head.SourcesOf(c.revision.Changed)...)
	now, before = []string{}, []string{}
	was := c.base.Leads(seeds)
	for _, a := range was {
		before = append(before, a.String())
	}
	for _, a := range c.head.Leads(seeds) {
		now = append(now, a.String())
	}
	for _, a := range was {
		if !slices.Contains(now, a.String()) {
			now = append(now, a.String())
		}
		if len(now) > manyTargets {
			return nil, nil
		}
	}
	if len(now) > manyTargets {
		return nil, nil
	}
	return now, before
}

func failure(summary string, err error) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: err.Error() + "."}}
}

// ofBase names the base in the errors of it: its places are not those of the working tree.
func (c *comparison) ofBase(diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue // not to be reviewed
		}
		said := *d
		said.Summary = "In the base: " + said.Summary
		if said.Subject != nil {
			said.Detail = fmt.Sprintf("%s:%d of %s. %s", said.Subject.Filename, said.Subject.Start.Line, c.revision.Ref, said.Detail)
		}
		said.Subject, said.Context, said.Expression, said.EvalContext = nil, nil, nil, nil
		out = append(out, &said)
	}
	return out
}

// resolved is a directory with all links resolved, as the paths are that sources read.
func resolved(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}
