package engine

import (
	"maps"
	"slices"
	"time"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// yieldPause is how long one waits for another user of a shared limit that waits longer.
const yieldPause = 100 * time.Millisecond

// askLimits makes the rate limits askable.
func (d *Daemon) askLimits() {
	o := d.engine.newObserver(d.store, d.ledger, time.Now(), PlanOptions{})
	limits, diags := o.limiters()
	for _, diag := range diags {
		d.opts.logger().Error("rate limit cannot be used", "error", diag.Error())
	}
	d.limits, d.limited = limits, map[string][]address.Address{}
	for a, n := range d.engine.prog.nodes {
		for _, l := range n.limits {
			if name := l.String(); limits[name].Shared {
				d.limited[name] = append(d.limited[name], a)
			}
		}
	}
}

// forgetCounters forgets those of shared limits that are no longer declared, such as of the instances
// of a module.
func (d *Daemon) forgetCounters() {
	for _, name := range slices.Sorted(maps.Keys(d.ledger.Shared)) {
		a, err := address.Parse(name)
		if err == nil && d.engine.prog.nodes[a] == nil && !d.engine.prog.mayCome(a) {
			delete(d.ledger.Shared, name)
			d.record(&state.Batch{Shared: map[string]state.Counter{name: nil}})
		}
	}
}

// limitsOf returns the limits as one of their users finds them: a shared one that lets
// something pass does so for the user that waits longest, and the others ask again.
func (d *Daemon) limitsOf(a address.Address, names []address.Address) map[string]plan.Limiter {
	out := d.limits
	for _, l := range names {
		name := l.String()
		if !d.limits[name].Shared || !d.yields(a, name) {
			continue
		}
		limit := d.limits[name]
		next := limit.Next
		limit.Next = func(c state.Counter, now time.Time) time.Time {
			if t := next(c, now); t.After(now) {
				return t
			}
			return now.Add(yieldPause)
		}
		out = maps.Clone(out)
		out[name] = limit
	}
	return out
}

// yields reports whether somebody else waits longer for a shared limit: since it was served
// last, which a restart does not change, and as in a plan.
func (d *Daemon) yields(a address.Address, name string) bool {
	return slices.ContainsFunc(d.limited[name], func(b address.Address) bool {
		if a == b || !d.waitsForTurn(b, name) {
			return false
		}
		order := d.lastServed(b).Compare(d.lastServed(a))
		return order < 0 || order == 0 && b.Compare(a) < 0
	})
}

// waitsForTurn reports whether a source or sink has something that only this limit holds back.
func (d *Daemon) waitsForTurn(a address.Address, name string) bool {
	if d.isPaused(a) != nil {
		return false
	}
	if it := d.sources[a]; it != nil {
		return it.problem == plan.Limited && len(it.node.limits) == 1
	}
	it := d.sinks[a]
	return it != nil && !it.removed && it.firstIn.IsZero() && it.waiting != nil && it.waiting.Kind == plan.Deferred && it.waiting.On == name
}

// lastServed is when a source last accepted or a sink last got something, zero for never.
func (d *Daemon) lastServed(a address.Address) time.Time {
	if s := d.ledger.Sources[a].Current(); s != nil {
		return s.AcceptedAt
	}
	if row := d.ledger.Sinks[a]; row != nil && row.Acknowledged != nil {
		return row.Acknowledged.At
	}
	return time.Time{}
}
