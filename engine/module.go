package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"tidegate/hclspec"
	"tidegate/hclspec/address"
)

// module is one instance of a module: the root, or what a call leads to.
type module struct {
	path      address.Module
	spec      *hclspec.Spec
	parent    *module // in which its call stands, nil for the root
	call      *hclspec.ModuleCall
	group     *group      // of the call where it is repeated, else nil
	key       address.Key // in that
	files     hclspec.FunctionOptions
	functions map[string]function.Function
	plain     map[string]function.Function // made when it is first needed
	depends   []address.Address            // what depends_on of its call names, and of those around it
}

// argument is what a variable of a called module is declared by.
type argument struct {
	variable *hclspec.Variable
	given    *hclspec.Argument // nil where the call gives no value
	call     *hclspec.ModuleCall
}

// rootModule returns the module that everything begins with.
func (p *program) rootModule() *module {
	m := &module{spec: p.spec, files: p.files}
	files := p.files
	files.OnRead = p.reads.note
	m.functions = hclspec.Functions(files)
	return m
}

// called returns one instance of a module that m calls. Functions are those of its directory.
func (p *program) called(m *module, c *hclspec.ModuleCall, g *group, key address.Key) *module {
	child := &module{path: m.path.Child(c.Name, key), spec: m.spec.Called(c.Name), parent: m, call: c, group: g, key: key}
	child.files = m.files
	child.files.ModuleDir = child.spec.Dir
	if p.byDir[child.spec.Dir] == nil {
		files := child.files
		files.OnRead = p.reads.note
		p.byDir[child.spec.Dir] = hclspec.Functions(files)
	}
	child.functions = p.byDir[child.spec.Dir]
	return child
}

// declareModule makes the nodes of a module, and of those that it calls.
func (p *program) declareModule(m *module) hcl.Diagnostics {
	var diags hcl.Diagnostics
	p.modules[m.path] = m
	p.declareVariables(m)
	at := func(t address.Type, name string) address.Address {
		return address.Address{Module: m.path, Type: t, Name: name}
	}
	for name, l := range m.spec.Locals {
		p.add(at(address.Local, name), l, m).expr = l.Expr
	}
	for name, o := range m.spec.Outputs {
		n := p.add(at(address.Output, name), o, m)
		n.expr, n.out = o.Expr, o
	}
	for name, c := range m.spec.Checks {
		p.add(at(address.Check, name), c, m).check = c
	}
	for _, b := range m.spec.Blocks {
		diags = append(diags, p.declareBlock(m, b)...)
	}
	for _, name := range slices.Sorted(maps.Keys(m.spec.Modules)) {
		diags = append(diags, p.declareCall(m, m.spec.Modules[name])...)
	}
	return diags
}

// declareVariables makes nodes of the variables: those of the root have values from outside,
// those of a called module get the arguments of the call, evaluated where it stands.
func (p *program) declareVariables(m *module) {
	for name, v := range m.spec.Variables {
		a := address.Address{Module: m.path, Type: address.Variable, Name: name}
		if m.parent == nil {
			p.add(a, v, m)
			continue
		}
		given := m.call.Arguments[name]
		n := p.add(a, argument{v, given, m.call}, m)
		n.scope, n.each, n.key = m.parent, m.group, m.key
		n.input = v
		if given != nil {
			n.expr = given.Expr
		}
	}
}

// declareCall makes the nodes of what a module call leads to.
func (p *program) declareCall(m *module, c *hclspec.ModuleCall) hcl.Diagnostics {
	if m.spec.Called(c.Name) == nil {
		return nil // that was complained about
	}
	block := address.Address{Module: m.path, Type: address.ModuleCall, Name: c.Name}
	if c.Repetition == nil {
		p.add(block.Instances(), c, m)
		return p.declareModule(p.called(m, c, nil, address.NoKey))
	}
	var diags hcl.Diagnostics
	g := p.repeat(block, c.Repetition, m)
	for _, key := range g.keys {
		diags = append(diags, p.declareModule(p.called(m, c, g, key))...)
	}
	return diags
}

