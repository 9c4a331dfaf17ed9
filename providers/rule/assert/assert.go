// Package assert is the rule "assert": conditions in the language itself.
//
// A condition that is false, that fails, or that is no clear true (unknown, null, not a
// bool) speaks against the candidate: nothing passes because its judgement was impossible.
// All assertions are judged, so that one round shows everything that is wrong.
package assert

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// Config is the configuration of the rule.
type Config struct {
	Assertions []Assertion `hcl:"assertion,block" required:"true" doc:"One thing that must hold. All assertions are judged and all findings come at once."`
}

// Assertion is one condition and what to say when it does not hold.
type Assertion struct {
	Condition    hcl.Expression `hcl:"condition" doc:"Expression that must be true. It may use value (the candidate), previous (the last accepted value, null at first), text (the raw text), meta (address, version, size), and whatever else the module offers."`
	ErrorMessage hcl.Expression `hcl:"error_message" doc:"What to say when it is not; the same names may be used. A message that refers to a sensitive value is not shown."`
}

// Kind declares the rule.
func Kind() *providers.Kind {
	return providers.RuleKind("assert", providers.Doc{
		Summary: "Accepts a candidate only if conditions in the language hold.",
		Description: `
Each ` + "`assertion`" + ` is an expression over the candidate. All are judged, and each that does not hold
makes a finding with its ` + "`error_message`" + `.

Only a clear ` + "`true`" + ` passes. A condition that is null or unknown, that is not a boolean, or that fails (a
missing key, say) is a finding that shows the error. Use ` + "`can()`" + ` and ` + "`try()`" + ` where a key may be
missing.

On a sink, ` + "`value`" + ` is the rendered content decoded by the target's ending, and null where that is
unknown; ` + "`text`" + ` is the content itself.`,
		Example: `
rule "assert" "sane" {
  assertion {
    condition     = can(regex("^https?://", value.api_url))
    error_message = "api_url must be an http(s) URL, got ${try(value.api_url, "nothing")}."
  }

  assertion {
    condition     = previous == null || value.version >= try(previous.version, 0)
    error_message = "The version must not go back."
  }
}`,
	}, func() *Config { return &Config{} }, build)
}

type rule struct{ assertions []Assertion }

func build(c *Config, _ providers.Env) (providers.Rule, error) {
	if len(c.Assertions) == 0 {
		return nil, providers.AttributesErrorf([]string{"", "assertion"}, "at least one assertion block is required")
	}
	return &rule{c.Assertions}, nil
}

// Judge evaluates every assertion in the candidate's scope.
func (r *rule) Judge(ctx context.Context, c providers.Candidate) ([]providers.Finding, error) {
	var findings []providers.Finding
	for _, a := range r.assertions {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if message := a.judge(c); message != "" {
			rng := a.Condition.Range()
			findings = append(findings, providers.Finding{Message: message, Range: &rng})
		}
	}
	return findings, nil
}

// judge returns what speaks against the candidate, "" for nothing.
func (a *Assertion) judge(c providers.Candidate) string {
	v, diags := a.Condition.Value(c.Scope)
	if diags.HasErrors() {
		return "The condition failed: " + explain(diags, hides(a.Condition, c))
	}
	ok, problem := isTrue(v)
	switch {
	case problem != "":
		return "The condition " + problem + "."
	case ok:
		return ""
	}
	return a.message(c)
}

// isTrue returns whether a condition holds, or what is wrong with it. That a condition is
// sensitive does not matter: whether it holds is shown by what happens next anyway.
func isTrue(v cty.Value) (ok bool, problem string) {
	v, _ = mark.Reveal(v)
	if !v.IsKnown() {
		return false, "depends on a value that is not known yet"
	}
	if v.IsNull() {
		return false, "is null, and must be true or false"
	}
	b, err := convert.Convert(v, cty.Bool)
	if err != nil {
		return false, fmt.Sprintf("is a %s, and must be true or false", v.Type().FriendlyName())
	}
	return b.True(), ""
}

func (a *Assertion) message(c providers.Candidate) string {
	v, diags := a.ErrorMessage.Value(c.Scope)
	switch {
	case diags.HasErrors():
		return "The condition is false, and its error_message failed: " + explain(diags, hides(a.ErrorMessage, c))
	case mark.Has(v):
		return "The condition is false. Its error_message refers to a sensitive value and is not shown."
	case !v.IsKnown():
		return "The condition is false. Its error_message depends on a value that is not known yet."
	}
	v, err := convert.Convert(v, cty.String)
	if err != nil || v.IsNull() || strings.TrimSpace(v.AsString()) == "" {
		return "The condition is false, and its error_message is no text."
	}
	return v.AsString()
}

// explain puts the first error into words. Its detail may quote values.
func explain(diags hcl.Diagnostics, hide bool) string {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		if hide || d.Detail == "" {
			return d.Summary + "."
		}
		return d.Summary + "; " + d.Detail
	}
	return ""
}

// hides reports whether an error in the expression might quote something sensitive.
func hides(expr hcl.Expression, c providers.Candidate) bool {
	if mark.Has(c.Value) || mark.Has(c.Previous) {
		return true
	}
	for _, traversal := range expr.Variables() {
		v, diags := traversal.TraverseAbs(c.Scope)
		if diags.HasErrors() {
			v = root(c.Scope, traversal.RootName())
		}
		if mark.Has(v) {
			return true
		}
	}
	return false
}

func root(ctx *hcl.EvalContext, name string) cty.Value {
	for ; ctx != nil; ctx = ctx.Parent() {
		if v, ok := ctx.Variables[name]; ok {
			return v
		}
	}
	return cty.NilVal
}
