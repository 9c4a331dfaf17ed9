package providers

import (
	"context"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/mark"
)

type testConfig struct {
	Path    string            `hcl:"path" doc:"Where."`
	Token   string            `hcl:"token,optional" credential:"true"`
	Every   Duration          `hcl:"every,optional"`
	Mode    string            `hcl:"mode,optional" values:"a,b"`
	Headers map[string]string `hcl:"headers,optional"`
	Any     cty.Value         `hcl:"any,optional"`
	Checks  []testCheck       `hcl:"check,block"`
}

type testCheck struct {
	Condition hcl.Expression `hcl:"condition"`
	Weight    int            `hcl:"weight,optional"`
}

type testSink struct{ SinkReader }

func (testSink) Write(context.Context, Delivery) error { return nil }
func (testSink) Delete(context.Context) error          { return nil }

func testKind() *Kind {
	return SinkKind("test", Doc{}, func() *testConfig { return &testConfig{Mode: "a", Every: "10s"} },
		func(c *testConfig, _ Env) (Sink, error) {
			if c.Path == "bad" {
				return nil, AttributeErrorf("path", "the path is bad")
			}
			return testSink{}, nil
		})
}

func compileText(t *testing.T, text string) (*Block, hcl.Diagnostics) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(text), "test.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return testKind().Compile(file.Body, &hcl.Range{Filename: "test.hcl", Start: hcl.InitialPos, End: hcl.InitialPos})
}

func TestBlockTravelsFromTextToStruct(t *testing.T) {
	b, diags := compileText(t, `
path    = "/etc/${name}"
token   = "hunter2"
headers = { A = secret }
any     = [1, "x"]
on_drift = null
retry { attempts = 5 }
check {
  condition = unknown_name.x
  weight    = 3
}
`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	values, diags := b.Evaluate(&hcl.EvalContext{Variables: map[string]cty.Value{
		"name":   cty.StringVal("app"),
		"secret": cty.StringVal("s").Mark(mark.Sensitive),
	}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	c, diags := b.Kind.Configure(values, b)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	got := c.Config.(*testConfig)
	if got.Path != "/etc/app" || got.Token != "hunter2" || got.Mode != "a" || got.Every != "10s" || got.Headers["A"] != "s" {
		t.Errorf("config = %+v", got)
	}
	if len(got.Checks) != 1 || got.Checks[0].Weight != 3 || got.Checks[0].Condition == nil {
		t.Errorf("checks = %+v", got.Checks)
	}
	settings := c.Settings.(*SinkSettings)
	if settings.OnDrift != "repair" || settings.Retry.Attempts != 5 || settings.Retry.Max != "2s" {
		t.Errorf("settings = %+v, retry %+v", settings, settings.Retry)
	}
	if !mark.Has(values.GetAttr("token")) || !mark.Has(values.GetAttr("headers")) || mark.Has(values.GetAttr("path")) {
		t.Errorf("marks are wrong in %#v", values)
	}
	// The same from values alone, as from the ledger.
	again, diags := b.Kind.Configure(values, nil)
	if diags.HasErrors() || again.Config.(*testConfig).Path != "/etc/app" {
		t.Errorf("from values: %+v, %v", again.Config, diags)
	}
}

func TestBlockMistakesPointAtTheirPlace(t *testing.T) {
	for text, want := range map[string]string{
		"path = \"x\"\nmodd = \"a\"":               `test.hcl:2,1-5: Unsupported argument`,
		"token = \"x\"":                            `Missing required argument`,
		"path = \"x\"\nevery = \"10\"":             `test.hcl:2,9-13: Bad duration`,
		"path = \"x\"\nevery = \"-1s\"":            `not positive`,
		"path = \"x\"\nmode = \"c\"":               `takes one of "a", "b", not "c"`,
		"path = [1]":                               `Unsuitable value type`,
		"path = null":                              `Missing required value`,
		"path = \"x\"\nretry {}\nretry {}":         `Duplicate retry block`,
		"path = \"x\"\nretry {\n  attempt = 1\n }": `test.hcl:3,3-10: Unsupported argument`,
		"path = \"bad\"":                           `test.hcl:1,8-13: Invalid sink "test"; path: the path is bad.`,
	} {
		b, diags := compileText(t, text)
		values, more := b.Evaluate(nil)
		diags = append(diags, more...)
		if !diags.HasErrors() {
			c, more := b.Kind.Configure(values, b)
			diags = append(diags, more...)
			_, more = c.Sink(Env{})
			diags = append(diags, more...)
		}
		if !diags.HasErrors() || !strings.Contains(diags.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, diags, want)
		}
	}
}

func TestUnknownValuesStayUnknown(t *testing.T) {
	b, _ := compileText(t, `path = x`)
	values, diags := b.Evaluate(&hcl.EvalContext{Variables: map[string]cty.Value{"x": cty.UnknownVal(cty.String)}})
	if diags.HasErrors() || values.IsWhollyKnown() {
		t.Errorf("got %#v, %v", values, diags)
	}
}

// A stand-in has the schema and the checks of the kind that it stands for, and sees the marks
// of its values.
func TestAStandInTakesThePlaceOfAnInstance(t *testing.T) {
	kind := testKind()
	var got cty.Value
	instead := testSink{}
	k := kind.StandIn(func(real any, values cty.Value, env Env) any {
		if _, is := real.(Sink); !is || env.Address != "sink.test.a" || !env.IsSensitive("path") {
			t.Errorf("made of %T at %s", real, env.Address)
		}
		got = values
		return instead
	})
	values := cty.ObjectVal(map[string]cty.Value{"path": cty.StringVal("x").Mark(mark.Sensitive)})
	c, diags := k.Configure(values, nil)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s, diags := c.Sink(Env{Address: "sink.test.a"})
	if diags.HasErrors() || s != Sink(instead) || !got.RawEquals(values) {
		t.Errorf("%v, %#v, %#v", diags, s, got)
	}
	c, _ = k.Configure(cty.ObjectVal(map[string]cty.Value{"path": cty.StringVal("bad")}), nil)
	if _, diags := c.Sink(Env{Address: "sink.test.a"}); !diags.HasErrors() {
		t.Error("a stand-in hides what is wrong with a configuration")
	}
	if kind.Schema != k.Schema || kind.instead != nil {
		t.Error("the kind itself was changed")
	}
	over := k.StandIn(func(first any, _ cty.Value, _ Env) any {
		if first != any(instead) {
			t.Errorf("the second stand-in is made of %T", first)
		}
		return first
	})
	c, _ = over.Configure(values, nil)
	if _, diags := c.Sink(Env{Address: "sink.test.a"}); diags.HasErrors() {
		t.Error(diags)
	}
}
