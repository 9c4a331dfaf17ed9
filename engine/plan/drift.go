package plan

import (
	"strings"

	"tidegate/engine/diff"
	"tidegate/engine/state"
)

// holds reports whether the target holds the content of a hash, plain or keyed.
func (d *deciding) holds(hash string) bool {
	return d.Exists && hash != "" && (d.HeldHash == hash || d.OtherHeldHash == hash)
}

// drift notes what somebody else did to the target.
func (d *deciding) drift() {
	ack := d.ack
	if ack == nil || d.Opaque || d.HeldHash == "" && d.Exists || d.Target == "" {
		return
	}
	differs := d.Differs
	if d.ConfigChanged {
		differs = nil
	}
	same := d.holds(ack.Hash)
	if same && len(differs) == 0 {
		return
	}
	// An attempt of ours that was interrupted is no drift.
	if d.row.Pending != nil && d.holds(d.row.Pending.Hash) {
		d.hidden = d.hidden || d.HeldHash != d.row.Pending.Hash && !d.Sensitive
		d.out.Sensitive = d.hidden
		return
	}
	d.drifted = true
	d.out.Drift = &Drift{Policy: d.OnDrift, Missing: !d.Exists, Differs: differs, Content: d.Exists && !same}
	if !d.hidden && d.Last != nil && d.Exists {
		d.out.Drift.Lines = diff.LineDiff(d.Last.Content, d.Held, contextLines)
		d.out.Drift.Keys = d.keyDiff(d.Last.Content, d.Held)
	}
}

func driftWords(d *Drift) string {
	switch {
	case d.Missing:
		return "the target is missing"
	case d.Content:
		return "the content was changed by somebody else"
	}
	return strings.Join(d.Differs, "; ")
}

// repairMeanwhile restores the acknowledged revision of a sink whose update has to wait.
func (c *Computation) repairMeanwhile(d *deciding) {
	if !d.drifted || d.OnDrift != "repair" || d.Last == nil || d.Last.Payload == nil || d.rekeyed {
		return
	}
	out := d.out
	out.Action, out.Repair, out.Counts = Update, true, true
	if !d.Exists {
		out.Action = Create
	}
	out.Reasons = append(out.Reasons, "drift: "+driftWords(out.Drift)+"; the acknowledged revision is restored")
	out.Sequence = d.row.Sequence + 1
	out.Payload = d.Last.Payload
	out.After = Of(d.Last.Values)
	out.Size = int64(len(d.Last.Content))
	out.FilledLater, out.Filled = false, nil
	if !d.hidden {
		lines := diff.LineDiff(d.Held, d.Last.Content, contextLines)
		out.Lines, out.Keys = &lines, d.keyDiff(d.Held, d.Last.Content)
	}
	out.Delivery = &state.Delivery{
		ID:          DeliveryID(c.ledger.Lineage, d.Address, out.Sequence, d.ack.Fingerprint),
		Fingerprint: d.ack.Fingerprint, Hash: d.ack.Hash, At: c.now, Repair: true, Policies: d.ack.Policies,
		Payload: d.ack.Payload, Causes: d.ack.Causes, Triggers: d.ack.Triggers,
	}
}
