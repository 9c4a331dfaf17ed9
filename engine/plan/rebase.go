package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// Moved compares a plan that was made some time ago with the ledger as it is now, and returns
// what has moved of that it rests on, nil if it may be carried out. What the plan does not
// touch does not count.
func (p *Plan) Moved(l *state.Ledger) []string {
	var out []string
	read := map[address.Address]bool{}
	for _, c := range p.Sources {
		if c.Action != Read {
			continue
		}
		read[c.Address] = true
		if row := l.Sources[c.Address]; acceptances(row) == c.Accepted+1 && c.Row.Current() != nil && row.Current().Blob == c.Row.Current().Blob {
			out = append(out, fmt.Sprintf("%s accepted the value of this plan already", c.Address))
		} else if acceptances(row) != c.Accepted {
			out = append(out, fmt.Sprintf("%s accepted another value meanwhile: %s", c.Address, versionInUse(row)))
		}
	}
	told := map[address.Address]bool{}
	for _, c := range p.Sinks {
		if c.Action == NoOp && !c.Remember && c.Baseline == nil {
			continue
		}
		if row := l.Sinks[c.Address]; row == nil && c.Revision != 0 {
			out = append(out, fmt.Sprintf("%s was taken out of the state", c.Address))
		} else if row != nil && row.Revision != c.Revision && c.Delivery != nil && row.Acknowledged != nil && row.Acknowledged.ID == c.Delivery.ID {
			out = append(out, fmt.Sprintf("%s has its delivery of this plan already", c.Address))
		} else if row != nil && row.Revision != c.Revision {
			out = append(out, fmt.Sprintf("%s was delivered meanwhile, or tried to be", c.Address))
		}
		if c.Delivery == nil || c.HeldBy != nil {
			continue
		}
		for _, cause := range c.Delivery.Causes {
			if read[cause.Source] || told[cause.Source] {
				continue
			}
			row, blob := l.Sources[cause.Source], ""
			if now := row.Current(); now != nil {
				blob = now.Blob
			}
			if blob != cause.Blob {
				told[cause.Source] = true
				out = append(out, fmt.Sprintf("%s has another value than the one that %s was planned with: %s", cause.Source, c.Address, versionInUse(row)))
			}
		}
	}
	for _, c := range p.Outputs {
		if c.Action == NoOp {
			continue
		}
		a := address.Of(address.Output, "", c.Name)
		if row := l.Outputs[a]; row == nil && c.Revision != 0 || row != nil && row.Revision != c.Revision {
			out = append(out, fmt.Sprintf("%s was stored anew", a))
		}
	}
	return out
}

func acceptances(row *state.Source) int64 {
	if row == nil {
		return 0
	}
	return row.Accepted
}

func versionInUse(row *state.Source) string {
	if s := row.Current(); s != nil {
		shown := s.Version
		if hash, ok := strings.CutPrefix(shown, "sha256:"); ok && len(hash) > 12 {
			shown = "sha256:" + hash[:12]
		}
		return fmt.Sprintf("version %s of %s", shown, s.AcceptedAt.UTC().Format(time.RFC3339))
	}
	return "it has none now"
}

// Rebase puts a plan for which Moved returned nothing on top of the present ledger: what others
// wrote meanwhile into the rows that it writes stays, and rate limits are asked again. It
// returns those that do not let an acceptance pass now; then the plan is of no use.
func (p *Plan) Rebase(l *state.Ledger, limiters map[string]Limiter, now time.Time) (refused []string) {
	limits := NewLimits(limiters, l, now)
	for _, c := range p.Sources {
		if c.Action != Read {
			c.Row, c.Pushed = nil, false // the books of a look that is long over
			continue
		}
		row := l.Sources[c.Address]
		if until, which := limits.next(c.Limits, counters(row)); until.After(now) {
			refused = append(refused, fmt.Sprintf("%s lets the next value of %s pass at %s", which, c.Address, until.UTC().Format(time.RFC3339)))
			continue
		}
		limits.Take(c.Limits, c.Address, row, l)
		c.Row = rebased(c.Row, row, now)
		c.Row.Counters = limits.passes[c.Address]
	}
	p.Lineage, p.Serial, p.Shared = l.Lineage, l.Serial, limits.accepted
	return refused
}

// rebased is the planned row of a source that accepts a value, with what others wrote down
// since: nothing was accepted, but there may have been looks.
func rebased(planned, present *state.Source, now time.Time) *state.Source {
	out := planned.Clone()
	out.Snapshots[0].AcceptedAt = now
	if n := len(out.Changes); n > 0 {
		out.Changes[n-1] = now
	}
	if present != nil {
		out.Rejected, out.Polled = slices.Clone(present.Rejected), present.Polled
		if present.LastSuccess.After(out.LastSuccess) {
			out.LastSuccess = present.LastSuccess
		}
	}
	return out
}

// Rests lists the sources whose values in use the plan rests on: those that it accepts a value of,
// and those that its deliveries were made from.
func (p *Plan) Rests() []address.Address {
	var out []address.Address
	for _, c := range p.Sources {
		if c.Action == Read {
			out = append(out, c.Address)
		}
	}
	for _, c := range p.Sinks {
		if c.Delivery == nil {
			continue
		}
		for _, cause := range c.Delivery.Causes {
			out = append(out, cause.Source)
		}
	}
	slices.SortFunc(out, address.Address.Compare)
	return slices.Compact(out)
}
