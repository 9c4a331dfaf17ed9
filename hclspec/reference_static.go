package hclspec

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"tidegate/hclspec/scan"
)

// StaticReferences reads a list of plain references, as in depends_on, detectors, rules
// and rate_limits: [detector.etag.fast]. In JSON the elements are strings, with or
// without ${ }. Nothing is evaluated, so the result is known before any value is.
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

func staticReference(expr hcl.Expression) (*Reference, *hcl.Diagnostic) {
	t := staticTraversal(expr)
	if t == nil {
		detail := "Write the address of a block as it is, such as source.http.app; calculations and function calls are not possible here."
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
	if len(ref.Rest) > 0 {
		return nil, errorAt(t.SourceRange(), "Reference to a part of a block",
			"Only whole blocks can be named here. Write %s.", ref.Instance())
	}
	return ref, nil
}

func staticTraversal(expr hcl.Expression) hcl.Traversal {
	text, ok := jsonString(expr)
	if !ok {
		t, diags := hcl.AbsTraversalForExpr(expr)
		if diags.HasErrors() {
			return nil
		}
		return t
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
	t, diags := hclsyntax.ParseTraversalAbs([]byte(text), expr.Range().Filename, start)
	if diags.HasErrors() {
		return nil
	}
	return t
}
