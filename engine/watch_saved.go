package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// A saved plan beside a daemon
//
// The daemon holds the state, so it carries the plan out. While that lasts the sinks of the plan
// are kept for it: nothing else is begun for them, and when nothing is under way for them either,
// the plan is compared with what is there, as a one-shot apply does it. If nothing moved, its
// acceptances and first intents go into one commit and its deliveries through the daemon's own
// workers. After that the daemon looks at each of these sinks as ever. It finds what the plan
// delivered, since it runs the configuration that the plan was made from.

// savedRun is a saved plan that a daemon carries out. It belongs to the loop.
type savedRun struct {
	run
	stage savedStage
	nodes map[address.Address]*node       // of the plan's sinks, as the plan knows them
	rows  map[address.Address]*state.Sink // what the ledger says of them, before the plan does something
	still chan struct{}                   // closed when nothing is under way for them
	done  chan struct{}                   // closed when everything came to its end
}

// savedStage is how far a plan came.
type savedStage int

const (
	savedWaits   savedStage = iota // for what is under way
	savedChecked                   // somebody compares it with what is there
	savedCarried                   // its deliveries are on their way
)

// errPlanAtWork is why a second plan is not begun.
var errPlanAtWork = errors.New("another saved plan is being carried out by the daemon, and nothing of this one was done; try again when the other one is finished")

// stoppingReason is why something of a plan is not begun any more.
const stoppingReason = "the daemon is stopping"

// planned returns the plan that a change is of, nil for the daemon's own.
func (it *sinkItem) planned(c *plan.SinkChange) *savedRun {
	if it.plan == nil || it.plan.stage != savedCarried {
		return nil
	}
	if x := it.plan.items[it.addr]; x == nil || x.change != c {
		return nil
	}
	return it.plan
}

// ApplySaved carries a saved plan out, which is given as "plan --out" wrote it: exactly its bytes,
// or nothing. Its refusal is a *PlanRefusal. events hears of what is done for this plan alone; it
// is called by several goroutines, one at a time, and must not block. A context that ends after
// the plan was accepted ends only the waiting.
func (d *Daemon) ApplySaved(ctx context.Context, data []byte, events func(Event)) (Result, hcl.Diagnostics, error) {
	s, err := plan.Decode(data)
	if err != nil {
		return Result{}, nil, &PlanRefusal{Summary: InvalidPlan, Detail: fmt.Sprintf("The plan cannot be read: %s.", err)}
	}
	opts := d.opts
	outer := opts.Events
	opts.Events = func(ev Event) {
		outer(ev)
		events(ev)
	}
	opts.StatePath = d.Engine().statePath
	e := OpenSaved(opts, s)
	e.store = d.store // which is the daemon's to close
	if err := e.CheckSaved(ctx, s, time.Now()); err != nil {
		return Result{}, nil, err
	}
	r := &savedRun{
		run: run{
			engine: e, plan: s.Plan, items: map[address.Address]*item{}, courier: e.newCourier(newRedactor(nil, s.Plan)),
			again: "the daemon",
		},
		nodes: map[address.Address]*node{}, rows: map[address.Address]*state.Sink{},
		still: make(chan struct{}), done: make(chan struct{}),
	}
	r.ended = func(x *item) { d.release(r, x.change.Address) }
	defer d.post(func() { d.abandon(r) })
	if err := d.takeSaved(ctx, r, s); err != nil {
		return Result{}, nil, err
	}
	select {
	case <-r.done:
		e.emit(ApplyFinished{Result: r.result})
		return r.result, r.diags, nil
	case <-d.done:
		return Result{}, nil, errors.New("the daemon has stopped in the middle of the plan; what it did not finish goes on when it is started again")
	case <-ctx.Done():
		return Result{}, nil, errors.Join(ctx.Err(), errors.New("the daemon goes on with the plan"))
	}
}

// takeSaved reserves the plan's sinks, compares the plan with what is there, and begins it.
func (d *Daemon) takeSaved(ctx context.Context, r *savedRun, s *plan.Saved) error {
	for again := true; again; {
		var refused error
		if err := d.call(ctx, func() { refused = d.reserve(r, s) }); err != nil {
			return err
		}
		if refused != nil {
			return refused
		}
		select {
		case <-r.still:
		case <-d.done:
			return errors.New("the daemon has stopped; nothing of the plan was done")
		case <-ctx.Done():
			return ctx.Err()
		}
		ledger, err := d.store.Load(ctx)
		if err != nil {
			return err
		}
		if err := r.engine.ownLineage(r.plan, ledger); err != nil {
			return err
		}
		moved := movedFiles(s)
		if moves := r.plan.Moves; len(moves) > 0 { // the daemon made them when it took the configuration up
			moved = append(moved, outdated(ledger, moves)...)
		}
		moved = append(moved, r.plan.Moved(ledger)...)
		moved = append(moved, r.engine.movedTargets(ctx, r.plan)...)
		if len(moved) > 0 {
			return stalePlan(r.plan, moved)
		}
		if err := d.call(ctx, func() { again, refused = d.begun(r, s, ledger) }); err != nil {
			return err
		}
		if refused != nil {
			return refused
		}
	}
	return nil
}

