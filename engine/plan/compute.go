package plan

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/diff"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// contextLines stand around each difference in a plan.
const contextLines = 3

// Compute compares and decides. It looks at nothing but its input.
func Compute(in *Input, choices map[address.Address]Choice, limits *Limits) *Plan {
	c := &computation{in: in, limits: limits, sinks: map[address.Address]*SinkChange{}}
	p := &Plan{
		FormatVersion: FormatVersion, Time: in.Now, Lineage: in.Ledger.Lineage, Serial: in.Ledger.Serial,
		Destroy: in.Destroy,
	}
	for _, o := range in.Sources {
		p.Sources = append(p.Sources, sourceChange(o, choices[o.Address], in.Ledger.Sources[o.Address], in.Now, limits))
	}
	for _, o := range in.Sinks {
		change := c.sink(o)
		c.sinks[o.Address] = change
		p.Sinks = append(p.Sinks, change)
	}
	for _, r := range in.Removed {
		p.Sinks = append(p.Sinks, c.removed(r))
	}
	p.ForgetSources = in.RemovedSources
	return p
}

type computation struct {
	in     *Input
	limits *Limits
	sinks  map[address.Address]*SinkChange
}

// DeliveryID returns the identity of a sink's n-th intent: stable until it is acknowledged or
// superseded, different for every other intent, sink and state.
func DeliveryID(lineage string, sink address.Address, sequence int64, fingerprint string) string {
	h := sha256.New()
	for _, part := range []string{"tidegate delivery v1", lineage, sink.String(), fmt.Sprint(sequence), fingerprint} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return "dlv_" + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:15]))
}

// sink decides for one sink, whose dependencies were decided before.
func (c *computation) sink(o *SinkObservation) *SinkChange {
	row := c.in.Ledger.Sinks[o.Address]
	if row == nil {
		row = &state.Sink{Address: o.Address}
	}
	out := &SinkChange{
		Address: o.Address, Kind: o.Kind, Target: o.Target, Action: NoOp, Wanted: NoOp,
		Checks: o.Checks, DependsOn: o.DependsOn, Limits: o.Limits, Retry: o.Retry,
		Sensitive: o.Sensitive, FilledLater: o.FilledLater, Revision: row.Revision,
		ObservedHash: o.HeldHash, Before: c.before(o, row), After: Of(o.Values), Size: o.Size,
	}
	drifted := c.drift(o, row, out)
	if o.Blocked != nil {
		out.Wait = o.Blocked
		if o.Values == cty.NilVal {
			out.After = out.Before
		}
		c.repairMeanwhile(o, row, out, drifted)
		return out
	}
	tokens := c.tokens(o)
	c.want(o, row, out, tokens, drifted)
	if out.Wanted == NoOp {
		return out
	}
	if out.Wait == nil {
		out.Wait = c.waits(o, row, out)
	}
	if out.Wait != nil {
		c.repairMeanwhile(o, row, out, drifted)
		return out
	}
	out.Action = out.Wanted
	c.intend(o, row, out, tokens)
	return out
}

func (c *computation) before(o *SinkObservation, row *state.Sink) Value {
	switch {
	case o.Last != nil:
		return Of(o.Last.Values)
	case row.Acknowledged != nil && row.Acknowledged.Fingerprint == o.Fingerprint:
		return Of(o.Values)
	}
	return Value{}
}

// drift notes what somebody else did to the target and reports whether there is any.
func (c *computation) drift(o *SinkObservation, row *state.Sink, out *SinkChange) bool {
	ack := row.Acknowledged
	if ack == nil || o.Opaque || o.HeldHash == "" && o.Exists || o.Target == "" {
		return false
	}
	differs := o.Differs
	if o.ConfigChanged {
		differs = nil
	}
	same := o.Exists && o.HeldHash == ack.Hash
	if same && len(differs) == 0 {
		return false
	}
	// An attempt of ours that was interrupted is no drift.
	if row.Pending != nil && o.Exists && o.HeldHash == row.Pending.Hash {
		return false
	}
	out.Drift = &Drift{Policy: o.OnDrift, Missing: !o.Exists, Differs: differs, Content: o.Exists && o.HeldHash != ack.Hash}
	if !o.Sensitive && o.Last != nil && o.Exists {
		out.Drift.Lines = diff.LineDiff(o.Last.Content, o.Held, contextLines)
	}
	return true
}

// tokens returns what each trigger will have fired by when this sink's turn comes.
func (c *computation) tokens(o *SinkObservation) map[string]string {
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
		if row := c.in.Ledger.Sinks[t.Sink]; row != nil {
			writes = row.Writes
		}
		if up := c.sinks[t.Sink]; up != nil && (up.Action == Create || up.Action == Update) {
			writes++
		}
		out[t.Name] = fmt.Sprintf("writes:%d", writes)
	}
	return out
}

