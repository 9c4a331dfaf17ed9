package engine

import (
	"context"
	"fmt"
	"slices"
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
		engine: e, plan: p, ledger: ledger, store: e.store, items: map[address.Address]*item{},
		limits: e.planLimiters(p), redact: newRedactor(e.prog, p),
	}
	if p.Lineage != ledger.Lineage || p.Serial != ledger.Serial {
		return Result{}, stateError("Stale plan", fmt.Errorf("the state changed since the plan was made; plan again"))
	}
	r.sweep(ctx)
	r.queue()
	// Room for every outcome: whatever ends the loop, no worker is left standing.
	r.outcomes = make(chan outcome, len(r.items))
	e.emit(PhaseStarted{Phase: Applying, Total: len(r.items)})
	r.loop(ctx)
	e.emit(ApplyFinished{Result: r.result})
	return r.result, r.diags
}

// run is one apply. Its owner is the goroutine that called Apply; workers get an item and
// return an outcome.
type run struct {
	engine *Engine
	plan   *plan.Plan
	ledger *state.Ledger // as of the last commit
	store  state.Store
	limits map[string]plan.Limiter
	redact *redactor

	items    map[address.Address]*item
	ready    []*item
	open     int // items that have not finished
	running  int // items in the hands of workers
	outcomes chan outcome
	broken   error // the state cannot be written: nothing new is begun

	result Result
	diags  hcl.Diagnostics
}

// item is one sink that the plan does something with.
type item struct {
	change  *plan.SinkChange
	waiting int     // dependencies that have not finished
	users   []*item // what waits for it
	parked  *state.Sink
	start   time.Time
}

// outcome is what a worker brings back.
type outcome struct {
	item     *item
	err      error
	attempts int
	parked   bool // it was not tried, because the apply was interrupted
	unknown  bool // nobody knows whether the target was changed
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
				r.outcomes <- r.deliver(ctx, it)
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
			r.engine.emit(DeliveryStarted{Address: it.change.Address, Action: it.change.Action, Target: it.change.Target, Delivery: deliveryID(it.change)})
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
	for _, c := range r.plan.Sources {
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
		switch {
		case c.Remember:
			r.remember(c, b)
		case c.Baseline != nil:
			row := r.ledger.Sinks[c.Address].Clone()
			row.Acknowledged.Triggers = c.Baseline
			r.save(b, row)
		}
	}
	b.DeleteSources = append(b.DeleteSources, r.plan.ForgetSources...)
	storeOutputs(r.plan, b)
}

// isKeyed reports whether a name is that of a sealed blob.
func isKeyed(name string) bool { return strings.HasPrefix(name, "hmac-") }

func (r *run) share(b *state.Batch, name string, c state.Counter) {
	if b.Shared == nil {
		b.Shared = map[string]state.Counter{}
	}
	b.Shared[name] = c
	r.ledger.Shared[name] = c
}

func (r *run) announce() {
	if r.broken != nil {
		return
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
			if until, which := r.limited(c); until.After(time.Now()) {
				r.finish(it, fmt.Sprintf("%s lets the next delivery pass at %s", which, until.UTC().Format(time.RFC3339)), until)
				continue
			}
			r.intend(it, b)
			started = append(started, it)
		}
	}
	return started, settled
}

// row returns a copy of a sink's row that may be changed.
func (r *run) row(c *plan.SinkChange) *state.Sink {
	row := r.ledger.Sinks[c.Address].Clone()
	if row == nil {
		row = &state.Sink{Address: c.Address}
	}
	row.Kind, row.Target = c.Kind, c.Target
	return row
}

func (r *run) save(b *state.Batch, row *state.Sink) {
	if ack := row.Acknowledged; ack != nil && isKeyed(ack.Payload) {
		// What was delivered before it was a secret does not stay in the state in clear.
		row.Revisions = slices.DeleteFunc(row.Revisions, func(r state.Revision) bool { return !isKeyed(r.Payload) })
	}
	b.Sinks = append(b.Sinks, row)
	r.ledger.Sinks[row.Address] = row
}