// declareBlock makes the nodes of a source, detector, rule, rate limit or sink: one, or one for
// each instance. They share what the block was taken apart into.
func (p *program) declareBlock(m *module, b *hclspec.Block) hcl.Diagnostics {
	a := b.Address
	a.Module = m.path
	kind := p.opts.Registry.Kind(string(a.Type), a.Kind)
	if kind == nil {
		return hcl.Diagnostics{p.unknownKind(b)}
	}
	if b.Repetition == nil {
		return p.declareInstance(m, b, kind, a, nil)
	}
	g := p.repeat(a, b.Repetition, m)
	var diags hcl.Diagnostics
	for _, key := range g.keys {
		a.Key = key
		diags = append(diags, p.declareInstance(m, b, kind, a, g)...)
	}
	if len(g.keys) == 0 {
		_, diags = p.takenApart(m, b, kind)
	}
	return diags
}

// early evaluates an expression before there is a graph: the variables and locals that it refers to
// are evaluated on the way. It reports false where anything else takes part, or is wrong; that
// comes out when the nodes are checked.
func (p *program) early(expr hcl.Expression, m *module, each *node) (cty.Value, bool) {
	refs, diags := hclspec.References(expr)
	if diags.HasErrors() {
		return cty.DynamicVal, false
	}
	vals := values{}
	for _, r := range refs {
		switch r.Root {
		case "var", "local":
			r.Node = r.Target
			r.Node.Module = m.path
			vals[r.Node] = p.earlyValue(r.Node, m)
		case "path", "env":
		case "each", "count":
			if each == nil || each.each == nil {
				return cty.DynamicVal, false
			}
			g := each.each
			r.Node, r.Key = g.expansion.addr, each.key
			vals[r.Node] = p.earlyValue(r.Node, g.scope)
		default:
			return cty.DynamicVal, false
		}
	}
	v, diags := expr.Value(p.scopeWith(m, m.plainFunctions(), refs, vals, nil))
	return v, !diags.HasErrors()
}

// plainFunctions are the functions of the module; what they read is noted when it is checked.
func (m *module) plainFunctions() map[string]function.Function {
	if m.plain == nil {
		m.plain = hclspec.Functions(m.files)
	}
	return m.plain
}

// earlyValue is early for a variable, a local or an expansion. One that is being evaluated is on a
// cycle.
func (p *program) earlyValue(a address.Address, m *module) cty.Value {
	if v, ok := p.earlier[a]; ok {
		return v
	}
	p.earlier[a] = cty.DynamicVal
	v, ok := cty.DynamicVal, false
	switch {
	case a.Type == address.Variable && m.parent == nil:
		v, ok = p.valueOf(a, nil), true
	case a.Type == address.Variable:
		n := p.nodes[a]
		if n == nil {
			break
		}
		if n.expr == nil {
			v, _ = n.input.Value(cty.NilVal, hcl.Range{})
			ok = true
		} else if v, ok = p.early(n.expr, m.parent, n); ok {
			var diags hcl.Diagnostics
			v, diags = n.input.Value(v, n.expr.Range())
			ok = !diags.HasErrors()
		}
	case a.Type == address.Local && m.spec.Locals[a.Name] != nil:
		v, ok = p.early(m.spec.Locals[a.Name].Expr, m, nil)
	case a.Type == address.Expansion && p.nodes[a] != nil:
		v, ok = p.early(p.nodes[a].expr, m, nil)
	}
	if !ok {
		v = cty.DynamicVal
	}
	p.earlier[a] = v
	return v
}

// connectValidations resolves what the validations of a module's variable refer to: itself, and
// other variables of the module.
func (p *program) connectValidations(n *node) hcl.Diagnostics {
	var diags hcl.Diagnostics
	inside := &node{addr: n.addr, mod: n.mod, scope: n.mod}
	for _, c := range n.input.Validations {
		for _, expr := range []hcl.Expression{c.Condition, c.ErrorMessage} {
			refs, wrong := n.mod.spec.ValidationReferences(expr)
			for _, r := range refs {
				wrong = append(wrong, p.checkReference(inside, r, scopeRules{})...)
				if r.Node != n.addr {
					n.refs = append(n.refs, r)
				}
			}
			diags = append(diags, wrong...)
			n.exprs = append(n.exprs, expression{expr: expr, refs: refs, in: n.mod, wrong: wrong.HasErrors()})
		}
	}
	return diags
}

