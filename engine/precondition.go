package engine

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/providers"
)

// preconditions judges the preconditions of a block. One that cannot be judged, because what
// it uses is not known, neither holds nor fails.
func (o *observer) preconditions(n *node, list []providers.Precondition, scope map[string]cty.Value) (checks []plan.Check, failed, unknown bool) {
	for i, p := range list {
		check := plan.Check{Address: n.addr.String(), Object: n.addr.String(), Precondition: true, Status: "pass", Severity: "error"}
		ok, message, diags := o.condition(n, p.Condition, p.ErrorMessage, scope)
		switch {
		case diags.HasErrors():
			check.Status, check.Findings = "error", []string{fmt.Sprintf("precondition %d cannot be evaluated: %s", i+1, diagnosticText(diags))}
			failed = true
		case !ok && message == unknownCondition:
			check.Status, unknown = "unknown", true
		case !ok:
			check.Status, check.Findings = "fail", []string{message}
			failed = true
		}
		checks = append(checks, check)
	}
	return checks, failed, unknown
}

// admits asks a source's preconditions, which decide whether it is looked at, and notes in the
// look why it is not.
func (o *observer) admits(n *node, l *look) bool {
	checks, failed, unknown := o.preconditions(n, l.settings.Preconditions, nil)
	l.Checks = checks
	switch {
	case failed:
		l.Err = "its precondition does not hold: " + strings.Join(findings(checks), "; ")
	case unknown:
		l.Blocked = "a precondition cannot be judged: " + o.unknownReason(n)
	}
	return !failed && !unknown
}

// hasPreconditions reports whether a source is looked at only under conditions.
func (ev *evaluated) hasPreconditions() bool {
	s, ok := ev.settings.(*providers.SourceSettings)
	return ok && len(s.Preconditions) > 0
}

func findings(checks []plan.Check) []string {
	var out []string
	for _, c := range checks {
		out = append(out, refuses(c)...)
	}
	return out
}

func diagnosticText(diags hcl.Diagnostics) string {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			return d.Summary + ": " + d.Detail
		}
	}
	return ""
}
