package decode

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/scan"
)

// maxHCLBytes bounds a document, as it does a file of the configuration: a syntax tree takes
// many times the memory of its text.
const maxHCLBytes = 4 << 20

// hcl reads attributes and blocks. Values are constants: there is nothing that they could
// refer to. A block is a list of objects under its type and its labels, since it may be
// repeated: a "b" { c = 1 } is {a = {b = [{c = 1}]}}.
func (d *document) hcl() (cty.Value, error) {
	if len(d.data) > maxHCLBytes {
		return cty.NilVal, d.failf("the document is larger than %d bytes, which is the most that is read of HCL", maxHCLBytes)
	}
	if err := scan.Config(d.data); err != nil {
		return cty.NilVal, d.failAt(err.Offset, "%s: %s", err.Summary, err.Detail)
	}
	file, diags := hclsyntax.ParseConfig(d.data, "", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, d.hclError(diags)
	}
	r := &hclReader{document: d}
	return r.body(file.Body.(*hclsyntax.Body), 1)
}

func (d *document) hclError(diags hcl.Diagnostics) error {
	diag := diags[slices.IndexFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity == hcl.DiagError })]
	message := diag.Summary
	if !strings.Contains(diag.Detail, `"`) { // else it may quote what is in a value
		message += ": " + strings.TrimSuffix(diag.Detail, ".")
	}
	if diag.Subject == nil {
		return d.failf("%s", message)
	}
	return d.failAt(diag.Subject.Start.Byte, "%s", message)
}

type hclReader struct{ *document }

func (r *hclReader) count() error {
	if r.nodes++; r.nodes > r.limits.MaxNodes {
		return r.tooManyNodes()
	}
	return nil
}

// body reads the attributes and blocks of one block; depth counts objects and lists.
func (r *hclReader) body(b *hclsyntax.Body, depth int) (cty.Value, error) {
	if depth > r.limits.MaxDepth {
		return cty.NilVal, r.tooDeep(b.SrcRange.Start.Byte)
	}
	attrs := object{}
	for _, name := range sortedNames(b.Attributes) {
		a := b.Attributes[name]
		v, err := r.value(a.Expr, depth+1)
		if err != nil {
			return cty.NilVal, err
		}
		if !attrs.add(name, v) {
			return cty.NilVal, r.failAt(a.NameRange.Start.Byte, "%s", duplicateKey(name))
		}
	}
	root := &hclBlocks{}
	for _, block := range b.Blocks {
		if err := r.block(root, block, depth); err != nil {
			return cty.NilVal, err
		}
	}
	for name, blocks := range root.below {
		if !attrs.add(name, blocks.value()) {
			return cty.NilVal, r.failAt(blocks.at, "%s is an attribute and a block; rename one of them", quoteKey(name))
		}
	}
	return cty.ObjectVal(attrs), nil
}

// hclBlocks are the blocks of one type, or with one label more: either further labels, or bodies.
type hclBlocks struct {
	below  map[string]*hclBlocks
	bodies []cty.Value
	at     int
}

func (b *hclBlocks) value() cty.Value {
	if b.below == nil {
		return cty.TupleVal(b.bodies)
	}
	attrs := make(map[string]cty.Value, len(b.below))
	for name, below := range b.below {
		attrs[name] = below.value()
	}
	return cty.ObjectVal(attrs)
}

func (r *hclReader) block(in *hclBlocks, block *hclsyntax.Block, depth int) error {
	at := block.TypeRange.Start.Byte
	if depth+len(block.Labels)+2 > r.limits.MaxDepth {
		return r.tooDeep(at)
	}
	for _, name := range append([]string{block.Type}, block.Labels...) {
		if err := r.count(); err != nil {
			return err
		}
		if in.bodies != nil {
			return r.failAt(at, "this block has more labels than others of its type")
		}
		if in.below == nil {
			in.below = map[string]*hclBlocks{}
		}
		name = cty.NormalizeString(name)
		if in.below[name] == nil {
			in.below[name] = &hclBlocks{at: at}
		}
		in = in.below[name]
	}
	if in.below != nil {
		return r.failAt(at, "this block has fewer labels than others of its type")
	}
	v, err := r.body(block.Body, depth+len(block.Labels)+2)
	if err != nil {
		return err
	}
	in.bodies = append(in.bodies, v)
	return nil
}

