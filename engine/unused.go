package engine

import (
	"fmt"
	"regexp"

	"github.com/hashicorp/hcl/v2"

	"tidegate/hclspec/address"
)

// Unused warns of what is declared in the root module and serves nobody: variables, locals,
// detectors, rules and rate limits. What a called module declares is the matter of whoever
// keeps that module.
//
// What a block with no instances refers to is no edge of the graph, and neither is what the
// settings do. So a name that is written anywhere counts as used.
func (e *Engine) Unused() hcl.Diagnostics {
	if e.prog == nil {
		return nil
	}
	used := map[any]bool{}
	var idle []*node
	for _, n := range e.prog.sorted {
		if n.used {
			used[n.declared] = true
		} else if n.mod.parent == nil && n.canBeUnused() {
			idle = append(idle, n)
		}
	}
	if len(idle) == 0 {
		return nil
	}
	written := map[string]bool{}
	for _, f := range e.spec.Files {
		for _, name := range addressText.FindAll(f.Bytes, -1) {
			written[string(name)] = true
		}
	}
	var diags hcl.Diagnostics
	for _, n := range idle {
		name := n.addr.Block().String()
		if used[n.declared] || written[name] {
			continue
		}
		used[n.declared] = true // of several instances one is enough
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "Unused " + unusedWords[n.addr.Type], Subject: n.rng().Ptr(),
			Detail: fmt.Sprintf("Nothing refers to %s. Remove it, or use it.", name),
		})
	}
	return diags
}

var unusedWords = map[address.Type]string{
	address.Variable: "variable", address.Local: "local value", address.Detector: "detector",
	address.Rule: "rule", address.RateLimit: "rate limit",
}

func (n *node) canBeUnused() bool { return unusedWords[n.addr.Type] != "" }

// addressText matches what refers to one of them.
var addressText = regexp.MustCompile(`(?:\b(?:var|local)|\b(?:detector|rule|rate_limit)\.[\pL\pN_-]+)\.[\pL_][\pL\pN_-]*`)
