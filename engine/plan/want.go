package plan

import (
	"fmt"
	"strings"
)

const contentChanged = "content changed"

// want sets what the sink would do if nothing made it wait, and why.
func (c *Computation) want(d *deciding) {
	pending, out := d.row.Pending, d.out
	inPlace := !d.Opaque && d.Exists && d.HeldHash == d.Hash && len(d.Differs) == 0
	write := Update
	if !d.Opaque && !d.Exists || d.Opaque && d.ack == nil {
		write = Create
	}
	set := func(a Action, reason string) {
		out.Wanted = a
		if d.HeldBy != nil && reason == contentChanged {
			reason = fmt.Sprintf("rolled back to revision %d", d.HeldBy.Revision)
		}
		out.Reasons = append(out.Reasons, reason)
	}
	switch {
	case pending != nil && pending.Fingerprint == d.Fingerprint && !d.moved:
		if pending.Unknown {
			set(write, "the last delivery was interrupted and its outcome is unknown")
		} else {
			set(write, "the last delivery failed: "+pending.Error)
		}
		if d.ack == nil && d.HeldHash != d.Hash && !d.holds(pending.Hash) {
			d.firstContact()
		}
		out.Repair = pending.Repair && d.ack != nil && d.Fingerprint == d.ack.Fingerprint
	case d.ack == nil && d.Opaque && d.OnCreate == "skip":
		set(Adopt, "on_create is skip: the value is remembered without a delivery")
	case d.ack == nil && inPlace:
		set(Adopt, "the target already holds the wanted content")
		out.Counts = d.moved
	case d.ack == nil:
		set(write, "first delivery")
		if d.moved {
			out.Reasons = []string{"first delivery to this target; what was delivered to " + d.row.Target + " stays there"}
		}
		d.firstContact()
	case pending != nil && d.Fingerprint == d.ack.Fingerprint && inPlace:
		set(Adopt, "the failed delivery of another value is superseded and the target is as it was")
	case pending != nil && d.Fingerprint == d.ack.Fingerprint && d.drifted && !d.Opaque && d.OnDrift != "repair":
		// Back to what was acknowledged, and the target is somebody else's business.
	case pending != nil:
		if pending.Unknown {
			set(write, "supersedes a delivery that was interrupted")
		} else {
			set(write, "supersedes a delivery that failed: "+pending.Error)
		}
		out.Repair = d.Fingerprint == d.ack.Fingerprint && d.drifted
		d.firstContact()
	case d.Fingerprint != d.ack.Fingerprint && inPlace:
		set(Adopt, "the target already holds the wanted content")
		out.Counts = true
	case d.Fingerprint != d.ack.Fingerprint:
		set(write, contentChanged)
		d.firstContact()
	case len(d.Differs) > 0 && d.ConfigChanged:
		set(Update, strings.Join(d.Differs, "; "))
	case d.drifted && d.OnDrift == "repair":
		set(write, "drift: "+driftWords(out.Drift))
		out.Repair = true
		d.refuseFallback()
	default:
		if fired := c.fired(d); len(fired) > 0 {
			set(Update, "triggered by "+strings.Join(fired, ", "))
		}
	}
	if out.Wanted.Delivers() {
		d.contentDiff()
	}
}

// firstContact guards a target that is not ours: against a value that is only a stand-in, and
// against the loss of what was there.
func (d *deciding) firstContact() {
	ours := d.ack != nil && !d.ack.Adopted
	if ours || !d.Exists || d.Opaque || d.refuseFallback() {
		return
	}
	d.out.Replaces = d.Held
}

// refuseFallback makes a value that only stands in wait where it would replace what somebody
// else wrote.
func (d *deciding) refuseFallback() bool {
	ours := d.ack != nil && !d.ack.Adopted
	if ours || !d.Exists || d.Opaque || !d.Fallback {
		return false
	}
	d.out.Wait = &Wait{Kind: BlockedBy, Reason: fmt.Sprintf("a fallback never replaces what somebody else wrote, and %s exists", d.Target)}
	d.drifted = false
	return true
}
