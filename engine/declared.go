package engine

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/engine/plan"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// Declared describes the configuration as it is written.
func (e *Engine) Declared() *plan.Declared {
	d := describer{blocks: map[blockID]*node{}}
	for _, n := range e.prog.nodes {
		if b, ok := n.declared.(*hclspec.Block); ok && n.block != nil {
			d.blocks[blockID{b.Address, b.DefRange}] = n // instances share what they were taken apart into
		}
	}
	return &plan.Declared{
		Providers: map[string]plan.DeclaredProvider{providerName: {Name: providerName, FullName: providerName}},
		Root:      d.module(e.spec),
	}
}

// providerName stands where Terraform names the provider.
const providerName = "tidegate"

// describer writes down what is declared.
type describer struct{ blocks map[blockID]*node }

// blockID is one block of the files: a module that is called twice has it once.
type blockID struct {
	addr address.Address
	at   hcl.Range
}

func (d *describer) module(s *hclspec.Spec) *plan.DeclaredModule {
	out := &plan.DeclaredModule{}
	for _, name := range slices.Sorted(maps.Keys(s.Variables)) {
		v := s.Variables[name]
		declared := &plan.DeclaredVariable{Description: v.Description, Sensitive: v.Sensitive || v.Ephemeral}
		if !v.Required() && !declared.Sensitive {
			declared.Default = literal(v.Default)
		}
		put(&out.Variables, name, declared)
	}
	for name, o := range s.Outputs {
		put(&out.Outputs, name, &plan.DeclaredOutput{
			Sensitive: o.Sensitive, Expression: expressionOf(o.Expr, o.Sensitive), Description: o.Description, DependsOn: dependsOn(o.DependsOn),
		})
	}
	for _, b := range s.Blocks {
		declared := d.block(b)
		switch b.Address.Type {
		case address.Source, address.Sink:
			out.Resources = append(out.Resources, declared)
		default:
			out.Policies = append(out.Policies, declared)
		}
	}
	for _, list := range [][]*plan.DeclaredBlock{out.Resources, out.Policies} {
		slices.SortFunc(list, func(a, b *plan.DeclaredBlock) int { return strings.Compare(a.Address, b.Address) })
	}
	for name, c := range s.Modules {
		put(&out.Calls, name, d.call(s, c))
	}
	return out
}

func put[V any](m *map[string]V, name string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[name] = v
}

func (d *describer) call(s *hclspec.Spec, c *hclspec.ModuleCall) *plan.DeclaredCall {
	out := &plan.DeclaredCall{Source: c.Source, DependsOn: dependsOn(c.DependsOn), Module: &plan.DeclaredModule{}}
	called := s.Called(c.Name)
	if called != nil {
		out.Module = d.module(called)
	}
	for name, given := range c.Arguments {
		secret := true
		if called != nil && called.Variables[name] != nil {
			secret = called.Variables[name].Sensitive || called.Variables[name].Ephemeral
		}
		put(&out.Expressions, name, raw(expressionOf(given.Expr, secret)))
	}
	out.ForEach, out.Count = repetition(c.Repetition)
	return out
}

func repetition(r *hclspec.Repetition) (forEach, count *plan.DeclaredExpression) {
	if r == nil {
		return nil, nil
	}
	if r.ForEach != nil {
		forEach = expressionOf(r.ForEach, false)
	}
	if r.Count != nil {
		count = expressionOf(r.Count, false)
	}
	return forEach, count
}

func (d *describer) block(b *hclspec.Block) *plan.DeclaredBlock {
	out := &plan.DeclaredBlock{Address: b.Address.String(), Type: b.Address.Kind, Name: b.Address.Name, Expressions: map[string]json.RawMessage{}}
	switch b.Address.Type {
	case address.Sink:
		out.Mode, out.Provider = "managed", providerName
	case address.Source:
		out.Mode, out.Provider = "data", providerName
	}
	out.ForEach, out.Count = repetition(b.Repetition)
	n := d.blocks[blockID{b.Address, b.DefRange}]
	if n == nil {
		return out // it has no instance
	}
	secret := n.block.Expression("sensitive") != nil
	if settings, ok := settingsOf(n); ok {
		secret = settings.Sensitive
	}
	for _, part := range n.block.Declarations() {
		if part.Attribute != nil && part.Name == "depends_on" {
			if refs, diags := hclspec.References(part.Expression); !diags.HasErrors() {
				out.DependsOn = dependsOn(refs)
			}
			continue
		}
		out.Expressions[part.Name] = declaration(part, secret && part.Name != "sensitive")
	}
	return out
}

// declaration is what stands for an attribute or for the blocks of one name.
func declaration(part providers.Declaration, secret bool) json.RawMessage {
	if part.Attribute != nil {
		return raw(expressionOf(part.Expression, secret || part.Credential))
	}
	list := []map[string]json.RawMessage{}
	for _, block := range part.Blocks {
		inner := map[string]json.RawMessage{}
		for _, p := range block {
			inner[p.Name] = declaration(p, secret)
		}
		list = append(list, inner)
	}
	return raw(list)
}

func dependsOn(refs []*hclspec.Reference) []string {
	var out []string
	for _, r := range refs {
		out = append(out, referred(r))
	}
	return out
}

// expressionOf says what an expression is. A literal that may be a secret is not told.
func expressionOf(expr hcl.Expression, secret bool) *plan.DeclaredExpression {
	out := &plan.DeclaredExpression{}
	refs, diags := hclspec.References(expr)
	if diags.HasErrors() {
		return out
	}
	if len(refs) == 0 {
		if v, diags := expr.Value(nil); !diags.HasErrors() && !secret {
			out.Constant = literal(v)
		}
		return out
	}
	for _, r := range refs {
		base := referred(r)
		full := []string{base}
		for _, step := range r.Rest {
			switch step := step.(type) {
			case hcl.TraverseAttr:
				base += "." + step.Name
			case hcl.TraverseIndex:
				base += "[" + string(literal(step.Key)) + "]"
			default:
				continue
			}
			full = append(full, base)
		}
		slices.Reverse(full)
		if name, _, ok := strings.Cut(strings.TrimPrefix(full[len(full)-1], "module."), "."); ok && r.Target.Type == address.Output {
			full = append(full, "module."+name)
		}
		out.References = append(out.References, full...)
	}
	return out
}

// referred is what a reference names, as it is written.
func referred(r *hclspec.Reference) string {
	switch a := r.Instance(); {
	case a.IsZero() || r.Target.IsZero():
		if r.Name == "" {
			return r.Root
		}
		return r.Root + "." + r.Name
	case a.Type == address.Output:
		if _, step, ok := a.Module.Parent(); ok {
			return "module." + step.Name + r.Key.String() + "." + a.Name
		}
		return a.String()
	default:
		return a.String()
	}
}

// literal is a value as JSON, nothing for one that cannot be shown.
func literal(v cty.Value) json.RawMessage {
	if v == cty.NilVal || mark.Has(v) || !v.IsWhollyKnown() {
		return nil
	}
	plain, _ := v.UnmarkDeep()
	data, err := ctyjson.Marshal(plain, plain.Type())
	if err != nil {
		return nil
	}
	return data
}

// raw is what marshals without fail.
func raw(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic("engine: what is declared does not marshal: " + err.Error())
	}
	return data
}
