package engine

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/providers"
)

// When failed deliveries are tried again
//
// After a failure a sink waits, longer with each one in a row. The times are written down with the
// open intent. A start tries at once what was failing, since somebody may have mended it; but not
// twice, so that a daemon which is started again and again is hardly more of a load to a target
// that fails than one which runs on. An attempt that the end of the process cut short counts like a
// failure from the second one in a row. A block that is not the one that failed, or another
// payload, is tried at once after every start.

// Times between tries.
const (
	retryFirst   = time.Second // after a failed delivery, with all its attempts; it doubles
	retryLongest = 5 * time.Minute
	longestAfter = time.Hour // that a target can ask for
	newerTries   = 3         // failures in a row after which newer content waits for its turn too
)

// retryWait is the wait after so many failures in a row.
func retryWait(failures int) time.Duration {
	wait := min(retryLongest, retryFirst<<min(failures-1, 20))
	return wait/2 + time.Duration(rand.Int64N(int64(wait/2)))
}

// nextTry is when a sink is tried again that fails now, and whose target asked for a wait.
func (it *sinkItem) nextTry(asked time.Duration) time.Time {
	return time.Now().Add(max(retryWait(it.failures+1), min(asked, longestAfter)))
}

// sinkFailed notes a failure and when it is tried again, zero for never.
func (d *Daemon) sinkFailed(it *sinkItem, reason string, again time.Time) {
	it.failures++
	if p := d.pending(it); p == nil || !p.AtStart {
		it.recalled = false // else newer content was not tried yet
	}
	it.errorsSeen++
	it.lastError, it.lastErrorTime = reason, time.Now()
	it.retryAt = again
	it.wanted = plan.Update
	it.waiting = &plan.Wait{Kind: plan.BlockedBy, Reason: fmt.Sprintf("%s failed: %s", it.addr, reason)}
	d.sinkState(it, StateFailed, reason, it.retryAt)
}

// beginTry writes down with an intent when it is tried again, should the process end before its
// outcome is known.
func (d *Daemon) beginTry(it *sinkItem) {
	p := d.ledger.Sinks[it.addr].Pending
	p.Block, p.Failures = d.blockIdentity(it.node), it.failures
	if before := it.before.Pending; before != nil && before.ID == p.ID && before.Unknown && before.Error == "" {
		p.Failures++
		p.AtStart = true
	}
	if p.Failures > 0 {
		p.RetryAt = time.Now().Add(retryWait(p.Failures))
	}
	p.AtStart = p.AtStart || it.atStart && time.Now().Before(it.retryAt)
	it.atStart = false
}

// endTry writes down with a failure when it is tried again, and returns that: zero for never, or
// at once where the block is another one by now.
func (d *Daemon) endTry(it *sinkItem, o outcome) (again time.Time) {
	again = it.nextTry(o.after)
	p := d.pending(it)
	if p == nil || o.change.Action == plan.Delete || it.node == nil {
		return again
	}
	if o.gone || p.Block != d.blockIdentity(it.node) {
		again = time.Time{}
	}
	p.Failures, p.RetryAt, p.Gone = it.failures+1, again, o.gone
	return again
}

// blockIdentity tells a block from what it was before, without telling what is in it.
func (d *Daemon) blockIdentity(n *node) string {
	return d.store.Keyed("sha256:" + hex.EncodeToString(n.digest[:]))
}

// recallTries goes on with the back-off of a sink whose delivery was failing when the daemon ended.
func (d *Daemon) recallTries(it *sinkItem) {
	row := d.ledger.Sinks[it.addr]
	if row == nil || row.Pending == nil || row.Pending.Failures == 0 || row.Pending.Block != d.blockIdentity(it.node) {
		return
	}
	p := row.Pending
	it.failures, it.recalled, it.atStart = p.Failures, true, !p.AtStart
	it.lastError, it.lastErrorTime = p.Error, p.At
	if it.lastError == "" {
		it.lastError = "deliveries were cut short again and again, and nobody knows whether they arrived"
	}
	if !p.RetryAt.IsZero() {
		// Bounded, since the clock may have been set back meanwhile.
		it.retryAt = earlier(p.RetryAt, time.Now().Add(longestAfter))
	}
}

// mustWait reports whether a delivery waits because the one before failed, and says so.
func (d *Daemon) mustWait(it *sinkItem, c *plan.SinkChange) bool {
	if !d.refused(it, c) && (it.atStart || !time.Now().Before(it.retryAt) || d.supersedes(it, c)) {
		return false
	}
	it.waiting = &plan.Wait{Kind: plan.BlockedBy, Reason: fmt.Sprintf("%s failed: %s", it.addr, it.lastError)}
	d.sinkState(it, StateFailed, it.lastError, it.retryAt)
	return true
}

// refused reports whether the target said of this very delivery that it is gone for good.
func (d *Daemon) refused(it *sinkItem, c *plan.SinkChange) bool {
	p := d.pending(it)
	return p != nil && p.Gone && c.Delivery != nil && p.ID == c.Delivery.ID && p.Block == d.blockIdentity(it.node)
}

// supersedes reports whether newer content need not wait for the time at which the failed one
// is tried again: the target may well take it. A target that takes nothing is spared.
func (d *Daemon) supersedes(it *sinkItem, c *plan.SinkChange) bool {
	p := d.pending(it)
	if p == nil || c.Delivery == nil || p.Fingerprint == c.Delivery.Fingerprint {
		return false
	}
	return it.class == providers.ClassPermanent || it.failures < newerTries || it.recalled
}

func (d *Daemon) pending(it *sinkItem) *state.Delivery {
	if row := d.ledger.Sinks[it.addr]; row != nil {
		return row.Pending
	}
	return nil
}

// tryAnew lets a sink whose block changed be tried at once.
func (it *sinkItem) tryAnew() {
	it.failures, it.class, it.retryAt = 0, providers.ClassTemporary, time.Time{}
	it.recalled, it.atStart = false, false
}
