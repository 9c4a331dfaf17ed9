package schema

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/hclspec/mark"
	"tidegate/providers"
	"tidegate/providers/providertest"
)

const items = `schema = jsonencode({
  type     = "object"
  required = ["items"]
  properties = {
    items = {
      type  = "array"
      items = { type = "object", properties = { name = { type = "string", minLength = 1 } } }
    }
    port = { type = "integer", minimum = 1, maximum = 65535 }
  }
})`

// parse reads a value as the decoder json does.
func parse(t testing.TB, text string) cty.Value {
	t.Helper()
	ty, err := ctyjson.ImpliedType([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	v, err := ctyjson.Unmarshal([]byte(text), ty)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func inline(schema string) string { return "schema = <<-EOT\n" + schema + "\nEOT\n" }

// judge returns the findings as "path: message" lines.
func judge(t testing.TB, body string, value cty.Value) []string {
	t.Helper()
	got, err := providertest.NewRule(t, Kind(), body).Judge(t.Context(), providers.Candidate{Value: value})
	if err != nil {
		t.Fatal(err)
	}
	return lines(got)
}

func lines(findings []providers.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, strings.TrimPrefix(f.Path+": "+f.Message, ": "))
	}
	return out
}

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	providertest.Rule(t, providertest.RuleOptions{
		New:    func(t *testing.T) providers.Rule { return providertest.NewRule(t, Kind(), items) },
		Accept: []providers.Candidate{{Value: parse(t, `{"items":[{"name":"a"}],"port":80}`)}},
		Reject: []providers.Candidate{
			{Value: parse(t, `{"items":[{"name":""}]}`)},
			{Value: parse(t, `{"port":1}`)},
			{Value: cty.NullVal(cty.DynamicPseudoType)},
			{},
		},
	})
}

