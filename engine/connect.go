package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/providers"
)

// connect resolves every reference and makes the edges.
func (p *program) connect() hcl.Diagnostics {
	diags := p.connectCalls()
	for _, n := range p.sorted {
		switch {
		case n.fresh:
			diags = append(diags, ofInstance(n.addr, p.connectNode(n))...)
			p.link(n)
		case slices.ContainsFunc(n.members, p.otherKeys) || !p.link(n):
			// Something is gone that it refers to: resolving again says what is wrong. Or there
			// are more instances of what it refers to.
			n.unlink()
			diags = append(diags, ofInstance(n.addr, p.connectNode(n))...)
			p.link(n)
		}
	}
	return diags
}

// link makes the edges of a node, and reports whether everything is there that it refers to.
func (p *program) link(n *node) bool {
	all := true
	for _, r := range n.refs {
		if r.Node.IsZero() {
			all = all && r.Target.IsZero()
			continue
		}
		target := p.nodes[r.Node]
		if target == nil {
			all = false
			continue
		}
		p.graph.Link(n.place, target.place)
		if r.Node.Type == address.Source {
			target.noteRead(r)
		}
	}
	if n.addr.Type == address.Instances {
		p.linkCollection(n)
	}
	for _, list := range n.named() {
		for _, a := range list {
			if target := p.nodes[a]; target != nil {
				p.graph.Link(n.place, target.place)
			} else {
				all = false
			}
		}
	}
	for _, block := range n.members {
		// Which policies there are is found out before they are asked.
		if g := p.groups[block]; g != nil && g.data && block.Type.IsPolicy() {
			p.graph.Link(n.place, g.expansion.place)
		}
	}
	if n.block != nil || n.out != nil {
		for _, a := range p.awaited(n) {
			if target := p.nodes[a]; target != nil && target != n {
				p.graph.Link(n.place, target.place)
			}
		}
	}
	return all
}

// named lists the addresses that the node names as such.
func (n *node) named() [4][]address.Address {
	return [...][]address.Address{n.detectors, n.rules, n.limits, n.depends}
}

// noteRead notes which attribute of a source an expression reads.
func (n *node) noteRead(r *hclspec.Reference) {
	name := "*"
	if len(r.Rest) == 0 {
		return // as a trigger: its version is compared, not evaluated
	}
	if step, ok := r.Rest[0].(hcl.TraverseAttr); ok {
		name = step.Name
	}
	if name != "value" && !slices.Contains(n.read, name) {
		n.read = append(n.read, name)
	}
}

// readsAttribute reports whether some expression reads the named attribute of a source.
func (n *node) readsAttribute(name string) bool {
	return slices.Contains(n.read, name) || slices.Contains(n.read, "*")
}

func (p *program) connectNode(n *node) hcl.Diagnostics {
	var diags hcl.Diagnostics
	collect := func(expr hcl.Expression, place scopeRules) {
		refs, wrong := hclspec.References(expr)
		if n.each != nil {
			hclspec.OwnInstance(expr, refs, n.key)
		}
		for _, r := range refs {
			wrong = append(wrong, p.checkReference(n, r, place)...)
			n.usesDelivery = n.usesDelivery || r.Root == "delivery"
		}
		diags = append(diags, wrong...)
		reads := hclspec.ReadsFiles(expr)
		if reads && n.files == nil {
			n.files = &fileReads{}
		}
		n.exprs = append(n.exprs, expression{expr: expr, refs: refs, wrong: wrong.HasErrors(), reads: reads})
		n.refs = append(n.refs, refs...)
	}
	switch {
	case n.out != nil:
		collect(n.expr, scopeRules{stale: true})
		for _, c := range n.out.Preconditions {
			collect(c.Condition, scopeRules{stale: true})
			collect(c.ErrorMessage, scopeRules{stale: true})
		}
		for _, r := range n.out.DependsOn {
			if d := p.resolve(n, r, scopeRules{whole: true}); d.HasErrors() {
				diags = append(diags, d...)
			} else {
				n.depends = append(n.depends, r.Node)
			}
		}
	case n.check != nil:
		connectCheck(n.check, collect)
	case n.input != nil:
		if n.expr != nil {
			collect(n.expr, scopeRules{})
		}
		diags = append(diags, p.connectValidations(n)...)
	case n.expr != nil:
		collect(n.expr, scopeRules{})
	case n.block != nil:
		n.block.Expressions(func(name string, a *providers.Attribute, expr hcl.Expression) {
			switch {
			case !a.Expression:
				collect(expr, scopeRules{delivery: n.deliveryAllowed()})
			case name == "triggers":
				diags = append(diags, p.triggers(n, expr, collect)...)
			case a.TypeName() == "list of references":
				diags = append(diags, p.references(n, name, expr)...)
			default:
				collect(expr, scopeRules{candidate: n.judges(name), stale: strings.HasPrefix(name, "precondition.")})
			}
		})
	}
	return diags
}

