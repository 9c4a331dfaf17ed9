package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/decode"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// rendered is a sink as it would be delivered, and what its target holds.
type rendered struct {
	*plan.SinkObservation
	diags    hcl.Diagnostics
	exposed  cty.Value
	settings *providers.SinkSettings
	path     string // that it writes, where it is one
	private  bool   // not everybody may read the target
	lost     bool   // the acknowledged block cannot be read
	sink     providers.Sink
	unready  error // why it cannot be written as things are
}

// render evaluates one sink, judges the rendering and reads the target.
func (o *observer) render(ctx context.Context, n *node) *rendered {
	row := o.ledger.Sinks[n.addr]
	r := &rendered{
		SinkObservation: &plan.SinkObservation{Address: n.addr, Kind: n.addr.Kind, DependsOn: n.sinks, FilledLater: n.usesDelivery},
		exposed:         cty.DynamicVal,
	}
	for _, a := range n.limits {
		r.Limits = append(r.Limits, a.String())
	}
	r.policies(&providers.SinkSettings{OnCreate: "run", OnDrift: "repair"})
	ev, diags := o.evaluatedSink(n)
	r.diags = diags
	switch {
	case diags.HasErrors():
		r.Blocked = &plan.Wait{Kind: plan.BlockedBy, Reason: "its configuration is wrong: " + firstError(diags)}
	case ev.sink == nil:
		r.Values = ev.values
		r.Blocked = &plan.Wait{Kind: plan.BlockedBy, On: o.waitsOn(n), Reason: o.unknownReason(n)}
	}
	if r.Blocked != nil {
		o.readLast(ctx, r, row)
		return r
	}
	o.wanted(n, ev, r)
	r.Filled = o.filledLater(n)
	o.awaited(n, r)
	o.causes(n, r)
	ev = o.held(ctx, n, ev, r)
	o.fire(n, r)
	if r.Blocked == nil && !o.options.targetsOnly {
		o.judgeSink(ctx, n, ev, r)
	}
	o.readTarget(ctx, ev.sink, r)
	o.compareLast(ctx, r, row)
	return r
}

// evaluatedSink evaluates with a delivery that says nothing, so that the fingerprint does
// not depend on it.
func (o *observer) evaluatedSink(n *node) (*evaluated, hcl.Diagnostics) {
	if !n.usesDelivery {
		return o.evaluated(n)
	}
	v, diags := o.prog.evaluate(n, o.values, map[string]cty.Value{"delivery": o.noDelivery(n)})
	if diags.HasErrors() {
		return nil, diags
	}
	return o.prog.instance(n, v)
}

// filledLater names what is not known before the delivery. A daemon shows it to nobody.
func (o *observer) filledLater(n *node) []string {
	if !n.usesDelivery || o.scene != nil {
		return nil
	}
	v, diags := o.prog.evaluate(n, o.values, map[string]cty.Value{"delivery": cty.DynamicVal})
	if diags.HasErrors() {
		return nil
	}
	return plan.UnknownPaths(v)
}

func (r *rendered) policies(s *providers.SinkSettings) {
	r.settings, r.OnCreate, r.OnDrift = s, s.OnCreate, s.OnDrift
	if s.Retry != nil {
		r.Retry = plan.Retry{Attempts: s.Retry.Attempts, Min: s.Retry.Min.Value(), Max: s.Retry.Max.Value()}
	}
}

