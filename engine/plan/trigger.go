package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// triggerTokens returns what each trigger has fired by now, or with planned what it will
// have fired by when this sink's turn comes.
func (c *Computation) triggerTokens(o *SinkObservation, planned bool) map[string]string {
	if len(o.Triggers) == 0 {
		return nil
	}
	out := make(map[string]string, len(o.Triggers))
	for _, t := range o.Triggers {
		if t.Sink.IsZero() {
			out[t.Name] = t.Token
			continue
		}
		var writes int64
		if row := c.ledger.Sinks[t.Sink]; row != nil {
			writes = row.Writes
		}
		// One that would write if it did not have to wait fires too, so that this sink is seen
		// to wait with it.
		if up := c.sinks[t.Sink]; planned && up != nil && (up.Counts || up.Wait != nil && up.Wanted.Delivers()) {
			writes++
		}
		out[t.Name] = writesToken(writes)
	}
	return out
}

// baseline notes from where triggers that are new in the configuration fire.
func (c *Computation) baseline(d *deciding) {
	if d.ack == nil {
		return
	}
	now := c.triggerTokens(d.SinkObservation, false)
	known := maps.Clone(d.ack.Triggers)
	for _, t := range d.Triggers {
		if _, ok := known[t.Name]; ok {
			continue
		}
		if known == nil {
			known = map[string]string{}
		}
		known[t.Name] = d.from(t, now)
		d.out.Baseline = known
	}
}

// from is where a trigger begins that was not answered before. One that is new in the configuration
// fires from now on. An instance that came to a block of which all are triggers has fired with its
// first write.
func (d *deciding) from(t Trigger, now map[string]string) string {
	if _, known := d.ack.Triggers[t.Block]; t.Block == "" || !known {
		return now[t.Name]
	}
	if t.Sink.IsZero() {
		return ""
	}
	return writesToken(0)
}

func writesToken(n int64) string { return fmt.Sprintf("writes:%d", n) }

// fired returns the triggers that moved since they were answered. One that is new in the
// configuration fires from now on: what this plan does to its target counts.
func (c *Computation) fired(d *deciding) []string {
	now := c.triggerTokens(d.SinkObservation, false)
	var fired []string
	for _, t := range d.Triggers {
		before, known := d.ack.Triggers[t.Name]
		if !known {
			before = d.from(t, now)
		}
		if before != d.tokens[t.Name] {
			fired = append(fired, t.Name)
		}
	}
	slices.Sort(fired)
	return fired
}

// remember lets the ledger learn of what changed beside the content: triggers that came or
// went, policies, and whether the content is a secret.
func (c *Computation) remember(d *deciding) {
	if d.ack == nil || d.row.Pending != nil || d.Values == cty.NilVal {
		return
	}
	triggers := map[string]string{}
	moved := len(d.ack.Triggers) != len(d.Triggers)
	now := c.triggerTokens(d.SinkObservation, false)
	for _, t := range d.Triggers {
		before, known := d.ack.Triggers[t.Name]
		if !known {
			moved, before = true, d.from(t, now)
		}
		triggers[t.Name] = before
	}
	if !moved && !d.rekeyed && d.ack.Policies == d.Policies {
		return
	}
	keep := *d.ack
	keep.Triggers, keep.Policies = triggers, d.Policies
	if d.rekeyed {
		keep.Causes = d.Causes
	}
	d.out.Remember, d.out.Delivery, d.out.Payload = true, &keep, d.Payload
	d.out.Sequence = d.row.Sequence
}

func equalTokens(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}
