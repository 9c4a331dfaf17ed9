package engine

import (
	"context"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
	"tidegate/engine/state"
)

// Standing is how a target compares with what was last delivered to it.
type Standing string

// The standings of a target.
const (
	InStep     Standing = "in_step"    // it holds what was acknowledged
	Drifted    Standing = "drifted"    // somebody else changed it
	Ignored    Standing = "ignored"    // the same, where on_drift is "ignore"
	Unapplied  Standing = "unapplied"  // nothing was delivered there yet, or what was is not acknowledged
	Opaque     Standing = "opaque"     // a program or a server, which cannot be asked
	Unreadable Standing = "unreadable" // nobody knows what it holds
)

// Drift says of each declared sink how its target stands.
type Drift struct {
	Sinks     []SinkDrift // in dependency order
	Selection *plan.Selection
}

// SinkDrift is one target.
type SinkDrift struct {
	Standing Standing
	Change   *plan.SinkChange // whose Drift is set where it drifted
}

// Count returns how many targets stand so.
func (d *Drift) Count(s Standing) int {
	n := 0
	for _, x := range d.Sinks {
		if x.Standing == s {
			n++
		}
	}
	return n
}

// Drift compares targets with what was last delivered to them. No source is asked, no rule is
// judged and nothing is written or locked. Of the options only the patterns count.
func (e *Engine) Drift(ctx context.Context, opts PlanOptions) (*Drift, hcl.Diagnostics) {
	p, diags := e.Plan(ctx, PlanOptions{
		NoRefresh: true, Brief: true, targetsOnly: true, Targets: opts.Targets, Excludes: opts.Excludes,
	})
	out := &Drift{Selection: p.Selection}
	if len(p.Sinks) == 0 {
		return out, diags
	}
	reader, err := e.State(ctx)
	if err != nil {
		return out, append(diags, stateError("Cannot open the state", err)...)
	}
	ledger, err := reader.Load(ctx)
	if err != nil {
		return out, append(diags, stateError("Cannot read the state", err)...)
	}
	for _, c := range p.Sinks {
		if e.prog.nodes[c.Address] != nil {
			out.Sinks = append(out.Sinks, SinkDrift{Standing: standing(c, ledger.Sinks[c.Address]), Change: c})
		}
	}
	return out, diags
}

func standing(c *plan.SinkChange, row *state.Sink) Standing {
	switch {
	case row == nil || row.Acknowledged == nil:
		return Unapplied
	case c.Drift != nil && c.Drift.Policy == "ignore":
		return Ignored
	case c.Drift != nil:
		return Drifted
	case c.Wait != nil && c.Wait.Kind == plan.RejectedByOwn, c.Target == "" && row.Target != "":
		return Unreadable
	case row.Target != c.Target:
		return Unapplied // it is to go elsewhere
	case row.Acknowledged.Hash == "":
		return Opaque
	case row.Pending != nil && row.Pending.Hash != row.Acknowledged.Hash && c.ObservedHash == row.Pending.Hash:
		return Unapplied // a delivery of ours was interrupted
	}
	return InStep
}
