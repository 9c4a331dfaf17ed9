package engine

import (
	"fmt"
	"slices"
	"time"

	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// Two sinks whose paths come out of data may come to write the same one. One whose path stands in
// the configuration goes first, then the one with the lower address; the others are rejected, and
// woken when the path is theirs.

// claim notes the path that a sink writes, "" for one that stands in its block or is none.
func (d *Daemon) claim(it *sinkItem, path string) {
	if it.path == path {
		return
	}
	before := it.path
	it.path = path
	if before != "" {
		rest := slices.DeleteFunc(d.claims[before], func(other *sinkItem) bool { return other == it })
		d.claims[before] = rest
		if len(rest) == 0 {
			delete(d.claims, before)
		}
		d.resettle(before)
		d.wakeRejected(rest)
	}
	if path != "" {
		d.claims[path] = append(d.claims[path], it)
		d.resettle(path)
	}
}

// resettle finds who writes a path that other sinks claim now.
func (d *Daemon) resettle(path string) {
	if d.writers == nil {
		return
	}
	if n := d.engine.prog.nodes[d.writers[path]]; n != nil && n.writes == path {
		return
	}
	delete(d.writers, path)
	for _, it := range d.claims[path] {
		if first, ok := d.writers[path]; !ok || it.addr.Compare(first) < 0 {
			d.writers[path] = it.addr
		}
	}
}

// writersOf returns the sink that writes each path.
func (d *Daemon) writersOf() map[string]address.Address {
	if d.writers == nil {
		d.writers = map[string]address.Address{}
		for a, n := range d.engine.prog.nodes {
			if n.writes != "" {
				d.writers[n.writes] = a
			}
		}
		for path := range d.claims {
			d.resettle(path)
		}
	}
	return d.writers
}

// wakeRejected lets those look again that were rejected for another writer of their path.
func (d *Daemon) wakeRejected(list []*sinkItem) {
	for _, it := range list {
		if it.taken && !it.removed {
			d.touch(it, causeTimer)
		}
	}
}

// takenPath reports whether another sink writes the same path, where that came out of data.
func (d *Daemon) takenPath(it *sinkItem) bool {
	it.taken = false
	if it.path == "" {
		return false
	}
	first := d.writersOf()[it.path]
	if first == it.addr {
		return false
	}
	it.taken = true
	it.waiting = &plan.Wait{Kind: plan.RejectedByOwn, Reason: fmt.Sprintf("%s writes the same path", first)}
	d.sinkState(it, StateRejected, it.waiting.Reason, time.Time{})
	return true
}
