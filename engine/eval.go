package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"

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

// scope returns the context in which an expression of the root module with the given references is
// evaluated: what it references and nothing else, so that the cost of an expression does not grow
// with the configuration.
func (p *program) scope(refs []*hclspec.Reference, vals values, extra map[string]cty.Value) *hcl.EvalContext {
	return p.scopeWith(p.root, p.functions, refs, vals, extra)
}

// scopeOf is scope for an expression of a node, or for all of them: what it reads counts as
// the node's.
func (p *program) scopeOf(n *node, e expression, vals values, extra map[string]cty.Value) *hcl.EvalContext {
	m := n.scope
	if e.in != nil {
		m = e.in
	}
	if !e.reads {
		return p.scopeWith(m, m.functions, e.refs, vals, extra)
	}
	opts := m.files
	opts.OnRead = n.files.note
	own := maps.Clone(m.functions)
	maps.Copy(own, hclspec.FileFunctions(opts))
	return p.scopeWith(m, own, e.refs, vals, extra)
}

func (p *program) scopeWith(m *module, functions map[string]function.Function, refs []*hclspec.Reference, vals values, extra map[string]cty.Value) *hcl.EvalContext {
	ctx := &hcl.EvalContext{Functions: functions}
	if len(refs) == 0 && len(extra) == 0 {
		return ctx
	}
	ctx.Variables = make(map[string]cty.Value, len(refs)+len(extra))
	tree := branch{}
	for _, r := range refs {
		a := r.Node
		switch {
		case r.Root == "path":
			ctx.Variables["path"] = p.pathObject(m)
		case r.Root == "env" && p.validate:
			ctx.Variables["env"] = cty.DynamicVal
		case r.Root == "env":
			of := tree.inner("env")
			if v, ok := p.environ[r.Name]; ok {
				of[r.Name] = cty.StringVal(v)
			}
		case a.IsZero():
		case a.Type == address.Expansion && p.groups[a.Grouped()].unsure():
			ctx.Variables[r.Root] = cty.DynamicVal
		case a.Type == address.Expansion:
			ctx.Variables[r.Root] = eachObject(r.Root, p.valueOf(a, vals), r.Key)
		default:
			tree.put(p.valueOf(a, vals), written(r)...)
		}
	}
	for root, v := range tree {
		if v, ok := v.(branch); ok {
			ctx.Variables[root] = v.object()
		}
	}
	for name, v := range extra {
		ctx.Variables[name] = v
	}
	return ctx
}

// written is how what a reference stands for is found from the first word on: keys of instances
// are names like others, since an object may be indexed with them.
func written(r *hclspec.Reference) []string {
	a := r.Node
	key := instanceName(r.Key)
	switch {
	case a.Type == address.Instances:
		block := a.Grouped()
		if block.Kind == "" {
			return []string{r.Root, block.Name}
		}
		return []string{r.Root, block.Kind, block.Name}
	case r.Root == string(address.ModuleCall) && key == "":
		return []string{r.Root, r.Target.Module.Steps()[0].Name, a.Name}
	case r.Root == string(address.ModuleCall):
		return []string{r.Root, r.Target.Module.Steps()[0].Name, key, a.Name}
	case a.Kind == "":
		return []string{r.Root, a.Name}
	case r.Key == address.NoKey:
		return []string{r.Root, a.Kind, a.Name}
	}
	return []string{r.Root, a.Kind, a.Name, key}
}

// instanceName is a key as the attribute of an object.
func instanceName(key address.Key) string {
	if n, ok := key.Int(); ok {
		return strconv.Itoa(n)
	}
	name, _ := key.Str()
	return name
}

// branch is an object that is being put together, of values and of branches.
type branch map[string]any

func (b branch) inner(name string) branch {
	in, ok := b[name].(branch)
	if !ok {
		in = branch{}
		b[name] = in
	}
	return in
}

// put adds a value. All instances of a block outdo single ones.
func (b branch) put(v cty.Value, path ...string) {
	for _, name := range path[:len(path)-1] {
		if _, whole := b[name].(cty.Value); whole {
			return
		}
		b = b.inner(name)
	}
	b[path[len(path)-1]] = v
}

func (b branch) object() cty.Value {
	attrs := make(map[string]cty.Value, len(b))
	for name, v := range b {
		switch v := v.(type) {
		case cty.Value:
			attrs[name] = v
		case branch:
			attrs[name] = v.object()
		}
	}
	return cty.ObjectVal(attrs)
}

// pathObject is what path is in a module.
func (p *program) pathObject(m *module) cty.Value {
	paths := m.spec.PathObject().AsValueMap()
	paths["root"] = cty.StringVal(p.spec.Dir)
	return cty.ObjectVal(paths)
}

// valueNode evaluates a node that is a value made of others.
func (p *program) valueNode(n *node, vals values) (cty.Value, hcl.Diagnostics) {
	switch {
	case n.addr.Type == address.Instances:
		return p.collection(n, vals), nil
	case n.input != nil:
		return p.argumentValue(n, vals)
	}
	v, diags := p.expression(n, n.expr, vals, nil)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if n.out != nil && n.out.Sensitive && n.mod.parent != nil {
		v = v.Mark(mark.Sensitive)
	}
	return v, diags
}

func (p *program) valueOf(a address.Address, vals values) cty.Value {
	if a.Type == address.Variable && a.Module == address.Root {
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
		return !r.Node.IsZero() && mark.Has(p.valueOf(r.Node, vals))
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
		Address: a.String(), ModuleDir: p.dirOf(a), RootDir: p.spec.Dir,
		ReadPaths: p.spec.Settings.PathsRead, WritePaths: p.spec.Settings.PathsWrite,
		Environ: p.opts.Environ, UserAgent: "tidegate/" + p.opts.Version, Logger: p.opts.Logger,
	}
}

// dirOf is the directory of the module that a block stands in.
func (p *program) dirOf(a address.Address) string {
	if m := p.modules[a.Module]; m != nil {
		return m.spec.Dir
	}
	return p.spec.Dir
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
