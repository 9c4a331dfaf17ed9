package hclspec

import (
	"fmt"
	"io"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"tidegate/hclspec/scan"
	"tidegate/hclspec/typo"
)

var variableSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "description"}, {Name: "type"}, {Name: "default"}, {Name: "nullable"}, {Name: "sensitive"}, {Name: "ephemeral"},
	},
	Blocks: []hcl.BlockHeaderSchema{{Type: "validation"}},
}

func declareVariable(b *hcl.Block) declaration {
	v := &Variable{
		Name:       b.Labels[0],
		Type:       cty.DynamicPseudoType,
		Constraint: cty.DynamicPseudoType,
		Literal:    true,
		Nullable:   true,
		DefRange:   headerRange(b),
	}
	names := validNames(b)
	content, diags := typo.Content(b.Body, variableSchema)
	diags = append(diags, v.decodeAttributes(content.Attributes)...)
	for _, inner := range content.Blocks {
		c, condDiags := decodeCondition(inner)
		diags = append(diags, condDiags...)
		if c != nil {
			v.Validations = append(v.Validations, *c)
		}
	}
	return declared(v, names, diags)
}

func (v *Variable) decodeAttributes(attrs hcl.Attributes) hcl.Diagnostics {
	var diags hcl.Diagnostics
	diags = append(diags, decodeAttribute(attrs, "description", &v.Description)...)
	diags = append(diags, decodeAttribute(attrs, "nullable", &v.Nullable)...)
	diags = append(diags, decodeAttribute(attrs, "sensitive", &v.Sensitive)...)
	diags = append(diags, decodeAttribute(attrs, "ephemeral", &v.Ephemeral)...)
	typed := true
	if attr, ok := attrs["type"]; ok {
		typeDiags := v.decodeType(attr.Expr)
		diags = append(diags, typeDiags...)
		typed = !typeDiags.HasErrors()
	}
	if attr, ok := attrs["default"]; ok {
		diags = append(diags, v.decodeDefault(attr.Expr, typed)...)
	}
	return diags
}

// decodeAttribute decodes a constant into a Go value; null and absence leave it alone.
func decodeAttribute[T any](attrs hcl.Attributes, name string, into *T) hcl.Diagnostics {
	attr, ok := attrs[name]
	if !ok {
		return nil
	}
	var p *T
	diags := gohcl.DecodeExpression(attr.Expr, nil, &p)
	for _, d := range diags {
		if d.Summary == "Unsuitable value type" {
			d.Detail = fmt.Sprintf("The attribute %q takes a constant %T.", name, *into)
		}
	}
	if p != nil && !diags.HasErrors() {
		*into = *p
	}
	return diags
}

func (v *Variable) decodeType(expr hcl.Expression) hcl.Diagnostics {
	if diag := checkTypeString(expr); diag != nil {
		return hcl.Diagnostics{diag}
	}
	ty, defaults, diags := typeexpr.TypeConstraintWithDefaults(expr)
	if diags.HasErrors() {
		if text, ok := literalText(expr); ok && formerTypes[text] != "" {
			return hcl.Diagnostics{errorAt(expr.Range(), "Type in quotes", "Types were in quotes before Terraform 0.12. Write type = %s.", formerTypes[text])}
		}
		if near := didYouMean(hcl.ExprAsKeyword(expr), typeWords); near != "" {
			diags[0].Detail += near
		}
		return diags
	}
	v.Constraint, v.Defaults = ty, defaults
	v.Type = ty.WithoutOptionalAttributesDeep()
	v.Literal = ty.IsPrimitiveType()
	return diags
}

// formerTypes are the types that Terraform took in quotes once, as they are written now.
var formerTypes = map[string]string{
	"string": "string", "number": "number", "bool": "bool", "any": "any", "list": "list(string)", "map": "map(string)",
}

// literalText returns the text of a template without a sequence.
func literalText(expr hcl.Expression) (string, bool) {
	t, ok := expr.(*hclsyntax.TemplateExpr)
	if !ok || !t.IsStringLiteral() {
		return "", false
	}
	val, diags := t.Value(nil)
	if diags.HasErrors() {
		return "", false
	}
	return val.AsString(), true
}

var typeWords = []string{"string", "number", "bool", "any"}

// checkTypeString scans a type in JSON, a string that typeexpr parses as an expression
// and that the scan of the file took for a template.
func checkTypeString(expr hcl.Expression) *hcl.Diagnostic {
	text, ok := jsonString(expr)
	if !ok {
		return nil
	}
	if err := scan.Config([]byte(text)); err != nil {
		return errorAt(expr.Range(), err.Summary, "%s", err.Detail)
	}
	return nil
}

// jsonString returns the text of an expression that is a string in a JSON file.
func jsonString(expr hcl.Expression) (string, bool) {
	if !isJSON(expr) {
		return "", false
	}
	val, diags := expr.Value(nil)
	if diags.HasErrors() || val.IsNull() || val.Type() != cty.String {
		return "", false
	}
	return val.AsString(), true
}

// decodeDefault evaluates the default, which must be constant. Without a valid type it
// stands as given, so that the variable does not count as required.
func (v *Variable) decodeDefault(expr hcl.Expression, typed bool) hcl.Diagnostics {
	val, diags := expr.Value(nil)
	if diags.HasErrors() {
		v.Default = cty.UnknownVal(v.Type)
		for _, d := range diags {
			d.Detail += " A default must be a constant: it cannot use references or functions. Compute the value in a locals block."
		}
		return diags
	}
	if !typed {
		v.Default = val
		return diags
	}
	converted, err := v.convert(val)
	if err != nil {
		v.Default = cty.UnknownVal(v.Type)
		return append(diags, errorAt(expr.Range(), "Invalid default",
			"The default of var.%s does not fit its type %s: %s.", v.Name, typeexpr.TypeString(v.Constraint), describeConversion(err)))
	}
	v.Default = converted
	if converted.IsNull() && !v.Nullable {
		diags = append(diags, errorAt(expr.Range(), "Invalid default",
			"var.%s is not nullable, so its default cannot be null. Remove the default to require a value.", v.Name))
	}
	return diags
}

// convert gives a value the variable's type, filling in the defaults of optional
// attributes first.
func (v *Variable) convert(val cty.Value) (cty.Value, error) {
	if v.Defaults != nil && !val.IsNull() {
		val = v.Defaults.Apply(val)
	}
	if err := convertibleTo(val, v.Constraint); err != nil {
		return val, err
	}
	val, err := convert.Convert(val, v.Constraint)
	if s := sizeOf(val); err == nil && (s.outOfRange || s.infinite) {
		return val, errNumber
	}
	return val, err
}

// WriteIdentity writes down what a variable makes of a value that it is given, its validations aside.
func (v *Variable) WriteIdentity(w io.Writer) {
	fmt.Fprintf(w, "%s %t %t %t\n", typeexpr.TypeString(v.Constraint), v.Nullable, v.Sensitive, v.Ephemeral)
	if !v.Required() {
		fmt.Fprintf(w, "default %#v\n", v.Default)
	}
	writeDefaults(w, v.Defaults)
}

func writeDefaults(w io.Writer, d *typeexpr.Defaults) {
	if d == nil {
		return
	}
	for _, name := range sortedKeys(d.DefaultValues) {
		fmt.Fprintf(w, "%q = %#v\n", name, d.DefaultValues[name])
	}
	for _, name := range sortedKeys(d.Children) {
		fmt.Fprintf(w, "%q {\n", name)
		writeDefaults(w, d.Children[name])
		fmt.Fprintln(w, "}")
	}
}
