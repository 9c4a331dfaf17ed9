package engine

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/graph"
	"tidegate/hclspec/address"
)

// order finds cycles and cuts the graph into waves. With a cycle the waves are those of the
// graph in which nothing waits for what is on it, so that all the rest can still be checked.
func (p *program) order() hcl.Diagnostics {
	var diags hcl.Diagnostics
	levels, cycle := p.graph.Levels()
	if cycle != nil {
		diags = p.cycles(cycle)
		for _, a := range cycle.Nodes {
			p.nodes[a].cyclic = true
		}
		levels, _ = p.graph.Without(cycle.Nodes).Levels()
	}
	p.waves = make([][]*node, len(levels))
	for i, level := range levels {
		p.waves[i] = make([]*node, len(level))
		for j, place := range level {
			n := p.sorted[place]
			p.waves[i][j] = n
			p.reach(n)
		}
	}
	return diags
}

// reach notes which sinks a node waits for and which sources it is made from.
func (p *program) reach(n *node) {
	n.sinks, n.sources, n.follows = nil, nil, false
	deps := p.graph.DependsOn(n.place)
	for _, place := range deps {
		dep := p.sorted[place]
		dep.used = true
		n.follows = n.follows || dep.follows || dep.addr.Type == address.Expansion && dep.group.data
		d := dep.addr
		switch {
		case d.Type == address.Sink:
			n.sinks = append(n.sinks, d)
		case d.Type.IsPolicy() || d.Type == address.Expansion && dep.group.block.Type.IsPolicy() && n.each != dep.group:
			continue
		case d.Type == address.Source:
			n.sources = append(n.sources, d)
			fallthrough
		default:
			n.sinks = append(n.sinks, dep.sinks...)
		}
		n.sources = append(n.sources, dep.sources...)
	}
	if len(n.sinks) > 1 || len(n.sources) > 1 {
		n.sinks, n.sources = sortedOnce(n.sinks), sortedOnce(n.sources)
	}
}

// sortedOnce sorts addresses and leaves repetitions out.
func sortedOnce(list []address.Address) []address.Address {
	slices.SortFunc(list, address.Address.Compare)
	return slices.Clip(slices.Compact(list))
}

func (p *program) cycles(c *graph.Cycle[address.Address]) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, path := range c.Paths {
		names := make([]string, len(path))
		for i, a := range path {
			names[i] = a.String()
		}
		n := p.nodes[path[0]]
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Cycle", Subject: n.rng().Ptr(),
			Detail: "These depend on each other, so none can be first: " + strings.Join(names, " -> ") + ".",
		})
	}
	return diags
}