// wanted notes what would be sent.
func (o *observer) wanted(n *node, ev *evaluated, r *rendered) {
	settings := ev.settings.(*providers.SinkSettings)
	r.sink = ev.sink
	r.policies(settings)
	r.Values = providers.Lasting(ev.values)
	r.Target = shownUnless(ev.values, ev.sink.Target())
	r.Sensitive = sendsSecrets(n.kind, ev.values)
	r.Fingerprint = ev.sink.Fingerprint()
	if c, ok := ev.sink.(providers.Content); ok {
		r.Content = c.Content()
		r.Hash = decode.RawHash(r.Content)
		if o.scene == nil { // a daemon shows nobody what changes
			r.Format = decode.Format(c.Format())
		}
	}
	if row := o.ledger.Sinks[n.addr]; r.Sensitive || row != nil && row.Acknowledged != nil && isKeyed(row.Acknowledged.Fingerprint) {
		r.OtherFingerprint, r.OtherHash = o.reader.Keyed(r.Fingerprint), o.reader.Keyed(r.Hash)
	}
	if row := o.ledger.Sinks[n.addr]; row != nil && row.Acknowledged != nil && isKeyed(row.Acknowledged.Fingerprint) {
		if err := o.reader.KeyError(); err != nil {
			o.incomparable(n, r, err)
		}
	}
	if r.Sensitive {
		r.Fingerprint, r.OtherFingerprint = r.OtherFingerprint, r.Fingerprint
		r.Hash, r.OtherHash = r.OtherHash, r.Hash
	}
	r.Policies = policiesOf(ev.values)
	for _, a := range n.sources {
		r.Fallback = r.Fallback || o.choices[a].Standing == plan.Fallback
	}
	if w, ok := ev.sink.(providers.PathWriter); ok {
		r.path = w.WritesPath()
	}
	r.exposed = exposed(ev.sink)
	if r.Sensitive {
		r.exposed = r.exposed.Mark(mark.Sensitive)
	}
}

// awaited makes a sink wait for the sources that it names without using their values.
func (o *observer) awaited(n *node, r *rendered) {
	names := slices.Clone(o.prog.awaited(n))
	for _, t := range n.triggers {
		names = append(names, t.target)
	}
	for _, a := range names {
		if a.Type == address.Source && o.choices[a].Standing == plan.Nothing {
			r.Blocked = &plan.Wait{
				Kind: plan.BlockedBy, On: a.String(), Reason: fmt.Sprintf("%s has no value (%s)", a, o.reasons[a]),
			}
			return
		}
	}
}

// policiesOf identifies the attributes that the ledger needs for repairing and removing.
func policiesOf(v cty.Value) string {
	attrs := map[string]cty.Value{}
	for _, name := range []string{"mode", "owner", "group", "on_drift", "on_destroy"} {
		if v.Type().HasAttribute(name) {
			attrs[name] = v.GetAttr(name)
		}
	}
	if len(attrs) == 0 {
		return ""
	}
	return identity(cty.ObjectVal(attrs))[:16]
}

// incomparable leaves a secret alone whose last delivery cannot be compared with.
func (o *observer) incomparable(n *node, r *rendered, err error) {
	r.Blocked = &plan.Wait{Kind: plan.RejectedByOwn, Reason: "nobody can tell whether its secret changed: " + err.Error()}
	r.diags = append(r.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Secret cannot be compared", Subject: n.rng().Ptr(),
		Detail: fmt.Sprintf("%s: %s. Run as the user that the key of the state belongs to.", n.addr, err),
	})
}

// sendsSecrets reports whether anything that is sent, credentials of the transport aside, is marked.
func sendsSecrets(k *providers.Kind, v cty.Value) bool {
	for it := v.ElementIterator(); it.Next(); {
		name, e := it.Element()
		a := k.Schema.Attribute(name.AsString())
		if a != nil && !a.Credential && !a.Common && mark.Has(e) {
			return true
		}
	}
	return false
}

func exposed(s providers.Sink) cty.Value {
	e, ok := s.(providers.Exposer)
	if !ok {
		return cty.EmptyObjectVal
	}
	return cty.ObjectVal(e.Expose())
}

// shownUnless hides the name of a target or origin that was made of something sensitive.
func shownUnless(v cty.Value, name string) string {
	for _, attr := range []string{"path", "url", "command", "names", "prefix", "mirrors"} {
		if v.Type().HasAttribute(attr) && mark.Has(v.GetAttr(attr)) {
			return mark.Redacted
		}
	}
	return name
}

