package providers

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/mark"
	"tidegate/hclspec/typo"
)

// A dynamic block stands for as many nested blocks as its for_each has elements. It is taken
// apart once, like all others, and expanded at each evaluation:
//
//	dynamic "assertion" {
//	  for_each = local.required
//	  iterator = key          # the block's name if left out
//	  content {
//	    condition     = can(value[key.value])
//	    error_message = "${key.value} is missing."
//	  }
//	}
type dynamic struct {
	forEach  hcl.Expression
	iterator string
	header   hcl.Range
}

// maxDynamic bounds how many blocks the dynamic blocks of one block make.
const maxDynamic = 10_000

const dynamicName = "dynamic"

var dynamicHeader = hcl.BlockHeaderSchema{Type: dynamicName, LabelNames: []string{"type"}}

var dynamicSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "for_each", Required: true}, {Name: "iterator"}, {Name: "labels"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "content"}},
}

// compileDynamic takes a dynamic block apart; nil if that cannot be done. outer are the names
// of the iterators around.
func compileDynamic(b *NestedBlock, block *hcl.Block, outer []string) (*nested, hcl.Diagnostics) {
	content, diags := typo.Content(block.Body, dynamicSchema)
	d := &dynamic{iterator: b.Name, header: block.DefRange}
	if a := content.Attributes["labels"]; a != nil {
		diags = append(diags, mistakeAt(a.NameRange, "Unsupported argument",
			"A block %s has no labels, so a dynamic block has none to give it. Remove the argument.", b.Name))
	}
	if a := content.Attributes["iterator"]; a != nil {
		if d.iterator = hcl.ExprAsKeyword(a.Expr); d.iterator == "" {
			diags = append(diags, mistakeAt(a.Expr.Range(), "Invalid iterator",
				"The iterator is a name of your choice, written without quotes, such as iterator = item; then item.key and item.value are the element's."))
		}
	}
	if len(content.Blocks) != 1 {
		rng := block.DefRange
		if len(content.Blocks) > 1 {
			rng = content.Blocks[1].DefRange
		}
		diags = append(diags, mistakeAt(rng, "Wrong number of content blocks",
			"A dynamic block holds one content block, which says what each %s block holds.", b.Name))
	}
	a := content.Attributes["for_each"]
	if diags.HasErrors() || a == nil {
		return nil, diags
	}
	d.forEach = iterate(a.Expr, outer)
	inner := content.Blocks[0]
	sub, more := compile(b.Schema, inner.Body, &inner.DefRange, append(slices.Clip(outer), d.iterator))
	return &nested{b, sub, d}, append(diags, more...)
}

// unknownDynamic says that there is no nested block of a dynamic block's label.
func (s *Schema) unknownDynamic(block *hcl.Block) *hcl.Diagnostic {
	var names []string
	for _, b := range s.Blocks {
		names = append(names, b.Name)
	}
	return mistakeAt(block.LabelRanges[0], "Unsupported block type", "Blocks of type %q are not expected here. Those that are: %s.", block.Labels[0], strings.Join(names, ", "))
}

func mistakeAt(rng hcl.Range, summary, detail string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(detail, args...), Subject: &rng}
}

// An iterated expression stands in the content of a dynamic block, or of several, and may use
// their iterators, which are no references to anything else.
type iterated struct {
	hcl.Expression
	iterators []string
}

func iterate(expr hcl.Expression, iterators []string) hcl.Expression {
	if len(iterators) == 0 {
		return expr
	}
	return &iterated{expr, iterators}
}

// UnwrapExpression is how package hcl gets at the expression behind.
func (e *iterated) UnwrapExpression() hcl.Expression { return e.Expression }

func (e *iterated) Variables() []hcl.Traversal {
	return slices.DeleteFunc(e.Expression.Variables(), func(t hcl.Traversal) bool {
		return slices.Contains(e.iterators, t.RootName())
	})
}

// Value takes an iterator that nobody has set for unknown.
func (e *iterated) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	missing := map[string]cty.Value{}
	for _, name := range e.iterators {
		if !defines(ctx, name) {
			missing[name] = cty.DynamicVal
		}
	}
	return e.Expression.Value(child(ctx, missing))
}

// defines reports whether a context knows a name as an iterator: those stand in children.
func defines(ctx *hcl.EvalContext, name string) bool {
	for ; ctx != nil && ctx.Parent() != nil; ctx = ctx.Parent() {
		if _, is := ctx.Variables[name]; is {
			return true
		}
	}
	return false
}

func child(ctx *hcl.EvalContext, vars map[string]cty.Value) *hcl.EvalContext {
	if len(vars) == 0 {
		return ctx
	}
	if ctx == nil {
		ctx = &hcl.EvalContext{}
	}
	inner := ctx.NewChild()
	inner.Variables = vars
	return inner
}

// A bound expression is one that is kept as it is written, of one of the blocks that a dynamic
// block stands for.
type bound struct {
	*iterated
	values map[string]cty.Value
}

// Compiled returns the expression of the block of which expr is an instance, which is expr
// itself outside of dynamic blocks.
func Compiled(expr hcl.Expression) hcl.Expression {
	if b, is := expr.(*bound); is {
		return b.iterated
	}
	return expr
}

func (b *bound) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := b.Expression.Value(child(ctx, b.values))
	return v, concealed(diags, b.values)
}

// concealed leaves out the words of errors where an iterator is sensitive: they may quote it.
func concealed(diags hcl.Diagnostics, iterators map[string]cty.Value) hcl.Diagnostics {
	secret := false
	for _, v := range iterators {
		secret = secret || mark.Has(v)
	}
	if !secret {
		return diags
	}
	for i, d := range diags {
		hidden := *d
		hidden.Detail = "A sensitive value takes part, so the details are not shown."
		hidden.Expression, hidden.EvalContext = nil, nil
		diags[i] = &hidden
	}
	return diags
}