// reserve keeps the sinks of a plan for it. What the daemon alone knows is compared here.
func (d *Daemon) reserve(r *savedRun, s *plan.Saved) error {
	switch {
	case d.carrying != nil && d.carrying != r:
		return errPlanAtWork
	case d.stopping:
		return errors.New(stoppingReason)
	case d.trouble != nil:
		return fmt.Errorf("the state cannot be written: %w", d.trouble)
	}
	if err := d.fits(s); err != nil {
		return err
	}
	d.carrying, r.stage, r.still = r, savedWaits, make(chan struct{})
	for _, c := range r.plan.Sinks {
		if it := d.sinks[c.Address]; it != nil && (c.Action != plan.NoOp || c.Remember || c.Baseline != nil) {
			it.plan, r.nodes[c.Address] = r, it.node
		}
	}
	return nil
}

// fits refuses a plan that was made from something else than what the daemon runs: it would undo
// it at once.
func (d *Daemon) fits(s *plan.Saved) error {
	p, running := s.Plan, d.engine
	if same, err := sameFile(p.Dir, running.spec.Dir); !same {
		return &PlanRefusal{Summary: "Plan for another directory", Detail: fmt.Sprintf(
			"The plan is for the configuration in %s, and the daemon runs that in %s%s.", p.Dir, running.spec.Dir, because(err))}
	}
	if p.Destroy {
		return &PlanRefusal{Summary: "A daemon holds the state", Detail: "The plan destroys what the daemon keeps true. Stop it first."}
	}
	var moved []string
	if p.Configuration != running.hash() {
		if moved = movedFiles(s); len(moved) == 0 {
			moved = append(moved, "the daemon runs another configuration, or other values of variables: it takes up edited files when they were quiet for two seconds (tidegate reload: now), --var and the environment when it starts")
		}
	} else {
		for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
			if running.prog.surrounding(name, d.store.Keyed) != s.Environment[name] {
				moved = append(moved, fmt.Sprintf("%s is another one for the daemon than it was for the plan", name))
			}
		}
	}
	if d.broken != nil {
		moved = append(moved, "the daemon runs the last good configuration, since the present one is broken")
	}
	held := func(a address.Address) {
		if pause := d.isPaused(a); pause != nil {
			moved = append(moved, fmt.Sprintf("%s is %s; let it go on with: tidegate resume '%s'", a, pauseReason(pause), a))
		}
	}
	for _, c := range p.Sources {
		if c.Action != plan.Read {
			continue
		}
		held(c.Address)
		if it := d.sources[c.Address]; it != nil && it.sent != nil && it.sent.At.After(p.Time) {
			moved = append(moved, fmt.Sprintf("%s was sent another value", c.Address))
		}
	}
	for _, c := range p.Sinks {
		if c.Action != plan.NoOp {
			held(c.Address)
		}
	}
	if len(moved) > 0 {
		return stalePlan(p, moved)
	}
	return nil
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func sameFile(a, b string) (bool, error) {
	if a == b {
		return true, nil
	}
	first, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second), err
}

// advanceSaved goes on with the plan that is carried out, in each turn.
func (d *Daemon) advanceSaved() {
	r := d.carrying
	if r == nil {
		return
	}
	switch r.stage {
	case savedWaits:
		for a := range r.nodes {
			if it := d.sinks[a]; it != nil && it.phase != idle {
				return
			}
		}
		r.stage = savedChecked
		for a := range r.nodes {
			r.rows[a] = d.ledger.Sinks[a]
		}
		d.afterCommit(func() { close(r.still) })
	case savedCarried:
		if d.trouble != nil && !d.stopping {
			return // nothing is touched that could not be accounted for
		}
		if (d.instances.busy || len(d.instances.stale) > 0) && !d.stopping {
			return // what the plan accepted may make other instances, which it delivers to
		}
		for len(r.ready) > 0 {
			next := r.ready[0]
			r.ready = r.ready[1:]
			d.beginPlanned(r, next)
		}
		if r.open == 0 {
			r.result.Interrupted = d.stopping && r.result.Skipped > 0
			d.carrying = nil
			for a := range r.nodes {
				d.release(r, a)
			}
			close(r.done)
		}
	}
}