// causes notes the versions of the sources that a sink is made from.
func (o *observer) causes(n *node, r *rendered) {
	for _, a := range n.sources {
		c := state.Cause{Source: a}
		switch choice, row := o.choices[a], o.ledger.Sources[a]; choice.Standing {
		case plan.Candidate:
			c.Version, c.Blob = o.fresh[a].Version, o.fresh[a].Blob
		case plan.Accepted:
			c.Version, c.Blob = row.Current().Version, row.Current().Blob
		case plan.Fallback:
			c.Version = "fallback"
		default:
			continue
		}
		r.Causes = append(r.Causes, c)
	}
}

// fire evaluates the triggers of a sink.
func (o *observer) fire(n *node, r *rendered) {
	for _, t := range n.triggers {
		out := plan.Trigger{Name: t.name, Block: t.block}
		if t.expr == nil {
			out.Token = "instances"
			r.Triggers = append(r.Triggers, out)
			continue
		}
		switch t.target.Type {
		case address.Sink:
			out.Sink = t.target
		case address.Source:
			for _, c := range r.Causes {
				if c.Source == t.target {
					out.Token = "version:" + c.Version
				}
			}
		default:
			v, diags := o.prog.expression(n, t.expr, o.values, nil)
			diags = append(diags, n.ephemeralTrigger(t, v)...)
			r.diags = append(r.diags, diags...)
			if !diags.HasErrors() && !v.IsWhollyKnown() {
				r.Blocked = &plan.Wait{Kind: plan.BlockedBy, On: o.waitsOn(n), Reason: o.unknownReason(n)}
				continue
			}
			out.Token = o.token(v, diags)
		}
		r.Triggers = append(r.Triggers, out)
	}
}

func (o *observer) token(v cty.Value, diags hcl.Diagnostics) string {
	if diags.HasErrors() {
		return "error"
	}
	key, err := decode.Key(v, nil)
	if err != nil {
		return "error"
	}
	if mark.Has(v) {
		key = o.reader.Keyed(key)
	}
	return key
}

// judgeSink asks the sink's rules and preconditions. What does not pass is not delivered.
func (o *observer) judgeSink(ctx context.Context, n *node, ev *evaluated, r *rendered) {
	if len(n.rules)+len(n.members) == 0 && len(preconditions(ev)) == 0 {
		return
	}
	c := candidate{value: cty.NullVal(cty.DynamicPseudoType), previous: cty.NilVal, data: r.Content, version: r.Fingerprint}
	if content, ok := ev.sink.(providers.Content); ok && content.Format() != "" {
		if v, err := decode.Decode(decode.Format(content.Format()), r.Content, decode.Limits{}); err == nil {
			c.value = v
		}
	}
	if r.Sensitive {
		c.value = c.value.Mark(mark.Sensitive)
	}
	checks, rejected := o.rules(ctx, n, c)
	more, failed, unknown := o.preconditions(n, preconditions(ev), candidateScope(n, c))
	if unknown && r.Blocked == nil {
		r.Blocked = &plan.Wait{Kind: plan.BlockedBy, On: o.waitsOn(n), Reason: "a precondition cannot be judged: " + o.unknownReason(n)}
	}
	checks, rejected = append(checks, more...), rejected || failed
	r.Checks = checks
	if rejected {
		r.Blocked = &plan.Wait{Kind: plan.RejectedByOwn, Reason: rejections(checks)[0]}
		r.diags = append(r.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Sink rejected", Subject: n.rng().Ptr(),
			Detail: fmt.Sprintf("%s is left as it is: %s.", n.addr, refusal(checks)),
		})
	}
}

func preconditions(ev *evaluated) []providers.Precondition {
	return ev.settings.(*providers.SinkSettings).Preconditions
}

