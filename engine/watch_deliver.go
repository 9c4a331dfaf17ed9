package engine

import (
	"errors"
	"fmt"
	"time"

	"tidegate/engine/plan"
	"tidegate/engine/state"
)

// deliver starts a worker that carries a delivery to its target.
func (d *Daemon) deliver(it *sinkItem) {
	it.phase, d.lastDelivery = delivering, time.Now()
	c, e := it.change, d.engine
	if r := it.planned(c); r != nil {
		e = r.engine
	}
	k := &courier{engine: e, redact: it.redact, hard: d.hardCtx}
	e.emit(DeliveryStarted{Address: c.Address, Action: c.Action, Target: c.Target, Delivery: deliveryID(c), Repair: c.Repair})
	d.work.Go(func() {
		o := k.deliver(d.lookCtx, c)
		d.post(func() {
			d.delivers.Done("")
			d.outcome(it, o)
		})
	})
}

// outcome writes down what became of a delivery.
func (d *Daemon) outcome(it *sinkItem, o outcome) {
	b := &state.Batch{}
	o.before = it.before
	rec := recorder{ledger: d.ledger, limits: d.limits}
	if d.hardCtx.Err() != nil && o.err != nil && !o.parked {
		// Cut short: what reached the target is unknown, as the intent already says.
		it.phase = idle
		return
	}
	var moved *movedError
	if errors.As(o.err, &moved) {
		o.parked = true // nothing was touched: what is there now is looked at first
	}
	if o.gone {
		o.err = fmt.Errorf("%w; it is not sent again until its content or its block changes", o.err)
	}
	rec.record(o, b)
	var again time.Time
	if o.err != nil && !o.parked {
		again = d.endTry(it, o)
	}
	d.record(b)
	it.phase = committing
	c := o.change
	d.afterCommit(func() {
		switch {
		case moved != nil:
			if r := it.planned(c); r != nil {
				r.failed(o)
			}
			it.phase = idle
			it.noteWriter(time.Now())
			d.touch(it, causeDrift)
			d.settled(it)
		case o.parked:
			if r := it.planned(c); r != nil {
				r.finish(r.items[c.Address], stoppingReason, time.Time{})
			}
			it.phase = idle
		case o.err != nil:
			d.finished(it, o)
			it.class = o.class
			d.deliveryFailed(it, o, again)
		default:
			d.finished(it, o)
			d.delivered(it, c, o.elapsed)
		}
	})
}

// finished tells what became of a delivery.
func (d *Daemon) finished(it *sinkItem, o outcome) {
	c := o.change
	switch r := it.planned(c); {
	case r != nil && o.err != nil:
		r.failed(o)
	case r != nil:
		r.succeed(r.items[c.Address])
	default:
		ev := DeliveryFinished{Address: c.Address, Action: c.Action, Target: c.Target, Repair: c.Repair, Elapsed: o.elapsed}
		if o.err != nil {
			ev.Err = o.err.Error()
		}
		d.engine.emit(ev)
	}
}

func (d *Daemon) delivered(it *sinkItem, c *plan.SinkChange, _ time.Duration) {
	it.phase = idle
	it.change, it.redact, it.before = nil, nil, nil
	it.tryAnew()
	it.lastError = ""
	it.wanted, it.waiting = plan.NoOp, nil
	it.deliveries++
	if c.Repair {
		it.repaired++
		it.noteWriter(time.Now())
	} else {
		it.repairs, it.calmAt = nil, time.Time{}
	}
	if c.Wait != nil {
		it.dirty = true // restored meanwhile: what is wanted still waits for something
	}
	if c.Action == plan.Delete {
		d.forgetSink(it)
		return
	}
	d.sinkState(it, StateOK, "", time.Time{})
	d.wakeUsers(it.addr, causeUpstream)
	d.settled(it)
}

func (d *Daemon) deliveryFailed(it *sinkItem, o outcome, again time.Time) {
	it.phase = idle
	it.change, it.redact, it.before = nil, nil, nil
	if it.removed && o.change.Action != plan.Delete {
		again = time.Time{} // it is not to be tried again
	}
	d.sinkFailed(it, o.err.Error(), again)
	if o.contested {
		it.noteWriter(time.Now())
		if o.change.Repair {
			it.retryAt = time.Time{} // how often they fight decides when it is left alone
			it.dirty, it.drift = true, true
		}
	}
	d.wakeUsers(it.addr, causeUpstream)
	d.settled(it)
}

// settled ends one round for a sink: it goes again if something moved meanwhile, else those
// that waited for it go on.
func (d *Daemon) settled(it *sinkItem) {
	d.arm(it)
	if it.removed && it.phase == idle {
		d.decideRemoval(it)
		return
	}
	if it.dirty {
		d.consider(it)
		if it.busy() {
			return
		}
	}
	for _, user := range d.users[it.addr] {
		if snk := d.sinks[user]; snk != nil && snk.dirty {
			d.consider(snk)
		}
	}
}
