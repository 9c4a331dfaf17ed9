package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// verdict judges what a run brought.
type verdict struct {
	run    *Run
	spec   *hclspec.Spec
	status Status
	diags  hcl.Diagnostics

	failed   []failed
	mistakes hcl.Diagnostics // of evaluating the configuration, which are about no block as a whole
}

// failed is one thing that failed: the names under which it can be expected (a source, and the
// rules that rejected its value) and why.
type failed struct {
	names  []address.Address
	reason string
	// mistaken says that the block could not be evaluated, which diagnostics tell of, too.
	mistaken bool
}

func (v *verdict) add(s Status, diags ...*hcl.Diagnostic) {
	if v.status == "" {
		v.status = Pass
	}
	v.status = worse(v.status, s)
	v.diags = append(v.diags, diags...)
}

// observe gathers what failed in one round.
func (v *verdict) observe(p *plan.Plan, said hcl.Diagnostics) {
	for _, c := range p.Sources {
		if c.Problem == plan.Failed || c.Problem == plan.Rejected {
			v.note(failed{append([]address.Address{c.Address}, rejecters(c.Checks)...), fmt.Sprintf("%s %s: %s", c.Address, c.Problem, c.Reason), mistaken(c.Reason)})
		}
	}
	for _, c := range p.Sinks {
		w := c.Wait
		if w != nil && (w.Kind == plan.RejectedByOwn || w.Kind == plan.BlockedBy && mistaken(w.Reason)) {
			v.note(failed{append([]address.Address{c.Address}, rejecters(c.Checks)...), fmt.Sprintf("%s %s: %s", c.Address, w.Kind, w.Reason), mistaken(w.Reason)})
		}
	}
	for _, d := range errorsOf(said) {
		switch a, _ := v.about(d); a.Type {
		case address.Source: // the plan says it, too
		case address.Output, address.Sink, address.Variable:
			v.note(failed{names: []address.Address{a}, reason: strings.TrimSuffix(d.Detail, ".")})
		default:
			if !slices.ContainsFunc(v.mistakes, func(m *hcl.Diagnostic) bool { return m.Detail == d.Detail && m.Summary == d.Summary }) {
				v.mistakes = append(v.mistakes, d)
			}
		}
	}
}

// mistaken knows the words of an engine for a block that cannot be evaluated.
func mistaken(reason string) bool { return strings.HasPrefix(reason, "its configuration is wrong") }

// note keeps one entry for what fails in one way, however often.
func (v *verdict) note(f failed) {
	for i := range v.failed {
		if v.failed[i].names[0] == f.names[0] {
			v.failed[i].names = append(v.failed[i].names, f.names[1:]...)
			v.failed[i].mistaken = v.failed[i].mistaken || f.mistaken
			return
		}
	}
	v.failed = append(v.failed, f)
}

// rejecters are the rules that reject.
func rejecters(checks []plan.Check) []address.Address {
	var out []address.Address
	for _, c := range checks {
		if c.Status == "pass" || c.Severity == "warning" {
			continue
		}
		if a, err := address.Parse(c.Address); err == nil && a.Type == address.Rule {
			out = append(out, a)
		}
	}
	return out
}

// about returns the block or output that a diagnostic is about as a whole: an engine points at
// its header where something became of it, and into it where it is mistaken.
func (v *verdict) about(d *hcl.Diagnostic) (address.Address, bool) {
	if a, ok := engine.About(d); ok {
		return a, true
	}
	if d.Subject == nil {
		return address.Address{}, false
	}
	for _, b := range v.spec.Blocks {
		if b.DefRange == *d.Subject {
			return b.Address, true
		}
	}
	for name, o := range v.spec.Outputs {
		if o.DefRange == *d.Subject {
			return address.Of(address.Output, "", name), true
		}
	}
	return address.Address{}, false
}

