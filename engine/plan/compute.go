package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// contextLines stand around each difference in a plan.
const contextLines = 3

// Computation compares and decides, item by item: sources before what uses them, sinks after
// the sinks they depend on. It looks at nothing but the values it is given.
type Computation struct {
	now     time.Time
	ledger  *state.Ledger
	limits  *Limits
	destroy bool

	plan *Plan
	// sinks are the decisions so far. acting are the sinks that a user of one really waits
	// for: itself if it acts, else those it would wait for; waits likewise.
	sinks  map[address.Address]*SinkChange
	acting map[address.Address][]address.Address
	waits  map[address.Address]waiting
}

// waiting is why a sink waits, and which one it is that really does.
type waiting struct {
	*Wait
	sink address.Address
}

// NewComputation returns a computation over a ledger.
func NewComputation(ledger *state.Ledger, limits *Limits, now time.Time, destroy bool) *Computation {
	return &Computation{
		now: now, ledger: ledger, limits: limits, destroy: destroy,
		plan: &Plan{
			FormatVersion: FormatVersion, Time: now, Lineage: ledger.Lineage, Serial: ledger.Serial, Destroy: destroy,
		},
		sinks:  map[address.Address]*SinkChange{},
		acting: map[address.Address][]address.Address{},
		waits:  map[address.Address]waiting{},
	}
}

// Compute decides everything that was observed.
func Compute(in *Input, limits *Limits) *Plan {
	c := NewComputation(in.Ledger, limits, in.Now, in.Destroy)
	for _, o := range in.Sources {
		c.Source(o)
	}
	for _, o := range in.Sinks {
		c.Sink(o)
	}
	for _, r := range in.Removed {
		c.Removed(r)
	}
	return c.Plan(in.RemovedSources)
}

// Plan returns the plan of all that was decided; sources come in the order of their addresses.
func (c *Computation) Plan(removedSources []address.Address) *Plan {
	slices.SortFunc(c.plan.Sources, func(a, b *SourceChange) int { return a.Address.Compare(b.Address) })
	c.plan.ForgetSources = removedSources
	c.plan.Shared = c.limits.accepted
	return c.plan
}

// Source chooses the value of a source and writes the choice down.
func (c *Computation) Source(o *SourceObservation) Choice {
	row := c.ledger.Sources[o.Address]
	choice := Choose(o, row, c.limits)
	if choice.Read {
		c.limits.Take(o.Limits, o.Address, row, c.ledger)
	}
	c.plan.Sources = append(c.plan.Sources, sourceChange(o, choice, row, c.now, c.limits))
	return choice
}

// deciding is one sink while it is decided.
type deciding struct {
	*SinkObservation
	row *state.Sink // never nil
	ack *state.Delivery
	out *SinkChange

	tokens  map[string]string // what each trigger will have fired by when its turn comes
	drifted bool
	hidden  bool // contents may not be shown: the old or the new one is sensitive
	rekeyed bool // the same content, marked since, or not any more
	moved   bool // it was acknowledged at another target
}

// Sink decides for one sink, whose dependencies were decided before.
func (c *Computation) Sink(o *SinkObservation) *SinkChange {
	d := c.decide(o)
	out := d.out
	c.plan.Sinks = append(c.plan.Sinks, out)
	c.sinks[o.Address] = out
	c.pass(out, o.DependsOn)
	return out
}

// Seed tells of a sink that is not decided now: what it would do if nothing made it wait, and
// what it waits for, nil if it is in step.
func (c *Computation) Seed(a address.Address, wanted Action, w *Wait) {
	if w == nil {
		return
	}
	c.sinks[a] = &SinkChange{Address: a, Action: NoOp, Wanted: wanted, Wait: w}
	c.waits[a] = waiting{w, a}
}

// Waits returns what a user of a decided sink waits for, nil for nothing.
func (c *Computation) Waits(a address.Address) *Wait {
	return c.waits[a].Wait
}

// pass notes what a user of this sink waits for. A sink that does nothing passes on what it
// would have waited for itself, so that no edge is lost in between.
func (c *Computation) pass(out *SinkChange, dependsOn []address.Address) {
	if out.Action != NoOp {
		c.acting[out.Address] = []address.Address{out.Address}
	} else {
		c.acting[out.Address] = c.actingOf(dependsOn)
	}
	out.DependsOn = c.actingOf(dependsOn)
	if out.Wait != nil {
		c.waits[out.Address] = waiting{out.Wait, out.Address}
		return
	}
	if out.Action == NoOp {
		for _, a := range dependsOn {
			if w, ok := c.waits[a]; ok {
				c.waits[out.Address] = w
				return
			}
		}
	}
}

func (c *Computation) actingOf(list []address.Address) []address.Address {
	var out []address.Address
	for _, a := range list {
		for _, b := range c.acting[a] {
			if !slices.Contains(out, b) {
				out = append(out, b)
			}
		}
	}
	return out
}

// Refuse takes a decided delivery back, before its dependants are decided.
func (c *Computation) Refuse(out *SinkChange, w *Wait, dependsOn []address.Address) {
	out.Action, out.Delivery, out.Payload, out.Counts, out.Wait = NoOp, nil, nil, false, w
	c.pass(out, dependsOn)
}

