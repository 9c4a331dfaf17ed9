package providers

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/mark"
)

// valueBody is an hcl.Body over values that were evaluated before, so that gohcl decodes
// the same structs whether a block comes from a file, a plan or the ledger.
type valueBody struct {
	schema *Schema
	values cty.Value
	raw    *part // where the expressions and ranges are, nil if they are gone
}

// Content answers as PartialContent does: the kind's struct and the settings' struct are
// decoded from one body, and what neither knows was refused by Compile.
func (b *valueBody) Content(s *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	content, _, diags := b.PartialContent(s)
	return content, diags
}

func (b *valueBody) PartialContent(s *hcl.BodySchema) (*hcl.BodyContent, hcl.Body, hcl.Diagnostics) {
	out := &hcl.BodyContent{Attributes: hcl.Attributes{}, MissingItemRange: b.MissingItemRange()}
	for _, want := range s.Attributes {
		if attr := b.attribute(want.Name); attr != nil {
			out.Attributes[want.Name] = attr
		}
	}
	for _, want := range s.Blocks {
		out.Blocks = append(out.Blocks, b.nested(want.Type)...)
	}
	return out, hcl.EmptyBody(), nil
}

func (b *valueBody) attribute(name string) *hcl.Attribute {
	var raw hcl.Expression
	rng := b.MissingItemRange()
	if b.raw != nil {
		for _, a := range b.raw.attrs {
			if a.Name == name {
				raw, rng = a.expr, a.expr.Range()
			}
		}
	}
	a := b.schema.Attribute(name)
	if a == nil {
		return nil
	}
	if a.Expression {
		if raw == nil {
			return nil
		}
		return &hcl.Attribute{Name: name, Expr: raw, Range: rng, NameRange: rng}
	}
	if b.values == cty.NilVal || !b.values.Type().HasAttribute(name) {
		return nil
	}
	v := b.values.GetAttr(name)
	if a.Type != cty.DynamicPseudoType {
		// A field of type cty.Value keeps its marks; Go strings have nowhere to keep them.
		v, _ = mark.Reveal(v)
	}
	return &hcl.Attribute{Name: name, Expr: hcl.StaticExpr(v, rng), Range: rng, NameRange: rng}
}

func (b *valueBody) nested(name string) hcl.Blocks {
	n := b.schema.Block(name)
	if n == nil {
		return nil
	}
	var raws []*part
	if b.raw != nil {
		for i := range b.raw.blocks {
			if b.raw.blocks[i].Name == name {
				raws = append(raws, &b.raw.blocks[i].part)
			}
		}
	}
	var values []cty.Value
	if b.values != cty.NilVal && b.values.Type().HasAttribute(name) {
		v := b.values.GetAttr(name)
		if n.Repeated {
			values = v.AsValueSlice()
		} else {
			values = []cty.Value{v}
		}
	}
	var out hcl.Blocks
	for i, v := range values {
		sub := &valueBody{schema: n.Schema, values: v}
		if i < len(raws) {
			sub.raw = raws[i]
		} else if needsExpressions(n.Schema) {
			continue // conditions were judged before; what is left of them decides nothing
		}
		rng := sub.MissingItemRange()
		out = append(out, &hcl.Block{Type: name, Body: sub, DefRange: rng, TypeRange: rng})
	}
	return out
}

func needsExpressions(s *Schema) bool {
	for _, a := range s.Attributes {
		if a.Expression && a.Required {
			return true
		}
	}
	return false
}

func (b *valueBody) JustAttributes() (hcl.Attributes, hcl.Diagnostics) {
	out := hcl.Attributes{}
	for _, a := range b.schema.Attributes {
		if attr := b.attribute(a.Name); attr != nil {
			out[a.Name] = attr
		}
	}
	return out, nil
}

func (b *valueBody) MissingItemRange() hcl.Range {
	if b.raw != nil {
		return b.raw.rng
	}
	return hcl.Range{}
}
