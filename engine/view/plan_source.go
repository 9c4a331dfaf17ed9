package view

import (
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/diff"
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// listedSources returns the sources of which there is something to say.
func listedSources(p *plan.Plan) []*plan.SourceChange {
	var out []*plan.SourceChange
	for _, c := range p.Sources {
		if c.Action != plan.NoOp || c.Problem != plan.NoProblem || c.FormatOnly || len(remarks(c.Checks)) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// remarks returns the checks that did not pass.
func remarks(checks []plan.Check) []plan.Check {
	var out []plan.Check
	for _, c := range checks {
		if c.Status != "pass" {
			out = append(out, c)
		}
	}
	return out
}

// findings reports whether the results of the rules say why something was refused.
func findings(checks []plan.Check) bool {
	return slices.ContainsFunc(checks, func(c plan.Check) bool {
		return c.Status != "pass" && c.Severity != "warning" && len(c.Findings) > 0
	})
}

func sourceMark(c *plan.SourceChange) string {
	switch c.Problem {
	case plan.Failed, plan.Rejected:
		return attention
	case plan.Limited, plan.Blocked, plan.Waiting, plan.Flapping:
		return waiting
	}
	return c.Action.Mark()
}

func sourceWords(c *plan.SourceChange) string {
	switch c.Problem {
	case plan.Failed:
		return "could not be read"
	case plan.Rejected:
		if len(c.Changes) == 0 && c.Version != "" && c.Version == c.PreviousVersion {
			return "has an accepted value that its rules no longer pass"
		}
		return "has a new value that is rejected"
	case plan.Limited:
		return "has a new value that waits"
	case plan.Blocked:
		return "is blocked"
	case plan.Waiting:
		return "waits for its first push"
	case plan.Flapping:
		return "goes back and forth between two values"
	}
	switch {
	case c.Action == plan.Read:
		return "has a new value to accept"
	case c.FormatOnly && len(c.Changes) > 0:
		return "differs only in what its detectors ignore"
	case c.FormatOnly:
		return "is written differently and means the same"
	}
	return "is unchanged"
}

func (p *page) source(c *plan.SourceChange) {
	sign := sourceMark(c)
	p.item(sign, markColor(sign), c.Address.String()+" "+sourceWords(c))
	if c.Identity != "" {
		p.prose(6, "", "from: "+Escape(c.Identity))
	}
	p.versions(c)
	if c.Reason != "" && !(c.Problem == plan.Rejected && findings(c.Checks)) {
		p.prose(6, problemColor(c.Problem), "reason: "+c.Reason)
	}
	if c.Problem != plan.NoProblem {
		p.prose(6, "", standing(c.Standing))
	}
	p.valueChanges(c)
	p.checks(c.Address.Type, c.Checks)
}

func (p *page) versions(c *plan.SourceChange) {
	switch {
	case c.Version == "" && c.PreviousVersion == "":
	case c.PreviousVersion == "":
		p.prose(6, "", "version: "+version(c.Version))
	case c.Version == c.PreviousVersion:
		p.prose(6, "", "version: "+version(c.Version)+" (unchanged)")
	default:
		p.prose(6, "", "version: "+version(c.PreviousVersion)+" -> "+version(c.Version))
	}
}

func problemColor(p plan.Problem) string {
	if p == plan.Failed || p == plan.Rejected {
		return red
	}
	return yellow
}

func standing(s plan.Standing) string {
	switch s {
	case plan.Fallback:
		return "Its fallback stands in."
	case plan.Nothing:
		return "It has no value yet: what uses it is blocked."
	}
	return "The accepted value stays in use."
}

func (p *page) valueChanges(c *plan.SourceChange) { p.listChanges(6, spread(c.Changes)) }

func (p *page) listChanges(indent int, changes []plan.ValueChange) {
	for i, ch := range changes {
		if i == maxValueChange {
			p.prose(indent, "", fmt.Sprintf("... and %s more; --json has all", count(len(changes)-i, "change")))
			return
		}
		p.valueChange(indent, ch)
	}
}

// spread shows the first value of a source member by member.
func spread(changes []plan.ValueChange) []plan.ValueChange {
	if len(changes) != 1 || changes[0].Path != "" || changes[0].Action != diff.ActionAdd {
		return changes
	}
	v := changes[0].After
	if v.IsAbsent() || v.IsMarked() || !v.IsKnown() || v.IsNull() || !v.Type().IsObjectType() || v.LengthInt() == 0 {
		return changes
	}
	return plan.ValueChanges(cty.EmptyObjectVal, v.Value)
}

func (p *page) valueChange(indent int, ch plan.ValueChange) {
	path := Escape(ch.Path)
	if path == "" {
		path = "value"
	}
	before, after := inline(ch.Before.Value), afterOf(ch)
	switch {
	case ch.Action == diff.ActionAdd:
		p.prose(indent, green, "+ "+path+": "+after)
	case ch.Action == diff.ActionRemove:
		p.prose(indent, red, "- "+path+": "+before+volatileNote(ch))
	case ch.Sensitive:
		p.prose(indent, yellow, "~ "+path+": (sensitive value, changed)")
	default:
		p.prose(indent, yellow, "~ "+path+": "+before+" -> "+after)
	}
}

// checks writes the result of each rule and precondition, with what it found.
func (p *page) checks(of address.Type, checks []plan.Check) {
	for _, c := range namedChecks(of, checks) {
		p.prose(6, c.color, c.name+": "+c.word)
		for _, f := range c.Findings {
			p.prose(8, c.color, f)
		}
	}
}

// namedCheck is a check with the words for it.
type namedCheck struct {
	plan.Check
	name, word, color string
}

// namedChecks finds the words. A block judges itself, too: a sink by its preconditions, a source
// by allow_empty.
func namedChecks(of address.Type, checks []plan.Check) []namedCheck {
	conditions := 0
	var out []namedCheck
	for _, c := range checks {
		n := namedCheck{Check: c, name: c.Address, word: c.Status}
		switch {
		case c.Address == c.Object && of == address.Source && !c.Precondition:
			n.name = "allow_empty"
		case c.Address == c.Object:
			conditions++
			n.name = fmt.Sprintf("precondition %d", conditions)
		}
		switch {
		case c.Status == "pass":
			n.word = "passed"
		case c.Severity == "warning":
			n.word, n.color = "warning", yellow
		case c.Status == "fail":
			n.word, n.color = "failed", red
		case c.Status == "error":
			n.word, n.color = "could not be judged", red
		}
		out = append(out, n)
	}
	return out
}
