package engine

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec"
	"tidegate/hclspec/address"
)

// parseExpression reads one expression from the console.
func parseExpression(text string) (hcl.Expression, hcl.Diagnostics) {
	return hclspec.ParseExpression([]byte(text), "<console>")
}

// expression evaluates a console expression over what was observed.
func (o *observer) expression(expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	refs, diags := hclspec.References(expr)
	n := &node{addr: address.Of(address.Local, "", "console"), mod: o.prog.root, scope: o.prog.root}
	for _, r := range refs {
		diags = append(diags, o.prog.checkReference(n, r, scopeRules{stale: true, whole: true})...)
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	v, more := expr.Value(o.prog.scope(refs, o.values, nil))
	return v, append(diags, o.prog.explain(refs, o.values, more)...)
}
