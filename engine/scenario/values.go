package scenario

import (
	"encoding/base64"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec/mark"
)

// What plan has in a test, and its sinks and sources. Every part is always there, null where
// there is nothing to say, so that a condition can compare it.
var (
	planParts = []string{
		"deferrals", "diagnostics", "failed", "findings", "has_changes", "outputs", "sinks", "sources", "summary", "time",
	}
	sinkParts = []string{
		"action", "after", "before", "content", "depends_on", "drift", "findings", "kind", "reasons", "repair", "sensitive",
		"target", "wait", "wanted",
	}
	sourceParts = []string{
		"action", "before", "changes", "findings", "kind", "previous_version", "problem", "reason", "standing", "until", "value", "version",
	}
)

func text(s string) cty.Value { return cty.StringVal(s) }

// nothing is null as it is written, so that lists with it compare equal.
var nothing = cty.NullVal(cty.DynamicPseudoType)

// textOrNull is null for "".
func textOrNull(s string) cty.Value {
	if s == "" {
		return nothing
	}
	return text(s)
}

func stamp(t time.Time) cty.Value {
	if t.IsZero() {
		return nothing
	}
	return text(t.UTC().Format(time.RFC3339))
}

func texts[S ~string](list []S) cty.Value {
	out := make([]cty.Value, len(list))
	for i, s := range list {
		out[i] = text(string(s))
	}
	return cty.TupleVal(out)
}

func number(n int) cty.Value { return cty.NumberIntVal(int64(n)) }

// there returns a value as conditions compare it: what is not there or not known yet is null,
// and lists and maps are of the types that [...] and {...} have in the language. A list of
// texts never equals ["a"] otherwise.
func there(v cty.Value) cty.Value {
	if v == cty.NilVal {
		return nothing
	}
	v, marks := v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return nothing.WithMarks(marks)
	}
	switch ty := v.Type(); {
	case ty.IsObjectType() || ty.IsMapType():
		out := make(map[string]cty.Value, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			k, _ = k.Unmark()
			out[k.AsString()] = there(e)
		}
		v = cty.ObjectVal(out)
	case v.CanIterateElements():
		out := make([]cty.Value, 0, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			out = append(out, there(e))
		}
		v = cty.TupleVal(out)
	}
	return v.WithMarks(marks)
}

// planValue is what tests see of a plan.
func (s *stage) planValue(p *plan.Plan, diags hcl.Diagnostics) cty.Value {
	sources, sinks, outputs := map[string]cty.Value{}, map[string]cty.Value{}, map[string]cty.Value{}
	var findings, deferrals []cty.Value
	for _, c := range p.Sources {
		sources[c.Address.String()] = sourceValue(c)
		findings = append(findings, findingValues(c.Checks)...)
		if c.Problem == plan.Limited {
			deferrals = append(deferrals, deferral(c.Address.String(), c.Reason, "", c.Until))
		}
	}
	for _, c := range p.Sinks {
		sinks[c.Address.String()] = s.sinkValue(c)
		findings = append(findings, findingValues(c.Checks)...)
		if c.Wait != nil && c.Wait.Kind == plan.Deferred {
			deferrals = append(deferrals, deferral(c.Address.String(), c.Wait.Reason, c.Wait.On, c.Wait.Until))
		}
	}
	for _, c := range p.Outputs {
		outputs[c.Name] = cty.ObjectVal(map[string]cty.Value{
			"action": text(string(c.Action)), "value": there(c.Value.Value), "before": there(c.Before.Value), "sensitive": cty.BoolVal(c.Hidden()),
		})
	}
	sum := p.Summary()
	return cty.ObjectVal(map[string]cty.Value{
		"time": stamp(p.Time), "sources": cty.ObjectVal(sources), "sinks": cty.ObjectVal(sinks), "outputs": cty.ObjectVal(outputs),
		"findings": cty.TupleVal(findings), "deferrals": cty.TupleVal(deferrals), "diagnostics": diagnosticValues(diags),
		"failed": cty.BoolVal(p.Failed() || diags.HasErrors()), "has_changes": cty.BoolVal(p.HasChanges()),
		"summary": cty.ObjectVal(map[string]cty.Value{
			"accept": number(sum.Accept), "add": number(sum.Add), "change": number(sum.Change), "destroy": number(sum.Destroy),
			"forget": number(sum.Forget), "adopt": number(sum.Adopt), "deferred": number(sum.Deferred), "blocked": number(sum.Blocked),
			"rejected": number(sum.Rejected), "failed": number(sum.Failed), "drifted": number(sum.Drifted), "outputs": number(sum.Outputs),
		}),
	})
}

func sourceValue(c *plan.SourceChange) cty.Value {
	changes := make([]cty.Value, len(c.Changes))
	for i, ch := range c.Changes {
		changes[i] = cty.ObjectVal(map[string]cty.Value{
			"path": text(ch.Path), "action": text(ch.Action), "before": there(ch.Before.Value), "after": there(ch.After.Value),
		})
	}
	return cty.ObjectVal(map[string]cty.Value{
		"kind": text(c.Kind), "action": text(string(c.Action)), "standing": text(string(c.Standing)),
		"problem": textOrNull(string(c.Problem)), "reason": textOrNull(c.Reason), "until": stamp(c.Until),
		"version": textOrNull(c.Version), "previous_version": textOrNull(c.PreviousVersion),
		"value": there(inUse(c)), "before": there(c.Before.Value), "changes": cty.TupleVal(changes), "findings": messages(c.Checks),
	})
}

// inUse is the value that expressions see after this plan.
func inUse(c *plan.SourceChange) cty.Value {
	switch c.Standing {
	case plan.Nothing:
		return cty.NilVal
	case plan.Accepted:
		return c.Before.Value
	}
	return c.After.Value
}