// intend writes down what is about to be done, and what it replaces.
func (r *run) intend(it *item, b *state.Batch) {
	c := it.change
	it.parked = r.row(c)
	row := r.row(c)
	counted := row.Pending != nil && row.Pending.ID == c.Delivery.ID
	d := *c.Delivery
	d.At, d.Unknown = time.Now(), true
	if counted {
		d.Attempts = row.Pending.Attempts
	}
	row.Pending, row.Sequence = &d, c.Sequence
	if c.Replaces != nil {
		replaced := c.Blobs[len(c.Blobs)-1]
		number := int64(0)
		if len(row.Revisions) > 0 {
			number = nextRevision(row)
		}
		row.Revisions = addRevision(row.Revisions, state.Revision{
			Number: number, Time: d.At, Size: int64(len(c.Replaces)), Hash: c.ObservedHash, Payload: replaced.Hash,
			Cause: "what was there before the first delivery",
		})
	}
	if !counted && !c.Repair {
		r.take(c, row, b)
	}
	b.Blobs = append(b.Blobs, c.Blobs...)
	r.save(b, row)
}

// remember lets the ledger learn of changed policies and triggers. Nothing was delivered.
func (r *run) remember(c *plan.SinkChange, b *state.Batch) {
	row := r.row(c)
	d := *c.Delivery
	row.Acknowledged = &d
	if len(row.Revisions) > 0 && row.Revisions[0].Delivery == d.ID {
		row.Revisions[0].Payload, row.Revisions[0].Hash = d.Payload, d.Hash
	}
	b.Blobs = append(b.Blobs, c.Blobs...)
	r.save(b, row)
}

// adopt records that the target already is as wanted.
func (r *run) adopt(c *plan.SinkChange, b *state.Batch) {
	row := r.row(c)
	first := row.Acknowledged == nil
	d := *c.Delivery
	d.At, d.Adopted = time.Now(), first
	if c.Counts {
		row.Writes++ // the target changed, by whomever: what it triggers has not seen that
	}
	row.Acknowledged, row.Pending, row.Sequence = &d, nil, c.Sequence
	number := int64(0)
	if !first {
		number = nextRevision(row)
	}
	row.Revisions = addRevision(row.Revisions, state.Revision{
		Number: number, Time: d.At, Delivery: d.ID, Cause: causeText(d.Causes), Size: c.Size, Hash: hashOf(&d), Payload: d.Payload,
	})
	b.Blobs = append(b.Blobs, c.Blobs...)
	b.History = append(b.History, r.entry(c, "adopt", row))
	r.save(b, row)
}

// hashOf is the hash of what was delivered: of the content, or of all that a program got.
func hashOf(d *state.Delivery) string {
	if d.Hash == "" {
		return d.Fingerprint
	}
	return d.Hash
}

func nextRevision(row *state.Sink) int64 {
	if len(row.Revisions) == 0 {
		return 1
	}
	return row.Revisions[0].Number + 1
}

// addRevision keeps the newest ones, and number 0 for as long as there is room for it.
func addRevision(list []state.Revision, r state.Revision) []state.Revision {
	list = append([]state.Revision{r}, list...)
	return list[:min(len(list), state.KeepRevisions)]
}

func causeText(causes []state.Cause) string {
	parts := make([]string, len(causes))
	for i, c := range causes {
		parts[i] = fmt.Sprintf("%s at %s", c.Source, c.Version)
	}
	return strings.Join(parts, ", ")
}

// record turns an outcome into rows.
func (r *run) record(o outcome, b *state.Batch) {
	c := o.item.change
	switch {
	case o.parked && o.item.parked == nil:
		// Nothing was written down for it yet.
	case o.parked:
		r.save(b, o.item.parked)
	case c.Action == plan.Delete && o.err == nil:
		b.DeleteSinks = append(b.DeleteSinks, c.Address)
		b.History = append(b.History, r.entry(c, "delete", nil))
		delete(r.ledger.Sinks, c.Address)
	case c.Action == plan.Delete:
		entry := r.entry(c, "fail", nil)
		entry.Error = o.err.Error()
		b.History = append(b.History, entry)
	case o.err != nil:
		row := r.row(c)
		row.Pending.Attempts += o.attempts
		row.Pending.Error, row.Pending.Unknown, row.Pending.At = o.err.Error(), o.unknown, time.Now()
		entry := r.entry(c, "fail", row)
		entry.Error = o.err.Error()
		b.History = append(b.History, entry)
		r.save(b, row)
	default:
		r.acknowledge(c, o, b)
	}
}

