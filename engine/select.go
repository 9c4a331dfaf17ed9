package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
)

// selector is the part of a configuration and its ledger that a plan is about.
type selector struct {
	prog    *program
	options PlanOptions
	all     []address.Address // of sources, sinks and outputs, sorted
	in      map[address.Address]struct{}
	open    hcl.Diagnostics // patterns that match nothing so far, and may match an instance that is to come
}

// selectFor carries out the targets and excludes of a plan; nil selects everything. What a
// target needs is selected with it, and what needs an excluded one is left out with it. Where
// everything is destroyed it is the other way round, since there what is needed goes last. A
// pattern that matches nothing is an error, unless it may match an instance that follows data: then
// what says which ones there are is selected, and reselect says more once that was looked at.
func selectFor(prog *program, ledger *state.Ledger, options PlanOptions) (*selector, hcl.Diagnostics) {
	if len(options.Targets)+len(options.Excludes) == 0 {
		return nil, nil
	}
	s := &selector{prog: prog, options: options}
	s.collect(ledger)
	targets, diags := s.matching("--target", options.Targets)
	excluded, more := s.matching("--exclude", options.Excludes)
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, diags
	}
	targets = append(targets, s.expansions(options.Targets)...)
	follow, leave := prog.graph.Ancestors, prog.graph.Affected
	if options.Destroy {
		follow, leave = leave, follow
	}
	if len(options.Targets) > 0 {
		s.in = follow(targets)
		s.add(targets)
		s.addOutputs()
	} else {
		s.in = map[address.Address]struct{}{}
		s.add(prog.graph.Nodes())
		s.add(s.all)
	}
	for a := range leave(excluded) {
		delete(s.in, a)
	}
	for _, a := range excluded {
		delete(s.in, a)
	}
	if !slices.ContainsFunc(s.all, s.has) && len(s.all) > 0 && len(s.open) == 0 {
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Nothing is left",
			Detail: "--exclude leaves out all that there is, or that --target selects: what is excluded takes along what needs it.",
		}}
	}
	return s, nil
}

// collect lists what can be selected, declared or only in the ledger.
func (s *selector) collect(ledger *state.Ledger) {
	seen := map[address.Address]bool{}
	add := func(a address.Address) {
		if !seen[a] && (a.Type == address.Source || a.Type == address.Sink || a.Type == address.Output) {
			seen[a] = true
			s.all = append(s.all, a)
		}
	}
	for a := range ledger.Sources {
		add(a)
	}
	for a := range ledger.Sinks {
		add(a)
	}
	for a := range ledger.Outputs {
		add(a)
	}
	if !s.options.Destroy {
		for a := range s.prog.nodes {
			add(a)
		}
	}
	slices.SortFunc(s.all, address.Address.Compare)
}

// addOutputs selects the outputs and checks all of whose sources and sinks are selected.
func (s *selector) addOutputs() {
	if s.options.Destroy {
		return
	}
	for a, n := range s.prog.nodes {
		if !n.isOutput() && n.check == nil {
			continue
		}
		needs := s.prog.graph.Ancestors([]address.Address{a})
		some, all := false, true
		for b := range needs {
			if b.Type == address.Source || b.Type == address.Sink {
				some, all = true, all && s.has(b)
			}
		}
		if some && all {
			s.add(slices.Collect(maps.Keys(needs)))
		}
	}
}

func (s *selector) add(list []address.Address) {
	for _, a := range list {
		s.in[a] = struct{}{}
	}
}

// matching returns what the patterns of one flag name: blocks, and instances in the ledger.
func (s *selector) matching(flag string, patterns []string) ([]address.Address, hcl.Diagnostics) {
	var out []address.Address
	var diags hcl.Diagnostics
	for _, pattern := range patterns {
		before := len(out)
		for _, a := range s.all {
			if address.Matches(pattern, a) {
				out = append(out, a)
			}
		}
		if len(out) == before {
			nothing := &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Nothing matches",
				Detail: fmt.Sprintf("%s %q matches no source, sink or output. %s", flag, pattern, s.hint(pattern)),
			}
			if len(s.expansions([]string{pattern})) > 0 {
				s.open = append(s.open, nothing)
			} else {
				diags = append(diags, nothing)
			}
		}
	}
	return out, diags
}

// expansions returns what says which instances there are, of the blocks that follow data and whose
// instances some patterns may match.
func (s *selector) expansions(patterns []string) []address.Address {
	if s.options.Destroy {
		return nil
	}
	var out []address.Address
	for block, g := range s.prog.groups {
		if g.data && slices.ContainsFunc(patterns, func(p string) bool { return address.MayMatch(p, block) }) {
			out = append(out, g.expansion.addr)
		}
	}
	return out
}

// reselect selects again, for a program with other instances.
func (o *observer) reselect() {
	if o.selected == nil {
		return
	}
	selected, diags := selectFor(o.prog, o.ledger, o.options)
	if o.diags = append(o.diags, diags...); diags.HasErrors() {
		return
	}
	o.selected, o.affected = selected, selected.affected()
}

// unmatched are the patterns that matched nothing after all.
func (s *selector) unmatched() hcl.Diagnostics {
	if s == nil {
		return nil
	}
	return s.open
}

func (s *selector) hint(pattern string) string {
	names := make([]string, len(s.all))
	for i, a := range s.all {
		names[i] = a.String()
	}
	if near := hclspec.Nearest(pattern, names); near != "" {
		return fmt.Sprintf("Did you mean %s?", near)
	}
	for _, a := range s.all {
		// A name alone is what people try first.
		if a.Name == pattern || strings.HasSuffix(a.String(), "."+pattern) {
			return fmt.Sprintf("Did you mean %s?", a)
		}
	}
	return "In a pattern, * stands for any text without a dot, and at the end for everything; \"tidegate graph\" and \"tidegate state list\" name what there is."
}

// has reports whether an address is selected.
func (s *selector) has(a address.Address) bool {
	if s == nil {
		return true
	}
	_, ok := s.in[a]
	return ok
}

// affected is what is looked at, nil for everything.
func (s *selector) affected() map[address.Address]struct{} {
	if s == nil {
		return nil
	}
	return s.in
}

// selection tells of it in the plan.
func (s *selector) selection() *plan.Selection {
	if s == nil {
		return nil
	}
	out := &plan.Selection{Targets: s.options.Targets, Excludes: s.options.Excludes}
	for _, a := range s.all {
		if a.Type != address.Output && !s.has(a) {
			out.LeftOut = append(out.LeftOut, a)
		}
	}
	return out
}
