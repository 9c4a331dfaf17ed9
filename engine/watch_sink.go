package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/providers"
)

// phase is what is being done for a sink. At most one thing is.
type phase int

const (
	idle       phase = iota
	rendering        // a worker evaluates it and reads its target
	committing       // its intent is on its way to the state
	delivering       // a worker delivers
)

// cause says why a sink is looked at again.
type cause int

const (
	causeStart    cause = iota // it is new, or configured anew
	causeInput                 // a source it is made from moved
	causeUpstream              // a sink it depends on moved
	causeDrift                 // its target may have been changed
	causeTimer                 // something was due
)

// sinkItem is what the loop knows of one sink beside its row in the ledger.
type sinkItem struct {
	addr address.Address
	node *node // nil for one that was removed and whose target is to be deleted

	phase    phase
	dirty    bool             // to be looked at (again)
	drift    bool             // because of its target: also while what it depends on is busy
	removed  bool             // no longer declared
	approved bool             // its target may be deleted
	change   *plan.SinkChange // what is being delivered
	before   *state.Sink      // the row before its intent
	plan     *savedRun        // a saved plan that it is kept for, nil for none
	redact   *redactor

	exposed cty.Value   // what expressions see of it, NilVal if nobody looks
	wanted  plan.Action // of the newest decision
	waiting *plan.Wait  // why that is not done; of one that failed too
	settle  providers.Settle
	firstIn time.Time // when the first of the inputs moved that it settles for, else zero
	due     time.Time // of settling
	quiet   bool      // its inputs have settled, and it waits for another sink

	failures int  // in a row
	recalled bool // they are of before the start
	atStart  bool // it may be tried at once for that
	class    providers.Class
	retryAt  time.Time
	limitAt  time.Time
	driftAt  time.Time
	interval time.Duration // of looking for drift
	watching string        // the target that is watched
	stop     func()
	repairs  []time.Time // the newest ones
	calmAt   time.Time   // until when a fight with another writer is left alone

	path                                   string // that it writes, where that comes out of data
	taken                                  bool   // another sink writes that
	state, reason                          string
	target                                 string
	lastError                              string
	lastErrorTime                          time.Time
	deliveries, errorsSeen, repaired, puts int64
}

// busy reports whether users of a sink cannot know yet what becomes of it.
func (it *sinkItem) busy() bool { return it.phase != idle || it.dirty || it.plan != nil }

// Times of sinks.
const (
	repairPatience  = 750 * time.Millisecond // with sources at a start, before a target is taken back to what was known of them
	unknownPatience = 5 * time.Second        // likewise before a delivery is repeated that may have arrived
	fightRepairs    = 5                      // within fightWindow are a fight with another writer
	fightWindow     = time.Minute
	fightPause      = 10 * time.Minute
	safetyDrift     = 30 * time.Minute // between looks at a target whose changes are notified
)

// touch marks a sink as to be looked at.
func (d *Daemon) touch(it *sinkItem, why cause) {
	it.dirty = true
	switch why {
	case causeDrift:
		it.drift = true
	case causeInput:
		if it.settle.Min != "" && !it.quiet {
			now := time.Now()
			if it.firstIn.IsZero() {
				it.firstIn = now
			}
			longest := it.settle.Max.Value()
			if longest == 0 {
				longest = 10 * it.settle.Min.Value()
			}
			it.due = earlier(now.Add(it.settle.Min.Value()), it.firstIn.Add(longest))
		}
	}
	d.consider(it)
}