// readTarget looks at what the target holds.
func (o *observer) readTarget(ctx context.Context, s providers.SinkReader, r *rendered) {
	held, err := s.Read(ctx)
	if err != nil {
		n := o.prog.nodes[r.Address]
		reason := o.redactorOf(n, r.Values).text(err.Error())
		r.diags = append(r.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Cannot read the target", Subject: n.rng().Ptr(),
			Detail: fmt.Sprintf("%s: %s.", r.Address, reason),
		})
		if r.Blocked == nil {
			r.Blocked = &plan.Wait{Kind: plan.RejectedByOwn, Reason: "its target cannot be read: " + reason}
		}
		r.Opaque = true
		return
	}
	r.private = held.Private
	if ready, ok := s.(providers.Readiness); ok && (!held.Exists || held.Hash != s.Fingerprint() || len(held.Differs) > 0) {
		r.unready = ready.Ready(ctx)
	}
	r.Opaque, r.Exists, r.Held, r.HeldHash, r.Differs = held.Opaque, held.Exists, held.Data, held.Hash, held.Differs
	if r.HeldHash != "" && (r.Sensitive || r.OtherHash != "") {
		r.OtherHeldHash = o.reader.Keyed(r.HeldHash)
	}
	if r.Sensitive {
		r.HeldHash, r.OtherHeldHash = r.OtherHeldHash, r.HeldHash
	}
	if r.Exists && r.HeldHash == r.Hash {
		r.Held = r.Content // equal bytes need be kept only once
	}
}

// compareLast loads what was acknowledged where it differs from what is wanted or held.
func (o *observer) compareLast(ctx context.Context, r *rendered, row *state.Sink) {
	if row == nil || row.Acknowledged == nil {
		return
	}
	ack := row.Acknowledged
	if ack.Fingerprint == r.Fingerprint && (r.Opaque || r.Exists && r.HeldHash == ack.Hash && len(r.Differs) == 0) {
		return
	}
	last, _ := o.lastApplied(ctx, r, row)
	r.Last = last
	if last != nil && len(r.Differs) > 0 {
		r.ConfigChanged = !samePolicies(last.Values, r.Values)
	}
}

// slim lets go of the bytes of a sink that is in step: nobody will compare them again.
func (r *rendered) slim(n *node, row *state.Sink, brief bool) {
	r.Size = int64(len(r.Content))
	if n.reread || row == nil || row.Acknowledged == nil || row.Pending != nil || len(r.Triggers) > 0 || r.Blocked != nil {
		return
	}
	if row.Acknowledged.Fingerprint == r.Fingerprint && row.Acknowledged.Policies == r.Policies && row.Target == r.Target &&
		(r.Opaque || r.Exists && r.HeldHash == r.Hash && len(r.Differs) == 0) {
		r.Content, r.Held = nil, nil
		if brief && !r.Sensitive && n.writes != "" {
			r.Values = cty.NilVal
		}
	}
}

// samePolicies compares the attributes of two blocks beside their contents.
func samePolicies(a, b cty.Value) bool {
	for _, name := range []string{"mode", "owner", "group"} {
		if identity(attributeOr(a, name)) != identity(attributeOr(b, name)) {
			return false
		}
	}
	return true
}

func attributeOr(v cty.Value, name string) cty.Value {
	if v == cty.NilVal || !v.Type().HasAttribute(name) {
		return cty.NullVal(cty.String)
	}
	return v.GetAttr(name)
}

// readLast looks at the target of a sink that cannot be rendered, by the block that was
// acknowledged: drift is repaired all the same.
func (o *observer) readLast(ctx context.Context, r *rendered, row *state.Sink) {
	if row == nil || row.Acknowledged == nil {
		r.Opaque = true
		return
	}
	last, ev := o.lastApplied(ctx, r, row)
	if last == nil {
		r.Opaque = true
		return
	}
	r.Last, r.Target, r.sink = last, row.Target, ev
	r.Sensitive = last.Sensitive
	if last.Payload.OnDrift != "" {
		r.OnDrift = last.Payload.OnDrift
	}
	o.readTarget(ctx, ev, r)
}

