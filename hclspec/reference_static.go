package hclspec

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"tidegate/hclspec/address"
	"tidegate/hclspec/scan"
)

// StaticReferences reads a list of plain references, as in depends_on, detectors, rules
// and rate_limits: [detector.etag.fast], one instance of a block (detector.etag.fast["a"]), or
// the one with the own key (detector.etag.fast[each.key]). In JSON the elements are strings, with
// or without ${ }. Nothing is evaluated, so the result is known before any value is.
func StaticReferences(expr hcl.Expression) ([]*Reference, hcl.Diagnostics) {
	elements, diags := hcl.ExprList(expr)
	if diags.HasErrors() {
		example := "source.http.app"
		if ref, diag := staticReference(expr); diag == nil {
			example = ref.Instance().String()
		}
		return nil, hcl.Diagnostics{errorAt(expr.Range(), "Not a list of references",
			"A list of references is needed, such as [%s]. It is read before anything is evaluated, so it cannot be computed.", example)}
	}
	var refs []*Reference
	for _, e := range elements {
		ref, diag := staticReference(e)
		if diag != nil {
			diags = append(diags, diag)
			continue
		}
		refs = append(refs, ref)
	}
	return refs, diags
}

// WholeReference returns the block, or the instance of one, that an expression names and nothing
// more; nil for any other expression.
func WholeReference(expr hcl.Expression) *Reference {
	ref, diag := staticReference(expr)
	if diag != nil {
		return nil
	}
	return ref
}

func staticReference(expr hcl.Expression) (*Reference, *hcl.Diagnostic) {
	written := staticExpression(expr)
	own := ""
	if of, word := indexedByOwnKey(written); word != "" {
		written, own = of, word
	}
	t := traversalOf(written)
	if t == nil {
		detail := "Write the address of a block as it is, such as source.http.app; calculations and function calls are not possible here."
		if of := instanceOf(written); of != "" {
			detail = fmt.Sprintf("Which instance of %s is meant must be known before anything is evaluated. Write %[1]s[\"KEY\"] with its key, %[1]s[each.key] or %[1]s[count.index] for that of the block's own, or %[1]s for all of them.", of)
		}
		if isJSON(expr) {
			detail = "Write the address of a block as a text, such as \"source.http.app\"."
		} else if val, diags := expr.Value(nil); !diags.HasErrors() && val.IsKnown() && !val.IsNull() {
			detail = "Write the address of a block without quotes, such as source.http.app."
		}
		return nil, errorAt(expr.Range(), "Not a reference", "%s", detail)
	}
	ref, diag := ParseReference(t)
	if diag != nil {
		return nil, diag
	}
	if ref.Target.IsZero() {
		return nil, errorAt(ref.Range, "Not a reference to a block", "%s is not a block. Name one by its address, such as source.http.app.", ref.Root)
	}
	if len(ref.Rest) > 0 || own != "" && (ref.Key != address.NoKey || !ref.Target.Type.HasKind() && ref.Target.Type != address.ModuleCall) {
		return nil, errorAt(t.SourceRange(), "Reference to a part of a block",
			"Only whole blocks can be named here. Write %s.", ref.Instance())
	}
	ref.Own = own
	return ref, nil
}

// staticTraversal returns what is written where a plain reference is expected, nil for anything else.
func staticTraversal(expr hcl.Expression) hcl.Traversal { return traversalOf(staticExpression(expr)) }

func traversalOf(expr hcl.Expression) hcl.Traversal {
	if expr == nil {
		return nil
	}
	t, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() {
		return nil
	}
	return t
}

// staticExpression is an expression, or what a text of JSON stands for; nil if that is none.
func staticExpression(expr hcl.Expression) hcl.Expression {
	text, ok := jsonString(expr)
	if !ok {
		return expr
	}
	start := expr.Range().Start
	start.Byte++
	start.Column++
	if inner, ok := strings.CutPrefix(text, "${"); ok && strings.HasSuffix(inner, "}") {
		text = strings.TrimSuffix(inner, "}")
		start.Byte += 2
		start.Column += 2
	}
	if scan.Config([]byte(text)) != nil {
		return nil
	}
	native, diags := hclsyntax.ParseExpression([]byte(text), expr.Range().Filename, start)
	if diags.HasErrors() {
		return nil
	}
	return native
}

// indexedByOwnKey returns what an expression indexes by each.key or count.index, and the word
// that the index begins with, "" for any other.
func indexedByOwnKey(expr hcl.Expression) (of hcl.Expression, word string) {
	index, ok := expr.(*hclsyntax.IndexExpr)
	if !ok {
		return nil, ""
	}
	return index.Collection, ownKey(index.Key)
}

// instanceOf returns the address of which an expression names an instance by a key that is
// calculated, "" for any other.
func instanceOf(expr hcl.Expression) string {
	index, ok := expr.(*hclsyntax.IndexExpr)
	if !ok {
		return ""
	}
	ref, diag := staticReference(index.Collection)
	if diag != nil {
		return ""
	}
	return ref.Target.String()
}