// value evaluates a constant.
func (r *hclReader) value(expr hclsyntax.Expression, depth int) (cty.Value, error) {
	at := expr.Range().Start.Byte
	if err := r.count(); err != nil {
		return cty.NilVal, err
	}
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return r.literal(e)
	case *hclsyntax.UnaryOpExpr:
		if v, ok := e.Val.(*hclsyntax.LiteralValueExpr); ok && e.Op == hclsyntax.OpNegate && v.Val.Type() == cty.Number {
			n, err := r.literal(v)
			if err != nil {
				return cty.NilVal, err
			}
			return n.Negate(), nil
		}
	case *hclsyntax.ParenthesesExpr:
		if depth > r.limits.MaxDepth {
			return cty.NilVal, r.tooDeep(at)
		}
		return r.value(e.Expression, depth+1)
	case *hclsyntax.TemplateExpr:
		if text, ok := constantText(e); ok {
			return cty.StringVal(text), nil
		}
	case *hclsyntax.TupleConsExpr:
		if depth > r.limits.MaxDepth {
			return cty.NilVal, r.tooDeep(at)
		}
		elements := make([]cty.Value, len(e.Exprs))
		for i, element := range e.Exprs {
			var err error
			if elements[i], err = r.value(element, depth+1); err != nil {
				return cty.NilVal, err
			}
		}
		return cty.TupleVal(elements), nil
	case *hclsyntax.ObjectConsExpr:
		return r.object(e, depth)
	}
	return cty.NilVal, r.failAt(at, "this has to be computed, and a document holds only constants: texts, numbers, true, false, null, lists and objects")
}

func (r *hclReader) literal(e *hclsyntax.LiteralValueExpr) (cty.Value, error) {
	if e.Val.Type() != cty.Number || e.Val.IsNull() {
		return e.Val, nil
	}
	v, err := number(e.SrcRange.SliceBytes(r.data)) // with the bounds of all formats
	if err != nil {
		return cty.NilVal, r.failAt(e.SrcRange.Start.Byte, "%s", err)
	}
	return v, nil
}

func (r *hclReader) object(e *hclsyntax.ObjectConsExpr, depth int) (cty.Value, error) {
	if depth > r.limits.MaxDepth {
		return cty.NilVal, r.tooDeep(e.SrcRange.Start.Byte)
	}
	attrs := object{}
	for _, item := range e.Items {
		at := item.KeyExpr.Range().Start.Byte
		key, err := r.key(item.KeyExpr)
		if err != nil {
			return cty.NilVal, err
		}
		v, err := r.value(item.ValueExpr, depth+1)
		if err != nil {
			return cty.NilVal, err
		}
		if !attrs.add(key, v) {
			return cty.NilVal, r.failAt(at, "%s", duplicateKey(key))
		}
	}
	return cty.ObjectVal(attrs), nil
}

// key reads a name or a text; a number, true or false is the text that it is written as.
func (r *hclReader) key(expr hclsyntax.Expression) (string, error) {
	if name := hcl.ExprAsKeyword(expr); name != "" {
		return name, nil
	}
	at := expr.Range().Start.Byte
	if k, ok := expr.(*hclsyntax.ObjectConsKeyExpr); ok {
		expr = k.Wrapped
	}
	switch e := expr.(type) {
	case *hclsyntax.TemplateExpr:
		if text, ok := constantText(e); ok {
			return text, nil
		}
	case *hclsyntax.LiteralValueExpr:
		return string(e.SrcRange.SliceBytes(r.data)), nil
	}
	return "", r.failAt(at, "a key has to be a name or a text")
}

// constantText is the text of a template without anything to put in.
func constantText(e *hclsyntax.TemplateExpr) (string, bool) {
	var text strings.Builder // a heredoc has a part for each line
	for _, part := range e.Parts {
		l, ok := part.(*hclsyntax.LiteralValueExpr)
		if !ok || l.Val.Type() != cty.String {
			return "", false
		}
		text.WriteString(l.Val.AsString())
	}
	return text.String(), true
}

func sortedNames(attrs hclsyntax.Attributes) []string {
	names := make([]string, 0, len(attrs))
	for name := range attrs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