// lastApplied loads the acknowledged block of a sink, nil where it cannot be had.
func (o *observer) lastApplied(ctx context.Context, r *rendered, row *state.Sink) (*plan.LastApplied, providers.Sink) {
	payload, v, err := o.readPayload(ctx, row.Acknowledged.Payload)
	if err != nil {
		r.lost = true
		return nil, nil
	}
	last := &plan.LastApplied{Payload: payload, Values: v, Blob: row.Acknowledged.Payload}
	if kind := o.engine.opts.Registry.Kind("sink", payload.Kind); kind != nil {
		last.Sensitive = sendsSecrets(kind, v)
	}
	sink, diags := o.engine.sinkOf(row.Address, payload, v)
	if diags.HasErrors() {
		return nil, nil
	}
	if c, ok := sink.(providers.Content); ok {
		last.Content = c.Content()
	}
	return last, sink
}

// readPayload reads a block as it was applied.
func (o *observer) readPayload(ctx context.Context, blob string) (*state.Payload, cty.Value, error) {
	data, err := o.reader.Blob(ctx, blob)
	if err != nil {
		return nil, cty.NilVal, err
	}
	return decodePayload(data)
}

// sinkOf makes a sink from a payload, without the configuration.
func (e *Engine) sinkOf(a address.Address, p *state.Payload, v cty.Value) (providers.Sink, hcl.Diagnostics) {
	kind := e.opts.Registry.Kind("sink", p.Kind)
	if kind == nil {
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Unknown sink kind",
			Detail: fmt.Sprintf("%s was applied as a sink %q, which this version does not know.", a, p.Kind),
		}}
	}
	c, diags := kind.Configure(v, nil)
	if diags.HasErrors() {
		return nil, diags
	}
	env := providers.Env{
		Address: a.String(), ModuleDir: p.ModuleDir, RootDir: cmp.Or(p.RootDir, p.ModuleDir), Environ: e.opts.Environ,
		UserAgent: "tidegate/" + e.opts.Version, Logger: e.opts.Logger,
	}
	if e.spec != nil {
		env.WritePaths = e.spec.Settings.PathsWrite
	}
	return c.Sink(env)
}

// encodePayload writes a block down as it is to be applied.
func encodePayload(kind string, env providers.Env, v cty.Value, s *providers.SinkSettings) *state.Payload {
	v = providers.Lasting(v)
	plain, _ := mark.Reveal(v)
	data, err := ctyjson.Marshal(plain, plain.Type())
	if err != nil {
		panic("engine: a known block does not marshal: " + err.Error())
	}
	p := &state.Payload{Kind: kind, Values: data, ModuleDir: env.ModuleDir, OnDestroy: s.OnDestroy, OnDrift: s.OnDrift}
	if env.RootDir != env.ModuleDir {
		p.RootDir = env.RootDir
	}
	for it := v.ElementIterator(); it.Next(); {
		name, e := it.Element()
		if mark.Has(e) {
			p.Sensitive = append(p.Sensitive, name.AsString())
		}
	}
	slices.Sort(p.Sensitive)
	return p
}

// decodePayload is the inverse; what was marked is marked again.
func decodePayload(data []byte) (*state.Payload, cty.Value, error) {
	var p state.Payload
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, cty.NilVal, fmt.Errorf("read a stored delivery: %w", err)
	}
	ty, err := ctyjson.ImpliedType(p.Values)
	if err != nil {
		return nil, cty.NilVal, fmt.Errorf("read a stored delivery: %w", err)
	}
	v, err := ctyjson.Unmarshal(p.Values, ty)
	if err != nil {
		return nil, cty.NilVal, fmt.Errorf("read a stored delivery: %w", err)
	}
	attrs := v.AsValueMap()
	for _, name := range p.Sensitive {
		if a, ok := attrs[name]; ok {
			attrs[name] = a.Mark(mark.Sensitive)
		}
	}
	if attrs == nil {
		return &p, cty.EmptyObjectVal, nil
	}
	return &p, cty.ObjectVal(attrs), nil
}
