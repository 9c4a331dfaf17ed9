package http

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"go.uber.org/goleak"

	"tidegate/providers"
	"tidegate/providers/internal/httpclient"
)

// TestMain closes the kept connections before it looks for leaks: they are meant to stay.
func TestMain(m *testing.M) {
	code := m.Run()
	httpclient.CloseIdle()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// configure takes the body of a block the way that the engine takes it.
func configure(t testing.TB, text string) (providers.Sink, hcl.Diagnostics) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(text), "test.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return configureBody(t, file.Body)
}

func configureBody(t testing.TB, body hcl.Body) (providers.Sink, hcl.Diagnostics) {
	t.Helper()
	b, diags := Kind().Compile(body, hcl.Range{Filename: "test.hcl", Start: hcl.InitialPos, End: hcl.InitialPos})
	text := cty.StringVal("x")
	values, more := b.Evaluate(&hcl.EvalContext{
		Variables: map[string]cty.Value{
			"env": cty.ObjectVal(map[string]cty.Value{"DEPLOY_TOKEN": text, "WEBHOOK_SECRET": text}),
			"source": cty.ObjectVal(map[string]cty.Value{"http": cty.ObjectVal(map[string]cty.Value{
				"app": cty.ObjectVal(map[string]cty.Value{"version": text}),
			})}),
		},
		Functions: map[string]function.Function{"jsonencode": stdlib.JSONEncodeFunc},
	})
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, diags
	}
	c, diags := Kind().Configure(values, b)
	if diags.HasErrors() {
		return nil, diags
	}
	return c.Sink(providers.Env{ModuleDir: "/srv/config", UserAgent: "tidegate/test"})
}

// newSink makes a sink of url and further lines.
func newSink(t testing.TB, url string, lines ...string) providers.Sink {
	t.Helper()
	s, diags := configure(t, fmt.Sprintf("url = %q\n", url)+strings.Join(lines, "\n"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

func wantError(t *testing.T, err error, class providers.Class, parts ...string) {
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
