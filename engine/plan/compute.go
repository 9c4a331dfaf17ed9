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

// DeliveryID returns the identity of a sink's n-th intent: stable until it is acknowledged or
// superseded, different for every other intent, sink and state.
func DeliveryID(lineage string, sink address.Address, sequence int64, fingerprint string) string {
	h := sha256.New()
	for _, part := range []string{"tidegate delivery v1", lineage, sink.String(), fmt.Sprint(sequence), fingerprint} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return "dlv_" + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:15]))
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

func (c *Computation) decide(o *SinkObservation) *deciding {
	d := &deciding{SinkObservation: o, row: c.ledger.Sinks[o.Address]}
	if d.row == nil {
		// A sequence that never repeats, also when a sink comes back under an old address.
		d.row = &state.Sink{Address: o.Address, Sequence: c.ledger.Serial}
	}
	d.acknowledged()
	d.out = &SinkChange{
		Address: o.Address, Kind: o.Kind, Target: o.Target, Action: NoOp, Wanted: NoOp,
		Checks: o.Checks, Limits: o.Limits, Retry: o.Retry, Sensitive: d.hidden, FilledLater: o.FilledLater,
		Revision: d.row.Revision, ObservedHash: o.HeldHash, Before: d.before(), After: Of(o.Values), Size: o.Size,
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

func (d *deciding) before() Value {
	switch {
	case d.Last != nil:
		return Of(markLike(d.Last.Values, d.Values))
	case d.ack != nil && d.ack.Fingerprint == d.Fingerprint:
		return Of(d.Values)
	}
	return Value{}
}

// markLike marks the attributes of what was applied that are sensitive by now.
func markLike(v, like cty.Value) cty.Value {
	if like == cty.NilVal || v == cty.NilVal || v.IsMarked() {
		return v
	}
	attrs := v.AsValueMap()
	for name, a := range attrs {
		if like.Type().HasAttribute(name) && mark.Has(like.GetAttr(name)) {
			attrs[name] = a.Mark(mark.Sensitive)
		}
	}
	if len(attrs) == 0 {
		return v
	}
	return cty.ObjectVal(attrs)
}

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
	}
}

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
		out[t.Name] = fmt.Sprintf("writes:%d", writes)
	}
	return out
}

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
		set(write, "content changed")
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

func driftWords(d *Drift) string {
	switch {
	case d.Missing:
		return "the target is missing"
	case d.Content:
		return "the content was changed by somebody else"
	}
	return strings.Join(d.Differs, "; ")
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
		known[t.Name] = now[t.Name]
		d.out.Baseline = known
	}
}

// fired returns the triggers that moved since they were answered. One that is new in the
// configuration fires from now on: what this plan does to its target counts.
func (c *Computation) fired(d *deciding) []string {
	now := c.triggerTokens(d.SinkObservation, false)
	var fired []string
	for _, t := range d.Triggers {
		before, known := d.ack.Triggers[t.Name]
		if !known {
			before = now[t.Name]
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
			moved, before = true, now[t.Name]
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

// contentDiff shows the way from what the target holds to what it should.
func (d *deciding) contentDiff() {
	d.out.ContentChanged = d.HeldHash != d.Hash
	switch {
	case d.hidden:
	case d.FilledLater:
		// What would be compared is not what is sent.
		d.out.Size = 0
	case !d.Opaque:
		lines := diff.LineDiff(d.Held, d.Content, contextLines)
		d.out.Lines = &lines
	case d.Content != nil:
		var old []byte
		if d.Last != nil {
			old = d.Last.Content
		}
		lines := diff.LineDiff(old, d.Content, contextLines)
		d.out.Lines = &lines
	}
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
	out.FilledLater = false
	if !d.hidden {
		lines := diff.LineDiff(d.Held, d.Last.Content, contextLines)
		out.Lines = &lines
	}
	out.Delivery = &state.Delivery{
		ID:          DeliveryID(c.ledger.Lineage, d.Address, out.Sequence, d.ack.Fingerprint),
		Fingerprint: d.ack.Fingerprint, Hash: d.ack.Hash, At: c.now, Repair: true, Policies: d.ack.Policies,
		Payload: d.ack.Payload, Causes: d.ack.Causes, Triggers: d.ack.Triggers,
	}
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
	case deletes:
		out.Action, out.Wanted = Delete, Delete
		out.Reasons = []string{"on_destroy is delete"}
	case c.destroy:
		out.Reasons = []string{"the target stays as it is (on_destroy is keep)"}
	default:
		out.Reasons = []string{"no longer declared; the target stays as it is (on_destroy is keep)"}
	}
	c.plan.Sinks = append(c.plan.Sinks, out)
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