func (n *node) deliveryAllowed() bool {
	return n.addr.Type == address.Sink && (n.addr.Kind == "exec" || n.addr.Kind == "http")
}

// judges reports whether an expression kept as such sees a candidate.
func (n *node) judges(name string) bool {
	return n.addr.Type == address.Rule || n.addr.Type == address.Sink && strings.HasPrefix(name, "precondition.")
}

// scopeRules say what an expression may refer to beside what is always visible.
type scopeRules struct {
	candidate bool // value, previous, text, meta
	delivery  bool
	stale     bool
	whole     bool // a source or sink without an attribute
}

var sourceAttributes = []string{"changed_at", "stale", "text", "value", "version"}

func (p *program) checkReference(n *node, r *hclspec.Reference, rules scopeRules) hcl.Diagnostics {
	fail := func(summary, detail string) hcl.Diagnostics {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &r.Range}}
	}
	switch r.Root {
	case "value", "previous", "text", "meta":
		if !rules.candidate {
			return fail("Unknown name", fmt.Sprintf("%s is known only in the conditions of rules and in the preconditions of sinks. Refer to a source's value as source.KIND.NAME.value.", r.Root))
		}
		return nil
	case "delivery":
		if !rules.delivery {
			return fail("Unknown name", "delivery is known only in the attributes of exec and http sinks; it is filled for each delivery.")
		}
		return nil
	case "each", "count":
		return p.resolveEach(n, r)
	}
	if r.Target.IsZero() {
		return nil
	}
	if diags := p.resolve(n, r, rules); diags.HasErrors() || r.Node.Type == address.Instances {
		return diags
	}
	switch t := r.Target.Type; {
	case t.IsPolicy():
		return fail("Invalid reference", fmt.Sprintf("%s is a policy and has no value. Name it in detectors, rules or rate_limits.", r.Target))
	case t == address.Source:
		return checkSourceAttribute(r, rules, fail)
	case t == address.Sink:
		if len(r.Rest) == 0 && !rules.whole {
			return fail("Incomplete reference", fmt.Sprintf("Refer to an attribute of the sink, such as %s.sha256.", r.Instance()))
		}
	}
	return nil
}

func checkSourceAttribute(r *hclspec.Reference, rules scopeRules, fail func(string, string) hcl.Diagnostics) hcl.Diagnostics {
	if len(r.Rest) == 0 {
		if rules.whole {
			return nil
		}
		return fail("Incomplete reference", fmt.Sprintf("Refer to an attribute of the source, such as %s.value.", r.Instance()))
	}
	step, ok := r.Rest[0].(hcl.TraverseAttr)
	if !ok {
		return nil
	}
	if !slices.Contains(sourceAttributes, step.Name) {
		detail := fmt.Sprintf("A source has no attribute %q; it has %s.", step.Name, strings.Join(sourceAttributes, ", "))
		if near := hclspec.Nearest(step.Name, sourceAttributes); near != "" {
			detail = fmt.Sprintf("A source has no attribute %q. Did you mean %q?", step.Name, near)
		} else {
			detail += fmt.Sprintf(" Keys of its data are below value, as in %s.value.%s.", r.Instance(), step.Name)
		}
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unknown attribute", Detail: detail, Subject: step.SrcRange.Ptr()}}
	}
	if step.Name == "stale" && !rules.stale {
		return fail("Invalid reference", "stale changes without any new value, so it is allowed only in preconditions, checks and outputs.")
	}
	return nil
}