// want sets what the sink would do if nothing made it wait, and why.
func (c *computation) want(o *SinkObservation, row *state.Sink, out *SinkChange, tokens map[string]string, drifted bool) {
	ack, pending := row.Acknowledged, row.Pending
	inPlace := !o.Opaque && o.Exists && o.HeldHash == o.Hash && len(o.Differs) == 0
	write := Update
	if !o.Opaque && !o.Exists || o.Opaque && ack == nil {
		write = Create
	}
	set := func(a Action, reason string) {
		out.Wanted = a
		out.Reasons = append(out.Reasons, reason)
	}
	switch {
	case pending != nil && pending.Fingerprint == o.Fingerprint:
		if pending.Unknown {
			set(write, "the last delivery was interrupted and its outcome is unknown")
		} else {
			set(write, "the last delivery failed: "+pending.Error)
		}
	case ack == nil && o.Opaque && o.OnCreate == "skip":
		set(Adopt, "on_create is skip: the value is remembered without a delivery")
	case ack == nil && inPlace:
		set(Adopt, "the target already holds the wanted content")
	case ack == nil:
		set(write, "first delivery")
		c.firstContact(o, out)
	case pending != nil && o.Fingerprint == ack.Fingerprint && inPlace:
		set(Adopt, "the failed delivery of another value is superseded and the target is as it was")
	case pending != nil:
		set(write, "supersedes a delivery that failed: "+pending.Error)
	case o.Fingerprint != ack.Fingerprint && inPlace:
		set(Adopt, "the target already holds the wanted content")
	case o.Fingerprint != ack.Fingerprint:
		set(write, "content changed")
		c.firstContact(o, out)
	case len(o.Differs) > 0 && o.ConfigChanged:
		set(Update, strings.Join(o.Differs, "; "))
	case drifted:
		if o.OnDrift == "repair" {
			set(write, "drift: "+driftWords(out.Drift))
			out.Repair = true
		}
		// Whoever fights over a target must not silence the triggers.
		if o.OnDrift == "repair" {
			break
		}
		fallthrough
	default:
		if fired := firedTriggers(o, ack, tokens); len(fired) > 0 {
			set(Update, "triggered by "+strings.Join(fired, ", "))
		}
	}
	if out.Wanted.Delivers() {
		c.contentDiff(o, out)
	}
}

// firstContact guards a target that is not ours against a value that is only a stand-in.
func (c *computation) firstContact(o *SinkObservation, out *SinkChange) {
	row := c.in.Ledger.Sinks[o.Address]
	ours := row != nil && row.Acknowledged != nil && !row.Acknowledged.Adopted
	if o.Fallback && o.Exists && !ours {
		out.Wait = &Wait{Kind: BlockedBy, Reason: fmt.Sprintf("a fallback never replaces what somebody else wrote, and %s exists", o.Target)}
		return
	}
	if !ours && o.Exists {
		out.Replaces = o.Held
	}
}

func driftWords(d *Drift) string {
	switch {
	case d.Missing:
		return "the target is missing"
	case len(d.Differs) > 0:
		return strings.Join(d.Differs, "; ")
	}
	return "the content was changed by somebody else"
}

func firedTriggers(o *SinkObservation, ack *state.Delivery, tokens map[string]string) []string {
	var fired []string
	for _, t := range o.Triggers {
		before, known := ack.Triggers[t.Name]
		if !known && !t.Sink.IsZero() && ack.Adopted {
			before, known = "writes:0", true
		}
		// A trigger that was added to the configuration has not fired yet.
		if known && before != tokens[t.Name] {
			fired = append(fired, t.Name)
		}
	}
	slices.Sort(fired)
	return fired
}

// contentDiff shows the way from what the target holds to what it should.
func (c *computation) contentDiff(o *SinkObservation, out *SinkChange) {
	out.ContentChanged = o.HeldHash != o.Hash
	if o.Sensitive {
		return
	}
	switch {
	case !o.Opaque:
		lines := diff.LineDiff(o.Held, o.Content, contextLines)
		out.Lines = &lines
	case o.Content != nil:
		var old []byte
		if o.Last != nil {
			old = o.Last.Content
		}
		lines := diff.LineDiff(old, o.Content, contextLines)
		out.Lines = &lines
	}
}

// waits returns what makes the sink wait: something it depends on, then its rate limits.
// A delivery that was begun has been counted and is not limited again.
func (c *computation) waits(o *SinkObservation, row *state.Sink, out *SinkChange) *Wait {
	for _, a := range o.DependsOn {
		up := c.sinks[a]
		if up == nil || up.Wait == nil {
			continue
		}
		w := &Wait{Kind: BlockedBy, On: a.String(), Reason: fmt.Sprintf("waits for %s, which is %s: %s", a, up.Wait.Kind, up.Wait.Reason)}
		if up.Wait.Kind == Deferred {
			w.Kind, w.Until = Deferred, up.Wait.Until
		}
		return w
	}
	if !out.Wanted.Delivers() || out.Repair || row.Pending != nil && row.Pending.Fingerprint == o.Fingerprint {
		return nil
	}
	until, which := c.limits.next(o.Limits, row.Counters)
	if !until.After(c.in.Now) {
		return nil
	}
	return &Wait{
		Kind: Deferred, On: which, Until: until,
		Reason: fmt.Sprintf("%s lets the next delivery pass at %s", which, until.UTC().Format(time.RFC3339)),
	}
}

