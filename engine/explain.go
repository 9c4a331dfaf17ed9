package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"tidegate/hclspec"
	"tidegate/hclspec/address"
)

// suggest completes what hcl says of an unknown function. Inside of loops and dynamic blocks
// it has none to compare with.
func (p *program) suggest(d *hcl.Diagnostic) *hcl.Diagnostic {
	unknown, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d)
	if !ok || unknown.CalledFunctionNamespace() != "" {
		return d
	}
	out := *d
	name := unknown.CalledFunctionName()
	out.Detail = fmt.Sprintf("There is no function named %q.", name)
	if now := formerFunctions[name]; now != "" {
		out.Detail += fmt.Sprintf(" Terraform had it once. Write %s.", now)
		return &out
	}
	if near := hclspec.Nearest(name, slices.Sorted(maps.Keys(p.functions))); near != "" {
		out.Detail += fmt.Sprintf(" Did you mean %q?", near)
	}
	return &out
}

// formerFunctions are functions that Terraform does not have any more, with what is written instead.
var formerFunctions = map[string]string{
	"list": "[a, b], or tolist([a, b])",
	"map":  "{ key = value }, or tomap({ key = value })",
}

// through names what leads from a node to a source or sink that it does not refer to itself, as
// the end of a reason: ", used through local.b, local.a". It is "" for a node that does.
func (p *program) through(n *node, to address.Address) string {
	target := p.nodes[to]
	if target == nil {
		return ""
	}
	from := map[int]int{n.place: -1} // what a place was reached from
	queue := []int{n.place}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, place := range p.graph.DependsOn(at) {
			if _, seen := from[place]; seen {
				continue
			}
			from[place] = at
			if place == target.place {
				return p.between(from, place)
			}
			if p.sorted[place].computed() {
				queue = append(queue, place)
			}
		}
	}
	return ""
}

// between lists the places on the way to one, without the two ends.
func (p *program) between(from map[int]int, end int) string {
	var names []string
	for at := from[end]; at >= 0 && from[at] >= 0; at = from[at] {
		if a := p.sorted[at].addr; !a.Type.Hidden() {
			names = append(names, a.String())
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Reverse(names)
	return ", used through " + strings.Join(names, ", ")
}