// references reads detectors, rules, rate_limits and depends_on.
func (p *program) references(n *node, name string, expr hcl.Expression) hcl.Diagnostics {
	refs, diags := hclspec.StaticReferences(expr)
	want := map[string]address.Type{"detectors": address.Detector, "rules": address.Rule, "rate_limits": address.RateLimit}[name]
	for _, r := range refs {
		if d := p.resolve(n, r, scopeRules{whole: true}); d.HasErrors() {
			diags = append(diags, d...)
			continue
		}
		if want != "" && r.Target.Type != want || want == "" && r.Target.IsZero() {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Wrong kind of reference", Subject: &r.Range,
				Detail: fmt.Sprintf("%s takes references to %s blocks, and this is %s.", name, want, r.Target),
			})
			continue
		}
		nodes := []address.Address{r.Node}
		if g := p.groups[r.Node.Grouped()]; want != "" && g != nil && r.Node.Type == address.Instances {
			nodes = nil
			if r.Key != address.NoKey { // it may come
				n.absent = append(n.absent, g.member(r.Key))
				continue
			}
			nodes = g.members() // all of them
			n.members = append(n.members, g.block)
		}
		switch name {
		case "detectors":
			n.detectors = append(n.detectors, nodes...)
		case "rules":
			n.rules = append(n.rules, nodes...)
		case "rate_limits":
			n.limits = append(n.limits, nodes...)
		default:
			n.depends = append(n.depends, nodes...)
		}
	}
	return diags
}

// triggers reads a sink's list of triggers: whole sinks and sources, or any values.
func (p *program) triggers(n *node, expr hcl.Expression, collect func(hcl.Expression, scopeRules)) hcl.Diagnostics {
	items, diags := hcl.ExprList(expr)
	if diags.HasErrors() {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Not a list", Subject: expr.Range().Ptr(),
			Detail: "triggers takes a list of sinks, sources or values, such as [sink.file.app].",
		}}
	}
	diags = nil
	for i, item := range items {
		r := hclspec.WholeReference(item)
		if r == nil || r.Target.Type != address.Sink && r.Target.Type != address.Source {
			collect(item, scopeRules{whole: true})
			n.triggers = append(n.triggers, trigger{name: fmt.Sprintf("triggers[%d]", i), expr: item})
			continue
		}
		n.refs = append(n.refs, r)
		if wrong := p.checkReference(n, r, scopeRules{whole: true}); wrong.HasErrors() {
			diags = append(diags, wrong...)
			continue
		}
		block := r.Target
		block.Module = n.scope.path
		g := p.groups[block]
		if g == nil || r.Node.Type != address.Instances && !g.data {
			n.triggers = append(n.triggers, trigger{name: r.Node.String(), expr: item, target: r.Node})
			continue
		}
		// One instance that comes and goes with data counts as written when it comes, as all do.
		name, members := block.String(), g.members()
		if r.Key != address.NoKey {
			name, members = g.member(r.Key).String()+" whenever it is there", []address.Address{r.Node}
		}
		n.triggers = append(n.triggers, trigger{name: name})
		if r.Node.Type == address.Instances {
			n.members = append(n.members, block)
		}
		for _, a := range members {
			if a.Type != address.Instances {
				n.triggers = append(n.triggers, trigger{name: a.String(), expr: item, target: a, block: name})
			}
		}
	}
	return diags
}