// upstreamBusy reports whether something that a sink depends on has not finished.
func (it *sinkItem) upstreamBusy(d *Daemon) bool {
	return slices.ContainsFunc(it.node.sinks, func(a address.Address) bool {
		up := d.sinks[a]
		return up != nil && up.busy()
	})
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// consider puts a sink before a worker if it is to be looked at and nothing speaks against it.
func (d *Daemon) consider(it *sinkItem) {
	if !it.dirty || it.phase != idle || it.removed || it.node == nil || it.plan != nil || d.stopping || d.trouble != nil {
		return
	}
	if wait := time.Until(it.due); !it.firstIn.IsZero() && wait > 0 && !it.drift {
		d.sinkState(it, StateSettling, fmt.Sprintf("waits until its inputs were quiet for %s", it.settle.Min), time.Time{})
		d.timers.Set(it, wait)
		return
	}
	if d.givesUp(it.addr) {
		return
	}
	if !it.drift && (it.upstreamBusy(d) || d.unsettled(it.node)) {
		return // what it depends on says when it has finished
	}
	if it.due.IsZero() || !time.Now().Before(it.due) {
		it.quiet = it.quiet || !it.firstIn.IsZero()
		it.firstIn, it.due = time.Time{}, time.Time{}
		it.dirty = false
	}
	it.drift = false
	it.phase = rendering
	d.renders.Add(it, "")
}

// decision is what a worker found out about a sink.
type decision struct {
	node    *node
	r       *rendered
	change  *plan.SinkChange
	waits   *plan.Wait
	exposed cty.Value
	redact  *redactor
	sink    providers.Sink
	early   bool              // something that it depends on was not finished
	unread  []address.Address // sources whose accepted bytes cannot be read
	at      time.Time         // of the scene it was found out in
	err     error
}

// render starts a worker that decides about a sink.
func (d *Daemon) render(it *sinkItem) {
	if it.removed { // while it waited
		d.renders.Done("")
		it.phase = idle
		d.decideRemoval(it)
		return
	}
	s := d.sceneOf(it.node)
	limits := d.limits
	n := it.node
	d.work.Go(func() {
		ctx, cancel := context.WithTimeout(d.lookCtx, longestRead)
		defer cancel()
		x := s.decide(ctx, n, limits)
		d.post(func() {
			d.renders.Done("")
			d.decided(it, x)
		})
	})
}

// decide evaluates a sink, reads its target and compares.
func (s *scene) decide(ctx context.Context, n *node, limits map[string]plan.Limiter) (x *decision) {
	x = &decision{node: n, at: s.now}
	defer func() {
		if r := recover(); r != nil {
			x.err = s.engine.opts.panicked(n.addr, r, s.redactor(n))
		}
	}()
	s.prepareNode(ctx, n)
	needed := n.kind.Name == "exec" || n.kind.Name == "http"
	for _, a := range n.sources {
		if _, ok := s.values[a]; !ok && needed {
			s.values[a] = s.standing(ctx, s.prog.nodes[a])
		}
	}
	s.limits = plan.NewLimits(limits, s.ledger, s.now)
	s.compute = plan.NewComputation(s.ledger, s.limits, s.now, false)
	for _, up := range s.seeds {
		s.compute.Seed(up.address, up.wanted, up.wait)
	}
	x.r = s.observer.render(ctx, n)
	x.r.Size = int64(len(x.r.Content))
	x.sink = x.r.sink
	x.change = s.compute.Sink(x.r.SinkObservation)
	if x.change.Delivery != nil {
		s.fill(ctx, n, x.r, x.change)
	}
	x.waits, x.early, x.unread = s.compute.Waits(n.addr), s.early, s.unread
	x.exposed = x.r.exposed
	x.redact = newRedactor(s.prog, &plan.Plan{Sinks: []*plan.SinkChange{x.change}, Hidden: s.hiddenTexts(n)})
	// Nobody shows these any more, and the change may wait long.
	x.change.Before, x.change.After, x.change.Lines = plan.Value{}, plan.Value{}, nil
	return x
}

// decided takes in what a worker found out, and does it if nothing speaks against it.
func (d *Daemon) decided(it *sinkItem, x *decision) {
	it.phase = idle
	if d.stopping {
		return
	}
	if it.removed { // meanwhile
		d.decideRemoval(it)
		return
	}
	if !equalNodes(it.node, x.node) || it.plan != nil { // reconfigured, or a plan's meanwhile
		d.touch(it, causeStart)
		return
	}
	if x.err != nil {
		d.sinkFailed(it, x.err.Error(), it.nextTry(0))
		d.settled(it)
		return
	}
	for _, a := range x.unread {
		// Who looked before it was there again is woken with it.
		if src := d.sources[a]; src != nil && x.at.After(src.had().restored) {
			d.haveAgain(src)
		}
	}
	c := x.change
	d.nameKept(c.Delivery)
	d.meetSink(it, x)
	if x.early && c.Action == plan.NoOp && x.waits != nil {
		// Also one that has nothing to do itself would pass the wait on to its users, who would hear
		// of no end of it. What it depends on says when it has finished.
		it.dirty, it.limitAt = true, time.Time{}
		d.settled(it)
		return
	}
	moved := d.expose(it, x.exposed)
	wanted, waiting := it.wanted, it.waiting
	it.wanted, it.waiting = c.Wanted, x.waits
	it.limitAt = time.Time{}
	// Constant noise must not let it settle again each time that it would have had its turn.
	it.quiet = it.quiet && c.Wait != nil && slices.ContainsFunc(it.node.sinks, func(a address.Address) bool { return a.String() == c.Wait.On })
	b := &state.Batch{}
	rec := recorder{ledger: d.ledger, limits: d.limits}
	switch {
	case c.Remember:
		rec.remember(c, b)
	case c.Baseline != nil && d.ledger.Sinks[it.addr] != nil:
		row := d.ledger.Sinks[it.addr].Clone()
		row.Acknowledged.Triggers = c.Baseline
		rec.save(b, row)
	}
	d.record(b)
	if !d.withheld(it, c) {
		d.restorePayload(it.addr, x)
		d.dispatch(it, x)
		return
	}
	if moved || wanted != it.wanted || !sameWait(waiting, it.waiting) {
		d.wakeUsers(it.addr, causeUpstream)
	}
	d.settled(it)
}

// nameKept lets a delivery name only contents that are kept: a source may have moved on, several
// times, since it was made from it. Then nobody can show what it was made from any more.
func (d *Daemon) nameKept(delivery *state.Delivery) {
	if delivery == nil {
		return
	}
	delivery.Causes = slices.Clone(delivery.Causes)
	for i := range delivery.Causes {
		cause := &delivery.Causes[i]
		row := d.ledger.Sources[cause.Source]
		if row == nil || !slices.ContainsFunc(row.Snapshots, func(s state.Snapshot) bool { return s.Blob == cause.Blob }) {
			cause.Blob = ""
		}
	}
}

func sameWait(a, b *plan.Wait) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// expose keeps what expressions see of a sink, and reports whether it moved.
func (d *Daemon) expose(it *sinkItem, v cty.Value) bool {
	if !it.node.used {
		return false
	}
	moved := it.exposed == nilValue || !it.exposed.RawEquals(v)
	it.exposed = v
	return moved
}

// withheld reports whether a decided action is not carried out now, and says why.
func (d *Daemon) withheld(it *sinkItem, c *plan.SinkChange) bool {
	now := time.Now()
	switch {
	case c.Action == plan.NoOp:
		d.noteIdle(it, c)
		return true
	case !it.firstIn.IsZero() && now.Before(it.due) && !c.Repair:
		return true // looked at for its target's sake while it settles
	case d.takenPath(it):
		return true
	case d.isPaused(it.addr) != nil:
		it.waiting = &plan.Wait{Kind: plan.BlockedBy, Reason: it.addr.String() + " is paused"}
		d.sinkState(it, StatePaused, pauseReason(d.isPaused(it.addr)), time.Time{})
		return true
	case c.Action.Delivers() && now.Before(d.started.Add(d.patience(it, c))) && (it.dirty || d.firstLooks(it) || d.unsettled(it.node)):
		// What is there may be newer than what is known, after an older state was restored say, or
		// somebody else's. It is dirty if a look ended while it was decided.
		it.waiting = &plan.Wait{Kind: plan.BlockedBy, Reason: "the sources that " + it.addr.String() + " is made from are looked at first"}
		it.limitAt = d.started.Add(d.patience(it, c))
		d.sinkState(it, StateWaiting, it.waiting.Reason, it.limitAt)
		for _, a := range it.node.sources {
			if src := d.sources[a]; src != nil && !src.tried && !src.queued {
				d.ask(src) // before its turn among all sources
			}
		}
		return true
	case c.Repair && now.Before(it.calmAt):
		it.waiting = &plan.Wait{Kind: plan.BlockedBy, Reason: it.addr.String() + " is changed by another writer again and again"}
		d.sinkState(it, StateFighting, fmt.Sprintf("another writer keeps changing %s; it is left alone until %s", it.target, it.calmAt.Format(time.RFC3339)), it.calmAt)
		return true
	case d.mustWait(it, c):
		return true
	}
	rec := recorder{ledger: d.ledger, limits: d.limitsOf(it.addr, it.node.limits)}
	if c.Action.Delivers() && c.Action != plan.Delete {
		// A limit that lets it pass answers with its own, later, idea of now.
		if until, which := rec.limited(c); until.After(time.Now()) {
			it.limitAt = until
			it.puts++
			it.waiting = &plan.Wait{Kind: plan.Deferred, On: which, Until: until, Reason: fmt.Sprintf("%s lets the next delivery pass at %s", which, until.UTC().Format(time.RFC3339))}
			d.sinkState(it, StateDeferred, it.waiting.Reason, until)
			return true
		}
	}
	return false
}

// patience returns how long after its start a daemon waits for the first looks at a sink's sources
// before it delivers what it knows of them.
func (d *Daemon) patience(it *sinkItem, c *plan.SinkChange) time.Duration {
	switch {
	case restores(c):
		return 0
	case d.unknownOutcome(it):
		return unknownPatience
	case c.Repair:
		return repairPatience
	}
	return 0
}

// restores reports whether a change only puts back what is missing, or a mode.
func restores(c *plan.SinkChange) bool { return c.Repair && c.Drift != nil && !c.Drift.Content }

// noteIdle says in what state a sink is that nothing is done for.
func (d *Daemon) noteIdle(it *sinkItem, c *plan.SinkChange) {
	switch w := c.Wait; {
	case w == nil && c.Drift != nil && c.Drift.Policy == "warn":
		d.sinkState(it, StateDrifted, "its target was changed by somebody else, and on_drift is warn", time.Time{})
	case w == nil && c.HeldBy != nil:
		d.sinkState(it, StateOK, fmt.Sprintf("held at revision %d by a rollback", c.HeldBy.Revision), time.Time{})
	case w == nil:
		d.sinkState(it, StateOK, "", time.Time{})
	case w.Kind == plan.Deferred:
		it.limitAt = w.Until
		it.puts++
		d.sinkState(it, StateDeferred, w.Reason, w.Until)
	case w.Kind == plan.RejectedByOwn:
		d.sinkState(it, StateRejected, w.Reason, time.Time{})
	case d.firstLooks(it), it.dirty && it.state == StateWaiting: // or what it waited for came meanwhile
		d.sinkState(it, StateWaiting, w.Reason, time.Time{})
	default:
		d.sinkState(it, StateBlocked, w.Reason, time.Time{})
	}
}

// firstLooks reports whether a source that a sink is made from, or that one is made from which
// it waits for, was never looked at.
func (d *Daemon) firstLooks(it *sinkItem) bool {
	return slices.ContainsFunc(it.node.sources, func(a address.Address) bool {
		src := d.sources[a]
		return src != nil && !src.tried
	}) || slices.ContainsFunc(it.node.sinks, func(a address.Address) bool {
		up := d.sinks[a]
		return up != nil && up.state == StateWaiting
	})
}

// dispatch writes the intent down and delivers once it is durable.
func (d *Daemon) dispatch(it *sinkItem, x *decision) {
	c := x.change
	b := &state.Batch{}
	rec := recorder{ledger: d.ledger, limits: d.limits}
	if c.Action == plan.Adopt {
		rec.adopt(c, b)
		d.record(b)
		it.phase = committing
		d.afterCommit(func() {
			d.finished(it, outcome{change: c})
			d.delivered(it, c, 0)
		})
		return
	}
	it.change, it.redact = c, x.redact
	it.before = nil
	if c.Action != plan.Delete {
		it.before = rec.intend(c, b)
		d.beginTry(it)
	}
	d.record(b)
	it.phase = committing
	d.sinkState(it, StateDelivering, "", time.Time{})
	d.afterCommit(func() { d.delivers.Add(it, "") })
}

// arm sets a sink's timer to the earliest of what is due.
func (d *Daemon) arm(it *sinkItem) {
	if it.interval > 0 && it.driftAt.IsZero() {
		it.driftAt = time.Now().Add(it.interval + time.Duration(rand.Int64N(int64(it.interval/4+1))))
	}
	var next time.Time
	for _, t := range []time.Time{it.retryAt, it.limitAt, it.due, it.calmAt, it.driftAt} {
		if !t.IsZero() && t.After(time.Now()) {
			next = earlier(next, t)
		}
	}
	if !it.limitAt.IsZero() {
		next = earlier(next, it.limitAt) // also one that has just passed: nothing else would wake it
	}
	if !it.driftAt.IsZero() && !it.driftAt.After(time.Now()) {
		it.driftAt = time.Time{}
	}
	if next.IsZero() {
		d.timers.Stop(it)
		return
	}
	d.timers.Set(it, time.Until(next))
}

// sinkState notes the state of a sink and tells of it when it changes; deliveries tell of themselves.
func (d *Daemon) sinkState(it *sinkItem, to, reason string, until time.Time) {
	from := it.state
	it.state, it.reason = to, reason
	if from == to {
		return
	}
	quiet := to == StateDelivering || to == StateOK && from == StateDelivering || to == StateFailed && from == StateDelivering || to == StateSettling || to == StateWaiting || from == StateWaiting && to == StateOK
	if !quiet {
		d.engine.emit(SinkState{Address: it.addr, From: from, To: to, Reason: reason, Until: until})
	}
}

// unknownOutcome reports whether nobody knows what became of the newest delivery of a sink.
func (d *Daemon) unknownOutcome(it *sinkItem) bool {
	row := d.ledger.Sinks[it.addr]
	return row != nil && row.Pending != nil && row.Pending.Unknown
}
