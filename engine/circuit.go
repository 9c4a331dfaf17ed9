package engine

import (
	"time"

	"tidegate/providers"
)

// circuit keeps the sources of one host from asking it all the time while it fails: after
// tripAfter failures in a row of any of them nobody asks, until one of them tries again. It
// belongs to the loop.
//
// The state machine is the circuit breaker of M. Nygard, Release It! (2007): closed, open, and
// half open with a single probe.
type circuit struct {
	longest  time.Duration // that it stays open: the shortest back-off of its sources
	failures int
	opened   time.Time
	wait     time.Duration // how long it stays open this time
	probe    *sourceItem   // the one that tries again, nil if none does
}

const (
	tripAfter   = 5
	firstOpen   = time.Second
	longestOpen = 5 * time.Minute
)

func (d *Daemon) circuit(host string, longest time.Duration) *circuit {
	c := d.circuits[host]
	if c == nil {
		c = &circuit{longest: longestOpen}
		d.circuits[host] = c
	}
	if longest > 0 {
		c.longest = min(c.longest, longest)
	}
	return c
}

// allow reports whether a source may ask the host now, else how long to wait.
func (c *circuit) allow(it *sourceItem, now time.Time) (wait time.Duration, ok bool) {
	if c.wait == 0 {
		return 0, true
	}
	left := c.wait - now.Sub(c.opened)
	switch {
	case left > 0:
		return left, false
	case c.probe != nil:
		return min(firstOpen, c.longest), false
	}
	c.probe = it
	return 0, true
}

// succeeded closes the circuit.
func (c *circuit) succeeded() { c.failures, c.wait, c.probe = 0, 0, nil }

// failed counts, and opens the circuit for a time that doubles.
func (c *circuit) failed(now time.Time) {
	c.failures++
	c.probe = nil
	if c.failures < tripAfter {
		return
	}
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
		c.failed(time.Now())
	default:
		c.succeeded()
	}
}