func (r *run) acknowledge(c *plan.SinkChange, o outcome, b *state.Batch) {
	row := r.row(c)
	d := *row.Pending
	d.At, d.Unknown, d.Error, d.Attempts, d.Adopted = time.Now(), false, "", d.Attempts+o.attempts, false
	row.Acknowledged, row.Pending = &d, nil
	row.Writes++
	action := string(c.Action)
	if c.Repair {
		action = "repair"
	} else {
		row.Revisions = addRevision(row.Revisions, state.Revision{
			Number: nextRevision(row), Time: d.At, Delivery: d.ID, Cause: causeText(d.Causes),
			Size: c.Size, Hash: hashOf(&d), Payload: d.Payload,
		})
	}
	b.History = append(b.History, r.entry(c, action, row))
	r.save(b, row)
}

func (r *run) entry(c *plan.SinkChange, action string, row *state.Sink) state.Entry {
	e := state.Entry{Address: c.Address, Time: time.Now(), Action: action, Size: c.Size, Cause: strings.Join(c.Reasons, "; ")}
	if c.Delivery != nil {
		e.Delivery, e.Hash = c.Delivery.ID, hashOf(c.Delivery)
		if cause := causeText(c.Delivery.Causes); cause != "" {
			e.Cause = cause
		}
	}
	if row != nil && len(row.Revisions) > 0 {
		e.Revision = row.Revisions[0].Number
	}
	return e
}

// limited asks the rate limits again: between plan and dispatch others may have passed.
func (r *run) limited(c *plan.SinkChange) (until time.Time, which string) {
	row := r.ledger.Sinks[c.Address]
	if c.Repair || row != nil && row.Pending != nil && row.Pending.ID == c.Delivery.ID {
		return until, ""
	}
	now := time.Now()
	for _, name := range c.Limits {
		limit, ok := r.limits[name]
		if !ok {
			continue
		}
		counter := r.ledger.Shared[name]
		if !limit.Shared {
			counter = nil
			if row != nil {
				counter = row.Counters[name]
			}
		}
		if t := limit.Next(counter, now); t.After(until) {
			until, which = t, name
		}
	}
	return until, which
}

func (r *run) take(c *plan.SinkChange, row *state.Sink, b *state.Batch) {
	now := time.Now()
	for _, name := range c.Limits {
		limit, ok := r.limits[name]
		if !ok {
			continue
		}
		if limit.Shared {
			r.share(b, name, limit.Take(r.ledger.Shared[name], now))
			continue
		}
		if row.Counters == nil {
			row.Counters = map[string]state.Counter{}
		}
		row.Counters[name] = limit.Take(row.Counters[name], now)
	}
}

// planLimiters makes the limits of a plan askable again, from what the plan says of them.
func (e *Engine) planLimiters(p *plan.Plan) map[string]plan.Limiter {
	out := map[string]plan.Limiter{}
	for _, l := range p.Limits {
		kind := e.opts.Registry.Kind("rate_limit", l.Kind)
		if kind == nil {
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
		out[l.Address] = limiter(limit, c.Settings.(*providers.RateLimitSettings))
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
			r.finish(o.item, "the apply was interrupted", time.Time{})
		case o.err != nil:
			r.failed(o)
		default:
			r.succeed(o.item)
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
	r.engine.emit(DeliveryFinished{Address: c.Address, Action: c.Action, Target: c.Target, Elapsed: elapsed})
	r.open--
	for _, user := range it.users {
		if user.waiting--; user.waiting == 0 {
			r.ready = append(r.ready, user)
		}
	}
}

func (r *run) failed(o outcome) {
	c := o.item.change
	r.result.Failed++
	r.open--
	next := "It stays pending and the next apply tries again."
	if c.Action == plan.Delete {
		next = "The next apply tries again."
	}
	r.diags = append(r.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Delivery failed", Subject: r.rangeOf(c.Address),
		Detail: fmt.Sprintf("%s: %s. %s", c.Address, strings.TrimSuffix(o.err.Error(), "."), next),
	})
	r.engine.emit(DeliveryFinished{Address: c.Address, Action: c.Action, Target: c.Target, Err: o.err.Error(), Elapsed: time.Since(o.item.start)})
	r.skipUsers(o.item, fmt.Sprintf("%s failed", c.Address))
}

func (r *run) rangeOf(a address.Address) *hcl.Range {
	if r.engine.prog == nil {
		return nil
	}
	if n := r.engine.prog.nodes[a.Block()]; n != nil {
		return n.rng.Ptr()
	}
	return nil
}

// finish closes an item that was not tried.
func (r *run) finish(it *item, reason string, until time.Time) {
	r.open--
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
