package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/decode"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// PlanOptions say what to plan.
type PlanOptions struct {
	Destroy   bool // plan the removal of every sink in the ledger
	NoRefresh bool // look at no source; accepted values stand
	// Brief leaves out the attributes of sinks that are in step, which a plan's text does not
	// show and its JSON does. It saves their memory.
	Brief bool
	// Targets and Excludes are patterns of addresses (address.Matches): a plan is about the
	// targets and what they need, everything if there are none, without the excluded and what
	// needs them. A plan to destroy is about what needs the targets, and keeps what the
	// excluded need.
	Targets, Excludes []string

	targetsOnly bool // rules, preconditions and outputs are of no interest
}

// Plan observes and compares. The plan is never nil; errors in the diagnostics are also in it
// (Failed), and whatever does not depend on them is planned all the same.
func (e *Engine) Plan(ctx context.Context, opts PlanOptions) (*plan.Plan, hcl.Diagnostics) {
	now := e.clock()
	empty := e.noPlan(now, opts)
	reader, err := e.State(ctx)
	if err != nil {
		return empty, stateError("Cannot open the state", err)
	}
	ledger, err := reader.Load(ctx)
	if err != nil {
		return empty, stateError("Cannot read the state", err)
	}
	return e.planOn(ctx, reader, ledger, now, opts)
}

// noPlan is the plan of what could not be looked at.
func (e *Engine) noPlan(now time.Time, opts PlanOptions) *plan.Plan {
	return &plan.Plan{FormatVersion: plan.FormatVersion, ToolVersion: e.opts.Version, Time: now, Dir: e.spec.Dir, Destroy: opts.Destroy, Incomplete: true}
}

// planOn plans on top of a ledger that may say more than the state.
func (e *Engine) planOn(ctx context.Context, reader state.Reader, ledger *state.Ledger, now time.Time, opts PlanOptions) (*plan.Plan, hcl.Diagnostics) {
	if opts.Destroy || len(opts.Targets)+len(opts.Excludes) > 0 {
		if diags := e.remember(ledger); diags.HasErrors() {
			return e.noPlan(now, opts), diags
		}
	}
	selected, diags := selectFor(e.prog, ledger, opts)
	if diags.HasErrors() {
		return e.noPlan(now, opts), diags
	}
	moves, moveDiags := e.prog.moves(ledger)
	ledger, _ = renamed(ledger, moves, nil)
	o := e.newObserver(reader, ledger, now, opts)
	o.diags = moveDiags
	o.selected, o.affected = selected, selected.affected()
	if !opts.Destroy {
		e.emit(PhaseStarted{Phase: Observing, Total: o.count(address.Source)})
	}
	o.run(ctx)
	selected = o.selected
	if diags := selected.unmatched(); len(diags) > 0 {
		return e.noPlan(now, opts), fold(append(o.diags, diags...))
	}
	for _, r := range o.removals(ctx) {
		o.compute.Removed(r)
	}
	p := o.compute.Plan(o.removedSources())
	p.ToolVersion, p.Configuration, p.Dir, p.Outputs = e.opts.Version, e.hash(), e.spec.Dir, o.outputChanges(ctx)
	p.Checks = sortedChecks(o.checks)
	p.Moves, p.Hidden = moves, o.hiddenTexts(nil)
	p.Limits, p.Variables, p.Selection = o.planLimits(), e.prog.planVariables(), selected.selection()
	p.Incomplete = o.diags.HasErrors() || ctx.Err() != nil
	if ctx.Err() != nil {
		o.diags = append(o.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Interrupted", Detail: "The plan is not complete."})
	}
	return p, fold(o.diags)
}

func stateError(summary string, err error) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: err.Error()}}
}

// count returns how many blocks of a type are looked at.
func (o *observer) count(t address.Type) int {
	n := 0
	for a := range o.prog.nodes {
		if a.Type == t && o.selected.has(a) {
			n++
		}
	}
	return n
}

// removedSources are the sources of the ledger that are no longer declared.
func (o *observer) removedSources() []address.Address {
	var out []address.Address
	for a := range o.ledger.Sources {
		if (o.options.Destroy || o.prog.nodes[a] == nil && !o.prog.mayCome(a)) && o.selected.has(a) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, address.Address.Compare)
	return out
}

