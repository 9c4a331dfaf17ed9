package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"tidegate/engine/plan"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
)

// A check block says what somebody would like to be told. Whatever becomes of its assertions,
// nothing is stopped by them: they are judged beside the rest, over the values that are in use,
// and end as warnings.

// connectCheck resolves what the assertions refer to.
func connectCheck(c *hclspec.Check, collect func(hcl.Expression, scopeRules)) {
	for _, a := range c.Asserts {
		collect(a.Condition, scopeRules{stale: true})
		collect(a.ErrorMessage, scopeRules{stale: true})
	}
}

// checkAssertions finds what is wrong with assertions whatever the data: functions that do not
// exist. Everything else may be right with other data, and is a warning when it is not.
func (p *program) checkAssertions(n *node, vals values) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range n.check.Asserts {
		for _, expr := range []hcl.Expression{a.Condition, a.ErrorMessage} {
			_, more := p.expression(n, expr, vals, nil)
			for _, d := range more {
				if _, unknown := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d); unknown {
					diags = append(diags, d)
				} else if p.validate {
					warning := *d
					warning.Severity = hcl.DiagWarning
					diags = append(diags, &warning)
				}
			}
		}
	}
	return diags
}

// judgeCheck judges the assertions of a check. What a value that is not known has to do with is
// told where that value is missing.
func (o *observer) judgeCheck(n *node) (plan.Check, hcl.Diagnostics) {
	check := plan.Check{Address: n.addr.String(), Object: n.addr.String(), Status: "pass", Severity: "warning"}
	var diags hcl.Diagnostics
	worst := func(status string) {
		rank := []string{"pass", "unknown", "fail", "error"}
		if slices.Index(rank, status) > slices.Index(rank, check.Status) {
			check.Status = status
		}
	}
	for i, a := range n.check.Asserts {
		ok, message, wrong := o.condition(n, a.Condition, a.ErrorMessage, nil)
		status := "fail"
		switch {
		case wrong.HasErrors():
			status, message = "error", fmt.Sprintf("assertion %d cannot be evaluated: %s", i+1, diagnosticText(wrong))
		case !ok && message == unknownCondition:
			worst("unknown")
			check.Findings = append(check.Findings, fmt.Sprintf("assertion %d cannot be judged: %s", i+1, o.unknownReason(n)))
			continue
		case ok:
			continue
		}
		worst(status)
		check.Findings = append(check.Findings, message)
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "Check failed", Subject: a.Condition.Range().Ptr(),
			Detail:     fmt.Sprintf("%s: %s Nothing is stopped by that.", n.addr, sentenceEnd(message)),
			Expression: a.Condition, EvalContext: o.prog.scopeOf(n, n.find(a.Condition), o.values, nil),
		})
	}
	return check, diags
}

// sentenceEnd lets a message end like a sentence.
func sentenceEnd(message string) string {
	if message == "" || strings.ContainsAny(message[len(message)-1:], ".!?") {
		return message
	}
	return message + "."
}

// sortedChecks puts results in the order of their addresses: they come in that of the graph.
func sortedChecks(checks []plan.Check) []plan.Check {
	slices.SortFunc(checks, func(a, b plan.Check) int { return strings.Compare(a.Address, b.Address) })
	return checks
}

// A CheckStatus is what a daemon knows of one check block.
type CheckStatus struct {
	Address address.Address `json:"address"`
	Status  string          `json:"status"` // pass, fail, error, unknown
	// Findings are the messages of assertions that do not hold, or cannot be judged.
	Findings []string `json:"findings,omitempty"`
}

// CheckState says that a check block came to another result.
type CheckState struct {
	Address  address.Address
	From, To string // of CheckStatus.Status; From is "" at first
	Reason   string // the findings
}

func (CheckState) event() {}

// checkResult judges a check in a daemon; nil where that cannot be done.
func (s *scene) checkResult(ctx context.Context, n *node) (out *CheckStatus) {
	defer func() {
		if r := recover(); r != nil {
			_ = s.engine.opts.panicked(n.addr, r, s.redactor(n)) // in the log
			out = nil
		}
	}()
	s.prepareNode(ctx, n)
	check, _ := s.judgeCheck(n)
	return &CheckStatus{Address: n.addr, Status: check.Status, Findings: check.Findings}
}

// checkEvaluated takes in what became of a check.
func (d *Daemon) checkEvaluated(c *CheckStatus) {
	if d.engine.prog.nodes[c.Address] == nil {
		return
	}
	before, reason := "", strings.Join(c.Findings, "; ")
	if old := d.checks[c.Address]; old != nil {
		before = old.Status
		if before == c.Status && strings.Join(old.Findings, "; ") == reason {
			return
		}
	}
	d.checks[c.Address] = c
	if before != "" || c.Status != "pass" {
		d.engine.emit(CheckState{Address: c.Address, From: before, To: c.Status, Reason: reason})
	}
}
