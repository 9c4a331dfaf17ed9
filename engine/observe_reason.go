package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// rejections lists what speaks against a candidate, each with the rule that says so.
func rejections(checks []plan.Check) []string {
	var out []string
	for _, c := range checks {
		for _, f := range refuses(c) {
			out = append(out, ruleOf(c)+f)
		}
	}
	return out
}

// refusal is the same as one text, in which each rule is named once.
func refusal(checks []plan.Check) string {
	var out []string
	for _, c := range checks {
		if list := refuses(c); len(list) > 0 {
			out = append(out, ruleOf(c)+strings.Join(list, "; "))
		}
	}
	return strings.Join(out, "; ")
}

// refuses returns the findings of a check that rejects.
func refuses(c plan.Check) []string {
	if c.Status == "pass" || c.Severity == "warning" {
		return nil
	}
	out := make([]string, len(c.Findings))
	for i, f := range c.Findings {
		out[i] = strings.TrimSuffix(f, ".")
	}
	return out
}

// ruleOf is what a finding of a check begins with: the rule, unless it is a precondition of the
// block's own.
func ruleOf(c plan.Check) string {
	if c.Address == c.Object {
		return ""
	}
	return c.Address + ": "
}

func standingWords(c plan.Choice, row *state.Source) string {
	switch c.Standing {
	case plan.Accepted:
		return "The accepted value stays in use."
	case plan.Fallback:
		return "The fallback stands in."
	}
	if row.Current() != nil {
		return "The accepted value cannot be read, so what depends on it is left as it is."
	}
	return "Nothing was ever accepted, so what depends on it is left as it is."
}

// unknownReason says which source or sink a node waits for, and why.
func (o *observer) unknownReason(n *node) string {
	var waits []string
	if n.each != nil && n.each.reason != "" {
		waits = append(waits, fmt.Sprintf("%s: %s", n.each.block, n.each.reason))
	}
	for _, list := range [][]address.Address{n.sources, n.sinks} {
		for _, a := range list {
			if why, ok := o.reasons[a]; ok {
				waits = append(waits, fmt.Sprintf("%s has no value (%s)%s", a, why, o.prog.through(n, a)))
			}
		}
	}
	if len(waits) == 0 {
		waits = o.refusedOutputs(n)
	}
	if len(waits) == 0 {
		return "a value it uses is not known"
	}
	return strings.Join(waits, "; ")
}

// refusedOutputs says which outputs of modules that a node uses have no value, and why.
func (o *observer) refusedOutputs(n *node) []string {
	var waits []string
	var uses map[address.Address]struct{}
	for a, why := range o.reasons {
		if a.Type != address.Output {
			continue
		}
		if uses == nil {
			uses = o.prog.graph.Ancestors([]address.Address{n.addr})
		}
		if _, ok := uses[a]; ok {
			waits = append(waits, fmt.Sprintf("%s has no value (%s)", a, why))
		}
	}
	slices.Sort(waits)
	return waits
}

// outputReason is why an output of a module has no value.
func outputReason(diags hcl.Diagnostics) string {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			return strings.TrimSuffix(strings.ToLower(d.Summary[:1])+d.Summary[1:]+": "+d.Detail, ".")
		}
	}
	return ""
}

// waitsOn returns the first of what a node waits for.
func (o *observer) waitsOn(n *node) string {
	for _, list := range [][]address.Address{n.sources, n.sinks} {
		for _, a := range list {
			if _, ok := o.reasons[a]; ok {
				return a.String()
			}
		}
	}
	return ""
}
