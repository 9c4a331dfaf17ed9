package hclspec

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/address"
	"tidegate/hclspec/typo"
)

// An Endpoint is one end of a move, or what was removed: a source or sink, an instance of one, or
// a module, relative to the module that the block stands in.
type Endpoint struct {
	Module  address.Module  // the whole path where a module is meant, else that of the address
	Address address.Address // zero where a module is meant
	Range   hcl.Range
}

// Moved says that what was called From is called To now: it keeps what is known of it.
type Moved struct {
	From, To Endpoint
	DefRange hcl.Range
}

// Removed says what becomes of something that is no longer declared, whatever its on_destroy was.
type Removed struct {
	From     Endpoint
	Destroy  bool // its target is deleted; else it stays and is forgotten
	DefRange hcl.Range
}

var (
	movedSchema   = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "from", Required: true}, {Name: "to", Required: true}}}
	removedSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "from", Required: true}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "lifecycle"}},
	}
	lifecycleSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "destroy", Required: true}}}
)

func declareMoved(b *hcl.Block) declaration {
	content, diags := typo.Content(b.Body, movedSchema)
	m := &Moved{DefRange: b.DefRange}
	for name, into := range map[string]*Endpoint{"from": &m.From, "to": &m.To} {
		attr := content.Attributes[name]
		if attr == nil {
			continue
		}
		end, diag := endpoint(attr.Expr)
		if diag != nil {
			diags = append(diags, diag)
		}
		*into = end
	}
	if diags.HasErrors() {
		return declared(nil, diags, nil)
	}
	from, to := m.From.Address, m.To.Address
	switch {
	case from.IsZero() != to.IsZero():
		diags = append(diags, errorAt(m.To.Range, "Different things", "A module becomes another module, and a block another block: one end of this move is a module, the other is not."))
	case from.Type != to.Type || from.Kind != to.Kind:
		diags = append(diags, errorAt(m.To.Range, "Different kinds", "%s cannot become %s: what is known of the one means nothing to the other. Let the old one be removed.%s", m.From, m.To, didYouMean(from.Kind, []string{to.Kind})))
	case from.Key != address.NoKey && to.Key == address.NoKey && from.Block() == to && m.From.Module == m.To.Module:
	case m.From.same(m.To):
		diags = append(diags, errorAt(m.To.Range, "Nothing moves", "Both ends of this move are %s.", m.From))
	}
	if diags.HasErrors() {
		return declared(nil, diags, nil)
	}
	return declared(m, nil, diags)
}

func declareRemoved(b *hcl.Block) declaration {
	content, diags := typo.Content(b.Body, removedSchema)
	r := &Removed{DefRange: b.DefRange}
	if attr := content.Attributes["from"]; attr != nil {
		end, diag := endpoint(attr.Expr)
		if diag != nil {
			diags = append(diags, diag)
		}
		r.From = end
		if !end.Address.IsZero() && end.Address.Key != address.NoKey {
			diags = append(diags, errorAt(end.Range, "Instance of a block", "A removed block names a whole block or module, without instance keys."))
		}
	}
	if len(content.Blocks) != 1 {
		diags = append(diags, errorAt(b.DefRange, "Missing lifecycle block", "A removed block says what becomes of the target: write lifecycle { destroy = false } to let it stay, or true to delete it."))
	}
	for _, inner := range content.Blocks {
		lifecycle, more := typo.Content(inner.Body, lifecycleSchema)
		diags = append(diags, more...)
		diags = append(diags, decodeAttribute(lifecycle.Attributes, "destroy", &r.Destroy)...)
	}
	if diags.HasErrors() {
		return declared(nil, diags, nil)
	}
	return declared(r, nil, diags)
}

// endpoint reads an address that is written as it is, in JSON as a text.
func endpoint(expr hcl.Expression) (Endpoint, *hcl.Diagnostic) {
	t := staticTraversal(expr)
	if t == nil {
		return Endpoint{}, errorAt(expr.Range(), "Not an address", "Write the address of a source, a sink or a module as it is, such as sink.file.app, sink.file.app[\"web\"] or module.service.")
	}
	var text strings.Builder
	for i, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			text.WriteString(s.Name)
		case hcl.TraverseAttr:
			text.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			key, ok := keyOfIndex(s)
			if !ok || i == 0 {
				return Endpoint{}, errorAt(s.SrcRange, "Invalid instance key", "The key of an instance is a text or a whole number.")
			}
			text.WriteString(key.String())
		}
	}
	end := Endpoint{Range: expr.Range()}
	if path, ok := address.ParseModule(text.String()); ok {
		end.Module = path
		return end, nil
	}
	a, err := address.Parse(text.String())
	if err != nil || a.Type != address.Source && a.Type != address.Sink {
		return Endpoint{}, errorAt(expr.Range(), "Not an address", "%s is no address of a source, a sink or a module, and nothing is known of anything else that could be kept.", text.String())
	}
	end.Module, end.Address = a.Module, a
	return end, nil
}

func keyOfIndex(index hcl.TraverseIndex) (address.Key, bool) {
	r := &Reference{Rest: hcl.Traversal{index}}
	if index.Key.Type() == cty.DynamicPseudoType {
		return address.NoKey, false
	}
	r.instanceKey()
	return r.Key, r.Key != address.NoKey
}

// String is the end as it is written.
func (e Endpoint) String() string {
	if e.Address.IsZero() {
		return string(e.Module)
	}
	return e.Address.String()
}

func (e Endpoint) same(other Endpoint) bool {
	return e.Module == other.Module && e.Address == other.Address
}

// In returns the end as it is called from the root, where the block stands in a module.
func (e Endpoint) In(m address.Module) Endpoint {
	e.Module = m.Join(e.Module)
	if !e.Address.IsZero() {
		e.Address.Module = e.Module
	}
	return e
}