// removals are the sinks of the ledger that are no longer declared, or all of them when
// everything is destroyed; dependants come before what they depend on.
func (o *observer) removals(ctx context.Context) []*plan.Removed {
	var addresses []address.Address
	users := map[address.Address][]address.Address{}
	for a := range o.ledger.Sinks {
		n := o.prog.nodes[a]
		if (n != nil || o.prog.mayCome(a)) && !o.options.Destroy || !o.selected.has(a) {
			continue
		}
		addresses = append(addresses, a)
		if n != nil {
			for _, s := range n.sinks {
				users[s] = append(users[s], a)
			}
		}
	}
	slices.SortFunc(addresses, func(a, b address.Address) int { return b.Compare(a) })
	writers := map[string]address.Address{}
	if !o.options.Destroy {
		for a, n := range o.prog.nodes {
			if n.writes != "" {
				writers[n.writes] = a
			}
		}
		for path, a := range o.paths {
			writers[path] = a
		}
	}
	var out []*plan.Removed
	for _, a := range addresses {
		r, err := o.removal(ctx, a, users[a], writers)
		if err != nil {
			o.diags = append(o.diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Sink cannot be removed",
				Detail: fmt.Sprintf("%s: what was applied there cannot be read (%s), so nobody knows whether its target is to be deleted. Forget it with: tidegate state rm '%s'", a, err, a),
			})
			continue
		}
		out = append(out, r)
	}
	return out
}

func (o *observer) removal(ctx context.Context, a address.Address, users []address.Address, writers map[string]address.Address) (*plan.Removed, error) {
	r := &plan.Removed{Address: a, OnDestroy: "keep", DependsOn: users}
	row := o.ledger.Sinks[a]
	delivery := row.Acknowledged
	if delivery == nil {
		delivery = row.Pending
	}
	if delivery == nil {
		return r, nil
	}
	payload, v, err := o.readPayload(ctx, delivery.Payload)
	if err != nil {
		return nil, err
	}
	r.Payload, r.Values, r.OnDestroy, r.Sensitive = payload, v, payload.OnDestroy, len(payload.Sensitive) > 0
	if by := o.prog.removedBy(a); by != nil && !o.options.Destroy {
		r.OnDestroy = map[bool]string{true: "delete", false: "keep"}[by.Destroy && canDelete(payload)]
		payload.OnDestroy = r.OnDestroy
		switch {
		case !by.Destroy:
			r.Keeps = "its removed block keeps it"
		case !canDelete(payload):
			r.Keeps = fmt.Sprintf("what a sink of kind %s did cannot be deleted", payload.Kind)
		}
	}
	if payload.OnDestroy != "delete" {
		return r, nil
	}
	sink, diags := o.engine.sinkOf(a, payload, v)
	if diags.HasErrors() {
		return r, nil
	}
	if w, ok := sink.(providers.PathWriter); ok {
		r.Successor = writers[w.WritesPath()]
	}
	if row.Acknowledged == nil && row.Pending.Unknown {
		held, err := sink.Read(ctx)
		r.Foreign = err != nil || held.Exists && !o.sameContent(held, row.Pending.Hash)
	}
	return r, nil
}

// sameContent reports whether a target holds the content with a hash, which is keyed for a secret.
func (o *observer) sameContent(held providers.Observed, hash string) bool {
	if isKeyed(hash) {
		return o.reader.Keyed(held.Hash) == hash
	}
	return held.Hash == hash
}

// pathConflict finds two sinks on one path where the path came out of data.
func (o *observer) pathConflict(n *node, r *rendered) *plan.Wait {
	if n.writes != "" || r.path == "" {
		return nil
	}
	if o.paths == nil {
		o.paths = map[string]address.Address{}
		for a, other := range o.prog.nodes {
			if other.writes != "" {
				o.paths[other.writes] = a
			}
		}
	}
	first, taken := o.paths[r.path]
	if !taken {
		o.paths[r.path] = n.addr
		return nil
	}
	o.diags = append(o.diags, conflict(o.prog.nodes[first], n, r.path))
	return &plan.Wait{Kind: plan.RejectedByOwn, Reason: fmt.Sprintf("%s writes the same path", first)}
}