func TestFindingsNameEachPlace(t *testing.T) {
	got := judge(t, items, parse(t, `{"items":[{"name":""},{"name":7},3],"port":70000}`))
	want := []string{
		`items[0].name: must have at least 1 character, but has 0.`,
		`items[1].name: must be a string, but is a number.`,
		`items[2]: must be an object, but is a number.`,
		`port: must be at most 65535, but is 70000.`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMessages(t *testing.T) {
	for _, test := range []struct{ schema, value, want string }{
		{`{"type":["integer","null"]}`, `1.5`, `The value must be null or an integer, but is a number.`},
		{`{"enum":["a","b",3]}`, `"c"`, `The value must be "a", "b" or 3, but is "c".`},
		{`{"const":{"a":1}}`, `{"a":2}`, `The value must be {"a":1}, but is {"a":2}.`},
		{`{"format":"email"}`, `"no"`, `The value must be a valid email, but is "no".`},
		{`{"pattern":"^a<b$"}`, `"x<y"`, `The value must match the pattern ^a<b$, but is "x<y".`},
		{`{"required":["a","b"]}`, `{}`, `The value must have "a" and "b".`},
		{`{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, `The value must have "b" where it has "a".`},
		{`{"additionalProperties":false}`, `{"x y":1}`, `The value may have only properties that the schema allows, but has "x y".`},
		{`{"propertyNames":{"pattern":"^[a-z]+$"}}`, `{"A":1}`, `An object may have only properties whose names the schema allows, but has "A" (#/propertyNames in the schema).`},
		{`{"minProperties":2}`, `{"a":1}`, `The value must have at least 2 properties, but has 1.`},
		{`{"maxProperties":0}`, `{"a":1}`, `The value must have at most 0 properties, but has 1.`},
		{`{"minItems":1}`, `[]`, `The value must have at least 1 item, but has 0.`},
		{`{"maxItems":1}`, `[1,2]`, `The value must have at most 1 item, but has 2.`},
		{`{"uniqueItems":true}`, `[1,2,1.0]`, `The value may not hold an item twice, but [0] and [2] are equal.`},
		{`{"contains":{"const":1}}`, `[2]`, `The value must hold an item that matches the schema under contains.`},
		{`{"contains":{"const":1},"minContains":2}`, `[1]`, `The value must hold at least 2 items matching the schema under contains, but holds 1.`},
		{`{"contains":{"const":1},"maxContains":1}`, `[1,1]`, `The value must hold at most 1 item matching the schema under contains, but holds 2.`},
		{`{"maxLength":2}`, `"äöü"`, `The value must have at most 2 characters, but has 3.`},
		{`{"exclusiveMinimum":0}`, `0`, `The value must be more than 0, but is 0.`},
		{`{"exclusiveMaximum":0.5}`, `0.5`, `The value must be less than 0.5, but is 0.5.`},
		{`{"minimum":1e-30}`, `0`, `The value must be at least 0.000000000000000000000000000001, but is 0.`},
		{`{"multipleOf":0.1}`, `0.25`, `The value must be a multiple of 0.1, but is 0.25.`},
		{`{"not":{}}`, `1`, `The value must not match the schema under not.`},
		{`{"properties":{"a":false}}`, `{"a":1}`, `a: may not be there.`},
		{`{"properties":{"a":{"$ref":"#/$defs/p"}},"$defs":{"p":{"type":"string"}}}`, `{"a":1}`, `a: must be a string, but is a number.`},
		{`{"allOf":[{"minimum":3},{"multipleOf":2}]}`, `1`, "The value must be a multiple of 2, but is 1.\nThe value must be at least 3, but is 1."},
		{`{"oneOf":[{"type":"integer"},{"minimum":0}]}`, `1`, `The value must match exactly one alternative of oneOf, but matches numbers 1 and 2.`},
		{
			`{"properties":{"a":{"anyOf":[{"type":"string"},{"properties":{"b":{"type":"null"}}}]}}}`,
			`{"a":{"b":1}}`,
			`a: must match at least one alternative of anyOf: (1) a must be a string, but is an object; (2) a.b must be null, but is a number.`,
		},
		{`{"additionalProperties":{"type":"string"}}`, `{"a.b c":1}`, `["a.b c"]: must be a string, but is a number.`},
		{`{"additionalProperties":{"type":"string"}}`, `{"0":1}`, `["0"]: must be a string, but is a number.`},
	} {
		got := strings.Join(judge(t, inline(test.schema), parse(t, test.value)), "\n")
		if got != test.want {
			t.Errorf("%s on %s:\n got %s\nwant %s", test.schema, test.value, got, test.want)
		}
	}
}

func TestNumbersAreExact(t *testing.T) {
	if got := judge(t, inline(`{"const":9007199254740992}`), parse(t, `9007199254740993`)); len(got) != 1 {
		t.Errorf("2^53+1 passes as 2^53: %q", got)
	}
	if got := judge(t, inline(`{"multipleOf":0.01}`), parse(t, `4.35`)); len(got) != 0 {
		t.Errorf("4.35 is no multiple of 0.01: %q", got)
	}
	if _, err := providertest.NewRule(t, Kind(), inline(`{"minimum":1}`)).Judge(t.Context(), providers.Candidate{Value: cty.MustParseNumberVal("1e100000")}); err == nil {
		t.Error("a number of a hundred thousand digits was compared")
	}
}

func TestSensitiveValuesAreNotShown(t *testing.T) {
	secret := parse(t, `{"items":[{"name":"hunter2"},{"hunter2":5}],"hunter2":1}`)
	schema := inline(`{"additionalProperties":{"type":"string"},"properties":{"items":{"items":{
	  "properties":{"name":{"maxLength":3,"pattern":"^x","anyOf":[{"const":"p"}]}},
	  "propertyNames":{"maxLength":4},"additionalProperties":false}}}}`)
	for name, value := range map[string]cty.Value{
		"whole": secret.Mark(mark.Sensitive),
		"parts": cty.ObjectVal(map[string]cty.Value{
			"items":   secret.GetAttr("items").Mark(mark.Sensitive),
			"hunter2": cty.StringVal("not the secret: a name in the open"),
		}),
	} {
		got := judge(t, schema, value)
		if len(got) < 5 {
			t.Errorf("%s: %q", name, got)
		}
		if text := strings.Join(got, "\n"); strings.Contains(text, "hunter2") {
			t.Errorf("%s: the secret is shown in\n%s", name, text)
		}
	}
	got := judge(t, inline(`{"properties":{"pin":{"type":"integer"}}}`), parse(t, `{"pin":"x"}`).Mark(mark.Sensitive))
	want := []string{`must be an integer (#/properties/pin/type in the schema; the value is sensitive and not shown).`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	partly := cty.ObjectVal(map[string]cty.Value{"pin": cty.StringVal("x").Mark(mark.Sensitive)})
	if got := judge(t, inline(`{"properties":{"pin":{"type":"integer"}}}`), partly); len(got) != 1 || !strings.HasPrefix(got[0], "pin: must be an integer (#") {
		t.Errorf("a sensitive part: %q", got)
	}
	if got := judge(t, `schema = "{\"const\":\"${secret}\"}"`, cty.StringVal("x")); len(got) != 1 || strings.Contains(got[0], "hunter2") {
		t.Errorf("a sensitive schema: %q", got)
	}
}

func TestBadSchemasPointAtTheirPlace(t *testing.T) {
	for body, want := range map[string]string{
		``:                                               `One of path and schema is required`,
		"path = \"a\"\nschema = \"{}\"":                  `cannot be combined with path`,
		`path = ""`:                                      `is empty`,
		`schema = "{"`:                                   `test.hcl:1,10-13: Invalid rule "schema"; schema: the schema is no JSON`,
		`schema = "{} x"`:                                `the schema is no JSON`,
		`schema = "{\"type\":\"strin\"}"`:                `the schema is not valid`,
		`schema = "{\"minLength\":-1}"`:                  `minLength: must be at least 0, but is -1`,
		`schema = "{\"pattern\":\"(?=a)\"}"`:             `RE2`,
		`schema = "{\"minimum\":1e99999999}"`:            `too large or too long to compare`,
		`schema = "{\"$ref\":\"other.json\"}"`:           `refers to other.json; references to other files and URLs are not followed`,
		`schema = "{\"$ref\":\"file:///etc/passwd\"}"`:   `refers to file:///etc/passwd`,
		`schema = "{\"$ref\":\"http://127.0.0.1:1/x\"}"`: `refers to http://127.0.0.1:1/x`,
		`schema = "{\"$id\":\"file:///etc/\",\"$ref\":\"passwd\"}"`: `refers to file:///etc/passwd`,
		`schema = "{\"$schema\":\"https://127.0.0.1:1/x\"}"`:        `refers to https://127.0.0.1:1/x`,
		`schema = "{\"$ref\":\"#/$defs/nowhere\"}"`:                 `$defs/nowhere`,
		`schema = "{\"type\":\"${secret}\"}"`:                       `not shown`,
	} {
		if got := providertest.Errors(Kind(), body); !strings.Contains(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s:\n got %q\nwant %q", body, got, want)
		}
	}
}

func TestOlderDraftsAreUnderstood(t *testing.T) {
	draft4 := inline(`{"$schema":"http://json-schema.org/draft-04/schema#","minimum":1,"exclusiveMinimum":true}`)
	if got := judge(t, draft4, cty.NumberIntVal(1)); len(got) != 1 {
		t.Errorf("draft 4: %q", got)
	}
}

func newFileRule(t *testing.T, dir, path string, read ...string) providers.Rule {
	t.Helper()
	return providertest.NewRule(t, Kind(), `path = "`+path+`"`, providers.Env{ModuleDir: dir, ReadPaths: read})
}

func TestSchemaFileIsReadWhenFirstNeeded(t *testing.T) {
	dir := t.TempDir()
	r := newFileRule(t, dir, "app.schema.json")
	file := filepath.Join(dir, "app.schema.json")
	if files := r.(interface{ ConfigFiles() []string }).ConfigFiles(); !cmp.Equal(files, []string{file}) {
		t.Errorf("ConfigFiles = %q, want %q", files, file)
	}
	bad := providers.Candidate{Value: cty.StringVal("x")}
	if _, err := r.Judge(t.Context(), bad); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("without the file: %v", err)
	}
	if err := os.WriteFile(file, []byte(`{"type":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Judge(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "no JSON") {
		t.Errorf("with a broken file: %v", err)
	}
	if err := os.WriteFile(file, []byte(`{"type":"integer"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Judge(t.Context(), bad); err != nil || len(got) != 1 {
		t.Errorf("with a mended file: %+v, %v", got, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Judge(t.Context(), bad); err != nil || len(got) != 1 {
		t.Errorf("after the file was read: %+v, %v", got, err)
	}
}

func TestSchemaFileIsConfined(t *testing.T) {
	base := t.TempDir()
	module, shared, outside := filepath.Join(base, "module"), filepath.Join(base, "shared"), filepath.Join(base, "outside")
	for _, dir := range []string{module, shared, outside} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "s.json"), []byte(`true`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(module, "link")); err != nil {
		t.Fatal(err)
	}
	candidate := providers.Candidate{Value: cty.True}
	for path, allowed := range map[string]bool{
		"s.json": true, "../shared/s.json": true, "../outside/s.json": false, "link/s.json": false,
	} {
		if _, err := newFileRule(t, module, path, shared).Judge(t.Context(), candidate); (err == nil) != allowed {
			t.Errorf("%s with paths.read: %v", path, err)
		}
		if _, err := newFileRule(t, module, path).Judge(t.Context(), candidate); err != nil {
			t.Errorf("%s without paths.read: %v", path, err)
		}
	}
}

func FuzzSchemaNeverPanics(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"minimum":1}}}`, `{"a":0}`)
	f.Add(`{"$ref":"#"}`, `[1]`)
	f.Add(`{"multipleOf":1e-9,"anyOf":[{"$ref":"#/$defs/x"}],"$defs":{"x":{"not":true}}}`, `1e300`)
	f.Fuzz(func(t *testing.T, schema, value string) {
		checker, err := compile([]byte(schema))
		if err != nil {
			return
		}
		ty, err := ctyjson.ImpliedType([]byte(value))
		if err != nil {
			return
		}
		v, err := ctyjson.Unmarshal([]byte(value), ty)
		if err != nil {
			return
		}
		_, _ = (&rule{checker: checker}).Judge(t.Context(), providers.Candidate{Value: v})
	})
}
