package engine

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// ephemeral finds ephemeral values where the state or a plan would keep them: what a sink
// delivers is written down before it is sent, an accepted value is, and so are outputs and the
// settings of rate limits. What a source needs to look, and what a rule needs to judge, is not.
func (p *program) ephemeral(n *node, v cty.Value) hcl.Diagnostics {
	if !mark.Has(v) {
		return nil
	}
	if n.out != nil {
		if n.isOutput() && mark.HasEphemeral(v) {
			return hcl.Diagnostics{ephemeralValue(n.expr.Range(), "The value of "+n.addr.String())}
		}
		return nil
	}
	if n.block == nil {
		return nil
	}
	var diags hcl.Diagnostics
	for it := v.ElementIterator(); it.Next(); {
		name, e := it.Element()
		if !mark.HasEphemeral(e) || !n.keeps(name.AsString()) {
			continue
		}
		diags = append(diags, ephemeralValue(n.block.AttributeRange(name.AsString()), fmt.Sprintf("%s of %s", name.AsString(), n.addr)))
	}
	return diags
}

// keeps reports whether the state or a plan holds what the named attribute says.
func (n *node) keeps(attribute string) bool {
	switch n.addr.Type {
	case address.Sink, address.RateLimit:
		return true
	case address.Source:
		return attribute == "value" || attribute == "fallback"
	}
	return false
}

// ephemeralTrigger refuses a trigger whose identity the state would keep.
func (n *node) ephemeralTrigger(t trigger, v cty.Value) hcl.Diagnostics {
	if !mark.HasEphemeral(v) {
		return nil
	}
	return hcl.Diagnostics{ephemeralValue(t.expr.Range(), fmt.Sprintf("%s of %s", t.name, n.addr))}
}

func ephemeralValue(rng hcl.Range, what string) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Ephemeral value would be stored", Subject: &rng,
		Detail: fmt.Sprintf("%s is made of an ephemeral value, and the state would keep it. An ephemeral value may serve to look (the url, headers or credentials of a source) and to judge. Declare the variable sensitive instead: then it is kept, encrypted.", what),
	}
}