// failures compares what failed with what was to. With expect_failures nothing else may fail.
// Without it failures are what assertions are about; where there are none, nothing may fail.
func (v *verdict) failures() {
	v.add(Pass)
	happened := map[address.Address]bool{}
	excused := false
	for _, f := range v.failed {
		wanted := false
		for _, a := range f.names {
			happens(happened, a)
			wanted = wanted || v.expects(a)
		}
		excused = excused || wanted && f.mistaken
		if !wanted && (v.run.strict || len(v.run.asserts) == 0) {
			v.add(Fail, failure(v.run.Range, "Unexpected failure", "%s If that is what the run is about, name %s in expect_failures.", sentence(f.reason), f.names[0]))
		}
	}
	for _, e := range v.run.expects {
		if happened[e.address] {
			continue
		}
		hint := ""
		if e.address.Type == address.Sink && !v.run.apply {
			hint = onlyPlans
		}
		v.add(Fail, failure(e.rng, "Expected failure did not happen", "%s was to fail in this run, and did not.%s", e.address, hint))
	}
	if !excused && len(v.mistakes) > 0 {
		v.add(Err, v.mistakes...)
	}
}

// expects reports whether something is to fail, be it as one of the instances of its block or module.
func (v *verdict) expects(a address.Address) bool {
	return slices.ContainsFunc(v.run.expects, func(e expected) bool { return slices.Contains(knownAs(a), e.address) })
}

// happens notes what failed under all names by which it may be expected.
func happens(happened map[address.Address]bool, a address.Address) {
	for _, name := range knownAs(a) {
		happened[name] = true
	}
}

// configuration judges a configuration that cannot be used with the variables of the run: that
// may be what the run expects.
func (v *verdict) configuration(diags hcl.Diagnostics) {
	v.add(Pass)
	happened := map[address.Address]bool{}
	for _, d := range errorsOf(diags) {
		a, is := v.variable(d)
		happens(happened, a)
		if !is || !v.expects(a) {
			v.add(Err, d)
		}
	}
	for _, e := range v.run.expects {
		if !happened[e.address] {
			v.add(Fail, failure(e.rng, "Expected failure did not happen", "%s was to fail in this run, and the configuration could not be used before it came to that.", e.address))
		}
	}
}

// variable returns the variable whose value a diagnostic refuses.
func (v *verdict) variable(d *hcl.Diagnostic) (address.Address, bool) {
	if a, ok := engine.About(d); ok && a.Type == address.Variable {
		return a, true
	}
	if d.Subject == nil {
		return address.Address{}, false
	}
	for name, declared := range v.spec.Variables {
		a := address.Of(address.Variable, "", name)
		for _, c := range declared.Validations {
			if c.Condition.Range() == *d.Subject {
				return a, true
			}
		}
		if given := v.run.variables[name]; given != nil && given.Expr.Range() == *d.Subject {
			return a, true
		}
	}
	return address.Address{}, false
}

// assert judges one condition.
func (v *verdict) assert(a *assert, scope *hcl.EvalContext) {
	value, diags := evaluate(a.condition, scope)
	if diags.HasErrors() {
		v.add(Err, errorsOf(diags)...)
		return
	}
	value, _ = value.Unmark()
	holds, err := convert.Convert(value, cty.Bool)
	if err != nil || holds.IsNull() || !holds.IsKnown() {
		v.add(Err, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Invalid condition", Detail: "A condition must be true or false.",
			Subject: a.condition.Range().Ptr(), Expression: a.condition, EvalContext: scope,
		})
		return
	}
	if holds.True() {
		return
	}
	message, diags := v.message(a, scope)
	v.add(Fail, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: AssertionFailed, Detail: message,
		Subject: a.condition.Range().Ptr(), Expression: a.condition, EvalContext: scope,
	})
	if diags.HasErrors() {
		v.add(Err, errorsOf(diags)...)
	}
}

// AssertionFailed is the summary of a condition that does not hold.
const AssertionFailed = "Test assertion failed"

func (v *verdict) message(a *assert, scope *hcl.EvalContext) (string, hcl.Diagnostics) {
	const none = "The condition does not hold."
	value, diags := evaluate(a.message, scope)
	switch {
	case diags.HasErrors():
		return none, diags
	case mark.Has(value):
		return none + " Its message refers to a sensitive value and is not shown.", nil
	}
	message, err := convert.Convert(value, cty.String)
	if err != nil || message.IsNull() || !message.IsKnown() {
		return none, hcl.Diagnostics{failure(a.message.Range(), "Invalid error message", "An error message must be a text.")}
	}
	return message.AsString(), nil
}
