package hclspec

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// CoreNamespace may stand before the name of a function, as in Terraform.
const CoreNamespace = "core::"

// A callGuard looks at what a function answered. Functions whose result can be much larger
// than what they are given look before they build it: see boundedFunctions.
type callGuard struct{ *hclsyntax.FunctionCallExpr }

func (g *callGuard) UnwrapExpression() hcl.Expression { return g.FunctionCallExpr }

func (g *callGuard) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := g.FunctionCallExpr.Value(ctx)
	if diags.HasErrors() {
		return v, g.explain(ctx, diags)
	}
	if textLength(v) > MaxTextBytes {
		return cty.DynamicVal, append(diags, textTooLarge(g.Range()))
	}
	wrong := outOfRange(v) && !(mayBeInfinite[g.Name] && infinite(v))
	if reads[g.Name] {
		s := sizeOf(v)
		wrong = s.outOfRange || s.infinite && !mayBeInfinite[g.Name]
	}
	if wrong {
		return cty.DynamicVal, append(diags, numberOutOfRange(g.Range()))
	}
	if multiplies[g.Name] && sizeOf(v).tooMany() {
		return cty.DynamicVal, append(diags, partsTooMany(g.Range()))
	}
	return made(ctx, v, diags, g.Range())
}

// multiplies names the functions that can put one value into their result several times.
var multiplies = map[string]bool{"concat": true, "deepmerge": true, "merge": true, "setproduct": true}

// reads names the functions that answer numbers which a text held.
var reads = map[string]bool{"jsondecode": true, "yamldecode": true}

// explain rewrites what a function said of a call, where nobody should read it as it is: the
// trace of a panic, and words that may quote a secret which the function did not know for one.
func (g *callGuard) explain(ctx *hcl.EvalContext, diags hcl.Diagnostics) hcl.Diagnostics {
	for i, d := range diags {
		extra, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
		if !ok || extra.FunctionCallError() == nil || d.Context == nil || *d.Context != g.Range() {
			continue
		}
		var detail string
		switch {
		case errors.As(extra.FunctionCallError(), new(function.PanicError)):
			detail = fmt.Sprintf("Call to function %q failed: it has no result for these arguments.", g.Name)
		case g.givenSecrets(ctx):
			detail = fmt.Sprintf("Call to function %q failed. Why is not shown, because the reason may quote the sensitive value that it was given.", g.Name)
		default:
			continue
		}
		told := *d
		told.Detail = detail
		diags = slices.Clone(diags)
		diags[i] = &told
	}
	return diags
}

// givenSecrets reports whether the function was given a marked value without its mark, as one
// is that does not look after marks itself.
func (g *callGuard) givenSecrets(ctx *hcl.EvalContext) bool {
	var f function.Function
	found := false
	for c := ctx; c != nil && !found; c = c.Parent() {
		f, found = c.Functions[g.Name]
	}
	if !found {
		return false
	}
	params := f.Params()
	for i, arg := range g.Args {
		param := f.VarParam()
		if i < len(params) {
			param = &params[i]
		}
		if param == nil || param.AllowMarked || param.Type.IsCapsuleType() {
			continue
		}
		if v, _ := arg.Value(ctx); v.ContainsMarked() {
			return true
		}
	}
	return false
}
