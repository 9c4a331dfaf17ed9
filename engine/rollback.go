package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/decode"
	"tidegate/providers"
)

// RevisionBefore asks a rollback for the revision before the one that is in use.
const RevisionBefore = -1

// PlanRollback plans to put a revision of a sink back, RevisionBefore or one of those that are
// kept, and to hold it there. Sources are not looked at; the sink's own rules, preconditions and
// rate limits are asked as ever, and what the sink triggers follows. Nothing else is in the plan.
func (e *Engine) PlanRollback(ctx context.Context, a address.Address, to int64) (*plan.Plan, hcl.Diagnostics) {
	now := e.clock()
	refuse := func(err error) (*plan.Plan, hcl.Diagnostics) {
		return e.noPlan(now, PlanOptions{}), stateError("Cannot roll back", err)
	}
	reader, err := e.State(ctx)
	if err != nil {
		return refuse(err)
	}
	ledger, err := reader.Load(ctx)
	if err != nil {
		return refuse(err)
	}
	if diags := e.remember(ledger); diags.HasErrors() {
		return e.noPlan(now, PlanOptions{}), diags
	}
	if n := e.prog.nodes[a]; n == nil || a.Type != address.Sink {
		return refuse(fmt.Errorf("the configuration has no sink %s; only what is declared can be rolled back", a))
	}
	hold, blob, err := newHold(ctx, reader, ledger.Sinks[a], a, to, now)
	if err != nil {
		return refuse(err)
	}
	known := &overlay{Reader: reader, blobs: map[string][]byte{}}
	if blob != nil {
		known.add([]state.Blob{*blob})
	}
	row := ledger.Sinks[a].Clone()
	row.Hold = hold
	ledger.Sinks[a] = row
	p, diags := e.planOn(ctx, known, ledger, now, PlanOptions{NoRefresh: true})
	affected := e.prog.graph.Affected([]address.Address{a})
	p.Sinks = slices.DeleteFunc(p.Sinks, func(c *plan.SinkChange) bool {
		_, follows := affected[c.Address]
		return !follows
	})
	p.Sources, p.Outputs, p.ForgetSources, p.Shared = nil, nil, nil, nil
	for _, c := range p.Sinks {
		if c.Address == a {
			c.Hold, c.HoldBlob = hold, blob
		}
	}
	return p, diags
}

// newHold chooses the revision that is put back, and returns with it the bytes that the state
// does not have yet, nil where it has them.
func newHold(ctx context.Context, reader state.Reader, row *state.Sink, a address.Address, to int64, now time.Time) (*state.Hold, *state.Blob, error) {
	if row == nil || row.Acknowledged == nil {
		return nil, nil, fmt.Errorf("nothing was delivered to %s so far", a)
	}
	rev, err := chooseRevision(row, to)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %w", a, err)
	}
	hold := &state.Hold{Since: now, Revision: rev.Number, Payload: rev.Payload, Causes: rev.Causes}
	var blob *state.Blob
	if rev.Delivery == "" {
		if blob, err = originalBlock(ctx, reader, row, rev); err != nil {
			return nil, nil, fmt.Errorf("put back what %s held before: %w", a, err)
		}
		hold.Payload = blob.Hash
	}
	refuse := func(fingerprint string) {
		if fingerprint != "" && fingerprint != rev.Fingerprint && !slices.Contains(hold.Refused, fingerprint) {
			hold.Refused = append(hold.Refused, fingerprint)
		}
	}
	if row.Hold != nil {
		for _, f := range row.Hold.Refused {
			refuse(f)
		}
	}
	if row.Acknowledged.Payload != hold.Payload {
		refuse(row.Acknowledged.Fingerprint)
	}
	if row.Pending != nil && row.Pending.Payload != hold.Payload {
		refuse(row.Pending.Fingerprint)
	}
	return hold, blob, nil
}

