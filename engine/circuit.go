package engine

import (
	"time"

	"tidegate/engine/plan"
	"tidegate/providers"
)

// circuit keeps the sources of one host from asking it all the time while it fails: after
// tripAfter failures in a row of any of them nobody asks, until one of them tries again. It
// belongs to the loop.
//
// The state machine is the circuit breaker of M. Nygard, Release It! (2007): closed, open, and
// half open with a single probe.
type circuit struct {
	users    int           // sources of the host
	longest  time.Duration // that it stays open: the shortest back-off of its sources
	failures int
	opened   time.Time
	wait     time.Duration        // how long it stays open this time
	probe    *sourceItem          // the one that tries again, nil if none does
	spared   map[*sourceItem]bool // those that were not let through
	heir     *sourceItem          // the one of them that tries as soon as that is allowed
}

const (
	tripAfter   = 5
	firstOpen   = time.Second
	longestOpen = 5 * time.Minute
)

// join counts a source among those of a host, "" for none, and no longer among those of the host
// before. A circuit lives as long as the host has sources: hosts may come out of data.
func (d *Daemon) join(it *sourceItem, host string) {
	if c := d.circuits[it.group]; c != nil && it.group != host {
		c.leave(it)
		if c.users--; c.users == 0 {
			delete(d.circuits, it.group)
		}
	}
	if host != "" {
		c := d.circuits[host]
		if c == nil {
			c = &circuit{longest: longestOpen}
			d.circuits[host] = c
		}
		if it.group != host {
			c.users++
		}
		if longest := it.pace.longest; longest > 0 {
			c.longest = min(c.longest, longest)
		}
	}
	it.group = host
}

// leave lets others try in place of a source that is not of this host any more. While it is
// being looked at, the end of that does so.
func (c *circuit) leave(it *sourceItem) {
	delete(c.spared, it)
	if c.heir == it {
		c.heir = nil
	}
	if c.probe == it && !it.looking {
		c.probe = nil
	}
}

// allow reports whether a source may ask the host now.
func (c *circuit) allow(it *sourceItem, now time.Time) bool {
	switch {
	case c.wait == 0:
		return true
	case c.probe != nil || now.Sub(c.opened) < c.wait:
		if c.spared == nil {
			c.spared = map[*sourceItem]bool{}
		}
		c.spared[it] = true
		if c.heir == nil || c.heir.gone || c.heir.state == StatePaused {
			c.heir = it
		}
		return false
	}
	c.probe, c.heir = it, nil
	return true
}

// left returns how long a spared source need not ask, and false if another does so anyway.
func (c *circuit) left(it *sourceItem, now time.Time) (time.Duration, bool) {
	left := c.wait - now.Sub(c.opened)
	return left, c.heir == it && c.probe == nil && left > 0
}

// succeeded closes the circuit, and returns the sources that were spared while it was open.
func (c *circuit) succeeded() map[*sourceItem]bool {
	spared := c.spared
	c.failures, c.wait, c.probe, c.heir, c.spared = 0, 0, nil, nil, nil
	return spared
}

// failed counts, and opens the circuit for a time that doubles with each probe. What was under
// way when it opened tells nothing new.
func (c *circuit) failed(it *sourceItem, now time.Time) {
	c.failures++
	if c.failures < tripAfter || c.wait > 0 && c.probe != it {
		return
	}
	c.probe = nil
	c.opened = now
	c.wait = min(max(firstOpen, 2*c.wait), c.longest)
}

// tellCircuit lets the circuit of a host know how a look ended. An answer that says what is
// wrong (a 404, a document that does not parse) is an answer all the same.
func (d *Daemon) tellCircuit(r *looked) {
	c := d.circuits[r.group]
	switch l := r.look; {
	case c == nil:
	case l.Pushed || l.source == nil: // the host was not asked after all
		if c.probe == r.item {
			c.probe = nil
		}
	case l.Err != "" && l.failedToFetch && l.class != providers.ClassPermanent:
		c.failed(r.item, time.Now())
	default:
		d.heal(c)
	}
}

// heal closes a circuit. Those that were spared need not wait for the end of their back-off,
// and do not come all at once.
func (d *Daemon) heal(c *circuit) {
	spared := c.succeeded()
	n := 0
	for it := range spared {
		if !it.gone && !it.queued && it.problem == plan.Failed {
			d.schedule(it, spread(n, len(spared), healLongest))
			n++
		}
	}
}
