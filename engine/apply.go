package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/providers"
)

// Apply carries a plan out: it accepts, delivers and records. Lock must have been called
// before the plan was made. The first error in the diagnostics stops nothing that does not
// depend on it. A context that is done lets deliveries under way finish or park.
func (e *Engine) Apply(ctx context.Context, p *plan.Plan) (Result, hcl.Diagnostics) {
	if e.store == nil {
		return Result{}, stateError("Cannot apply", fmt.Errorf("the state %s is not locked", e.statePath))
	}
	ledger, err := e.store.Load(ctx)
	if err != nil {
		return Result{}, stateError("Cannot read the state", err)
	}
	r := &run{
		recorder: recorder{ledger: ledger, limits: e.planLimiters(p), clock: e.clock}, engine: e, plan: p, store: e.store,
		items: map[address.Address]*item{}, courier: e.newCourier(newRedactor(e.prog, p)), again: "the next apply",
	}
	if p.Lineage != ledger.Lineage || p.Serial != ledger.Serial {
		return Result{}, stateError("Stale plan", fmt.Errorf("the state changed since the plan was made; plan again"))
	}
	r.ledger, r.moves = renamed(ledger, p.Moves, p)
	if err := movedPushed(ctx, e.store, p.Moves, r.moves); err != nil {
		return Result{}, stateError("Cannot read the state", err)
	}
	if r.settled, err = e.settledBy(ctx, p, r.ledger); err != nil {
		return Result{}, stateError("Cannot read the state", err)
	}
	r.sweep(ctx)
	r.queue()
	// Room for every outcome: whatever ends the loop, no worker is left standing.
	r.outcomes = make(chan outcome, len(r.items))
	e.emit(PhaseStarted{Phase: Applying, Total: len(r.items)})
	r.loop(ctx)
	e.emit(ApplyFinished{Result: r.result})
	return r.result, fold(r.diags)
}

// run is one apply. Its owner is the goroutine that called Apply; workers get an item and
// return an outcome.
type run struct {
	recorder // its ledger is as of the last commit
	engine   *Engine
	plan     *plan.Plan
	store    state.Store
	courier  *courier

	items    map[address.Address]*item
	ready    []*item
	open     int // items that have not finished
	running  int // items in the hands of workers
	outcomes chan outcome
	broken   error       // the state cannot be written: nothing new is begun
	ended    func(*item) // told of each item that is done with, nil for nobody
	again    string      // who tries again what failed

	moves   *state.Batch    // what the first commit writes of what is called otherwise now
	settled *state.Document // of what the instances are made that it settles, nil for no change
	result  Result
	diags   hcl.Diagnostics
}

// item is one sink that the plan does something with.
type item struct {
	change  *plan.SinkChange
	waiting int     // dependencies that have not finished
	users   []*item // what waits for it
	before  *state.Sink
	start   time.Time
}

// queue makes an item of every change that does something and counts what each waits for.
func (r *run) queue() {
	for _, c := range r.plan.Sinks {
		if c.Action == plan.NoOp {
			if c.Wait != nil && c.Wait.Kind == plan.Deferred {
				r.result.Deferred++
			}
			continue
		}
		r.items[c.Address] = &item{change: c}
	}
	for _, c := range r.plan.Sinks {
		it := r.items[c.Address]
		if it == nil {
			continue
		}
		for _, a := range c.DependsOn {
			if up := r.items[a]; up != nil && up != it {
				up.users = append(up.users, it)
				it.waiting++
			}
		}
		if it.waiting == 0 {
			r.ready = append(r.ready, it)
		}
	}
	r.open = len(r.items)
}

// loop commits what is ready in groups, hands it to workers, and waits for outcomes. Every
// commit holds all outcomes and all intents that are there: one sync for all of them.
func (r *run) loop(ctx context.Context) {
	work := make(chan *item, len(r.items))
	var workers sync.WaitGroup
	for range min(r.engine.opts.Parallelism, len(r.items)) {
		workers.Go(func() {
			for it := range work {
				o := r.courier.deliver(ctx, it.change)
				o.before = it.before
				r.outcomes <- o
			}
		})
	}
	defer workers.Wait()
	defer close(work)

	var done []outcome
	first := true
	for first || r.open > 0 {
		batch := &state.Batch{}
		if first {
			r.accept(batch)
		}
		for _, o := range done {
			r.record(o, batch)
		}
		started, settled := r.begin(ctx, batch)
		err := r.commit(ctx, batch)
		if err != nil {
			r.fail(err, first)
		}
		if first {
			r.announce()
		}
		r.close(done, err)
		for _, it := range started {
			if r.broken != nil {
				r.finish(it, fmt.Sprintf("the state cannot be written: %s", r.broken), time.Time{})
				continue
			}
			r.running++
			it.start = time.Now()
			r.engine.emit(DeliveryStarted{Address: it.change.Address, Action: it.change.Action, Target: it.change.Target, Delivery: deliveryID(it.change), Repair: it.change.Repair})
			work <- it
		}
		for _, it := range settled {
			if err != nil {
				r.finish(it, fmt.Sprintf("the state cannot be written: %s", err), time.Time{})
				continue
			}
			r.succeed(it)
		}
		first = false
		done = done[:0]
		if len(r.ready) > 0 {
			continue
		}
		if r.running == 0 {
			break
		}
		done = r.collect(done)
	}
	r.result.Interrupted = ctx.Err() != nil && r.result.Skipped > 0
}

