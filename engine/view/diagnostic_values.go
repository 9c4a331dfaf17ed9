package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// expressionValue says what a reference in a failing expression stood for.
type expressionValue struct {
	Traversal string `json:"traversal"`
	Statement string `json:"statement"`
}

// expressionValues lists the references of the expression that failed. hcl's own writer does
// so too; this one never says anything about a value with a sensitive part but that.
func expressionValues(d *hcl.Diagnostic) []expressionValue {
	out := []expressionValue{}
	if d.Expression == nil || d.EvalContext == nil {
		return out
	}
	for _, t := range d.Expression.Variables() {
		v, diags := t.TraverseAbs(d.EvalContext)
		if diags.HasErrors() || v == cty.NilVal {
			continue
		}
		e := expressionValue{traversalText(t), statement(v)}
		if e.Statement != "" && !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b expressionValue) int { return strings.Compare(a.Traversal, b.Traversal) })
	return out
}

func statement(v cty.Value) string {
	switch {
	case v.ContainsMarked():
		return "has a sensitive value"
	case !v.IsKnown():
		return "is not known yet"
	case v.IsNull():
		return "is null"
	}
	switch ty := v.Type(); {
	case ty.IsPrimitiveType():
		return "is " + inline(v)
	case ty.IsObjectType():
		return fmt.Sprintf("is object with %s", count(len(ty.AttributeTypes()), "attribute"))
	case ty.IsCollectionType() || ty.IsTupleType():
		return fmt.Sprintf("is %s with %s", ty.FriendlyName(), count(v.LengthInt(), "element"))
	}
	return ""
}

func traversalText(t hcl.Traversal) string {
	var b strings.Builder
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			if s.Key.Type().IsPrimitiveType() {
				b.WriteString("[" + inline(s.Key) + "]")
			} else {
				b.WriteString("[...]")
			}
		}
	}
	return b.String()
}