// planLimits writes the rate limits down, so that apply can ask them again.
func (o *observer) planLimits() []*plan.Limit {
	var out []*plan.Limit
	for _, a := range o.prog.graph.Nodes() {
		if a.Type != address.RateLimit {
			continue
		}
		ev, _ := o.evaluated(o.prog.nodes[a])
		if ev == nil || ev.settings == nil {
			continue
		}
		out = append(out, &plan.Limit{
			Address: a.String(), Kind: a.Kind, Values: plan.Of(ev.values),
			Shared: ev.settings.(*providers.RateLimitSettings).Scope == "shared",
		})
	}
	return out
}

// fill completes a planned delivery: what changed since the last one, the attributes that use
// delivery.*, and the payload that apply sends.
func (o *observer) fill(ctx context.Context, n *node, r *rendered, c *plan.SinkChange) {
	if c.Payload == nil {
		v, w := o.filled(ctx, n, c)
		if w != nil {
			o.compute.Refuse(c, w, r.DependsOn)
			return
		}
		c.Payload = encodePayload(n.addr.Kind, o.prog.env(n.addr), v, r.settings)
	}
	o.storeBlobs(c, r.private)
}

// filled evaluates a sink for the delivery that is planned, or says why that cannot be done.
func (o *observer) filled(ctx context.Context, n *node, c *plan.SinkChange) (cty.Value, *plan.Wait) {
	if n.kind.Name != "exec" && n.kind.Name != "http" {
		return c.After.Value, nil
	}
	changes := o.changesSince(ctx, n)
	data, err := json.Marshal(changes)
	if err != nil {
		panic("engine: changes do not marshal: " + err.Error())
	}
	c.Changes = data
	if !n.usesDelivery {
		return c.After.Value, nil
	}
	v, diags := o.prog.evaluate(n, o.values, map[string]cty.Value{"delivery": o.delivery(n, c, changes)})
	o.diags = append(o.diags, ofInstance(n.addr, diags)...)
	switch {
	case diags.HasErrors():
		return v, &plan.Wait{Kind: plan.RejectedByOwn, Reason: "delivery cannot be filled in: " + firstError(diags)}
	case !v.IsWhollyKnown():
		return v, &plan.Wait{Kind: plan.BlockedBy, On: o.waitsOn(n), Reason: o.unknownReason(n)}
	}
	return v, nil
}

// storeBlobs names the bytes that the intent needs in the ledger.
func (o *observer) storeBlobs(c *plan.SinkChange, private bool) {
	if c.Payload == nil {
		return
	}
	data, err := json.Marshal(c.Payload)
	if err != nil {
		panic("engine: a payload does not marshal: " + err.Error())
	}
	sealed := private || len(c.Payload.Sensitive) > 0 || isPrivate(c.After.Value)
	blob := func(data []byte) state.Blob {
		b := state.Blob{Hash: decode.RawHash(data), Data: data, Sealed: sealed}
		if sealed {
			b.Hash = o.reader.Keyed(b.Hash)
		}
		return b
	}
	b := blob(data)
	c.Delivery.Payload = b.Hash
	c.Blobs = append(c.Blobs, b)
	if c.Replaces != nil {
		c.Blobs = append(c.Blobs, blob(c.Replaces))
	}
}

// isPrivate reports whether a file is meant for fewer eyes than the state's, so that its
// content is sealed there.
func isPrivate(v cty.Value) bool {
	if v == cty.NilVal || !v.Type().HasAttribute("mode") {
		return false
	}
	mode, _ := v.GetAttr("mode").Unmark()
	if !mode.IsKnown() || mode.IsNull() || mode.Type() != cty.String {
		return false
	}
	text := mode.AsString()
	return len(text) > 0 && (text[len(text)-1]-'0')&4 == 0
}

// change is one entry of delivery.changes.
type change struct {
	Address string     `json:"address"`
	Path    string     `json:"path"`
	Action  string     `json:"action"`
	Before  any        `json:"before"`
	After   any        `json:"after"`
	before  plan.Value // redacted
	after   plan.Value
}