// begun accepts what the plan accepts, in one commit with its first intents, unless something moved
// since it was compared with the ledger: then it is compared again.
func (d *Daemon) begun(r *savedRun, s *plan.Saved, compared *state.Ledger) (again bool, refused error) {
	if d.stopping || d.trouble != nil {
		return false, errors.New("the daemon is stopping or cannot write the state; nothing of the plan was done")
	}
	if err := d.fits(s); err != nil {
		return false, err
	}
	for a, row := range r.rows {
		if d.ledger.Sinks[a] != row {
			return true, nil
		}
	}
	for _, a := range r.plan.Rests() {
		now, then := d.ledger.Sources[a], compared.Sources[a]
		if timesAccepted(now) != timesAccepted(then) {
			return true, nil
		}
	}
	p := r.plan
	p.ForgetSources = nil // the daemon did that when it took the configuration up
	if moved := p.Rebase(d.ledger, d.limits, time.Now()); len(moved) > 0 {
		return false, stalePlan(p, moved)
	}
	r.ledger, r.limits = d.ledger, d.limits
	r.stage = savedCarried
	b := &state.Batch{}
	r.accept(b)
	for _, row := range b.Sources {
		d.texts.share(row)
		d.ledger.Sources[row.Address] = row
	}
	for _, row := range b.Outputs {
		d.ledger.Outputs[row.Address] = row
	}
	for a := range r.rows {
		r.rows[a] = d.ledger.Sinks[a] // as this plan left them
	}
	r.queue()
	r.engine.emit(PhaseStarted{Phase: Applying, Total: len(r.items)})
	d.record(b)
	d.afterCommit(r.announce)
	for _, c := range p.Sources {
		if it := d.sources[c.Address]; it != nil && c.Action == plan.Read {
			d.acceptedByPlan(it, c)
		}
	}
	for a := range r.nodes {
		if r.items[a] == nil {
			d.release(r, a) // nothing is delivered there
		}
	}
	return false, nil
}

// acceptedByPlan lets a source go on from the value that a plan accepted.
func (d *Daemon) acceptedByPlan(it *sourceItem, c *plan.SourceChange) {
	if c.Pushed {
		it.pushed, it.sent = nil, nil
	}
	it.lost, it.held, it.outdated = false, false, it.looking
	if it.trouble != nil {
		it.trouble.lostPush = ""
	}
	it.changes++
	it.accepting++
	d.afterCommit(func() {
		it.accepting--
		d.askPushed(it)
	})
	d.well(it)
	d.newStanding(it, plan.Choice{Standing: plan.Accepted}, true)
}

// beginPlanned begins one delivery of a plan, or says why not.
func (d *Daemon) beginPlanned(r *savedRun, x *item) {
	c := x.change
	it := d.sinks[c.Address]
	switch pause := d.isPaused(c.Address); {
	case d.stopping:
		r.finish(x, stoppingReason, time.Time{})
		return
	case it == nil || it.plan != r || !it.removed && d.meansAnother(it, r) || it.removed != (c.Action == plan.Delete || c.Action == plan.Forget) || d.ledger.Sinks[c.Address] != r.rows[c.Address]:
		r.given(x, "it was configured anew or put back meanwhile")
		return
	case pause != nil:
		r.given(x, "it was paused meanwhile")
		return
	}
	x.start = time.Now()
	switch c.Action {
	case plan.Forget:
		d.forget(it, c)
		return
	case plan.Delete:
		it.approved = true
		delete(d.approvals, it.addr)
	case plan.Create, plan.Update:
		rec := recorder{ledger: d.ledger, limits: d.limits}
		if it.node != nil {
			rec.limits = d.limitsOf(it.addr, it.node.limits)
		}
		// A limit that lets it pass answers with its own, later, idea of now.
		if until, which := rec.limited(c); until.After(time.Now()) {
			r.finish(x, fmt.Sprintf("%s lets the next delivery pass at %s", which, until.UTC().Format(time.RFC3339)), until)
			return
		}
	}
	d.nameKept(c.Delivery)
	d.dispatch(it, &decision{change: c, redact: r.courier.redact})
}

// meansAnother reports whether the block of a sink is another one than when the plan was begun. It
// may have been made anew since the data make other instances: then it means what the plan says.
func (d *Daemon) meansAnother(it *sinkItem, r *savedRun) bool {
	return !equalNodes(it.node, r.nodes[it.addr]) && d.engine.hash() != r.plan.Configuration
}

// keepForPlan keeps a sink that is new since the plan's acceptances for its delivery.
func (d *Daemon) keepForPlan(it *sinkItem) {
	r := d.carrying
	if r == nil || r.stage != savedCarried {
		return
	}
	if x := r.items[it.addr]; x != nil && x.start.IsZero() {
		it.plan, r.nodes[it.addr] = r, it.node
	}
}

// given leaves one delivery of a plan that is under way to the daemon.
func (r *savedRun) given(x *item, reason string) {
	r.diags = append(r.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Not delivered",
		Detail: fmt.Sprintf("%s: %s. The daemon delivers there what it is to hold when it may.", x.change.Address, reason),
	})
	r.finish(x, reason, time.Time{})
}

// release gives a sink back to the daemon, which looks at it.
func (d *Daemon) release(r *savedRun, a address.Address) {
	it := d.sinks[a]
	if it == nil || it.plan != r {
		return
	}
	it.plan = nil
	switch {
	case it.phase != idle: // whoever ends that goes on
		it.dirty = true
	case it.removed:
		d.decideRemoval(it)
	default:
		d.touch(it, causeUpstream)
	}
}

// abandon gives all sinks of a plan back that was not begun.
func (d *Daemon) abandon(r *savedRun) {
	if d.carrying != r || r.stage == savedCarried {
		return
	}
	d.carrying = nil
	for a := range r.nodes {
		d.release(r, a)
	}
}
