package assert

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"tidegate/hclspec/mark"
	"tidegate/providers"
	"tidegate/providers/providertest"
)

const sane = `
assertion {
  condition     = value.timeout >= 1 && value.timeout <= 300
  error_message = "timeout out of range: ${value.timeout}."
}
assertion {
  condition     = can(regex("^https?://", value.url))
  error_message = "url must be an http(s) URL, got ${try(value.url, "nothing")}."
}
`

func candidate(value cty.Value) providers.Candidate {
	previous := cty.NullVal(cty.DynamicPseudoType)
	return providers.Candidate{
		Value: value, Previous: previous, Address: "source.http.app",
		Scope: &hcl.EvalContext{
			Variables: map[string]cty.Value{
				"value": value, "previous": previous,
				"unknown": cty.UnknownVal(cty.Bool),
				"secret":  cty.StringVal("hunter2").Mark(mark.Sensitive),
				"config":  cty.ObjectVal(map[string]cty.Value{"limit": cty.NumberIntVal(5), "key": cty.StringVal("hunter2").Mark(mark.Sensitive)}),
			},
			Functions: map[string]function.Function{
				"can": tryfunc.CanFunc, "try": tryfunc.TryFunc,
				"regex": stdlib.RegexFunc, "parseint": stdlib.ParseIntFunc,
			},
		},
	}
}

func object(timeout int64, url string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"timeout": cty.NumberIntVal(timeout), "url": cty.StringVal(url)})
}

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	providertest.Rule(t, providertest.RuleOptions{
		New:    func(t *testing.T) providers.Rule { return providertest.NewRule(t, Kind(), sane) },
		Accept: []providers.Candidate{candidate(object(5, "http://a"))},
		Reject: []providers.Candidate{
			candidate(object(0, "http://a")),
			candidate(object(5, "ftp://a")),
			candidate(cty.EmptyObjectVal),
			candidate(cty.NullVal(cty.DynamicPseudoType)),
			candidate(cty.StringVal("text")),
		},
	})
}

func TestAllFindingsComeAtOnceWithTheirPlace(t *testing.T) {
	r := providertest.NewRule(t, Kind(), sane)
	got, err := r.Judge(t.Context(), candidate(object(301, "ftp://a")))
	if err != nil || len(got) != 2 {
		t.Fatalf("got %+v, %v, want two findings", got, err)
	}
	if got[0].Message != "timeout out of range: 301." || got[0].Range.String() != "test.hcl:3,19-61" {
		t.Errorf("first: %q at %s", got[0].Message, got[0].Range)
	}
	if got[1].Message != "url must be an http(s) URL, got ftp://a." || got[1].Range.Start.Line != 7 {
		t.Errorf("second: %q at %s", got[1].Message, got[1].Range)
	}
}

func TestOnlyAClearTruePasses(t *testing.T) {
	for condition, want := range map[string]string{
		`true`:                       "",
		`"true"`:                     "", // as Terraform converts
		`secret == "hunter2"`:        "",
		`previous == null`:           "",
		`value.timeout == 5`:         "",
		`secret == "x"`:              "The message.",
		`false`:                      "The message.",
		`null`:                       "The condition is null, and must be true or false.",
		`unknown`:                    "The condition depends on a value that is not known yet.",
		`[1]`:                        "The condition is a tuple, and must be true or false.",
		`"yes"`:                      "The condition is a string, and must be true or false.",
		`value.missing`:              "The condition failed: Unsupported attribute; This object does not have an attribute named \"missing\".",
		`nosuch(1)`:                  "The condition failed: Call to unknown function",
		`parseint("zz", 10) > 0`:     `"zz"`,
		`config.limit > value.other`: "The condition failed: Unsupported attribute;",
	} {
		r := providertest.NewRule(t, Kind(), "assertion {\n condition = "+condition+"\n error_message = \"The message.\"\n}")
		got, err := r.Judge(t.Context(), candidate(object(5, "http://a")))
		switch {
		case err != nil:
			t.Errorf("%s: %v", condition, err)
		case want == "" && len(got) > 0:
			t.Errorf("%s: %q, want none", condition, got[0].Message)
		case want != "" && (len(got) != 1 || !strings.Contains(got[0].Message, want)):
			t.Errorf("%s: %+v, want %q", condition, got, want)
		}
	}
}

func TestMessages(t *testing.T) {
	for message, want := range map[string]string{
		`"at most ${config.limit}"`: "at most 5",
		`5`:                         "5",
		`"the key is ${secret}"`:    "The condition is false. Its error_message refers to a sensitive value and is not shown.",
		`config.key`:                "The condition is false. Its error_message refers to a sensitive value and is not shown.",
		`"x ${unknown}"`:            "The condition is false. Its error_message depends on a value that is not known yet.",
		`null`:                      "The condition is false, and its error_message is no text.",
		`""`:                        "The condition is false, and its error_message is no text.",
		`[1]`:                       "The condition is false, and its error_message is no text.",
		`value.gone`:                "The condition is false, and its error_message failed: Unsupported attribute;",
	} {
		r := providertest.NewRule(t, Kind(), "assertion {\n condition = false\n error_message = "+message+"\n}")
		got, err := r.Judge(t.Context(), candidate(object(5, "http://a")))
		if err != nil || len(got) != 1 || !strings.HasPrefix(got[0].Message, want) {
			t.Errorf("%s: got %+v, %v, want %q", message, got, err, want)
		}
	}
}

// Details of errors quote arguments; none of them may be a secret.
func TestErrorsNeverShowSecrets(t *testing.T) {
	secretValue := cty.ObjectVal(map[string]cty.Value{"pin": cty.StringVal("hunter2")}).Mark(mark.Sensitive)
	for name, test := range map[string]struct {
		condition string
		candidate providers.Candidate
	}{
		"the candidate":      {`parseint(value.pin, 10) > 0`, candidate(secretValue)},
		"another value":      {`parseint(secret, 10) > 0`, candidate(object(5, "x"))},
		"part of a value":    {`parseint(config.key, 10) > 0`, candidate(object(5, "x"))},
		"a broken traversal": {`parseint(config.key.x, 10) > 0`, candidate(object(5, "x"))},
	} {
		for _, body := range []string{
			"assertion {\n condition = " + test.condition + "\n error_message = \"x\"\n}",
			"assertion {\n condition = false\n error_message = " + strings.TrimSuffix(test.condition, " > 0") + "\n}",
		} {
			got, err := providertest.NewRule(t, Kind(), body).Judge(t.Context(), test.candidate)
			if err != nil || len(got) != 1 {
				t.Fatalf("%s: got %+v, %v", name, got, err)
			}
			if strings.Contains(got[0].Message, "hunter2") || !strings.Contains(got[0].Message, "failed") {
				t.Errorf("%s: %q", name, got[0].Message)
			}
		}
	}
}

func TestAtLeastOneAssertionIsRequired(t *testing.T) {
	if got := providertest.Errors(Kind(), ``); !strings.Contains(got, "Missing assertion block") {
		t.Errorf("got %q", got)
	}
	if got := providertest.Errors(Kind(), "assertion {\n condition = true\n}"); !strings.Contains(got, "error_message") {
		t.Errorf("got %q", got)
	}
}
