// Package providertest is the contract suite: what the engine relies on, checked for each
// kind with a few lines. A kind that fails here breaks one of the promises in package
// providers.
//
//	func TestContract(t *testing.T) {
//		providertest.Kind(t, Kind())
//		providertest.Sink(t, providertest.SinkOptions{New: func(t *testing.T) providers.Sink {
//			return providertest.NewSink(t, Kind(), `path = "`+t.TempDir()+`/x"`)
//		}})
//	}
//
// The helpers New... and Errors turn the text of a block's body into an instance, the way
// the engine does, so that a kind's own tests read like configuration.
package providertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// patience is how long a call may take to notice that its context is done.
const patience = 5 * time.Second

// Scope returns a context with the functions that the bodies of tests may use. secret is a
// sensitive text.
func Scope() *hcl.EvalContext {
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{"secret": cty.StringVal("hunter2").Mark(mark.Sensitive)},
		Functions: map[string]function.Function{
			"jsonencode": stdlib.JSONEncodeFunc,
			"format":     stdlib.FormatFunc,
		},
	}
}

// Configure takes the text of a block's body through parse, compile, evaluate and decode.
func Configure(k *providers.Kind, body string) (*providers.Configured, hcl.Diagnostics) {
	file, diags := hclsyntax.ParseConfig([]byte(body), "test.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	header := hcl.Range{Filename: "test.hcl", Start: hcl.InitialPos, End: hcl.InitialPos}
	block, diags := k.Compile(file.Body, &header)
	if diags.HasErrors() {
		return nil, diags
	}
	values, more := block.Evaluate(Scope())
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, diags
	}
	c, more := k.Configure(values, block)
	return c, append(diags, more...)
}

// Errors returns what is wrong with a block of the given body, a line for each mistake, "" for
// nothing.
func Errors(k *providers.Kind, body string, env ...providers.Env) string {
	c, diags := Configure(k, body)
	if !diags.HasErrors() {
		diags = build(c, k.Type, environment(env))
	}
	if !diags.HasErrors() {
		return ""
	}
	lines := make([]string, len(diags))
	for i, d := range diags {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

func build(c *providers.Configured, typ string, env providers.Env) (diags hcl.Diagnostics) {
	switch typ {
	case "source":
		_, diags = c.Source(env)
	case "detector":
		_, diags = c.Detector(env)
	case "rule":
		_, diags = c.Rule(env)
	case "rate_limit":
		_, diags = c.RateLimit(env)
	case "sink":
		_, diags = c.Sink(env)
	}
	return diags
}

func environment(env []providers.Env) providers.Env {
	if len(env) > 0 {
		return env[0]
	}
	return providers.Env{ModuleDir: "/nonexistent", RootDir: "/nonexistent"}
}

// NewSource returns the source that a block of the given body declares.
func NewSource(t testing.TB, k *providers.Kind, body string, env ...providers.Env) providers.Source {
	t.Helper()
	s, diags := configure(t, k, body).Source(environment(env))
	return must(t, s, diags)
}

// NewDetector returns the detector that a block of the given body declares.
func NewDetector(t testing.TB, k *providers.Kind, body string, env ...providers.Env) providers.Detector {
	t.Helper()
	d, diags := configure(t, k, body).Detector(environment(env))
	return must(t, d, diags)
}

// NewRule returns the rule that a block of the given body declares.
func NewRule(t testing.TB, k *providers.Kind, body string, env ...providers.Env) providers.Rule {
	t.Helper()
	r, diags := configure(t, k, body).Rule(environment(env))
	return must(t, r, diags)
}

// NewRateLimit returns the rate limit that a block of the given body declares.
func NewRateLimit(t testing.TB, k *providers.Kind, body string, env ...providers.Env) providers.RateLimit {
	t.Helper()
	l, diags := configure(t, k, body).RateLimit(environment(env))
	return must(t, l, diags)
}

// NewSink returns the sink that a block of the given body declares.
func NewSink(t testing.TB, k *providers.Kind, body string, env ...providers.Env) providers.Sink {
	t.Helper()
	s, diags := configure(t, k, body).Sink(environment(env))
	return must(t, s, diags)
}

func configure(t testing.TB, k *providers.Kind, body string) *providers.Configured {
	t.Helper()
	c, diags := Configure(k, body)
	return must(t, c, diags)
}

func must[T any](t testing.TB, v T, diags hcl.Diagnostics) T {
	t.Helper()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return v
}

// WantError fails the test unless err is of the class and says every part.
func WantError(t testing.TB, err error, class providers.Class, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	if got, _ := providers.Classify(err); got != class {
		t.Errorf("error %q has class %v, want %v", err, got, class)
	}
}

// promptly fails the test if f does not return soon, and answers its error.
func promptly(t *testing.T, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatalf("%s did not return within %s after its context was done", what, patience)
		return nil
	}
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("cancelled by the test"))
	return ctx
}
