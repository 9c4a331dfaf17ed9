package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/decode"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// judge holds the candidate against the rules: the fresh value, the stored one where rules or
// decoder changed, and the fallback where nothing else is left.
func (o *observer) judge(ctx context.Context, l *look, n *node, ev *evaluated, s *providers.SourceSettings, row *state.Source) {
	current := row.Current()
	again := l.Same && row.Judged != l.Judged && l.Accepted != cty.NilVal
	switch {
	case l.Fresh != nil:
		previous := l.Accepted
		checks, rejected := o.judgeValue(ctx, n, s, l.Value, previous, l.Data, l.Fresh.Version)
		l.Checks, l.Rejected = append(l.Checks, checks...), rejected
	case again:
		checks, rejected := o.judgeValue(ctx, n, s, l.Accepted, l.Accepted, l.text, current.Version)
		l.Checks, l.Rejected = append(l.Checks, checks...), rejected
	}
	if current != nil || l.Err == "" && !l.Rejected && !l.Waiting {
		return // what was accepted once is not replaced by a stand-in, even where it cannot be read
	}
	given := o.prog.valuesOf(n, ev)
	if !given.Type().HasAttribute("fallback") {
		return
	}
	fallback := given.GetAttr("fallback")
	if !fallback.IsWhollyKnown() {
		return
	}
	if s.Sensitive {
		fallback = fallback.Mark(mark.Sensitive)
	}
	l.Fallback = fallback
	checks, refused := o.judgeValue(ctx, n, s, fallback, cty.NilVal, jsonText(fallback), "fallback")
	l.FallbackFine = !refused
	if refused {
		l.Checks = append(l.Checks, checks...)
	}
}

// judgeValue asks every rule and returns all findings at once.
func (o *observer) judgeValue(ctx context.Context, n *node, s *providers.SourceSettings, value, previous cty.Value, data []byte, version string) (checks []plan.Check, rejected bool) {
	if l, ok := o.prog.static(n).(providers.Receiver); ok && l.Push().ConfigName == providers.AllNames {
		return o.judgeEach(ctx, n, s, value, previous, version)
	}
	return o.judgeOne(ctx, n, s, candidate{value: value, previous: previous, data: data, version: version})
}

// judgeEach judges the values of a source that takes every name one by one, those that are new.
func (o *observer) judgeEach(ctx context.Context, n *node, s *providers.SourceSettings, value, previous cty.Value, version string) (checks []plan.Check, rejected bool) {
	value, marks := value.Unmark()
	if !value.CanIterateElements() {
		return nil, false
	}
	for it := value.ElementIterator(); it.Next(); {
		name, v := it.Element()
		before := cty.NilVal
		if previous != cty.NilVal {
			plain, _ := previous.Unmark()
			before = attributeOr(plain, name.AsString())
			if before.RawEquals(v) {
				continue
			}
		}
		c := candidate{value: v.WithMarks(marks), previous: before, data: jsonText(v), version: version}
		more, refused := o.judgeOne(ctx, n, s, c)
		for i := range more {
			for j := range more[i].Findings {
				more[i].Findings[j] = name.AsString() + ": " + more[i].Findings[j]
			}
		}
		checks, rejected = append(checks, more...), rejected || refused
	}
	return checks, rejected
}

func (o *observer) judgeOne(ctx context.Context, n *node, s *providers.SourceSettings, c candidate) (checks []plan.Check, rejected bool) {
	if !s.AllowEmpty && decode.Empty(c.value) {
		return []plan.Check{{
			Address: n.addr.String(), Object: n.addr.String(), Status: "fail", Severity: "error",
			Findings: []string{emptyFinding},
		}}, true
	}
	return o.rules(ctx, n, c)
}

const emptyFinding = "the value is empty, and absence is not emptiness; set allow_empty = true on the source if an empty value is meant"

type candidate struct {
	value, previous cty.Value
	data            []byte
	version         string
}

// rules judges one candidate of a source or sink by the rules it names.
func (o *observer) rules(ctx context.Context, n *node, c candidate) (checks []plan.Check, rejected bool) {
	for _, a := range n.rules {
		check := o.rule(ctx, n, a, c)
		rejected = rejected || check.Status != "pass" && check.Severity != "warning"
		checks = append(checks, check)
	}
	for _, m := range o.prog.missingPolicies(n) {
		checks = append(checks, plan.Check{
			Address: m.policy.String(), Object: n.addr.String(), Status: "error", Severity: "error",
			Findings: []string{"it cannot be asked: " + m.why},
		})
		rejected = true
	}
	return checks, rejected
}

// missing is a rule, rate limit or detector that is named and that nobody can ask.
type missing struct {
	policy address.Address // an instance, or a repeated block as a whole
	why    string
	yet    bool // it may come: it is not known yet whether it is there
}

// missingPolicies lists what a node names where it is not known which instances there are, and the
// instances that are not there. What they would say is not known, so nothing passes.
func (p *program) missingPolicies(n *node) []missing {
	var out []missing
	for _, a := range n.absent {
		if g := p.groups[a.Block()]; !g.unsure() {
			out = append(out, missing{policy: a, why: "there is no such instance." + g.nearest(a.Key)})
		}
	}
	for _, block := range n.members {
		if g := p.groups[block]; block.Type.IsPolicy() && g.unsure() {
			out = append(out, missing{policy: block, why: g.reason, yet: true})
		}
	}
	return out
}

