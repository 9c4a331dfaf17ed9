package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// values are what nodes evaluated to: the value of a variable, local or output, the object
// of attributes of a source or sink.
type values map[address.Address]cty.Value

// evaluated is a block whose attributes are known: its values, and the instance made of them.
type evaluated struct {
	values   cty.Value // NilVal where they are made again when needed: see valuesOf
	hidden   bool      // where values is NilVal: the place is made of something sensitive
	settings any       // *providers.SourceSettings and so on; nil where something is unknown
	source   providers.Source
	detector providers.Detector
	rule     providers.Rule
	limit    providers.RateLimit
	sink     providers.Sink
}

// scope returns the context in which an expression with the given references is evaluated:
// what it references and nothing else, so that the cost of an expression does not grow with
// the configuration.
func (p *program) scope(refs []*hclspec.Reference, vals values, extra map[string]cty.Value) *hcl.EvalContext {
	return p.scopeWith(p.functions, refs, vals, extra)
}

// scopeOf is scope for an expression of a node, or for all of them: what it reads counts as
// the node's.
func (p *program) scopeOf(n *node, e expression, vals values, extra map[string]cty.Value) *hcl.EvalContext {
	if !e.reads {
		return p.scopeWith(p.functions, e.refs, vals, extra)
	}
	opts := p.files
	opts.OnRead = n.files.note
	own := maps.Clone(p.functions)
	maps.Copy(own, hclspec.FileFunctions(opts))
	return p.scopeWith(own, e.refs, vals, extra)
}

func (p *program) scopeWith(functions map[string]function.Function, refs []*hclspec.Reference, vals values, extra map[string]cty.Value) *hcl.EvalContext {
	ctx := &hcl.EvalContext{Functions: functions}
	if len(refs) == 0 && len(extra) == 0 {
		return ctx
	}
	ctx.Variables = make(map[string]cty.Value, len(refs)+len(extra))
	flat := map[string]map[string]cty.Value{}              // var, local, env
	nested := map[string]map[string]map[string]cty.Value{} // source, sink
	for _, r := range refs {
		switch {
		case r.Root == "path":
			ctx.Variables["path"] = p.spec.PathObject()
		case r.Root == "env":
			p.environment(r, ctx, flat)
		case r.Target.Kind == "" && !r.Target.IsZero():
			inner(flat, r.Root)[r.Target.Name] = p.valueOf(r.Target, vals)
		case !r.Target.IsZero():
			kinds := nested[r.Root]
			if kinds == nil {
				kinds = map[string]map[string]cty.Value{}
				nested[r.Root] = kinds
			}
			inner(kinds, r.Target.Kind)[r.Target.Name] = p.valueOf(r.Target, vals)
		}
	}
	for root, names := range flat {
		ctx.Variables[root] = cty.ObjectVal(names)
	}
	for root, kinds := range nested {
		objects := make(map[string]cty.Value, len(kinds))
		for kind, names := range kinds {
			objects[kind] = cty.ObjectVal(names)
		}
		ctx.Variables[root] = cty.ObjectVal(objects)
	}
	for name, v := range extra {
		ctx.Variables[name] = v
	}
	return ctx
}

func inner(m map[string]map[string]cty.Value, key string) map[string]cty.Value {
	if m[key] == nil {
		m[key] = map[string]cty.Value{}
	}
	return m[key]
}

func (p *program) environment(r *hclspec.Reference, ctx *hcl.EvalContext, flat map[string]map[string]cty.Value) {
	if p.validate {
		ctx.Variables["env"] = cty.DynamicVal
		return
	}
	names := inner(flat, "env")
	if v, ok := p.environ[r.Name]; ok {
		names[r.Name] = cty.StringVal(v)
	}
}

func (p *program) valueOf(a address.Address, vals values) cty.Value {
	if a.Type == address.Variable {
		if v, ok := p.variables[a.Name]; ok {
			return v
		}
		return cty.DynamicVal
	}
	if v, ok := vals[a]; ok {
		return v
	}
	return cty.DynamicVal
}

// expression evaluates one expression of a node.
func (p *program) expression(n *node, expr hcl.Expression, vals values, extra map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	e := n.find(expr)
	v, diags := expr.Value(p.scopeOf(n, e, vals, extra))
	return v, p.explain(e.refs, vals, n.unreported(diags))
}

// evaluate evaluates a node's block. extra holds further names, such as delivery.
func (p *program) evaluate(n *node, vals values, extra map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	v, diags := n.block.EvaluateWith(func(_ string, expr hcl.Expression) *hcl.EvalContext {
		return p.scopeOf(n, n.find(expr), vals, extra)
	})
	return v, p.explain(n.refs, vals, n.unreported(diags))
}

