package hclspec

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"tidegate/hclspec/typo"
)

var outputSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "description"}, {Name: "value", Required: true}, {Name: "sensitive"}, {Name: "depends_on"},
	},
	Blocks: []hcl.BlockHeaderSchema{{Type: "precondition"}},
}

// declareOutput leaves Expr nil where the value is missing.
func declareOutput(b *hcl.Block) declaration {
	o := &Output{Name: b.Labels[0], DefRange: headerRange(b)}
	names := validNames(b)
	content, diags := typo.Content(b.Body, outputSchema)
	diags = append(diags, decodeAttribute(content.Attributes, "description", &o.Description)...)
	diags = append(diags, decodeAttribute(content.Attributes, "sensitive", &o.Sensitive)...)
	if attr, ok := content.Attributes["value"]; ok {
		o.Expr = attr.Expr
	}
	if attr, ok := content.Attributes["depends_on"]; ok {
		refs, refDiags := StaticReferences(attr.Expr)
		diags = append(diags, refDiags...)
		o.DependsOn = refs
	}
	for _, inner := range content.Blocks {
		c, condDiags := decodeCondition(inner)
		diags = append(diags, condDiags...)
		if c != nil {
			o.Preconditions = append(o.Preconditions, *c)
		}
	}
	return declared(o, names, diags)
}

func declareLocals(b *hcl.Block) []declaration {
	attrs, diags := b.Body.JustAttributes()
	out := []declaration{declared(nil, diags, nil)}
	for _, name := range sortedNames(attrs) {
		attr := attrs[name]
		if !hclsyntax.ValidIdentifier(name) {
			out = append(out, declared(nil, hcl.Diagnostics{errorAt(attr.NameRange, "Invalid name",
				"%q cannot be the name of a local value: it must start with a letter or underscore and hold only letters, digits, underscores and dashes.", name)}, nil))
			continue
		}
		out = append(out, declaration{thing: &Local{Name: name, Expr: attr.Expr, DefRange: attr.NameRange}})
	}
	return out
}

// sortedNames orders attributes by position, so that the first of two wins every time.
func sortedNames(attrs hcl.Attributes) []string {
	names := make([]string, 0, len(attrs))
	for name := range attrs {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := attrs[a].NameRange.Start.Byte - attrs[b].NameRange.Start.Byte; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return names
}

var conditionSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
	{Name: "condition", Required: true}, {Name: "error_message", Required: true},
}}

// decodeCondition reads a validation or precondition block; nil if a part is missing.
func decodeCondition(b *hcl.Block) (*Condition, hcl.Diagnostics) {
	content, diags := typo.Content(b.Body, conditionSchema)
	cond, ok := content.Attributes["condition"]
	msg, ok2 := content.Attributes["error_message"]
	if !ok || !ok2 {
		return nil, diags
	}
	return &Condition{Condition: cond.Expr, ErrorMessage: msg.Expr, Range: b.DefRange}, diags
}
