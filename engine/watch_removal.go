package engine

import (
	"context"
	"fmt"
	"time"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// removeOthers ends what is no longer declared: sources are forgotten, sinks follow their
// on_destroy. It returns how many of those are that ran.
func (d *Daemon) removeOthers() (n int) {
	prog := d.engine.prog
	for _, a := range sortedKeys(d.sources) {
		if prog.nodes[a] == nil {
			d.forgetSource(d.sources[a])
			n++
		}
	}
	for _, a := range sortedKeys(d.ledger.Sources) {
		if prog.nodes[a] == nil && !prog.mayCome(a) {
			delete(d.ledger.Sources, a)
			d.record(&state.Batch{DeleteSources: []address.Address{a}, DeleteDocuments: []string{pushDocument(a)}})
		}
	}
	for _, a := range sortedKeys(d.ledger.Sinks) {
		if prog.nodes[a] == nil && d.sinks[a] == nil && !prog.mayCome(a) {
			d.sinks[a] = &sinkItem{addr: a, state: StateOK}
		}
	}
	for _, a := range sortedKeys(d.sinks) {
		it := d.sinks[a]
		if prog.nodes[a] != nil || it.removed {
			continue
		}
		if it.node != nil {
			n++
		}
		it.removed, it.node = true, nil
		it.tryAnew() // what failed was a delivery
		d.claim(it, "")
		d.unwatchSink(it)
		d.timers.Stop(it)
		if it.phase == idle {
			d.decideRemoval(it)
		}
	}
	return n
}

// decideRemoval forgets a removed sink, or deletes its target once somebody allowed that.
func (d *Daemon) decideRemoval(it *sinkItem) {
	if it.plan != nil {
		return // the plan that it is kept for decides first
	}
	row := d.ledger.Sinks[it.addr]
	if row == nil {
		d.forgetSink(it)
		return
	}
	if d.trouble != nil || d.stopping || time.Now().Before(it.retryAt) {
		d.arm(it)
		return
	}
	o := d.engine.newObserver(d.reader, d.ledger, time.Now(), PlanOptions{})
	var r *plan.Removed
	var err error
	if broken := d.opts.contain(it.addr, func() { r, err = o.removal(context.Background(), it.addr, nil, d.writersOf()) }); broken != nil {
		err = broken
	}
	if err != nil {
		d.sinkState(it, StateFailed, fmt.Sprintf("what was applied there cannot be read (%s); forget it with: tidegate state rm '%s'", err, it.addr), time.Time{})
		return
	}
	comp := plan.NewComputation(d.ledger, plan.NewLimits(nil, d.ledger, time.Now()), time.Now(), false)
	comp.Removed(r)
	c := comp.Plan(nil).Sinks[0]
	it.target = c.Target
	if c.Action != plan.Delete {
		d.forget(it, c)
		return
	}
	if !d.watch.AllowDelete && !it.approved && !d.vanished(it.addr) {
		if d.approvals[it.addr] == nil {
			d.approvals[it.addr] = &Approval{Address: it.addr, Target: c.Target, Since: time.Now()}
			it.state, it.reason = StateBlocked, "its deletion waits for approval: tidegate approve '"+it.addr.String()+"'"
			d.engine.emit(ApprovalNeeded{Address: it.addr, Target: c.Target})
		}
		return
	}
	delete(d.approvals, it.addr)
	if p := d.isPaused(it.addr); p != nil {
		d.sinkState(it, StatePaused, pauseReason(p), time.Time{}) // its target is left as it is
		return
	}
	d.dispatch(it, &decision{change: c, redact: newRedactor(d.engine.prog, &plan.Plan{Sinks: []*plan.SinkChange{c}})})
}

// forget takes a sink out of the ledger; its target stays.
func (d *Daemon) forget(it *sinkItem, c *plan.SinkChange) {
	rec := recorder{ledger: d.ledger}
	b := &state.Batch{DeleteSinks: []address.Address{it.addr}, History: []state.Entry{rec.entry(c, "forget", nil)}}
	delete(d.ledger.Sinks, it.addr)
	d.record(b)
	it.phase = committing
	d.afterCommit(func() {
		d.finished(it, outcome{change: c})
		d.forgetSink(it)
	})
}

// forgetSink ends the item of a sink that is no longer declared.
func (d *Daemon) forgetSink(it *sinkItem) {
	if !it.removed { // it came back meanwhile
		it.phase = idle
		d.touch(it, causeStart)
		return
	}
	delete(d.approvals, it.addr)
	d.timers.Stop(it)
	if d.sinks[it.addr] == it {
		delete(d.sinks, it.addr)
	}
	if d.instances.edited {
		d.settleExpansions()
	}
}

// Approve lets the deletion of a removed sink's target go on.
func (d *Daemon) Approve(ctx context.Context, a address.Address) error {
	err := fmt.Errorf("nothing of %s waits for approval; see: tidegate status", a)
	if stopped := d.call(ctx, func() {
		if it := d.sinks[a]; it != nil && d.approvals[a] != nil {
			it.approved, err = true, nil
			d.decideRemoval(it)
		}
	}); stopped != nil {
		return stopped
	}
	return err
}