// changesSince compares the sources of a sink with what they were at its last acknowledged
// delivery, redacted.
func (o *observer) changesSince(ctx context.Context, n *node) []change {
	last := map[address.Address]state.Cause{}
	if row := o.ledger.Sinks[n.addr]; row != nil && row.Acknowledged != nil {
		for _, c := range row.Acknowledged.Causes {
			last[c.Source] = c
		}
	}
	out := []change{}
	for _, a := range n.sources {
		now := o.choices[a].Value
		before := o.valueAt(ctx, a, last[a])
		if now == cty.NilVal {
			continue
		}
		for _, ch := range plan.ValueChanges(before, now) {
			b, c := redacted(ch.Before.Value), redacted(ch.After.Value)
			out = append(out, change{
				Address: a.String(), Path: ch.Path, Action: ch.Action,
				Before: b.Plain(), After: c.Plain(), before: b, after: c,
			})
		}
	}
	return out
}

func redacted(v cty.Value) plan.Value {
	if v == cty.NilVal {
		return plan.Of(cty.NullVal(cty.DynamicPseudoType))
	}
	return plan.Of(mark.Redact(v))
}

// valueAt decodes the value that a source had at some delivery, NilVal if that is not known.
func (o *observer) valueAt(ctx context.Context, a address.Address, c state.Cause) cty.Value {
	row := o.ledger.Sources[a]
	if c.Blob == "" || row.Current() == nil {
		return cty.NilVal
	}
	if now := o.choices[a]; now.Standing == plan.Accepted && c.Blob == row.Current().Blob {
		return now.Value
	}
	snapshot := *row.Current()
	for _, s := range row.Snapshots {
		if s.Blob == c.Blob {
			snapshot = s
		}
	}
	data, err := o.reader.Blob(ctx, c.Blob)
	if err != nil {
		return cty.NilVal
	}
	v, err := decodeSnapshot(&snapshot, data)
	if err != nil {
		return cty.NilVal
	}
	if snapshot.Sensitive {
		v = v.Mark(mark.Sensitive)
	}
	return v
}

// noDelivery is what delivery is while a fingerprint is taken: the shape without content.
func (o *observer) noDelivery(n *node) cty.Value {
	causes := map[string]cty.Value{}
	for _, a := range n.sources {
		causes[a.String()] = cty.StringVal("")
	}
	return cty.ObjectVal(map[string]cty.Value{
		"id": cty.StringVal(""), "cause": cty.ObjectVal(causes), "changes": cty.EmptyTupleVal,
	})
}

// delivery is what expressions see of a delivery that is filled in.
func (o *observer) delivery(n *node, c *plan.SinkChange, changes []change) cty.Value {
	causes := map[string]cty.Value{}
	for _, a := range n.sources {
		causes[a.String()] = cty.StringVal("")
	}
	for _, cause := range c.Delivery.Causes {
		causes[cause.Source.String()] = cty.StringVal(cause.Version)
	}
	list := make([]cty.Value, len(changes))
	for i, ch := range changes {
		list[i] = cty.ObjectVal(map[string]cty.Value{
			"address": cty.StringVal(ch.Address), "path": cty.StringVal(ch.Path), "action": cty.StringVal(ch.Action),
			"before": ch.before.Value, "after": ch.after.Value,
		})
	}
	return cty.ObjectVal(map[string]cty.Value{
		"id": cty.StringVal(c.Delivery.ID), "cause": cty.ObjectVal(causes), "changes": cty.TupleVal(list),
	})
}

// Evaluate evaluates one expression of console: sources stand for their accepted values.
// The value may be marked and may be unknown.
func (e *Engine) Evaluate(ctx context.Context, expression string) (cty.Value, hcl.Diagnostics) {
	expr, diags := parseExpression(expression)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if e.console == nil {
		reader, err := e.State(ctx)
		if err != nil {
			return cty.DynamicVal, stateError("Cannot open the state", err)
		}
		ledger, err := reader.Load(ctx)
		if err != nil {
			return cty.DynamicVal, stateError("Cannot read the state", err)
		}
		e.console = e.newObserver(reader, ledger, time.Now(), PlanOptions{NoRefresh: true})
		e.console.quiet = true
		e.console.run(ctx)
	}
	return e.console.expression(expr)
}
