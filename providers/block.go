package providers

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"tidegate/hclspec/mark"
	"tidegate/hclspec/typo"
)

// Block is the body of one block, taken apart once by its kind's schema. Its expressions are
// evaluated as often as needed, without looking at the syntax again.
type Block struct {
	Kind *Kind
	part
}

// part is a body or a nested body.
type part struct {
	schema *Schema
	attrs  []attribute
	blocks []nested
	rng    *hcl.Range // of the header

	misspelled []string // what hcl takes an unknown name for
}

type attribute struct {
	*Attribute
	expr hcl.Expression
}

type nested struct {
	*NestedBlock
	part
	dynamic *dynamic // what stands for any number of such blocks; nil for one that is written
}

// Compile takes the body of the block with a header apart. Every unknown, missing or repeated name is an error that
// points at its place and names the nearest valid one.
func (k *Kind) Compile(body hcl.Body, header *hcl.Range) (*Block, hcl.Diagnostics) {
	p, diags := compile(k.Schema, body, header, nil)
	return &Block{Kind: k, part: p}, diags
}

// Range is that of the block's header.
func (b *Block) Range() hcl.Range { return *b.rng }

// With returns the block with other expressions in place of its own, which must mean the same.
func (b *Block) With(other func(hcl.Expression) hcl.Expression) *Block {
	return &Block{Kind: b.Kind, part: b.with(other)}
}

func (p part) with(other func(hcl.Expression) hcl.Expression) part {
	p.attrs, p.blocks = slices.Clone(p.attrs), slices.Clone(p.blocks)
	for i := range p.attrs {
		p.attrs[i].expr = other(p.attrs[i].expr)
	}
	for i := range p.blocks {
		p.blocks[i].part = p.blocks[i].with(other)
	}
	return p
}

// IsDynamic reports whether some of its nested blocks come out of dynamic blocks.
func (b *Block) IsDynamic() bool { return b.isDynamic() }

func (p *part) isDynamic() bool {
	return slices.ContainsFunc(p.blocks, func(n nested) bool { return n.dynamic != nil || n.isDynamic() })
}

// compile takes a body apart in which the named iterators of dynamic blocks are known.
func compile(s *Schema, body hcl.Body, header *hcl.Range, iterators []string) (part, hcl.Diagnostics) {
	p := part{schema: s, rng: header}
	content, diags := typo.Content(body, s.body())
	p.attrs = make([]attribute, 0, len(content.Attributes))
	for _, a := range s.Attributes {
		if attr := content.Attributes[a.Name]; attr != nil {
			p.attrs = append(p.attrs, attribute{a, iterate(attr.Expr, iterators)})
		} else if typo.Suggested(diags, a.Name) {
			p.misspelled = append(p.misspelled, a.Name)
		}
	}
	for _, block := range content.Blocks {
		if block.Type == dynamicName && s.Block(block.Labels[0]) == nil {
			diags = append(diags, s.unknownDynamic(block))
		}
	}
	for _, b := range s.Blocks {
		var found []*hcl.Block
		for _, block := range content.Blocks {
			if block.Type == b.Name || block.Type == dynamicName && block.Labels[0] == b.Name {
				found = append(found, block)
			}
		}
		if len(found) > 1 && !b.Repeated {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  fmt.Sprintf("Duplicate %s block", b.Name),
				Detail:   fmt.Sprintf("Only one %s block is allowed; the first is at %s.", b.Name, found[0].DefRange),
				Subject:  &found[1].DefRange,
			})
			found = found[:1]
		}
		if len(found) == 0 && b.Required && !typo.Suggested(diags, b.Name) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  fmt.Sprintf("Missing %s block", b.Name),
				Detail:   fmt.Sprintf("At least one %s block is required here.", b.Name),
				Subject:  header,
			})
		}
		for _, block := range found {
			if block.Type == dynamicName {
				n, more := compileDynamic(b, block, iterators)
				diags = append(diags, more...)
				if n != nil {
					p.blocks = append(p.blocks, *n)
				}
				continue
			}
			sub, more := compile(b.Schema, block.Body, &block.DefRange, iterators)
			diags = append(diags, more...)
			p.blocks = append(p.blocks, nested{b, sub, nil})
		}
	}
	return p, diags
}

// Expressions calls yield for every expression in the block, with the attribute it belongs
// to; names of nested attributes have the block's name before a dot.
func (b *Block) Expressions(yield func(name string, a *Attribute, expr hcl.Expression)) {
	b.expressions("", yield)
}

