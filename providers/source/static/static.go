// Package static is the source "static": a value that stands in the configuration itself.
//
// It cannot fail at run time: what cannot be a value is refused when the configuration is
// loaded. It changes only when the configuration does.
package static

import (
	"context"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// Config is the configuration of the source.
type Config struct {
	Value cty.Value `hcl:"value" doc:"The value: any expression, including references to variables and to other sources."`
}

// Kind declares the source.
func Kind() *providers.Kind {
	return providers.SourceKind("static", providers.Doc{
		Summary: "Holds a value that is written in the configuration.",
		Description: `
The value passes rules and rate limits like that of any other source, is recorded as accepted, and
can be rolled back: that is what it has over ` + "`locals`" + `. It is read once for each version of the
configuration; detectors do not apply. Numbers keep every digit.

If any part of the value is sensitive, the whole value is.`,
		Example: `
rule "assert" "percent" {
  assertion {
    condition     = value.rollout >= 0 && value.rollout <= 100
    error_message = "rollout must be a percentage, got ${value.rollout}."
  }
}

source "static" "flags" {
  value = {
    rollout  = 25
    new_menu = true
  }
  rules = [rule.assert.percent]
}`,
	}, func() *Config { return &Config{} }, build)
}

type source struct {
	data      []byte
	sensitive bool
}

func build(c *Config, _ providers.Env) (providers.Source, error) {
	if c.Value == cty.NilVal || c.Value.IsKnown() && c.Value.IsNull() {
		return nil, providers.AttributeErrorf("value", "a source cannot be null")
	}
	plain, _ := mark.Reveal(c.Value)
	if err := finite(plain); err != nil {
		return nil, err
	}
	data, err := ctyjson.Marshal(plain, plain.Type())
	if err != nil {
		return nil, providers.AttributeErrorf("value", "cannot be written as JSON: %w", err)
	}
	return &source{data: data, sensitive: mark.Has(c.Value)}, nil
}

// finite refuses infinite numbers, which cty has and JSON has not.
func finite(v cty.Value) error {
	return cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.Number && v.IsKnown() && !v.IsNull() && v.AsBigFloat().IsInf() {
			return false, providers.AttributeErrorf("value", "holds an infinite number, which has no JSON form")
		}
		return true, nil
	})
}

// Identity names what is read.
func (s *source) Identity() string { return "the configuration" }

// Fetch answers the value as JSON.
func (s *source) Fetch(ctx context.Context, _ string) (providers.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return providers.Snapshot{}, err
	}
	if limit := providers.FetchLimit(ctx); int64(len(s.data)) > limit {
		return providers.Snapshot{}, providers.TooLargeError(limit)
	}
	return providers.Snapshot{Data: s.data, Format: "json", Sensitive: s.sensitive}, nil
}