// Prepares reports whether a sink that is decided to deliver comes before one that depends on
// these: by then the world is another.
func (c *Computation) Prepares(dependsOn []address.Address) bool {
	return slices.ContainsFunc(c.actingOf(dependsOn), func(a address.Address) bool { return c.sinks[a].Action.Delivers() })
}

func (c *Computation) decide(o *SinkObservation) *deciding {
	d := &deciding{SinkObservation: o, row: c.ledger.Sinks[o.Address]}
	if d.row == nil {
		// A sequence that never repeats, also when a sink comes back under an old address.
		d.row = &state.Sink{Address: o.Address, Sequence: c.ledger.Serial}
	}
	d.acknowledged()
	d.out = &SinkChange{
		Address: o.Address, Kind: o.Kind, Target: o.Target, Action: NoOp, Wanted: NoOp,
		Checks: o.Checks, Limits: o.Limits, Retry: o.Retry, Sensitive: d.hidden, FilledLater: o.FilledLater, Filled: o.Filled,
		Revision: d.row.Revision, ObservedHash: o.HeldHash, Before: d.before(), After: Of(o.Values), Size: o.Size,
		HeldBy: o.HeldBy,
	}
	d.drift()
	if o.Blocked != nil {
		d.out.Wait = o.Blocked
		if o.Values == cty.NilVal {
			d.out.After = d.out.Before
		}
		c.repairMeanwhile(d)
		return d
	}
	d.tokens = c.triggerTokens(o, true)
	c.baseline(d)
	c.want(d)
	if d.out.Wanted == NoOp {
		c.remember(d)
		return d
	}
	if d.out.Wait == nil {
		d.out.Wait = c.waitOf(d)
	}
	if d.out.Wait != nil {
		d.out.Repair = false // what was wanted is not what is done meanwhile
		c.repairMeanwhile(d)
		return d
	}
	d.out.Action = d.out.Wanted
	c.intend(d)
	return d
}

// acknowledged finds what counts as acknowledged for this rendering.
func (d *deciding) acknowledged() {
	ack := d.row.Acknowledged
	d.hidden = d.Sensitive || d.Last != nil && d.Last.Sensitive
	if ack == nil {
		return
	}
	if d.Last == nil && d.Fingerprint != "" && ack.Fingerprint != d.Fingerprint {
		d.hidden = true // what it was cannot be read, so nobody knows whether it may be shown
	}
	if !d.Opaque && d.Target != "" && d.row.Target != d.Target {
		// Another path is another target: it is met for the first time.
		d.moved = true
		return
	}
	if d.OtherFingerprint != "" && ack.Fingerprint == d.OtherFingerprint {
		d.rekeyed = true
		same := *ack
		same.Fingerprint = d.Fingerprint
		if ack.Hash == d.OtherHash {
			same.Hash = d.Hash
		}
		ack = &same
	}
	d.ack = ack
}

// waitOf returns what makes the sink wait: something it depends on, then its rate limits.
// A delivery that was begun has been counted and is not limited again.
func (c *Computation) waitOf(d *deciding) *Wait {
	for _, a := range d.DependsOn {
		up, ok := c.waits[a]
		if !ok {
			continue
		}
		w := &Wait{Kind: BlockedBy, On: up.sink.String(), Reason: fmt.Sprintf("waits for %s, which is %s: %s", up.sink, up.Kind, up.Reason)}
		if rest, told := strings.CutPrefix(up.Reason, up.sink.String()+" "); told { // that it failed or is paused says more
			w.Reason = fmt.Sprintf("waits for %s, which %s", up.sink, rest)
		}
		if up.Kind == Deferred {
			w.Kind, w.Until = Deferred, up.Until
		}
		return w
	}
	if !d.out.Wanted.Delivers() || d.out.Repair || d.repeats() {
		return nil
	}
	until, which := c.limits.next(d.Limits, d.row.Counters)
	if !until.After(c.now) {
		return nil
	}
	return &Wait{
		Kind: Deferred, On: which, Until: until,
		Reason: fmt.Sprintf("%s lets the next delivery pass at %s", which, until.UTC().Format(time.RFC3339)),
	}
}

// Removed decides for a sink that is no longer declared.
func (c *Computation) Removed(r *Removed) {
	row := c.ledger.Sinks[r.Address]
	out := &SinkChange{
		Address: r.Address, Kind: row.Kind, Target: row.Target, Action: Forget, Wanted: Forget,
		Before: Of(r.Values), Sensitive: r.Sensitive, Revision: row.Revision, DependsOn: r.DependsOn,
		Payload: r.Payload,
	}
	deletes := r.OnDestroy == "delete" && (row.Acknowledged != nil || row.Pending != nil && row.Pending.Unknown)
	switch {
	case deletes && !r.Successor.IsZero():
		out.Reasons = []string{fmt.Sprintf("the target stays, since %s writes it now", r.Successor)}
	case deletes && r.Foreign:
		out.Reasons = []string{"the target stays, since it does not hold what was delivered last, and nobody knows whether that arrived"}
	case deletes:
		out.Action, out.Wanted = Delete, Delete
		out.Reasons = []string{"on_destroy is delete"}
	case c.destroy:
		out.Reasons = []string{"the target stays as it is (on_destroy is keep)"}
	default:
		out.Reasons = []string{fmt.Sprintf("no longer declared; the target stays as it is (%s)", cmp.Or(r.Keeps, "on_destroy is keep"))}
	}
	c.plan.Sinks = append(c.plan.Sinks, out)
}
