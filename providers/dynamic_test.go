package providers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/mark"
)

func dynamicScope() *hcl.EvalContext {
	return &hcl.EvalContext{Variables: map[string]cty.Value{
		"list":    cty.TupleVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}),
		"set":     cty.SetVal([]cty.Value{cty.StringVal("x")}),
		"object":  cty.ObjectVal(map[string]cty.Value{"k": cty.NumberIntVal(7)}),
		"secret":  cty.ListVal([]cty.Value{cty.StringVal("hunter2")}).Mark(mark.Sensitive),
		"unknown": cty.UnknownVal(cty.List(cty.String)),
		"any":     cty.DynamicVal,
		"empty":   cty.EmptyTupleVal,
		"many":    cty.ListVal(make100k()),
	}}
}

func make100k() []cty.Value {
	out := make([]cty.Value, maxDynamic+1)
	for i := range out {
		out[i] = cty.NumberIntVal(int64(i))
	}
	return out
}

// weights evaluates a block and tells the weight of each check, and what its condition says.
func weights(t *testing.T, text string) (string, hcl.Diagnostics) {
	t.Helper()
	b, diags := compileText(t, "path = \"x\"\n"+text)
	if diags.HasErrors() {
		return "", diags
	}
	values, diags := b.Evaluate(dynamicScope())
	if diags.HasErrors() {
		return "", diags
	}
	c, diags := b.Kind.Configure(values, b)
	if diags.HasErrors() {
		return "", diags
	}
	var out []string
	for _, check := range c.Config.(*testConfig).Checks {
		v, diags := check.Condition.Value(dynamicScope())
		if diags.HasErrors() {
			return "", diags
		}
		v, _ = v.Unmark()
		out = append(out, fmt.Sprintf("%s:%d", v.AsString(), check.Weight))
	}
	return strings.Join(out, " "), nil
}

func TestDynamicBlocksStandForOthers(t *testing.T) {
	for text, want := range map[string]string{
		"dynamic \"check\" {\n for_each = list\n content {\n condition = \"${check.key}${check.value}\"\n weight = check.key + 1\n }\n}":                                                         "0a:1 1b:2",
		"dynamic \"check\" {\n for_each = set\n content { condition = \"${check.key}${check.value}\" }\n}":                                                                                       "xx:0",
		"dynamic \"check\" {\n for_each = object\n iterator = it\n content {\n condition = it.key\n weight = it.value\n }\n}":                                                                    "k:7",
		"check {\n condition = \"first\"\n}\ndynamic \"check\" {\n for_each = list\n content { condition = check.value }\n}\ncheck {\n condition = \"last\"\n}":                                  "first:0 a:0 b:0 last:0",
		"dynamic \"check\" {\n for_each = list\n content { condition = check.value }\n}\ndynamic \"check\" {\n for_each = set\n content {\n condition = \"${check.value}!\"\n weight = 2\n }\n}": "a:0 b:0 x!:2",
		"dynamic \"check\" {\n for_each = empty\n content { condition = check.value }\n}":                                                                                                        "",
		"dynamic \"check\" {\n for_each = secret\n content { condition = check.value }\n}":                                                                                                       "hunter2:0",
		"dynamic \"check\" {\n for_each = list\n content { condition = join(check.value) }\n}":                                                                                                   "Function calls not allowed",
		"dynamic \"check\" {\n for_each = list\n}":                                                                                   "Wrong number of content blocks",
		"dynamic \"check\" {\n content { condition = 1 }\n}":                                                                         "Missing required argument",
		"dynamic \"check\" {\n for_each = list\n labels = [\"a\"]\n content { condition = 1 }\n}":                                    "has no labels",
		"dynamic \"check\" {\n for_each = list\n iterator = \"a\"\n content { condition = 1 }\n}":                                    "Invalid iterator",
		"dynamic \"chek\" {\n for_each = list\n content { condition = 1 }\n}":                                                        "Those that are: check",
		"dynamic \"check\" {\n for_each = \"a\"\n content { condition = 1 }\n}":                                                      "this is a string",
		"dynamic \"check\" {\n for_each = null\n content { condition = 1 }\n}":                                                       "is null",
		"dynamic \"check\" {\n for_each = many\n content { condition = 1 }\n}":                                                       "Too many blocks",
		"dynamic \"check\" {\n for_each = list\n content {\n condition = 1\n weight = check.value\n }\n}":                            "Unsuitable value type",
		"dynamic \"check\" {\n for_each = unknown\n content {\n condition = 1\n weight = nothing.x\n }\n}":                           "Unknown variable",
		"dynamic \"retry\" {\n for_each = list\n content { attempts = 2 }\n}":                                                        "Only one retry block is allowed here",
		"retry {}\ndynamic \"retry\" {\n for_each = set\n content { attempts = 2 }\n}":                                               "Duplicate retry block",
		"dynamic \"dynamic\" {\n for_each = list\n content {}\n}":                                                                    "Blocks of type \"dynamic\" are not expected",
		"dynamic \"check\" {\n for_each = secret\n content {\n condition = 1\n weight = check.value\n }\n}":                          "Unsuitable value type",
		"dynamic \"check\" {\n for_each = list\n content {\n condition = 1\n dynamic \"x\" {\n for_each = 1\n content {}\n }\n }\n}": "Unsupported block type",
	} {
		got, diags := weights(t, text)
		if diags.HasErrors() {
			got = diags.Error()
			for _, d := range diags {
				got += d.Detail
			}
		}
		if diags.HasErrors() && !strings.Contains(got, want) || !diags.HasErrors() && got != want || want == "" && got != "" {
			t.Errorf("%s\ngives %q, want %q", text, got, want)
		}
		if strings.Contains(got, "hunter2") && diags.HasErrors() {
			t.Errorf("%s\ntells a secret: %s", text, got)
		}
	}
}

