package hclspec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"tidegate/hclspec/address"
)

// A Repetition says how many instances a block or a module call has. Exactly one of ForEach and
// Count is set.
type Repetition struct {
	ForEach hcl.Expression // a map, an object or a set of strings: an instance for each key
	Count   hcl.Expression // a whole number of instances, numbered from 0
	// AllowEmpty lets a set of instances that follows data become empty. Else that is taken for
	// a mistake of the data, and the instances stay as they are.
	AllowEmpty hcl.Expression // nil for false
	DefRange   hcl.Range      // the attribute's
}

// Expression is ForEach or Count.
func (r *Repetition) Expression() hcl.Expression {
	if r.ForEach != nil {
		return r.ForEach
	}
	return r.Count
}

// Word is the name of the attribute: for_each or count.
func (r *Repetition) Word() string {
	if r.ForEach != nil {
		return "for_each"
	}
	return "count"
}

var repetitionSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "for_each"}, {Name: "count"}}}

// allowEmptySchema is of what follows data. A source has allow_empty of its own, for its value,
// and it counts for both.
var allowEmptySchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "allow_empty"}}}

// repetition takes for_each and count out of a body, and returns what is left of it.
func repetition(body hcl.Body, typ address.Type) (*Repetition, hcl.Body, hcl.Diagnostics) {
	if native, ok := body.(*hclsyntax.Body); ok && native.Attributes["for_each"] == nil && native.Attributes["count"] == nil {
		return nil, body, nil // most blocks
	}
	content, rest, diags := body.PartialContent(repetitionSchema)
	each, count := content.Attributes["for_each"], content.Attributes["count"]
	var r *Repetition
	switch {
	case each != nil && count != nil:
		return nil, rest, append(diags, errorAt(count.NameRange, "Conflicting attributes",
			"count and for_each exclude each other. Keep for_each where the instances have names, count where they are only numbered."))
	case each != nil:
		r = &Repetition{ForEach: each.Expr, DefRange: each.Range}
	case count != nil:
		r = &Repetition{Count: count.Expr, DefRange: count.Range}
	default:
		return nil, body, diags
	}
	empty, without, more := rest.PartialContent(allowEmptySchema)
	diags = append(diags, more...)
	if attr := empty.Attributes["allow_empty"]; attr != nil {
		r.AllowEmpty = attr.Expr
		if typ != address.Source {
			rest = without
		}
	}
	return r, rest, diags
}

// OwnInstance turns a reference to all instances of a block or module call that an expression
// indexes by the key of the instance it stands in, each.key or count.index, into one to that
// instance: the others do not matter then.
func OwnInstance(expr hcl.Expression, refs []*Reference, key address.Key) {
	var indexed map[hcl.Pos]hcl.Traversal
	for _, r := range refs {
		if r.Key != address.NoKey || len(r.Rest) > 0 || r.Target.IsZero() {
			continue
		}
		if indexed == nil {
			indexed = indexedByEach(expr)
		}
		rest, ok := indexed[r.Range.Start]
		if !ok {
			continue
		}
		r.Key, r.Rest = key, rest
		if r.Target.Type == address.ModuleCall {
			r.output()
		}
	}
}

// indexedByEach returns where an expression refers to something that it indexes by the own key,
// with what follows.
func indexedByEach(expr hcl.Expression) map[hcl.Pos]hcl.Traversal {
	w := indexWalker{found: map[hcl.Pos]hcl.Traversal{}}
	if e, ok := expr.(*jsonExpression); ok {
		expr = e.native()
	}
	if l, ok := expr.(*later); ok {
		expr = l.UnwrapExpression()
	}
	if node, ok := expr.(hclsyntax.Node); ok {
		_ = hclsyntax.Walk(node, &w)
	}
	return w.found
}

type indexWalker struct{ found map[hcl.Pos]hcl.Traversal }

func (w *indexWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	var rest hcl.Traversal
	if relative, ok := n.(*hclsyntax.RelativeTraversalExpr); ok {
		n, rest = relative.Source, relative.Traversal
	}
	index, ok := n.(*hclsyntax.IndexExpr)
	if !ok {
		return nil
	}
	of, ok := index.Collection.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		return nil
	}
	at := of.Traversal.SourceRange().Start
	if _, known := w.found[at]; ownKey(index.Key) != "" && !known { // what is around it was seen first
		w.found[at] = rest
	}
	return nil
}

// ownKey returns the first word of each.key and count.index, "" for any other expression.
func ownKey(expr hcl.Expression) string {
	key, ok := expr.(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(key.Traversal) != 2 {
		return ""
	}
	name, ok := key.Traversal[1].(hcl.TraverseAttr)
	word := key.Traversal.RootName()
	if ok && (word == "each" && name.Name == "key" || word == "count" && name.Name == "index") {
		return word
	}
	return ""
}

func (w *indexWalker) Exit(hclsyntax.Node) hcl.Diagnostics { return nil }
