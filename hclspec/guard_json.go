package hclspec

import (
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/typo"
)

// In JSON every text is a template that hcl parses again at each evaluation. jsonBody hands
// out expressions that are parsed once, into a guarded tree of the native syntax.
type jsonBody struct{ hcl.Body }

func (b jsonBody) Content(schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	content, diags := typo.Content(b.Body, schema)
	return guardContent(content), diags
}

func (b jsonBody) PartialContent(schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Body, hcl.Diagnostics) {
	content, rest, diags := b.Body.PartialContent(schema)
	return guardContent(content), jsonBody{rest}, diags
}

func (b jsonBody) JustAttributes() (hcl.Attributes, hcl.Diagnostics) {
	attrs, diags := b.Body.JustAttributes()
	guardAttributes(attrs)
	return attrs, diags
}

func guardContent(content *hcl.BodyContent) *hcl.BodyContent {
	guardAttributes(content.Attributes)
	for _, block := range content.Blocks {
		block.Body = jsonBody{block.Body}
	}
	return content
}

func guardAttributes(attrs hcl.Attributes) {
	for _, a := range attrs {
		a.Expr = &jsonExpression{Expression: a.Expr}
	}
}

type jsonExpression struct {
	hcl.Expression
	once sync.Once
	tree hclsyntax.Expression
}

func (e *jsonExpression) UnwrapExpression() hcl.Expression { return e.Expression }

// Value without a context takes texts literally, as hcl does.
func (e *jsonExpression) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if ctx == nil {
		return e.Expression.Value(nil)
	}
	return e.native().Value(ctx)
}

func (e *jsonExpression) native() hclsyntax.Expression {
	e.once.Do(func() { e.tree = guard(nativeTree(e.Expression)) })
	return e.tree
}

// isJSON reports whether an expression stands in a JSON file.
func isJSON(expr hcl.Expression) bool { return json.IsJSONExpression(hcl.UnwrapExpression(expr)) }

// nativeTree is what a JSON expression means, in the native syntax.
func nativeTree(expr hcl.Expression) hclsyntax.Expression {
	if e, ok := expr.(interface{ ExprList() []hcl.Expression }); ok {
		if list := e.ExprList(); list != nil {
			return nativeTuple(list, expr.Range())
		}
	}
	if e, ok := expr.(interface{ ExprMap() []hcl.KeyValuePair }); ok {
		if pairs := e.ExprMap(); pairs != nil {
			return nativeObject(pairs, expr.Range())
		}
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || v.Type() != cty.String {
		return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: expr.Range()}
	}
	start := expr.Range().Start // as in hcl, escapes are not accounted for
	start.Byte++
	start.Column++
	tree, diags := hclsyntax.ParseTemplate([]byte(v.AsString()), expr.Range().Filename, start)
	if diags.HasErrors() {
		return mistake(expr.Range(), diags)
	}
	return tree
}

func nativeTuple(list []hcl.Expression, rng hcl.Range) hclsyntax.Expression {
	t := &hclsyntax.TupleConsExpr{SrcRange: rng, OpenRange: rng}
	for _, e := range list {
		t.Exprs = append(t.Exprs, nativeTree(e))
	}
	return t
}

func nativeObject(pairs []hcl.KeyValuePair, rng hcl.Range) hclsyntax.Expression {
	o := &hclsyntax.ObjectConsExpr{SrcRange: rng, OpenRange: rng}
	first := make(map[string]hcl.Range, len(pairs))
	for _, p := range pairs {
		name, _ := p.Key.Value(nil)
		if at, ok := first[name.AsString()]; ok {
			return mistake(rng, hcl.Diagnostics{errorAt(p.Key.Range(), "Duplicate object attribute",
				"An attribute named %q was already defined at %s.", name.AsString(), at)})
		}
		first[name.AsString()] = p.Key.Range()
		o.Items = append(o.Items, hclsyntax.ObjectConsItem{
			KeyExpr:   &hclsyntax.ObjectConsKeyExpr{Wrapped: nativeTree(p.Key), ForceNonLiteral: true},
			ValueExpr: nativeTree(p.Value),
		})
	}
	return o
}

// mistake stands for what cannot be evaluated.
func mistake(rng hcl.Range, diags hcl.Diagnostics) hclsyntax.Expression {
	return &hclsyntax.ExprSyntaxError{Placeholder: cty.DynamicVal, ParseDiags: diags, SrcRange: rng}
}
