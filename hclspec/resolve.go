package hclspec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"tidegate/hclspec/address"
)

// Resolve reports a reference whose target is not declared, with the nearest declaration;
// nil means that the target exists or that the reference names none.
func (s *Spec) Resolve(r *Reference) *hcl.Diagnostic {
	if r.Target.IsZero() {
		return nil
	}
	if r.Root == string(address.ModuleCall) {
		return s.resolveModule(r)
	}
	if s.declared(r.Target) {
		return nil
	}
	name := r.Target.String()
	near := s.nearest(r.Target)
	switch {
	case near != "":
		near = fmt.Sprintf(" Did you mean %s?", near)
	case r.Target.Type == address.Variable:
		near = fmt.Sprintf(" Declare it with variable %q {}.", r.Target.Name)
	case r.Target.Type == address.Local:
		near = " Declare it in a locals block."
	case r.Target.Type == address.Output:
		near = fmt.Sprintf(" Declare it with output %q {}.", r.Target.Name)
	default:
		near = fmt.Sprintf(" Declare it with %s %q %q {}.", r.Target.Type, r.Target.Kind, r.Target.Name)
	}
	return errorAt(r.Range, "Undeclared "+noun(r.Target.Type), "%s is not declared.%s", name, near)
}

// resolveModule looks for a module call and for the output of it that is referred to.
func (s *Spec) resolveModule(r *Reference) *hcl.Diagnostic {
	name := r.Target.Name
	if r.Target.Type == address.Output {
		name = r.Target.Module.Steps()[0].Name
	}
	if s.Modules[name] == nil {
		return errorAt(r.Range, "Undeclared module", "module.%s is not declared.%s Declare it with module %q { source = ... }.",
			name, didYouMean(name, sortedKeys(s.Modules)), name)
	}
	child := s.called[name]
	if child == nil || r.Target.Type != address.Output || child.Outputs[r.Target.Name] != nil {
		return nil
	}
	outputs := sortedKeys(child.Outputs)
	near := didYouMean(r.Target.Name, outputs)
	switch {
	case near == "" && len(outputs) == 0:
		near = " It has no outputs."
	case near == "":
		near = " Its outputs are " + strings.Join(outputs, ", ") + "."
	}
	return errorAt(r.Range, "Undeclared output", "The module in %s has no output %q.%s", s.Modules[name].Source, r.Target.Name, near)
}

func noun(t address.Type) string {
	switch t {
	case address.Variable:
		return "variable"
	case address.Local:
		return "local value"
	case address.RateLimit:
		return "rate limit"
	}
	return string(t)
}

func (s *Spec) declared(a address.Address) bool {
	switch a.Type {
	case address.Variable:
		return s.Variables[a.Name] != nil
	case address.Local:
		return s.Locals[a.Name] != nil
	case address.Output:
		return s.Outputs[a.Name] != nil
	}
	return s.Block(a) != nil
}

// nearest looks for a like-named declaration of the same type, then for the same name
// under another kind or type.
func (s *Spec) nearest(a address.Address) string {
	same := s.addresses(a.Type)
	prefix := string(a.Type) + "."
	words := make([]string, len(same))
	for i, c := range same {
		words[i] = strings.TrimPrefix(c.String(), prefix)
	}
	if near := Nearest(strings.TrimPrefix(a.Block().String(), prefix), words); near != "" {
		return prefix + near
	}
	others := slices.Concat(same, s.addresses(address.Variable), s.addresses(address.Local))
	for _, b := range s.Blocks {
		others = append(others, b.Address)
	}
	for _, c := range others {
		if c.Name == a.Name {
			return c.String()
		}
	}
	return ""
}

// addresses lists what is declared of one type, sorted.
func (s *Spec) addresses(t address.Type) []address.Address {
	var out []address.Address
	switch t {
	case address.Variable:
		for _, name := range slices.Sorted(maps.Keys(s.Variables)) {
			out = append(out, address.Of(t, "", name))
		}
	case address.Local:
		for _, name := range slices.Sorted(maps.Keys(s.Locals)) {
			out = append(out, address.Of(t, "", name))
		}
	case address.Output:
		for _, name := range slices.Sorted(maps.Keys(s.Outputs)) {
			out = append(out, address.Of(t, "", name))
		}
	default:
		for _, b := range s.Blocks {
			if b.Address.Type == t {
				out = append(out, b.Address)
			}
		}
	}
	return out
}
