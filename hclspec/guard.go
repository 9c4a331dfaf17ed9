package hclspec

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// hclsyntax evaluates to the end, whatever it costs. So the expressions that can multiply
// are wrapped once, when they are parsed, in others that count.

// guardBody wraps the expressions of a body, in place.
func guardBody(b *hclsyntax.Body) {
	for _, a := range b.Attributes {
		a.Expr = guard(a.Expr)
	}
	for _, block := range b.Blocks {
		guardBody(block.Body)
	}
}

// guard wraps what can multiply in an expression, in place, and returns what stands for it.
func guard(expr hclsyntax.Expression) hclsyntax.Expression {
	switch e := expr.(type) {
	case *hclsyntax.ForExpr:
		e.CollExpr = guard(e.CollExpr)
		e.KeyExpr = pass(e.KeyExpr, e.SrcRange)
		e.ValExpr = pass(e.ValExpr, e.SrcRange)
		e.CondExpr = pass(e.CondExpr, e.SrcRange)
		return &loopGuard{e}
	case *hclsyntax.SplatExpr:
		e.Source = guard(e.Source)
		e.Each = pass(e.Each, e.SrcRange)
		return &loopGuard{e}
	case *hclsyntax.TemplateExpr:
		guardAll(e.Parts)
		if e.IsStringLiteral() {
			return e
		}
		return &templateGuard{e}
	case *hclsyntax.TemplateJoinExpr:
		e.Tuple = guard(e.Tuple)
		return &joinGuard{e}
	case *hclsyntax.FunctionCallExpr:
		guardAll(e.Args)
		guardNumbers(e)
		e.Name = strings.TrimPrefix(e.Name, CoreNamespace)
		return &callGuard{e}
	case *hclsyntax.TupleConsExpr:
		guardAll(e.Exprs)
		if len(e.Exprs) > 1 {
			return &consGuard{e}
		}
	case *hclsyntax.ObjectConsExpr:
		for i := range e.Items {
			e.Items[i].KeyExpr = guard(e.Items[i].KeyExpr)
			e.Items[i].ValueExpr = guard(e.Items[i].ValueExpr)
		}
		if len(e.Items) > 1 {
			return &consGuard{e}
		}
	case *hclsyntax.LiteralValueExpr:
		if outOfRange(e.Val) {
			return mistake(e.SrcRange, hcl.Diagnostics{numberOutOfRange(e.SrcRange)})
		}
	case *hclsyntax.BinaryOpExpr:
		e.LHS, e.RHS = guard(e.LHS), guard(e.RHS)
		if e.Op.Type == cty.Number {
			return &numberGuard{e}
		}
	case *hclsyntax.UnaryOpExpr:
		e.Val = guard(e.Val)
		if e.Op.Type == cty.Number {
			return &negativeGuard{e}
		}
	default:
		guardOperands(expr)
	}
	return expr
}

func guardAll(exprs []hclsyntax.Expression) {
	for i := range exprs {
		exprs[i] = guard(exprs[i])
	}
}

// guardOperands goes through what does not multiply itself.
func guardOperands(expr hclsyntax.Expression) {
	switch e := expr.(type) {
	case *hclsyntax.ConditionalExpr:
		e.Condition, e.TrueResult, e.FalseResult = guard(e.Condition), guard(e.TrueResult), guard(e.FalseResult)
	case *hclsyntax.IndexExpr:
		e.Collection, e.Key = guard(e.Collection), guard(e.Key)
	case *hclsyntax.RelativeTraversalExpr:
		e.Source = guard(e.Source)
	case *hclsyntax.ParenthesesExpr:
		e.Expression = guard(e.Expression)
	case *hclsyntax.ObjectConsKeyExpr:
		e.Wrapped = guard(e.Wrapped)
	case *hclsyntax.TemplateWrapExpr:
		e.Wrapped = guard(e.Wrapped)
	}
}

// pass wraps what a loop evaluates in each pass; nil stays nil.
func pass(expr hclsyntax.Expression, loop hcl.Range) hclsyntax.Expression {
	if expr == nil {
		return nil
	}
	return &passGuard{guard(expr), loop}
}

// A loopGuard is the place of a loop. The outermost has the meter of all.
type loopGuard struct{ hclsyntax.Expression }

func (g *loopGuard) UnwrapExpression() hcl.Expression { return g.Expression }

func (g *loopGuard) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if meterOf(ctx) != nil {
		return g.Expression.Value(ctx)
	}
	ctx, m := metered(ctx)
	v, diags := g.Expression.Value(ctx)
	if m.exceeded != nil { // also where a try() inside swallowed it
		return cty.DynamicVal, hcl.Diagnostics{m.exceeded}
	}
	if !diags.HasErrors() && sizeOf(v).tooMany() {
		return cty.DynamicVal, append(diags, partsTooMany(g.Range()))
	}
	return v, diags
}

// A passGuard counts, and does nothing any more once a limit was passed.
type passGuard struct {
	hclsyntax.Expression
	loop hcl.Range
}

func (g *passGuard) UnwrapExpression() hcl.Expression { return g.Expression }

func (g *passGuard) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	m := meterOf(ctx)
	if m == nil { // not inside its loop
		return g.Expression.Value(ctx)
	}
	if diag := m.charge(1, 0, g.loop); diag != nil {
		return cty.DynamicVal, hcl.Diagnostics{diag}
	}
	return g.Expression.Value(ctx)
}