func deliveryID(c *plan.SinkChange) string {
	if c.Delivery == nil {
		return ""
	}
	return c.Delivery.ID
}

// collect waits for one outcome and takes all others that are there.
func (r *run) collect(done []outcome) []outcome {
	done = append(done, <-r.outcomes)
	r.running--
	for r.running > 0 {
		select {
		case o := <-r.outcomes:
			done = append(done, o)
			r.running--
		default:
			return done
		}
	}
	return done
}

// accept puts the acceptance of every candidate into the first commit, beside the first intents.
func (r *run) accept(b *state.Batch) {
	if r.moves != nil {
		b.Merge(r.moves)
	}
	for _, c := range r.plan.Sources {
		if c.Pushed {
			b.DeleteDocuments = append(b.DeleteDocuments, pushDocument(c.Address))
		}
		if c.Row == nil {
			continue
		}
		b.Sources = append(b.Sources, c.Row)
		b.Blobs = append(b.Blobs, c.Blobs...)
		if c.Action == plan.Read {
			snapshot := c.Row.Current()
			b.History = append(b.History, state.Entry{
				Address: c.Address, Time: r.plan.Time, Action: "accept", Cause: c.Version,
				Revision: c.Row.Accepted, Size: snapshot.Size, Hash: snapshot.Blob,
			})
		}
	}
	for name, counter := range r.plan.Shared {
		r.share(b, name, counter)
	}
	for _, c := range r.plan.Sinks {
		r.hold(c, b)
		switch {
		case c.Remember:
			r.remember(c, b)
		case c.Baseline != nil:
			row := r.ledger.Sinks[c.Address].Clone()
			row.Acknowledged.Triggers = c.Baseline
			r.save(b, row)
		}
	}
	for _, a := range r.plan.ForgetSources {
		b.DeleteSources, b.DeleteDocuments = append(b.DeleteSources, a), append(b.DeleteDocuments, pushDocument(a))
	}
	if r.settled != nil {
		b.Documents = append(b.Documents, r.settled)
	}
	storeOutputs(r.plan, b)
}

func (r *run) announce() {
	if r.broken != nil {
		return
	}
	if r.moves != nil {
		r.result.Moved = len(r.plan.Moves)
	}
	for _, c := range r.plan.Sources {
		if c.Action == plan.Read {
			r.result.Accepted++
			r.engine.emit(Accepted{Address: c.Address, Version: c.Version})
		}
	}
}

// begin takes everything that is ready: the intents of deliveries, and what touches nothing
// but the ledger.
func (r *run) begin(ctx context.Context, b *state.Batch) (started, settled []*item) {
	ready := r.ready
	r.ready = nil
	for _, it := range ready {
		c := it.change
		switch {
		case ctx.Err() != nil:
			r.finish(it, "the apply was interrupted", time.Time{})
		case r.broken != nil:
			r.finish(it, fmt.Sprintf("the state cannot be written: %s", r.broken), time.Time{})
		case c.Action == plan.Forget:
			b.DeleteSinks = append(b.DeleteSinks, c.Address)
			b.History = append(b.History, r.entry(c, "forget", nil))
			settled = append(settled, it)
		case c.Action == plan.Delete:
			started = append(started, it)
		case c.Action == plan.Adopt:
			r.adopt(c, b)
			settled = append(settled, it)
		default:
			if until, which := r.limited(c); until.After(r.now()) {
				r.finish(it, fmt.Sprintf("%s lets the next delivery pass at %s", which, until.UTC().Format(time.RFC3339)), until)
				continue
			}
			it.before = r.intend(c, b)
			started = append(started, it)
		}
	}
	return started, settled
}