func (o *observer) rule(ctx context.Context, n *node, a address.Address, c candidate) plan.Check {
	check := plan.Check{Address: a.String(), Object: n.addr.String(), Status: "pass", Severity: "error"}
	rn := o.prog.nodes[a]
	ev, diags := o.evaluated(rn)
	if diags.HasErrors() || ev.rule == nil {
		check.Status, check.Findings = "error", []string{"the rule cannot judge: " + ruleTrouble(o, rn, diags)}
		return check
	}
	check.Severity = ev.settings.(*providers.RuleSettings).Severity
	findings, err := ev.rule.Judge(ctx, providers.Candidate{
		Value: c.value, Previous: orNull(c.previous), Data: c.data,
		Address: n.addr.String(), Version: c.version,
		Scope: o.prog.scopeOf(rn, expression{refs: rn.refs, reads: rn.files != nil}, o.values, candidateScope(n, c)),
	})
	if err != nil {
		check.Status, check.Findings = "error", []string{"the rule cannot judge: " + err.Error()}
		return check
	}
	for _, f := range findings {
		text := f.Message
		if f.Path != "" {
			text = f.Path + ": " + text
		}
		check.Findings = append(check.Findings, text)
		check.Status = "fail"
	}
	return check
}

func ruleTrouble(o *observer, n *node, diags hcl.Diagnostics) string {
	if diags.HasErrors() {
		return firstError(diags)
	}
	return o.unknownReason(n)
}

func orNull(v cty.Value) cty.Value {
	if v == cty.NilVal {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return v
}

// candidateScope is what a condition sees of the candidate.
func candidateScope(n *node, c candidate) map[string]cty.Value {
	text := cty.NullVal(cty.String)
	if c.data != nil && utf8.Valid(c.data) {
		text = cty.StringVal(string(c.data))
	}
	if mark.Has(c.value) {
		text = text.Mark(mark.Sensitive)
	}
	return map[string]cty.Value{
		"value": orNull(c.value), "previous": orNull(c.previous), "text": text,
		"meta": cty.ObjectVal(map[string]cty.Value{
			"address": cty.StringVal(n.addr.String()), "version": cty.StringVal(c.version),
			"size": cty.NumberIntVal(int64(len(c.data))),
		}),
	}
}

// ignored unites the ignore lists of a source's detectors.
func (o *observer) ignored(n *node) []decode.Path {
	var out []decode.Path
	for _, a := range n.detectors {
		ev, _ := o.evaluated(o.prog.nodes[a])
		if ev == nil || ev.detector == nil {
			continue
		}
		for _, text := range ev.detector.Ignore() {
			if path, err := decode.ParsePath(text); err == nil {
				out = append(out, path)
			}
		}
	}
	return out
}

// judgedOnce is judgedBy, or what it was before where nothing can have changed since.
func (o *observer) judgedOnce(n *node, ev *evaluated) string {
	if o.scene != nil && o.scene.judged != "" {
		return o.scene.judged
	}
	return o.judgedBy(n, ev)
}

// judgedBy identifies everything that decides whether a value is acceptable.
func (o *observer) judgedBy(n *node, ev *evaluated) string {
	h := sha256.New()
	s := ev.settings.(*providers.SourceSettings)
	fmt.Fprintf(h, "decode %q empty %t", s.Decode, s.AllowEmpty)
	for _, a := range n.detectors {
		if d, _ := o.evaluated(o.prog.nodes[a]); d != nil && d.detector != nil {
			fmt.Fprintf(h, " ignore %q", d.detector.Ignore())
		}
	}
	for _, a := range n.rules {
		fmt.Fprintf(h, " rule %s %s", a, o.ruleIdentity(o.prog.nodes[a]))
	}
	for _, m := range o.prog.missingPolicies(n) {
		fmt.Fprintf(h, " %s missing", m.policy)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// ruleIdentity is over a rule's values, its conditions as written, and what those refer to.
func (o *observer) ruleIdentity(n *node) string {
	o.identityMutex.Lock()
	defer o.identityMutex.Unlock()
	if id, ok := o.identities[n.addr]; ok {
		return id
	}
	h := sha256.New()
	if ev, _ := o.evaluated(n); ev != nil {
		fmt.Fprintf(h, "%s", identity(ev.values))
		if f, ok := ev.rule.(interface{ ConfigFiles() []string }); ok {
			for _, path := range f.ConfigFiles() {
				fmt.Fprintf(h, " %s", o.fileIdentity(n, path))
			}
		}
	}
	n.block.Expressions(func(name string, _ *providers.Attribute, expr hcl.Expression) {
		fmt.Fprintf(h, " %s=%q", name, o.prog.sourceText(expr.Range()))
	})
	for _, r := range n.refs {
		if !r.Node.IsZero() {
			fmt.Fprintf(h, " %s=%s", r.Node, o.identity(o.prog.valueOf(r.Node, o.values)))
		} else if r.Root == "env" {
			fmt.Fprintf(h, " env.%s=%s", r.Name, identity(cty.StringVal(o.prog.environ[r.Name])))
		}
	}
	id := hex.EncodeToString(h.Sum(nil))
	o.identities[n.addr] = id
	return id
}

// identity is that of the package with sensitive values in it: keyed, so that it tells nothing.
func (o *observer) identity(v cty.Value) string {
	plain, paths := mark.Reveal(v)
	if len(paths) == 0 {
		return identity(plain)
	}
	return o.reader.Keyed(identity(plain))
}
