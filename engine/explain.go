package engine

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"tidegate/hclspec"
)

// suggest completes what hcl says of an unknown function. Inside of loops and dynamic blocks
// it has none to compare with.
func (p *program) suggest(d *hcl.Diagnostic) *hcl.Diagnostic {
	unknown, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d)
	if !ok || unknown.CalledFunctionNamespace() != "" {
		return d
	}
	out := *d
	out.Detail = fmt.Sprintf("There is no function named %q.", unknown.CalledFunctionName())
	if near := hclspec.Nearest(unknown.CalledFunctionName(), slices.Sorted(maps.Keys(p.functions))); near != "" {
		out.Detail += fmt.Sprintf(" Did you mean %q?", near)
	}
	return &out
}