func (p *part) expressions(prefix string, yield func(string, *Attribute, hcl.Expression)) {
	for _, a := range p.attrs {
		yield(prefix+a.Name, a.Attribute, a.expr)
	}
	for i := range p.blocks {
		inner := prefix + p.blocks[i].Name + "."
		if d := p.blocks[i].dynamic; d != nil {
			yield(inner+"for_each", forEach, d.forEach)
		}
		p.blocks[i].expressions(inner, yield)
	}
}

// forEach describes the attribute of dynamic blocks.
var forEach = &Attribute{Name: "for_each", Type: cty.DynamicPseudoType}

// Expression returns the expression of a top-level attribute, nil if it is not set.
func (b *Block) Expression(name string) hcl.Expression { return b.expression(name) }

// AttributeRange returns where the named top-level attribute's value stands, or the block.
func (b *Block) AttributeRange(name string) hcl.Range {
	if e := b.Expression(name); e != nil {
		return e.Range()
	}
	name, rest, found := strings.Cut(name, ".")
	for i := range b.blocks {
		if b.blocks[i].Name != name {
			continue
		}
		for _, a := range b.blocks[i].attrs {
			if found && a.Name == rest {
				return a.expr.Range()
			}
		}
		return *b.blocks[i].rng
	}
	return b.Range()
}

// Evaluate evaluates all attributes but those kept as expressions and returns them as one
// object: only what is set, converted to the schema's types, credentials and sensitive values
// marked, nested blocks as an object or (repeated) a tuple of objects. Null counts as not set.
// Unknown values stay unknown.
func (b *Block) Evaluate(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	return b.EvaluateWith(func(string, hcl.Expression) *hcl.EvalContext { return ctx })
}

// EvaluateWith is Evaluate with a context of its own for each expression, so that an
// expression need see only what it references.
func (b *Block) EvaluateWith(scope func(name string, expr hcl.Expression) *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	made := 0
	return b.evaluate("", evaluation{scope: scope, made: &made})
}

func (p *part) evaluate(prefix string, e evaluation) (cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	out := make(map[string]cty.Value, len(p.attrs)+len(p.blocks))
	for _, a := range p.attrs {
		if a.Expression {
			continue
		}
		v, more := a.evaluate(e.context(prefix+a.Name, a.expr))
		diags = append(diags, concealed(more, e.iterators)...)
		if v != cty.NilVal && !(v.IsKnown() && v.IsNull()) {
			out[a.Name] = v
		}
	}
	diags = append(diags, p.evaluateBlocks(prefix, e, out)...)
	return cty.ObjectVal(out), diags
}

// evaluateBlocks puts the nested blocks beside the attributes, those of dynamic blocks where
// these stand.
func (p *part) evaluateBlocks(prefix string, e evaluation, out map[string]cty.Value) hcl.Diagnostics {
	var diags hcl.Diagnostics
	var order []*NestedBlock
	found := make(map[*NestedBlock][]cty.Value)
	unknown := make(map[*NestedBlock]bool)
	for i := range p.blocks {
		n := &p.blocks[i]
		if _, seen := found[n.NestedBlock]; !seen {
			order = append(order, n.NestedBlock)
			found[n.NestedBlock] = nil
		}
		passes, known, more := n.expand(prefix, e)
		diags = append(diags, more...)
		for _, pass := range passes {
			v, more := n.evaluate(prefix+n.Name+".", pass)
			diags = append(diags, more...)
			found[n.NestedBlock] = append(found[n.NestedBlock], n.iteration(i, pass, v))
		}
		unknown[n.NestedBlock] = unknown[n.NestedBlock] || !known
		if last := i == len(p.blocks)-1 || p.blocks[i+1].NestedBlock != n.NestedBlock; last && n.dynamic != nil && known && !unknown[n.NestedBlock] {
			diags = append(diags, n.countBlocks(len(found[n.NestedBlock]))...)
		}
	}
	for _, b := range order {
		switch vs := found[b]; {
		case unknown[b]:
			out[b.Name] = cty.DynamicVal
		case b.Repeated && len(vs) > 0:
			out[b.Name] = cty.TupleVal(vs)
		case len(vs) > 0:
			out[b.Name] = vs[0]
		}
	}
	return diags
}