// made charges the loops around for a value that was built inside.
func made(ctx *hcl.EvalContext, v cty.Value, diags hcl.Diagnostics, rng hcl.Range) (cty.Value, hcl.Diagnostics) {
	if m := meterOf(ctx); m != nil {
		if diag := m.charge(elements(v), textLength(v), rng); diag != nil {
			return cty.DynamicVal, append(diags, diag)
		}
	}
	return v, diags
}

// A numberGuard looks at the operands and at the result of a calculation.
type numberGuard struct{ *hclsyntax.BinaryOpExpr }

func (g *numberGuard) UnwrapExpression() hcl.Expression { return g.BinaryOpExpr }

func (g *numberGuard) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	left, diags := inRange(g.LHS, ctx)
	right, more := inRange(g.RHS, ctx)
	for _, operand := range []struct {
		expr  hclsyntax.Expression
		value cty.Value
	}{{g.LHS, left}, {g.RHS, right}} {
		if outOfRange(operand.value) {
			return cty.UnknownVal(cty.Number), append(append(diags, more...), numberOutOfRange(operand.expr.Range()))
		}
	}
	whole := *g.BinaryOpExpr
	whole.LHS, whole.RHS = &evaluated{g.LHS, left, diags}, &evaluated{g.RHS, right, more}
	v, diags := whole.Value(ctx)
	switch {
	case !outOfRange(v):
		return v, diags
	case infinite(v) && g.Op == hclsyntax.OpDivide:
		return cty.UnknownVal(cty.Number), append(diags, errorAt(g.Range(), "Division by zero", "This divides by zero."))
	}
	return cty.UnknownVal(cty.Number), append(diags, numberOutOfRange(g.Range()))
}

// A negativeGuard looks at what a minus stands before.
type negativeGuard struct{ *hclsyntax.UnaryOpExpr }

func (g *negativeGuard) UnwrapExpression() hcl.Expression { return g.UnaryOpExpr }

func (g *negativeGuard) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := inRange(g.Val, ctx)
	whole := *g.UnaryOpExpr
	whole.Val = &evaluated{g.Val, v, diags}
	if v, diags = whole.Value(ctx); outOfRange(v) {
		return cty.UnknownVal(cty.Number), append(diags, numberOutOfRange(g.Range()))
	}
	return v, diags
}

// A consGuard looks at a list or object that was put together: of ten parts that hold ten
// parts each, and so on, memory holds few, and whoever walks it never comes to an end.
type consGuard struct{ hclsyntax.Expression }

func (g *consGuard) UnwrapExpression() hcl.Expression { return g.Expression }

func (g *consGuard) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := g.Expression.Value(ctx)
	if diags.HasErrors() {
		return v, diags
	}
	s := sizeOf(v)
	if s.tooMany() {
		return cty.DynamicVal, append(diags, partsTooMany(g.Range()))
	}
	if m := meterOf(ctx); m != nil {
		if diag := m.charge(s.parts, 0, g.Range()); diag != nil {
			return cty.DynamicVal, append(diags, diag)
		}
	}
	return v, diags
}

// A templateGuard adds up the parts of a template before it puts them together.
type templateGuard struct{ *hclsyntax.TemplateExpr }

func (g *templateGuard) UnwrapExpression() hcl.Expression { return g.TemplateExpr }

func (g *templateGuard) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	parts := make([]hclsyntax.Expression, len(g.Parts))
	done := make([]evaluated, len(g.Parts))
	total := 0
	for i, part := range g.Parts {
		v, diags := part.Value(ctx)
		if total += textLength(v); total > MaxTextBytes {
			return cty.UnknownVal(cty.String), append(diags, textTooLarge(g.Range()))
		}
		done[i] = evaluated{part, v, diags}
		parts[i] = &done[i]
	}
	whole := hclsyntax.TemplateExpr{Parts: parts, SrcRange: g.SrcRange}
	v, diags := whole.Value(ctx)
	return made(ctx, v, diags, g.Range())
}

// A joinGuard does the same for the passes of a loop in a template.
type joinGuard struct{ *hclsyntax.TemplateJoinExpr }

func (g *joinGuard) UnwrapExpression() hcl.Expression { return g.TemplateJoinExpr }

func (g *joinGuard) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := g.Tuple.Value(ctx)
	if diags.HasErrors() {
		return cty.UnknownVal(cty.String), diags
	}
	if sizeOf(v).tooLong() {
		return cty.UnknownVal(cty.String), append(diags, textTooLarge(g.Range()))
	}
	whole := hclsyntax.TemplateJoinExpr{Tuple: &evaluated{g.Tuple, v, diags}}
	v, diags = whole.Value(ctx)
	return made(ctx, v, diags, g.Range())
}

// evaluated is an expression whose value is there already.
type evaluated struct {
	hclsyntax.Expression
	value cty.Value
	diags hcl.Diagnostics
}

func (e *evaluated) UnwrapExpression() hcl.Expression { return e.Expression }

func (e *evaluated) Value(*hcl.EvalContext) (cty.Value, hcl.Diagnostics) { return e.value, e.diags }