// repairMeanwhile restores the acknowledged revision of a sink whose update has to wait.
func (c *computation) repairMeanwhile(o *SinkObservation, row *state.Sink, out *SinkChange, drifted bool) {
	if !drifted || o.OnDrift != "repair" || o.Last == nil || o.Last.Payload == nil {
		return
	}
	out.Action, out.Repair = Update, true
	if !o.Exists {
		out.Action = Create
	}
	out.Reasons = append(out.Reasons, "drift: "+driftWords(out.Drift)+"; the acknowledged revision is restored")
	ack := row.Acknowledged
	out.Sequence = row.Sequence + 1
	out.Payload = o.Last.Payload
	out.After = Of(o.Last.Values)
	out.Size = int64(len(o.Last.Content))
	if !o.Sensitive {
		lines := diff.LineDiff(o.Held, o.Last.Content, contextLines)
		out.Lines = &lines
	}
	out.Delivery = &state.Delivery{
		ID:          DeliveryID(c.in.Ledger.Lineage, o.Address, out.Sequence, ack.Fingerprint),
		Fingerprint: ack.Fingerprint, Hash: ack.Hash, At: c.in.Now, Repair: true,
		Payload: ack.Payload, Causes: ack.Causes, Triggers: ack.Triggers,
	}
}

// intend writes the intent of a delivery, or what an adoption will say.
func (c *computation) intend(o *SinkObservation, row *state.Sink, out *SinkChange, tokens map[string]string) {
	out.Payload = o.Payload
	out.Sequence = row.Sequence
	d := &state.Delivery{
		Fingerprint: o.Fingerprint, Hash: o.Hash, At: c.in.Now, Repair: out.Repair,
		Causes: o.Causes, Triggers: maps.Clone(tokens), Adopted: out.Action == Adopt,
	}
	if p := row.Pending; p != nil && sameDelivery(p, d, o.FilledLater) {
		d.ID, d.Attempts = p.ID, p.Attempts
	} else {
		out.Sequence++
		d.ID = DeliveryID(c.in.Ledger.Lineage, o.Address, out.Sequence, o.Fingerprint)
		if out.Action.Delivers() && !out.Repair {
			// Counted so that the next sink under a shared limit finds one place less; the
			// ledger counts at dispatch.
			c.limits.take(o.Limits, row.Counters)
		}
	}
	out.Delivery = d
}

// sameDelivery reports whether an open intent stands for the delivery that is wanted now: the
// same content for the same reason. Only then may the receiver be told that it is a repetition.
func sameDelivery(pending, wanted *state.Delivery, filled bool) bool {
	return pending.Fingerprint == wanted.Fingerprint &&
		maps.Equal(pending.Triggers, wanted.Triggers) &&
		(!filled || slices.Equal(pending.Causes, wanted.Causes))
}

func (c *computation) removed(r *Removed) *SinkChange {
	row := c.in.Ledger.Sinks[r.Address]
	out := &SinkChange{
		Address: r.Address, Kind: row.Kind, Target: row.Target, Action: Forget, Wanted: Forget,
		Before: Of(r.Values), Sensitive: r.Sensitive, Revision: row.Revision, DependsOn: r.DependsOn,
		Payload: r.Payload,
	}
	switch {
	case r.OnDestroy == "delete" && (row.Acknowledged != nil || row.Pending != nil && row.Pending.Unknown):
		out.Action, out.Wanted = Delete, Delete
		out.Reasons = []string{"on_destroy is delete"}
	case c.in.Destroy:
		out.Reasons = []string{"the target stays as it is (on_destroy is keep)"}
	default:
		out.Reasons = []string{"no longer declared; the target stays as it is (on_destroy is keep)"}
	}
	return out
}

// ValueChanges returns the differences between two values for showing; either may be NilVal.
func ValueChanges(before, after cty.Value) []ValueChange {
	changes := diff.Values(before, after)
	out := make([]ValueChange, len(changes))
	for i, ch := range changes {
		if ch.Sensitive {
			// Where one side was marked, neither may be shown.
			ch.Before, ch.After = hide(ch.Before), hide(ch.After)
		}
		out[i] = ValueChange{
			Path: ch.Path.String(), Action: ch.Action,
			Before: Of(ch.Before), After: Of(ch.After), Sensitive: ch.Sensitive,
		}
	}
	return out
}

func hide(v cty.Value) cty.Value {
	if v == cty.NilVal {
		return v
	}
	return v.Mark(mark.Sensitive)
}
