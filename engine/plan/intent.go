package plan

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// DeliveryID returns the identity of a sink's n-th intent: stable until it is acknowledged or
// superseded, different for every other intent, sink and state.
func DeliveryID(lineage string, sink address.Address, sequence int64, fingerprint string) string {
	h := sha256.New()
	for _, part := range []string{"tidegate delivery v1", lineage, sink.String(), fmt.Sprint(sequence), fingerprint} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return "dlv_" + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:15]))
}

// delivery returns the delivery that is wanted now, without an identity.
func (d *deciding) delivery() *state.Delivery {
	out := &state.Delivery{
		Fingerprint: d.Fingerprint, Hash: d.Hash, Repair: d.out.Repair, Policies: d.Policies,
		Causes: d.Causes, Adopted: d.out.Wanted == Adopt,
	}
	if len(d.tokens) > 0 {
		out.Triggers = d.tokens
	}
	return out
}

// repeats reports whether an open intent stands for the delivery that is wanted now: the same
// content for the same reason. Only then may the receiver be told that it is a repetition.
func (d *deciding) repeats() bool {
	p := d.row.Pending
	return p != nil && !d.moved && p.Fingerprint == d.Fingerprint &&
		equalTokens(p.Triggers, d.tokens) &&
		(!d.FilledLater || slices.Equal(p.Causes, d.Causes))
}

// intend writes the intent of a delivery, or what an adoption will say.
func (c *Computation) intend(d *deciding) {
	out := d.out
	out.Payload = d.Payload
	out.Sequence = d.row.Sequence
	out.Counts = out.Counts || out.Action == Create || out.Action == Update
	delivery := d.delivery()
	delivery.At = c.now
	if d.repeats() {
		delivery.ID, delivery.Attempts = d.row.Pending.ID, d.row.Pending.Attempts
	} else {
		out.Sequence++
		delivery.ID = DeliveryID(c.ledger.Lineage, d.Address, out.Sequence, d.Fingerprint)
		if out.Action.Delivers() && !out.Repair {
			// Counted so that the next sink under a shared limit finds one place less; the
			// ledger counts at dispatch.
			c.limits.take(d.Limits, d.row.Counters)
		}
	}
	out.Delivery = delivery
}