// argumentValue is the value of a variable of a called module: the argument of the call, else the
// default. One that its validations refuse is not known: nothing is made of it.
func (p *program) argumentValue(n *node, vals values) (cty.Value, hcl.Diagnostics) {
	given, at := cty.NilVal, n.rng()
	var diags hcl.Diagnostics
	if n.expr != nil {
		at = n.expr.Range()
		if given, diags = p.expression(n, n.expr, vals, nil); diags.HasErrors() {
			return cty.DynamicVal, diags
		}
	}
	v, more := n.input.Value(given, at)
	if diags = append(diags, more...); diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	for _, c := range n.input.Validations {
		cond, message := n.find(c.Condition), n.find(c.ErrorMessage)
		if cond.wrong || message.wrong {
			continue
		}
		own := values{n.addr: v}
		refs := slices.Concat(cond.refs, message.refs)
		for _, r := range refs {
			if _, ok := own[r.Node]; !ok && !r.Node.IsZero() {
				own[r.Node] = p.valueOf(r.Node, vals)
			}
		}
		ctx := p.scopeWith(n.mod, n.mod.functions, refs, own, nil)
		for _, diag := range n.input.Judge(c, ctx) {
			if diag.Subject != nil && diag.Summary == hclspec.InvalidVariable {
				detail := *diag
				detail.Detail += fmt.Sprintf("\n\nThis was checked by the validation at %s.", diag.Subject)
				detail.Subject, detail.Extra = at.Ptr(), about{n.addr}
				diag = &detail
			}
			diags = append(diags, diag)
		}
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return v, diags
}

// connectCalls resolves depends_on of the module calls: it holds for all that a module declares, at
// any depth.
func (p *program) connectCalls() hcl.Diagnostics {
	var diags hcl.Diagnostics
	if len(p.modules) == 1 {
		return nil
	}
	for _, path := range slices.SortedFunc(maps.Keys(p.modules), func(a, b address.Module) int { return len(a) - len(b) }) {
		m := p.modules[path]
		if m.parent == nil {
			continue
		}
		m.depends = m.parent.depends
		at := &node{addr: address.Address{Module: m.parent.path, Type: address.ModuleCall, Name: m.call.Name}, mod: m.parent, scope: m.parent, each: m.group, key: m.key}
		for _, named := range m.call.DependsOn {
			r := *named // each instance of the module has its own
			if wrong := p.resolve(at, &r, scopeRules{whole: true}); wrong.HasErrors() {
				diags = append(diags, ofInstance(address.Address{Module: m.path, Type: address.ModuleCall}, wrong)...)
				continue
			}
			m.depends = append(slices.Clip(m.depends), r.Node)
		}
	}
	return fold(diags)
}

// awaited lists what a node waits for since depends_on says so: its own, and that of the calls that
// lead to its module. A module stands for all sinks in it, a repeated block for its instances.
func (p *program) awaited(n *node) []address.Address {
	if len(n.depends)+len(n.mod.depends) == 0 {
		return nil
	}
	var out []address.Address
	for _, list := range [][]address.Address{n.depends, n.mod.depends} {
		for _, a := range list {
			block := a.Grouped()
			switch {
			case a.Type != address.Instances:
				out = append(out, a)
			case block.Type == address.ModuleCall:
				out = append(append(out, a), p.sinksWithin(block)...)
			default:
				out = append(append(out, a), p.groups[block].members()...)
			}
		}
	}
	return out
}

// sinksWithin lists the sinks of a module call, at any depth.
func (p *program) sinksWithin(call address.Address) []address.Address {
	if list, ok := p.within[call]; ok {
		return list
	}
	var out []address.Address
	prefix := string(call.Module.Child(call.Name, address.NoKey))
	for _, n := range p.sorted {
		if rest, ok := strings.CutPrefix(string(n.addr.Module), prefix); ok && n.addr.Type == address.Sink && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			out = append(out, n.addr)
		}
	}
	if p.within == nil {
		p.within = map[address.Address][]address.Address{}
	}
	p.within[call] = out
	return out
}

// refused is the value of an output of a called module whose preconditions do not hold: nothing is
// made of it.
func (o *observer) refused(n *node, v cty.Value) (cty.Value, hcl.Diagnostics) {
	if n.out == nil || n.mod.parent == nil {
		return v, nil
	}
	var diags hcl.Diagnostics
	for _, c := range n.out.Preconditions {
		ok, message, wrong := o.condition(n, c.Condition, c.ErrorMessage, nil)
		switch {
		case wrong.HasErrors():
			diags = append(diags, wrong...)
		case !ok && message != unknownCondition:
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Precondition of output failed", Subject: n.rng().Ptr(),
				Detail: fmt.Sprintf("%s: %s", n.addr, message), Extra: about{n.addr},
			})
		case !ok: // it depends on what is not known
			v = cty.DynamicVal
		}
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return v, nil
}
