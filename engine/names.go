package engine

import (
	"maps"
	"slices"

	"tidegate/hclspec/address"
)

// Addresses lists what a command may be about: the sources and sinks of a configuration, instances,
// and blocks and modules as a whole, sorted. It knows what there is of one with mistakes.
func (e *Engine) Addresses() []string {
	seen := map[string]bool{}
	if e.spec != nil {
		for _, b := range e.spec.Blocks {
			if isThing(b.Address) {
				seen[b.Address.String()] = true
			}
		}
	}
	if e.prog != nil {
		for a := range e.prog.nodes {
			if isThing(a) {
				seen[a.String()], seen[a.Block().String()] = true, true
			}
		}
		for path, m := range e.prog.modules {
			if m.parent != nil {
				seen[string(path)] = true
				seen[string(m.parent.path.Child(m.call.Name, address.NoKey))] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Names lists what an expression of the root module may begin with: its variables, locals, sources
// and sinks, with their instances, and the outputs of the modules that it calls. They are sorted.
func (e *Engine) Names() []string {
	seen := map[string]bool{}
	for a, n := range e.prog.nodes {
		root := a.Module == address.Root
		switch {
		case root && (a.Type == address.Variable || a.Type == address.Local):
			seen[a.String()] = true
		case root && isThing(a):
			seen[a.String()], seen[a.Block().String()] = true, true
		case root && a.Type == address.Instances:
			if block := a.Grouped(); block.Type == address.ModuleCall || isThing(block) {
				seen[callName(block)] = true
			}
		case a.Type == address.Output && n.mod.parent == e.prog.root:
			seen[string(a.Module)], seen[string(a.Module)+"."+a.Name] = true, true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// callName is how expressions name a repeated block or a module call as a whole.
func callName(block address.Address) string {
	if block.Type == address.ModuleCall {
		return string(block.Module.Child(block.Name, address.NoKey))
	}
	return block.String()
}

// isThing reports whether an address is one that the state knows rows of.
func isThing(a address.Address) bool { return a.Type == address.Source || a.Type == address.Sink }