// planLimiters makes the limits of a plan askable again, from what the plan says of them.
func (e *Engine) planLimiters(p *plan.Plan) map[string]plan.Limiter {
	out := map[string]plan.Limiter{}
	for _, l := range p.Limits {
		kind := e.opts.Registry.Kind("rate_limit", l.Kind)
		if kind == nil {
			continue
		}
		a, err := address.Parse(l.Address)
		if err != nil {
			continue
		}
		c, diags := kind.Configure(l.Values.Value, nil)
		if diags.HasErrors() {
			continue
		}
		limit, diags := c.RateLimit(providers.Env{Address: l.Address})
		if diags.HasErrors() {
			continue
		}
		out[l.Address] = e.opts.containedLimiter(a, limiter(limit, c.Settings.(*providers.RateLimitSettings)))
	}
	return out
}

// commit is one durable step. It is not cut short by an interrupt: what was done is written down.
func (r *run) commit(ctx context.Context, b *state.Batch) error {
	if b.Empty() {
		return nil
	}
	return r.store.Commit(context.WithoutCancel(ctx), b)
}

// fail stops new deliveries when the ledger cannot be written: nothing is touched that
// could not be accounted for.
func (r *run) fail(err error, first bool) {
	r.broken = err
	detail := err.Error() + "."
	if first {
		detail += " No sink was touched."
	} else {
		detail += " Deliveries under way are finished; the ones without a recorded outcome are repeated by the next apply with the same idempotency key."
	}
	r.diags = append(r.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Cannot write the state", Detail: detail})
}

// close ends the items whose outcomes were committed, or could not be.
func (r *run) close(done []outcome, unrecorded error) {
	for _, o := range done {
		if unrecorded != nil && o.err == nil && !o.parked {
			o.err = fmt.Errorf("it was delivered, but that could not be recorded: %w", unrecorded)
		}
		switch {
		case o.parked:
			r.finish(r.items[o.change.Address], "the apply was interrupted", time.Time{})
		case o.err != nil:
			r.failed(o)
		default:
			r.succeed(r.items[o.change.Address])
		}
	}
}

func (r *run) succeed(it *item) {
	c := it.change
	switch c.Action {
	case plan.Create:
		r.result.Added++
	case plan.Update:
		r.result.Changed++
	case plan.Delete:
		r.result.Destroyed++
	case plan.Forget:
		r.result.Forgotten++
	case plan.Adopt:
		r.result.Adopted++
	}
	var elapsed time.Duration
	if !it.start.IsZero() {
		elapsed = time.Since(it.start)
	}
	r.engine.emit(DeliveryFinished{Address: c.Address, Action: c.Action, Target: c.Target, Repair: c.Repair, Elapsed: elapsed})
	r.end(it)
	for _, user := range it.users {
		if user.waiting--; user.waiting == 0 {
			r.ready = append(r.ready, user)
		}
	}
}

func (r *run) failed(o outcome) {
	c, it := o.change, r.items[o.change.Address]
	r.result.Failed++
	r.end(it)
	next := "It stays pending and " + r.again + " tries again."
	if c.Action == plan.Delete {
		next = strings.ToUpper(r.again[:1]) + r.again[1:] + " tries again."
	}
	r.diags = append(r.diags, ofInstance(c.Address, hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: "Delivery failed", Subject: r.rangeOf(c.Address), Extra: about{c.Address},
		Detail: fmt.Sprintf("%s: %s. %s", c.Address, strings.TrimSuffix(o.err.Error(), "."), next),
	}})...)
	r.engine.emit(DeliveryFinished{Address: c.Address, Action: c.Action, Target: c.Target, Repair: c.Repair, Err: o.err.Error(), Elapsed: time.Since(it.start)})
	r.skipUsers(it, fmt.Sprintf("%s failed", c.Address))
}

func (r *run) rangeOf(a address.Address) *hcl.Range {
	if r.engine.prog == nil {
		return nil
	}
	if n := r.engine.prog.nodes[a]; n != nil {
		return n.rng().Ptr()
	}
	return nil
}

// end takes an item off the list.
func (r *run) end(it *item) {
	r.open--
	if r.ended != nil {
		r.ended(it)
	}
}

// finish closes an item that was not tried.
func (r *run) finish(it *item, reason string, until time.Time) {
	r.end(it)
	if until.IsZero() {
		r.result.Skipped++
	} else {
		r.result.Deferred++
	}
	r.engine.emit(DeliverySkipped{Address: it.change.Address, Action: it.change.Action, Reason: reason, Until: until})
	r.skipUsers(it, fmt.Sprintf("it waits for %s: %s", it.change.Address, reason))
}

func (r *run) skipUsers(it *item, reason string) {
	for _, user := range it.users {
		if user.waiting > 0 {
			user.waiting = -1
			r.finish(user, reason, time.Time{})
		}
	}
	it.users = nil
}
