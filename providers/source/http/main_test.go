package http

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
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
func configure(t testing.TB, body string) (providers.Source, hcl.Diagnostics) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(body), "test.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return configureBody(t, file.Body)
}

func configureBody(t testing.TB, body hcl.Body) (providers.Source, hcl.Diagnostics) {
	t.Helper()
	b, diags := Kind().Compile(body, hcl.Range{Filename: "test.hcl", Start: hcl.InitialPos, End: hcl.InitialPos})
	env := cty.ObjectVal(map[string]cty.Value{"CONFIG_TOKEN": cty.StringVal("t")})
	values, more := b.Evaluate(&hcl.EvalContext{Variables: map[string]cty.Value{"env": env}})
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, diags
	}
	c, diags := Kind().Configure(values, b)
	if diags.HasErrors() {
		return nil, diags
	}
	return c.Source(providers.Env{ModuleDir: "/srv/config", UserAgent: "tidegate/test"})
}

// newSource makes a source of url and further lines.
func newSource(t testing.TB, url string, lines ...string) providers.Source {
	t.Helper()
	s, diags := configure(t, fmt.Sprintf("url = %q\n", url)+strings.Join(lines, "\n"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

// fetch looks once, without a validator.
func fetch(t *testing.T, url string, lines ...string) (providers.Snapshot, error) {
	t.Helper()
	return newSource(t, url, lines...).Fetch(t.Context(), "")
}

func wantData(t *testing.T, snap providers.Snapshot, err error, want string) {
	t.Helper()
	if err != nil || snap.NotModified || string(snap.Data) != want {
		t.Fatalf("got %q (not modified: %v), %v; want %q", snap.Data, snap.NotModified, err, want)
	}
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