// An evaluation is one pass over a block.
type evaluation struct {
	scope     func(name string, expr hcl.Expression) *hcl.EvalContext
	iterators map[string]cty.Value // of the dynamic blocks around
	made      *int                 // blocks that dynamic blocks made so far
}

func (e evaluation) context(name string, expr hcl.Expression) *hcl.EvalContext {
	return child(e.scope(name, expr), e.iterators)
}

// with returns the evaluation of the content for one element.
func (e evaluation) with(iterator string, key, value cty.Value) evaluation {
	all := maps.Clone(e.iterators)
	if all == nil {
		all = map[string]cty.Value{}
	}
	all[iterator] = cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})
	e.iterators = all
	return e
}

// expand returns an evaluation for each block that n stands for. Where for_each is not known
// there is one, over unknown elements, which finds mistakes and tells nothing else.
func (n *nested) expand(prefix string, e evaluation) (passes []evaluation, known bool, diags hcl.Diagnostics) {
	if n.dynamic == nil {
		return []evaluation{e}, true, nil
	}
	d := n.dynamic
	ctx := e.context(prefix+n.Name+".for_each", d.forEach)
	v, diags := d.forEach.Value(ctx)
	diags = concealed(diags, e.iterators)
	fail := func(summary, detail string, args ...any) ([]evaluation, bool, hcl.Diagnostics) {
		diag := mistakeAt(d.forEach.Range(), summary, detail, args...)
		diag.Expression, diag.EvalContext = d.forEach, ctx
		return nil, false, append(diags, diag)
	}
	if diags.HasErrors() {
		return nil, false, diags
	}
	v, marks := v.Unmark()
	ty := v.Type()
	switch {
	case v.IsNull():
		return fail("Invalid for_each", "The for_each of a dynamic block is null. Use an empty list, [], for no blocks.")
	case ty != cty.DynamicPseudoType && !ty.IsCollectionType() && !ty.IsObjectType() && !ty.IsTupleType():
		return fail("Invalid for_each", "The for_each of a dynamic block takes a list, set, map or object, and this is a %s.", ty.FriendlyName())
	case !v.IsKnown():
		unknown := cty.DynamicVal.WithMarks(marks)
		return []evaluation{e.with(d.iterator, unknown, unknown)}, false, diags
	}
	if *e.made += v.LengthInt(); *e.made > maxDynamic {
		return fail("Too many blocks", "The dynamic blocks of one block may make at most %d blocks, and these are more.", maxDynamic)
	}
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if ty.IsSetType() {
			key = value
		}
		passes = append(passes, e.with(d.iterator, key.WithMarks(marks), value.WithMarks(marks)))
	}
	return passes, true, diags
}

// iteration says which block a value came from where its expressions are kept as they are
// written, so that Configure finds them, and the elements they are about.
func (n *nested) iteration(place int, e evaluation, v cty.Value) cty.Value {
	if len(e.iterators) == 0 || !n.needsExpressions() {
		return v
	}
	attrs := v.AsValueMap()
	if attrs == nil {
		attrs = map[string]cty.Value{}
	}
	attrs[dynamicName] = cty.ObjectVal(map[string]cty.Value{
		"block": cty.NumberIntVal(int64(place)), "iterators": cty.ObjectVal(e.iterators),
	})
	return cty.ObjectVal(attrs)
}

// bind returns the block that a value came from, with its expressions over their elements; nil
// where the value does not say.
func (p *part) bind(v cty.Value) *part {
	if !v.Type().HasAttribute(dynamicName) {
		return nil
	}
	from := v.GetAttr(dynamicName)
	place, _ := from.GetAttr("block").AsBigFloat().Int64()
	if int(place) >= len(p.blocks) {
		return nil
	}
	iterators := from.GetAttr("iterators").AsValueMap()
	out := p.blocks[place].with(func(expr hcl.Expression) hcl.Expression {
		if e, is := expr.(*iterated); is {
			return &bound{e, iterators}
		}
		return expr
	})
	return &out
}

// Lasting returns values without what serves only to find conditions again: they decide
// whether something is delivered and are no part of it.
func Lasting(values cty.Value) cty.Value {
	var attrs map[string]cty.Value
	for name, ty := range values.Type().AttributeTypes() {
		if !ty.IsTupleType() || !slices.ContainsFunc(ty.TupleElementTypes(), func(e cty.Type) bool {
			return e.IsObjectType() && e.HasAttribute(dynamicName)
		}) {
			continue
		}
		if attrs == nil {
			attrs = values.AsValueMap()
		}
		blocks := attrs[name].AsValueSlice()
		for i, b := range blocks {
			if b.Type().HasAttribute(dynamicName) {
				parts := b.AsValueMap()
				delete(parts, dynamicName)
				blocks[i] = cty.ObjectVal(parts)
			}
		}
		attrs[name] = cty.TupleVal(blocks)
	}
	if attrs == nil {
		return values
	}
	return cty.ObjectVal(attrs)
}

// countBlocks says where dynamic blocks make too many blocks of their sort, or too few.
func (n *nested) countBlocks(found int) hcl.Diagnostics {
	switch {
	case found == 0 && n.Required:
		return hcl.Diagnostics{mistakeAt(n.dynamic.forEach.Range(), "Missing "+n.Name+" block",
			"At least one %s block is required here, and this for_each is empty.", n.Name)}
	case found > 1 && !n.Repeated:
		return hcl.Diagnostics{mistakeAt(n.dynamic.forEach.Range(), "Duplicate "+n.Name+" block",
			"Only one %s block is allowed here, and this for_each makes %d.", n.Name, found)}
	}
	return nil
}
