package engine

import (
	"math/rand/v2"
	"slices"
	"time"

	"tidegate/hclspec/address"
	"tidegate/providers"
)

// install makes the running configuration's items. Those of before whose nodes are equal go
// on as they are; the others are looked at again. It counts what is new, other and gone.
func (d *Daemon) install(keep func(old, now *node) bool) (ev Reloaded) {
	prog := d.engine.prog
	clear(d.paces) // detectors may be others now
	d.users = usersOf(prog)
	d.askLimits()
	d.writers = nil
	var fresh []*sourceItem
	var touched []*sinkItem
	sources, sinks := 0, 0
	for _, n := range prog.sorted {
		switch n.addr.Type {
		case address.Source:
			sources++
			it := d.sources[n.addr]
			switch {
			case it == nil:
				it = &sourceItem{node: n, state: StateWaiting}
				if value := d.unclaimed[n.addr]; value != nil {
					it.pushed, it.sent = value, value
					delete(d.unclaimed, n.addr)
					d.sealWaiting(it)
				}
				d.sources[n.addr] = it
				d.untried++
				ev.Added++
				fresh = append(fresh, it)
			case keep != nil && keep(it.node, n):
				it.node = n
			default:
				d.unwatch(it)
				it.node, it.judged, it.delay = n, "", 0
				ev.Changed++
				fresh = append(fresh, it)
			}
		case address.Sink:
			sinks++
			it := d.sinks[n.addr]
			switch {
			case it == nil:
				it = &sinkItem{addr: n.addr, node: n, state: StateWaiting}
				d.sinks[n.addr] = it
				d.keepForPlan(it)
				d.recallTries(it)
				ev.Added++
				touched = append(touched, it)
			case keep != nil && keep(it.node, n) && !it.removed:
				it.node = n
			default:
				d.unwatchSink(it)
				if it.removed {
					ev.Added++
				} else {
					ev.Changed++
				}
				it.node, it.removed, it.approved = n, false, false
				it.tryAnew()
				delete(d.approvals, n.addr)
				touched = append(touched, it)
			}
		}
	}
	for _, it := range touched {
		it.dirty = true
	}
	d.hooks = map[string][]*sourceItem{}
	for _, it := range d.sources {
		for _, a := range it.node.detectors {
			if prog.nodes[a] != nil && isReceiver(prog.nodes[a]) {
				d.hooks[a.Name] = append(d.hooks[a.Name], it)
			}
		}
	}
	if keep == nil || len(d.sources) > sources || len(d.sinks) > sinks {
		ev.Removed = d.removeOthers()
	}
	d.forgetPushes()
	d.forgetCounters()
	d.installOutputs()
	d.installInstances()
	d.prepareSources(fresh)
	for _, it := range touched {
		d.touch(it, causeStart)
	}
	for _, list := range d.claims {
		d.wakeRejected(list) // who wrote their path may be gone, or another block now
	}
	d.publishReceivers()
	return ev
}

// isReceiver reports whether a detector is told of changes.
func isReceiver(n *node) bool {
	if n.static == nil {
		return false
	}
	_, ok := n.static.detector.(providers.Receiver)
	return ok
}

// usersOf lists for each source and sink the sources and sinks that are to be looked at again
// when it changes.
func usersOf(p *program) map[address.Address][]address.Address {
	out := map[address.Address][]address.Address{}
	for _, n := range p.sorted {
		if n.addr.Type != address.Source && n.addr.Type != address.Sink {
			continue
		}
		sources, sinks := n.sources, n.sinks
		if n.each != nil && n.each.data {
			sources, sinks = p.besideEach(n)
		}
		all := [][]address.Address{sources, sinks} // of each, every one once
		if len(n.rules) > 0 {
			more := slices.Concat(sources, sinks)
			for _, r := range n.rules {
				more = slices.Concat(more, p.nodes[r].sources, p.nodes[r].sinks)
			}
			all = [][]address.Address{sortedOnce(more)}
		}
		for _, list := range all {
			for _, a := range list {
				out[a] = append(out[a], n.addr)
			}
		}
	}
	return out
}

// besideEach returns the sources and sinks that an instance is made from on another way than by its
// for_each. What comes to it on that way alone concerns it only when its own part of it changed,
// which is seen when that is evaluated.
func (p *program) besideEach(n *node) (sources, sinks []address.Address) {
	for _, place := range p.graph.DependsOn(n.place) {
		dep := p.sorted[place]
		switch t := dep.addr.Type; {
		case t.IsPolicy(), t == address.Expansion && (dep.group == n.each || dep.group.block.Type.IsPolicy()):
			continue
		case t == address.Source:
			sources = append(sources, dep.addr)
		case t == address.Sink:
			sinks, sources = append(sinks, dep.addr), append(sources, dep.sources...)
			continue
		}
		sources, sinks = append(sources, dep.sources...), append(sinks, dep.sinks...)
	}
	return sortedOnce(sources), sortedOnce(sinks)
}

// sweep removes what deliveries that were killed left beside their targets.
func (d *Daemon) sweep() {
	r := &run{recorder: recorder{ledger: d.ledger}, engine: d.engine, store: d.store}
	r.sweep(d.lookCtx)
	for _, diag := range r.diags {
		d.opts.logger().Warn("temporary file is left", "detail", diag.Detail)
	}
}

// spread returns when the n-th of some sources is looked at for the first time: where there
// are few at once, and never all at the same moment.
func spread(n, all int, longest time.Duration) time.Duration {
	gap := min(startSpread, longest/time.Duration(max(1, all)))
	return time.Duration((float64(n) + rand.Float64()) * float64(gap))
}