func (a *attribute) evaluate(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := a.expr.Value(ctx)
	if diags.HasErrors() {
		// One mistake makes one complaint: what depends on the value is not judged.
		return cty.UnknownVal(a.Type), diags
	}
	rng := a.expr.Range()
	fail := func(summary, detail string) (cty.Value, hcl.Diagnostics) {
		return cty.UnknownVal(a.Type), append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &rng,
			Expression: a.expr, EvalContext: ctx,
		})
	}
	given := v
	v, err := convert.Convert(given, a.Type)
	if err != nil {
		return fail("Unsuitable value type", fmt.Sprintf("The attribute %q takes a %s%s", a.Name, a.TypeName(), unsuitable(a.Type, given, err)))
	}
	if a.Required && v.IsKnown() && v.IsNull() {
		return fail("Missing required value", fmt.Sprintf("The attribute %q is required and may not be null.", a.Name))
	}
	if plain, marks := v.Unmark(); plain.IsKnown() && !plain.IsNull() {
		shown := func(text string) string {
			if len(marks) > 0 {
				return "the sensitive value given"
			}
			return text
		}
		if a.Duration {
			if _, err := ParseDuration(plain.AsString()); err != nil {
				return fail("Bad duration", fmt.Sprintf("The attribute %q: %s.", a.Name, shown(err.Error())))
			}
		}
		if len(a.Values) > 0 && !slices.Contains(a.Values, plain.AsString()) {
			return fail("Unsupported value", fmt.Sprintf("The attribute %q takes one of %s, not %s.", a.Name, quotedList(a.Values), shown(fmt.Sprintf("%q", plain.AsString()))))
		}
	}
	if a.Credential {
		v = v.Mark(mark.Sensitive)
	}
	return v, diags
}

// unsuitable ends a sentence about the type that is needed. The snippet beside it shows the value.
func unsuitable(want cty.Type, v cty.Value, err error) string {
	got := v.Type()
	switch text := err.Error(); {
	case want.IsListType() && got == cty.String:
		return ", and this is a single text. A list stands in brackets, one element after the other: [\"a\", \"b\"]."
	case strings.HasSuffix(text, " is required"):
		return "."
	case strings.Contains(text, " required, but have "):
		return fmt.Sprintf(", and this is %s.", typeWord(got))
	default:
		return ": " + text + "."
	}
}

func typeWord(ty cty.Type) string {
	switch {
	case ty.IsTupleType() || ty.IsListType():
		return "a list"
	case ty.IsObjectType():
		return "an object"
	}
	return "a " + ty.FriendlyName()
}

func quotedList(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(quoted, ", ")
}

// Configured is a block's configuration as Go values.
type Configured struct {
	Settings any // *SourceSettings and so on; nil for a detector
	Config   any // the kind's own struct
	Values   cty.Value

	kind    *Kind
	block   *Block
	unknown []string // attributes and blocks that are unknown, missing or misspelled
}

// Configure decodes what Evaluate returned into the kind's structs. b may be nil: then the
// values come from a plan or the ledger, and attributes kept as expressions are absent.
//
// What is unknown or missing stands as its default, or as empty. Then the instance serves only
// to find the mistakes in all the rest and to learn its path. Mistakes that rest on what is
// unknown are not reported, so that there may be neither instance nor diagnostic.
func (k *Kind) Configure(values cty.Value, b *Block) (*Configured, hcl.Diagnostics) {
	c := &Configured{Values: values, kind: k, block: b, Config: k.config()}
	values, c.unknown = k.Schema.fill("", values)
	var raw *part
	if b != nil {
		raw = &b.part
		c.unknown = append(c.unknown, b.meant("")...)
	}
	diags := k.Schema.decode(values, raw, false, reflect.ValueOf(c.Config).Elem())
	if k.settings != nil {
		c.Settings = k.settings()
		diags = append(diags, k.Schema.decode(values, raw, true, reflect.ValueOf(c.Settings).Elem())...)
	}
	return c, diags
}

// meant returns what is misspelled in a block and those within it.
func (p *part) meant(prefix string) []string {
	var names []string
	for _, name := range p.misspelled {
		names = append(names, prefix+name)
	}
	for i := range p.blocks {
		names = append(names, p.blocks[i].meant(prefix+p.blocks[i].Name+".")...)
	}
	return names
}

// fill replaces what is unknown and returns its names, and those of required attributes and
// blocks that are missing. A field that takes any value takes an unknown one, too.
func (s *Schema) fill(prefix string, values cty.Value) (cty.Value, []string) {
	if values == cty.NilVal {
		return values, nil
	}
	var unknown []string
	for _, b := range s.Blocks {
		if b.Required && !values.Type().HasAttribute(b.Name) {
			unknown = append(unknown, prefix+b.Name)
		}
	}
	for _, a := range s.Attributes {
		if a.Required && !a.Expression && !values.Type().HasAttribute(a.Name) {
			unknown = append(unknown, prefix+a.Name)
		}
	}
	if values.IsWhollyKnown() {
		return values, unknown
	}
	attrs := values.AsValueMap()
	for _, a := range s.Attributes {
		if v, set := attrs[a.Name]; !set || v.IsWhollyKnown() {
			continue
		}
		unknown = append(unknown, prefix+a.Name)
		switch {
		case a.Type == cty.DynamicPseudoType:
		case a.Type == cty.String && a.Default == "" && !a.Duration:
			attrs[a.Name] = cty.StringVal("")
		default:
			delete(attrs, a.Name)
		}
	}
	for _, b := range s.Blocks {
		v, set := attrs[b.Name]
		switch {
		case !set:
		case !v.IsKnown(): // a dynamic block whose elements are not known
			unknown = append(unknown, prefix+b.Name)
			delete(attrs, b.Name)
		case b.Repeated:
			elems := v.AsValueSlice()
			for i := range elems {
				var more []string
				elems[i], more = b.fill(prefix+b.Name+".", elems[i])
				unknown = append(unknown, more...)
			}
			attrs[b.Name] = cty.TupleVal(elems)
		default:
			var more []string
			attrs[b.Name], more = b.fill(prefix+b.Name+".", v)
			unknown = append(unknown, more...)
		}
	}
	return cty.ObjectVal(attrs), unknown
}