// A single block may be dynamic: there or not.
func TestDynamicSingleBlock(t *testing.T) {
	for each, want := range map[string]int{"[4]": 4, "empty": 3} {
		b, diags := compileText(t, "path = \"x\"\ndynamic \"retry\" {\n for_each = "+each+"\n content { attempts = retry.value }\n}")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		values, diags := b.Evaluate(dynamicScope())
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		c, diags := b.Kind.Configure(values, b)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if got := c.Settings.(*SinkSettings).Retry.Attempts; got != want {
			t.Errorf("for_each = %s gives %d attempts, want %d", each, got, want)
		}
	}
}

// As long as the elements are not known the block is not, and nothing is said of it.
func TestDynamicBlockOfUnknownElements(t *testing.T) {
	for _, each := range []string{"unknown", "any", "any.x"} {
		b, diags := compileText(t, "path = \"x\"\ndynamic \"check\" {\n for_each = "+each+"\n content {\n condition = check.value.a\n weight = check.value.b\n }\n}")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		values, diags := b.Evaluate(dynamicScope())
		if diags.HasErrors() || values.IsWhollyKnown() {
			t.Errorf("%s: %#v %v", each, values, diags)
		}
		c, diags := b.Kind.Configure(values, b)
		if diags.HasErrors() || len(c.Config.(*testConfig).Checks) != 0 {
			t.Errorf("%s: %v", each, diags)
		}
	}
}

// The iterators of dynamic blocks are no references; all else in them is.
func TestExpressionsOfDynamicBlocks(t *testing.T) {
	b, diags := compileText(t, "path = \"x\"\ndynamic \"check\" {\n for_each = list\n iterator = it\n content {\n condition = it.key + other.x\n weight = it.value\n }\n}")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var got []string
	b.Expressions(func(name string, _ *Attribute, expr hcl.Expression) {
		for _, v := range expr.Variables() {
			got = append(got, name+" "+v.RootName())
		}
	})
	if strings.Join(got, ", ") != "check.for_each list, check.condition other" {
		t.Errorf("expressions: %q", got)
	}
}

// What is kept of a block is what it delivers, without the elements that conditions are about.
func TestLastingValues(t *testing.T) {
	b, diags := compileText(t, "path = \"x\"\ndynamic \"precondition\" {\n for_each = list\n content {\n condition = precondition.value\n error_message = \"\"\n }\n}")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	values, diags := b.Evaluate(dynamicScope())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	want := cty.ObjectVal(map[string]cty.Value{"path": cty.StringVal("x"), "precondition": cty.TupleVal([]cty.Value{cty.EmptyObjectVal, cty.EmptyObjectVal})})
	if got := Lasting(values); !got.RawEquals(want) {
		t.Errorf("%#v", got)
	}
	if got := Lasting(want); !got.RawEquals(want) {
		t.Errorf("%#v", got)
	}
}
