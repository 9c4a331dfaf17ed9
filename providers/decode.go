package providers

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/gocty"

	"tidegate/hclspec/mark"
)

// decode fills a struct whose fields hold the defaults from evaluated values: the attributes
// and blocks that every kind of the block type has (common), or the kind's own. raw gives
// the expressions that are kept as they are written; it is nil where the values come from a
// plan or the ledger.
//
// It does what gohcl.DecodeBody would do over a body of these values, with the schema looked
// up once for each kind and not once for each block: see docs/decisions.
func (s *Schema) decode(values cty.Value, raw *part, common bool, into reflect.Value) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range s.Attributes {
		if a.Common != common {
			continue
		}
		field := into.Field(a.field)
		if a.Expression {
			if expr := raw.expression(a.Name); expr != nil {
				field.Set(reflect.ValueOf(expr))
			}
			continue
		}
		if values == cty.NilVal || !values.Type().HasAttribute(a.Name) {
			continue
		}
		if err := a.decode(values.GetAttr(a.Name), field); err != nil {
			rng := raw.rangeOf(a.Name)
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Unsuitable value type", Subject: rng,
				Detail: fmt.Sprintf("The attribute %q: %s.", a.Name, err),
			})
		}
	}
	for _, b := range s.Blocks {
		if b.Common == common {
			diags = append(diags, b.decodeAll(values, raw, into.Field(b.field))...)
		}
	}
	return diags
}

func (a *Attribute) decode(v cty.Value, field reflect.Value) error {
	if a.Type != cty.DynamicPseudoType {
		// A field of type cty.Value keeps its marks; Go strings have nowhere to keep them.
		v, _ = mark.Reveal(v)
		var err error
		if v, err = convert.Convert(v, a.Type); err != nil {
			return err
		}
	}
	return gocty.FromCtyValue(v, field.Addr().Interface())
}

func (b *NestedBlock) decodeAll(values cty.Value, raw *part, field reflect.Value) hcl.Diagnostics {
	var diags hcl.Diagnostics
	raws := raw.nested(b.Name)
	var vs []cty.Value
	if values != cty.NilVal && values.Type().HasAttribute(b.Name) {
		vs = []cty.Value{values.GetAttr(b.Name)}
		if b.Repeated {
			vs = vs[0].AsValueSlice()
		}
	}
	for _, v := range vs {
		var sub *part
		switch keeps := b.needsExpressions(); {
		case keeps && raw != nil && v.Type().HasAttribute(dynamicName):
			sub = raw.bind(v)
		case len(raws) > 0:
			sub = raws[0]
			if keeps || len(raws) > 1 {
				raws = raws[1:]
			}
		}
		if sub == nil && b.needsExpressions() {
			continue // conditions were judged before; what is left of them decides nothing
		}
		diags = append(diags, b.decodeOne(v, sub, field)...)
	}
	return diags
}

// decodeOne decodes over the defaults that a single block's field holds, and into a new
// element of a repeated one's.
func (b *NestedBlock) decodeOne(v cty.Value, raw *part, field reflect.Value) hcl.Diagnostics {
	fill := func(into reflect.Value) hcl.Diagnostics {
		return append(b.decode(v, raw, b.Common, into), b.decode(v, raw, !b.Common, into)...)
	}
	switch {
	case b.Repeated && field.Type().Elem().Kind() == reflect.Pointer:
		e := reflect.New(b.typ)
		field.Set(reflect.Append(field, e))
		return fill(e.Elem())
	case b.Repeated:
		field.Set(reflect.Append(field, reflect.Zero(b.typ)))
		return fill(field.Index(field.Len() - 1))
	case field.Kind() == reflect.Pointer:
		if field.IsNil() {
			field.Set(reflect.New(b.typ))
		}
		return fill(field.Elem())
	}
	return fill(field)
}

func (s *Schema) needsExpressions() bool {
	for _, a := range s.Attributes {
		if a.Expression && a.Required {
			return true
		}
	}
	return false
}

// The following answer for a body that is not there, too.

func (p *part) expression(name string) hcl.Expression {
	if p == nil {
		return nil
	}
	for _, a := range p.attrs {
		if a.Name == name {
			return a.expr
		}
	}
	return nil
}

func (p *part) rangeOf(name string) *hcl.Range {
	if e := p.expression(name); e != nil {
		return e.Range().Ptr()
	}
	if p == nil {
		return nil
	}
	return p.rng
}

func (p *part) nested(name string) []*part {
	if p == nil {
		return nil
	}
	var out []*part
	for i := range p.blocks {
		// Conditions of dynamic blocks are found by what their values say.
		if n := &p.blocks[i]; n.Name == name && (n.dynamic == nil || !n.needsExpressions()) {
			out = append(out, &n.part)
		}
	}
	return out
}