func (s *stage) sinkValue(c *plan.SinkChange) cty.Value {
	wait, drift := nothing, nothing
	if w := c.Wait; w != nil {
		wait = cty.ObjectVal(map[string]cty.Value{
			"kind": text(string(w.Kind)), "reason": text(w.Reason), "on": textOrNull(w.On), "until": stamp(w.Until),
		})
	}
	if d := c.Drift; d != nil {
		drift = cty.ObjectVal(map[string]cty.Value{
			"policy": text(d.Policy), "missing": cty.BoolVal(d.Missing), "content": cty.BoolVal(d.Content), "differs": texts(d.Differs),
		})
	}
	names := make([]string, len(c.DependsOn))
	for i, a := range c.DependsOn {
		names[i] = a.String()
	}
	return cty.ObjectVal(map[string]cty.Value{
		"kind": text(c.Kind), "target": text(s.name(c.Target)), "action": text(string(c.Action)), "wanted": text(string(c.Wanted)),
		"content": contentOf(c.After.Value), "before": there(c.Before.Value), "after": there(c.After.Value),
		"reasons": texts(c.Reasons), "wait": wait, "drift": drift, "repair": cty.BoolVal(c.Repair),
		"sensitive": cty.BoolVal(c.Sensitive), "findings": messages(c.Checks), "depends_on": texts(names),
	})
}

// contentOf is the document among a sink's attributes, null where it has none or it is not
// known.
func contentOf(v cty.Value) cty.Value {
	for _, name := range []string{"content", "content_base64", "body", "stdin"} {
		if v == cty.NilVal || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
			continue
		}
		e, marks := v.GetAttr(name).Unmark()
		if !known(e, cty.String) {
			continue
		}
		if name == "content_base64" {
			data, err := base64.StdEncoding.DecodeString(e.AsString())
			if err != nil || !utf8.Valid(data) {
				continue
			}
			e = text(string(data))
		}
		return e.WithMarks(marks)
	}
	return nothing
}

// findingValues are the findings of checks, one for each.
func findingValues(checks []plan.Check) []cty.Value {
	var out []cty.Value
	for _, c := range checks {
		for _, f := range c.Findings {
			out = append(out, cty.ObjectVal(map[string]cty.Value{
				"rule": text(c.Address), "object": text(c.Object), "severity": text(c.Severity), "status": text(c.Status), "message": text(f),
			}))
		}
	}
	return out
}

func messages(checks []plan.Check) cty.Value {
	var out []string
	for _, c := range checks {
		out = append(out, c.Findings...)
	}
	return texts(out)
}

func deferral(address, reason, on string, until time.Time) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"address": text(address), "reason": text(reason), "on": textOrNull(on), "until": stamp(until),
	})
}

func diagnosticValues(diags hcl.Diagnostics) cty.Value {
	out := make([]cty.Value, len(diags))
	for i, d := range diags {
		severity := "error"
		if d.Severity == hcl.DiagWarning {
			severity = "warning"
		}
		out[i] = cty.ObjectVal(map[string]cty.Value{
			"severity": text(severity), "summary": text(d.Summary), "detail": text(d.Detail),
		})
	}
	return cty.TupleVal(out)
}

// applyValue is what tests see of an apply.
func (w *world) applyValue(r engine.Result, diags hcl.Diagnostics) cty.Value {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var all, programs, requests []cty.Value
	for _, d := range w.deliveries {
		v := cty.ObjectVal(map[string]cty.Value{
			"address": text(d.address), "kind": text(d.kind), "target": text(d.target), "id": text(d.id), "attributes": there(d.values),
		})
		all = append(all, v)
		switch d.kind {
		case "exec":
			programs = append(programs, d.part("command", "env", "dir", "stdin"))
		case "http":
			requests = append(requests, d.part("method", "url", "headers", "body"))
		}
	}
	sinks := map[string]cty.Value{}
	for name, o := range w.outcomes {
		sinks[name] = cty.ObjectVal(map[string]cty.Value{"outcome": text(o.word), "reason": textOrNull(o.reason)})
	}
	return cty.ObjectVal(map[string]cty.Value{
		"deliveries": cty.TupleVal(all), "programs": cty.TupleVal(programs), "requests": cty.TupleVal(requests),
		"sinks": cty.ObjectVal(sinks), "diagnostics": diagnosticValues(diags),
		"failed": cty.BoolVal(r.Failed > 0 || diags.HasErrors()),
		"summary": cty.ObjectVal(map[string]cty.Value{
			"accepted": number(r.Accepted), "added": number(r.Added), "changed": number(r.Changed), "destroyed": number(r.Destroyed),
			"forgotten": number(r.Forgotten), "adopted": number(r.Adopted), "moved": number(r.Moved), "failed": number(r.Failed), "skipped": number(r.Skipped),
			"deferred": number(r.Deferred),
		}),
	})
}

// part picks attributes of a delivery; those that are not set are null.
func (d delivery) part(names ...string) cty.Value {
	out := map[string]cty.Value{"address": text(d.address)}
	for _, name := range names {
		out[name] = nothing
		if d.values.Type().HasAttribute(name) {
			out[name] = there(d.values.GetAttr(name))
		}
	}
	return cty.ObjectVal(out)
}

// outputsOf are the values of outputs after a plan.
func outputsOf(p *plan.Plan) cty.Value {
	out := map[string]cty.Value{}
	for _, c := range p.Outputs {
		v := there(c.Value.Value)
		if c.Sensitive {
			v = v.Mark(mark.Sensitive)
		}
		out[c.Name] = v
	}
	return cty.ObjectVal(out)
}