// unreported leaves out what is said of expressions whose references are mistaken: one
// mistake makes one complaint.
func (n *node) unreported(diags hcl.Diagnostics) hcl.Diagnostics {
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool {
		return d.Subject != nil && slices.ContainsFunc(n.exprs, func(e expression) bool {
			return e.wrong && e.expr.Range().Overlaps(*d.Subject)
		})
	})
}

// explain rewrites what hcl says of a missing environment variable: that an object lacks an
// attribute helps nobody.
//
// The words of an error may quote an argument, so where a sensitive value takes part they
// are left out.
func (p *program) explain(refs []*hclspec.Reference, vals values, diags hcl.Diagnostics) hcl.Diagnostics {
	if len(diags) == 0 {
		return diags
	}
	secret := slices.ContainsFunc(refs, func(r *hclspec.Reference) bool {
		return !r.Target.IsZero() && mark.Has(p.valueOf(r.Target, vals))
	})
	for i, d := range diags {
		d = p.suggest(d)
		diags[i] = d
		if secret && d.Severity == hcl.DiagError {
			hidden := *d
			hidden.Detail = "A sensitive value takes part, so the details are not shown."
			hidden.Expression, hidden.EvalContext = nil, nil
			diags[i] = &hidden
		}
		for _, r := range refs {
			if r.Root != "env" || d.Subject == nil || !r.Range.Overlaps(*d.Subject) {
				continue
			}
			if _, set := p.environ[r.Name]; set {
				continue
			}
			diags[i] = &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Environment variable is not set", Subject: &r.Range,
				Detail: fmt.Sprintf("%s is not set in the environment. Set it, or write try(env.%s, \"...\") to do without.", r.Name, r.Name),
			}
		}
	}
	return diags
}

// make configures and builds the instance of a wholly known block.
func (p *program) instance(n *node, v cty.Value) (*evaluated, hcl.Diagnostics) {
	out := &evaluated{values: v}
	if !known(v, n.addr.Type) {
		return out, nil
	}
	if diags := p.ephemeral(n, v); diags.HasErrors() {
		return out, diags
	}
	c, diags := n.kind.Configure(v, n.block)
	if diags.HasErrors() {
		return out, diags
	}
	more := p.build(out, c, n.addr)
	return out, append(diags, more...)
}

// known reports whether everything that an instance needs is known. A source's fallback may
// still be unknown: it matters only when nothing else is left.
func known(v cty.Value, t address.Type) bool {
	if v.IsWhollyKnown() {
		return true
	}
	if t != address.Source {
		return false
	}
	for it := v.ElementIterator(); it.Next(); {
		name, e := it.Element()
		if name.AsString() != "fallback" && !e.IsWhollyKnown() {
			return false
		}
	}
	return true
}

func (p *program) build(out *evaluated, c *providers.Configured, a address.Address) hcl.Diagnostics {
	var diags hcl.Diagnostics
	env := p.env(a)
	switch a.Type {
	case address.Source:
		out.source, diags = c.Source(env)
	case address.Detector:
		out.detector, diags = c.Detector(env)
	case address.Rule:
		out.rule, diags = c.Rule(env)
	case address.RateLimit:
		out.limit, diags = c.RateLimit(env)
	case address.Sink:
		out.sink, diags = c.Sink(env)
	}
	if !diags.HasErrors() {
		out.settings = c.Settings
	}
	return diags
}

func (p *program) env(a address.Address) providers.Env {
	var stored func(string) ([]byte, bool)
	if p.files.Stored != nil {
		stored = p.files.Instead
	}
	return providers.Env{
		Stored:  stored,
		Address: a.String(), ModuleDir: p.spec.Dir, RootDir: p.spec.Dir,
		ReadPaths: p.spec.Settings.PathsRead, WritePaths: p.spec.Settings.PathsWrite,
		Environ: p.opts.Environ, UserAgent: "tidegate/" + p.opts.Version, Logger: p.opts.Logger,
	}
}

// identity is a hash of a value that tells equal from different and nothing else.
func identity(v cty.Value) string {
	v = mark.Redact(v)
	if !v.IsWhollyKnown() {
		return "unknown"
	}
	data, err := ctyjson.Marshal(v, cty.DynamicPseudoType)
	if err != nil {
		return "none"
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// sourceText returns an expression as it is written, on one line.
func (p *program) sourceText(rng hcl.Range) string {
	return string(bytes.Join(p.tokens(rng), []byte(" ")))
}