// unsure reports whether a mistake need not be one once everything is known.
func (c *Configured) unsure(err error) bool {
	if len(c.unknown) == 0 {
		return false
	}
	at, is := err.(*AttributeError)
	return !is || slices.ContainsFunc(append([]string{at.Attribute}, at.Beside...), func(name string) bool {
		return slices.ContainsFunc(c.unknown, func(u string) bool {
			return u == name || strings.HasPrefix(u, name+".") || strings.HasPrefix(name, u+".")
		})
	})
}

// instance makes the instance and turns mistakes into diagnostics at their places.
func (c *Configured) instance(env Env) (any, hcl.Diagnostics) {
	if env.Sensitive == nil {
		env.Sensitive = func(name string) bool {
			ty := c.Values.Type()
			return ty.HasAttribute(name) && mark.Has(c.Values.GetAttr(name))
		}
	}
	v, err := c.kind.build(c.Config, env)
	if settings, is := c.Settings.(*SourceSettings); is && settings.Push != nil {
		if _, is := v.(Receiver); is {
			err = errors.Join(err, AttributeErrorf("push", "a source %q is pushed to in any case; set config_name, secrets and bearer_token in the source itself", c.kind.Name))
		}
	}
	if s, is := c.Settings.(interface{ check() error }); is {
		err = errors.Join(err, s.check())
	}
	if err == nil {
		if c.kind.instead != nil {
			v = c.kind.instead(v, c.Values, env)
		}
		return v, nil
	}
	var diags hcl.Diagnostics
	for _, e := range mistakes(err) {
		if !c.unsure(e) {
			diags = append(diags, c.diagnostic(e, env))
		}
	}
	return nil, diags
}

func (c *Configured) diagnostic(err error, env Env) *hcl.Diagnostic {
	diag := &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  fmt.Sprintf("Invalid %s %q", strings.ReplaceAll(c.kind.Type, "_", " "), c.kind.Name),
		Detail:   sentence(err.Error()),
	}
	var at *AttributeError
	isAt := errors.As(err, &at)
	// A kind knows its credentials and does not quote them; what else was marked it cannot know.
	if isAt && !c.kind.Schema.isCredential(at.Attribute) && env.Sensitive(strings.Split(at.Attribute, ".")[0]) {
		diag.Detail = fmt.Sprintf("The attribute %q: the value given is not valid here. It is sensitive, so it is not shown.", at.Attribute)
	}
	if c.block != nil {
		rng := c.block.Range()
		if isAt {
			rng = c.block.AttributeRange(at.Attribute)
		}
		diag.Subject = &rng
	} else if env.Address != "" {
		diag.Detail = env.Address + ": " + diag.Detail
	}
	return diag
}

// sentence makes an error's text one. A name at its beginning stays as it is written.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if word, _, _ := strings.Cut(s, " "); !strings.ContainsAny(word, "_.:/") {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// Source makes the source that c configures.
func (c *Configured) Source(env Env) (Source, hcl.Diagnostics) { return instance[Source](c, env) }

// Detector makes the detector that c configures.
func (c *Configured) Detector(env Env) (Detector, hcl.Diagnostics) { return instance[Detector](c, env) }

// Rule makes the rule that c configures.
func (c *Configured) Rule(env Env) (Rule, hcl.Diagnostics) { return instance[Rule](c, env) }

// RateLimit makes the rate limit that c configures.
func (c *Configured) RateLimit(env Env) (RateLimit, hcl.Diagnostics) {
	return instance[RateLimit](c, env)
}

// Sink makes the sink that c configures.
func (c *Configured) Sink(env Env) (Sink, hcl.Diagnostics) { return instance[Sink](c, env) }

func instance[I any](c *Configured, env Env) (I, hcl.Diagnostics) {
	v, diags := c.instance(env)
	i, _ := v.(I)
	return i, diags
}
