package hclspec

import (
	"errors"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A text that is converted to a number may hold more digits, or a larger exponent, than can be
// calculated with in any time. cty converts before anybody is asked, so every place that converts
// looks at the text first.

var errNumber = errors.New("a number is out of range: larger than 1e4900, or nearer to zero than 1e-4900")

// ConvertibleNumber returns an error for a text, or a number, that is out of range. What is no number
// at all is the matter of the conversion.
func ConvertibleNumber(v cty.Value) error {
	v, _ = v.Unmark()
	switch {
	case v.IsNull() || !v.IsKnown():
	case v.Type() == cty.Number && outOfRange(v), v.Type() == cty.String && !numberText(v.AsString()):
		return errNumber
	}
	return nil
}

// numberText reports whether a text may be converted to a number: it takes no long time.
func numberText(s string) bool {
	const mostExponentDigits = 6
	s = strings.TrimLeft(s, "+-")
	digits := 0
	for digits < len(s) && (s[digits] >= '0' && s[digits] <= '9' || s[digits] == '.') {
		digits++
	}
	if digits > maxExponent {
		return false
	}
	if s = s[digits:]; len(s) < 2 || s[0] != 'e' && s[0] != 'E' {
		return true
	}
	return len(strings.TrimLeft(s[1:], "+-0")) <= mostExponentDigits
}

// convertibleTo is ConvertibleNumber for the parts of a value that become numbers in a conversion to
// a type.
func convertibleTo(v cty.Value, ty cty.Type) error {
	v, _ = v.Unmark()
	if ty == cty.Number {
		return ConvertibleNumber(v)
	}
	if ty.IsPrimitiveType() || ty == cty.DynamicPseudoType || v.IsNull() || !v.IsKnown() || !v.CanIterateElements() {
		return nil
	}
	place := 0
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		of := cty.DynamicPseudoType
		switch {
		case ty.IsCollectionType():
			of = ty.ElementType()
		case ty.IsTupleType() && place < ty.Length():
			of = ty.TupleElementType(place)
		case ty.IsObjectType() && k.Type() == cty.String && ty.HasAttribute(k.AsString()):
			of = ty.AttributeType(k.AsString())
		}
		place++
		if err := convertibleTo(e, of); err != nil {
			return err
		}
	}
	return nil
}

// A numberArgument is the argument of a function that takes a number there.
type numberArgument struct{ hclsyntax.Expression }

func (g *numberArgument) UnwrapExpression() hcl.Expression { return g.Expression }

func (g *numberArgument) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	return inRange(g.Expression, ctx)
}

// inRange evaluates what is going to be converted to a number.
func inRange(expr hclsyntax.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := expr.Value(ctx)
	if v.Type() == cty.String && !diags.HasErrors() && ConvertibleNumber(v) != nil {
		return cty.UnknownVal(cty.Number), append(diags, numberOutOfRange(expr.Range()))
	}
	return v, diags
}

// guardNumbers has the arguments of a function looked at that become numbers.
func guardNumbers(call *hclsyntax.FunctionCallExpr) {
	f, known := pureFunctions[strings.TrimPrefix(call.Name, CoreNamespace)]
	if !known || call.ExpandFinal {
		return
	}
	params := f.Params()
	for i, arg := range call.Args {
		param := f.VarParam()
		if i < len(params) {
			param = &params[i]
		}
		if param != nil && param.Type == cty.Number {
			call.Args[i] = &numberArgument{arg}
		}
	}
}

// mayBeInfinite names the functions with a result that is infinite in Terraform, where their argument
// says so: log(0, 10), yamldecode(".inf"). Nobody can calculate with it.
var mayBeInfinite = map[string]bool{"log": true, "yamldecode": true}

func infinite(v cty.Value) bool {
	if v, _ = v.Unmark(); v.Type() != cty.Number || v.IsNull() || !v.IsKnown() {
		return false
	}
	return v.AsBigFloat().IsInf()
}