// chooseRevision finds a kept revision. The one before that in use is the newest older one with
// another content that was not rolled back from.
func chooseRevision(row *state.Sink, to int64) (state.Revision, error) {
	kept := "it keeps " + revisionNumbers(row)
	if to != RevisionBefore {
		for _, r := range row.Revisions {
			switch {
			case r.Number != to:
			case r.Payload == row.Acknowledged.Payload && row.Pending == nil:
				return r, fmt.Errorf("has the content of revision %d already", to)
			default:
				return r, nil
			}
		}
		return state.Revision{}, fmt.Errorf("has no revision %d: %s", to, kept)
	}
	if p := row.Pending; p != nil && p.Payload != row.Acknowledged.Payload && len(row.Revisions) > 0 && row.Revisions[0].Payload == row.Acknowledged.Payload {
		return row.Revisions[0], nil // what is rolled back from did not arrive, or nobody knows
	}
	current := int64(-1)
	if len(row.Revisions) > 0 {
		current = row.Revisions[0].Number
	}
	if row.Hold != nil && row.Acknowledged.Payload == row.Hold.Payload {
		current = row.Hold.Revision // it stands there, whatever number that got anew
	}
	for _, r := range row.Revisions {
		if r.Number < current && r.Payload != row.Acknowledged.Payload && !row.Hold.Refuses(r.Fingerprint) {
			return r, nil
		}
	}
	return state.Revision{}, fmt.Errorf("has no revision before the one in use: %s", kept)
}

// originalBlock makes a block of the bytes that a target held before us.
func originalBlock(ctx context.Context, reader state.Reader, row *state.Sink, rev state.Revision) (*state.Blob, error) {
	content, err := reader.Blob(ctx, rev.Payload)
	if err != nil {
		return nil, err
	}
	data, err := reader.Blob(ctx, row.Acknowledged.Payload)
	if err != nil {
		return nil, err
	}
	payload, v, err := decodePayload(data)
	if err != nil {
		return nil, err
	}
	if !v.Type().HasAttribute("content") || !utf8.Valid(content) {
		return nil, fmt.Errorf("it is no text; find it with: tidegate state show '%s'", row.Address)
	}
	attrs := v.AsValueMap()
	attrs["content"] = cty.StringVal(string(content))
	plain, _ := cty.ObjectVal(attrs).UnmarkDeep()
	if payload.Values, err = ctyjson.Marshal(plain, plain.Type()); err != nil {
		return nil, err
	}
	if data, err = json.Marshal(payload); err != nil {
		return nil, err
	}
	blob := &state.Blob{Hash: decode.RawHash(data), Data: data, Sealed: isKeyed(rev.Payload) || len(payload.Sensitive) > 0}
	if blob.Sealed {
		blob.Hash = reader.Keyed(blob.Hash)
	}
	return blob, nil
}

// held puts the revision that a rollback holds in the place of what the configuration says,
// where that says what was rolled back from.
func (o *observer) held(ctx context.Context, n *node, ev *evaluated, r *rendered) *evaluated {
	row := o.ledger.Sinks[n.addr]
	if row == nil || !row.Hold.Refuses(r.Fingerprint, r.OtherFingerprint) {
		return ev
	}
	back, payload, err := o.heldBlock(ctx, n, ev, row.Hold)
	if err != nil {
		r.Blocked = &plan.Wait{Kind: plan.BlockedBy, Reason: fmt.Sprintf("revision %d, which is to be held, cannot be read: %s", row.Hold.Revision, err)}
		return ev
	}
	o.wanted(n, back, r)
	r.HeldBy, r.Payload, r.Causes = row.Hold, payload, row.Hold.Causes
	return back
}

func (o *observer) heldBlock(ctx context.Context, n *node, ev *evaluated, h *state.Hold) (*evaluated, *state.Payload, error) {
	payload, v, err := o.readPayload(ctx, h.Payload)
	if err != nil {
		return nil, nil, err
	}
	sink, diags := o.engine.sinkOf(n.addr, payload, v)
	if diags.HasErrors() {
		return nil, nil, fmt.Errorf("%s", diagnosticText(diags))
	}
	back := *ev
	back.values, back.sink = v, sink
	settings := ev.settings.(*providers.SinkSettings)
	payload.OnDestroy, payload.OnDrift = settings.OnDestroy, settings.OnDrift
	return &back, payload, nil
}

// Release ends the hold of a rollback: the next apply delivers what the configuration says.
// Lock must have been called.
func (e *Engine) Release(ctx context.Context, a address.Address) error {
	ledger, err := e.store.Load(ctx)
	if err != nil {
		return err
	}
	b, err := released(ledger.Sinks[a], a, e.clock())
	if err != nil {
		return err
	}
	return e.store.Commit(ctx, b)
}

func released(row *state.Sink, a address.Address, now time.Time) (*state.Batch, error) {
	if row == nil || row.Hold == nil {
		return nil, fmt.Errorf("%s is not held by a rollback", a)
	}
	row = row.Clone()
	entry := state.Entry{Address: a, Time: now, Action: "release", Revision: row.Hold.Revision, Cause: "the rollback is over"}
	row.Hold = nil
	return &state.Batch{Sinks: []*state.Sink{row}, History: []state.Entry{entry}}, nil
}
