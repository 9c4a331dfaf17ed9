package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// credentialWords are parts of names whose values should be marked.
var credentialWords = []string{"SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "PRIVATE_KEY", "API_KEY", "APIKEY", "ACCESS_KEY"}

func looksLikeCredential(name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc(credentialWords, func(w string) bool { return strings.Contains(name, w) })
}

// warnCredentials tells of an environment value that looks like a credential and travels to a
// sink unmarked, by env.NAME or by a source "env".
func (p *program) warnCredentials(n *node, v cty.Value) hcl.Diagnostics {
	if n.addr.Type != address.Sink {
		return nil
	}
	var diags hcl.Diagnostics
	n.block.Expressions(func(name string, a *providers.Attribute, expr hcl.Expression) {
		if a.Expression || a.Credential || v.Type().HasAttribute(name) && mark.Has(v.GetAttr(name)) {
			return
		}
		found := map[origin]bool{}
		p.environmentBehind(n.refsOf(expr), map[address.Address]bool{}, found)
		for from := range found {
			if !looksLikeCredential(from.name) {
				continue
			}
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: "Credential is not marked as sensitive", Subject: expr.Range().Ptr(),
				Detail: fmt.Sprintf("%s looks like a credential and reaches %s of %s unmarked, so it would be shown in plans. %s", from, name, n.addr, from.wayOut()),
			})
		}
	})
	slices.SortFunc(diags, func(a, b *hcl.Diagnostic) int { return strings.Compare(a.Detail, b.Detail) })
	return diags
}

// origin is an environment variable, and the source "env" that brings it; zero for env.NAME.
type origin struct {
	name   string
	source address.Address
}

func (o origin) String() string {
	if o.source.IsZero() {
		return "env." + o.name
	}
	return fmt.Sprintf("%s of %s", o.name, o.source)
}

func (o origin) wayOut() string {
	if o.source.IsZero() {
		return fmt.Sprintf("Write sensitive(env.%s).", o.name)
	}
	return fmt.Sprintf("Set sensitive = true on %s, or write sensitive(...) around the value.", o.source)
}

// environmentBehind finds the environment variables that references lead to, also through
// locals and static sources.
func (p *program) environmentBehind(refs []*hclspec.Reference, seen map[address.Address]bool, found map[origin]bool) {
	for _, r := range refs {
		if r.Root == "env" {
			found[origin{name: r.Name}] = true
			continue
		}
		n := p.nodes[r.Node]
		switch {
		case n == nil:
		case r.Node.Type == address.Source && r.Node.Kind == "env":
			for _, name := range p.environmentOf(n, r.Rest) {
				found[origin{name, r.Node}] = true
			}
		case seen[r.Node]:
		case r.Node.Type == address.Source && r.Node.Kind == "static":
			if n.static == nil || !isTrue(p.valuesOf(n, n.static), "sensitive") {
				seen[r.Node] = true
				p.environmentBehind(n.refs, seen, found)
			}
		case n.computed():
			if n.expr == nil {
				continue // a default, or instances, which lead nowhere by name
			}
			if _, diags := hcl.AbsTraversalForExpr(n.expr); !diags.HasErrors() && len(n.refs) == 1 {
				// Another name for the same value: what follows belongs to that one.
				same := *n.refs[0]
				same.Rest = slices.Concat(same.Rest, r.Rest)
				seen[r.Node] = true // only on the way: another path may lead to another member
				p.environmentBehind([]*hclspec.Reference{&same}, seen, found)
				delete(seen, r.Node)
				continue
			}
			seen[r.Node] = true
			p.environmentBehind(n.refs, seen, found)
		}
	}
}

// environmentOf returns the variables that a reference to a source "env" reads: the one that
// is named, or all that the source has.
func (p *program) environmentOf(n *node, rest hcl.Traversal) []string {
	if n.static == nil || isTrue(n.static.values, "sensitive") {
		return nil
	}
	if len(rest) > 0 && step(rest[0]) != "value" && step(rest[0]) != "text" {
		return nil // a version or a time
	}
	if len(rest) > 1 {
		if name := step(rest[1]); name != "" {
			return []string{name}
		}
	}
	var out []string
	if names := attributeOr(n.static.values, "names"); names.IsWhollyKnown() && !names.IsNull() && names.CanIterateElements() {
		for it := names.ElementIterator(); it.Next(); {
			if _, name := it.Element(); name.Type() == cty.String && !name.IsNull() {
				out = append(out, name.AsString())
			}
		}
	}
	prefix := attributeOr(n.static.values, "prefix")
	if p.validate || !prefix.IsKnown() || prefix.IsNull() || prefix.Type() != cty.String {
		return out
	}
	for _, entry := range p.opts.Environ {
		if name, _, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, prefix.AsString()) {
			out = append(out, name)
		}
	}
	return out
}

// step is the name that one step of a traversal takes, "" if it takes none.
func step(t hcl.Traverser) string {
	switch t := t.(type) {
	case hcl.TraverseAttr:
		return t.Name
	case hcl.TraverseIndex:
		if t.Key.IsKnown() && !t.Key.IsNull() && t.Key.Type() == cty.String {
			return t.Key.AsString()
		}
	}
	return ""
}
