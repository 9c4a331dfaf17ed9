package hclspec

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/hclspec/mark"
)

// The results are Terraform's for the same type and value.
func TestOptionalAttributes(t *testing.T) {
	for _, c := range []struct{ typ, given, want string }{
		{`object({ a = string, b = optional(number, 7) })`, `{ a = "x" }`, `{"a":"x","b":7}`},
		{`object({ a = optional(string) })`, `{}`, `{"a":null}`},
		{`object({ a = optional(string, "x") })`, `{ a = null }`, `{"a":"x"}`},
		{`object({ a = optional(string, "x") })`, `{ a = "" }`, `{"a":""}`},
		{`object({ a = optional(number) })`, `{ a = "5", dropped = true }`, `{"a":5}`},
		{`object({ in = optional(object({ a = optional(number, 1), b = optional(string) }), {}) })`, `{}`, `{"in":{"a":1,"b":null}}`},
		{`object({ in = optional(object({ a = optional(number, 1) })) })`, `{}`, `{"in":null}`},
		{`object({ in = optional(object({ a = optional(number, 1) }), { a = 2 }) })`, `{ in = {} }`, `{"in":{"a":1}}`},
		{`object({ in = optional(object({ a = optional(number, 1) }), { a = 2 }) })`, `{ in = null }`, `{"in":{"a":2}}`},
		{`list(object({ a = optional(string, "x") }))`, `[{}, { a = "y" }, null]`, `[{"a":"x"},{"a":"y"},null]`},
		{`map(object({ a = optional(list(string), ["x"]) }))`, `{ k = {} }`, `{"k":{"a":["x"]}}`},
		{`set(object({ a = optional(bool, true) }))`, `[{}, { a = true }]`, `[{"a":true}]`},
		{`tuple([object({ a = optional(bool, true) }), number])`, `[{}, 1]`, `[{"a":true},1]`},
		{`object({ a = optional(map(object({ b = optional(number, 3) })), { k = {} }) })`, `{}`, `{"a":{"k":{"b":3}}}`},
		{`object({ a = optional(any, [1]) })`, `{}`, `{"a":[1]}`},
	} {
		spec := load(t, "main.hcl", "variable \"v\" {\n  type = "+c.typ+"\n}\n")
		inputs, diags := CollectInputs(spec, InputOptions{Flags: []InputFlag{{"var", "v=" + c.given}}})
		values, more := spec.VariableValues(inputs, false)
		if diags = append(diags, more...); len(diags) > 0 {
			t.Errorf("%s of %s: %s", c.given, c.typ, messages(diags))
			continue
		}
		got, err := ctyjson.Marshal(values["v"], values["v"].Type())
		if err != nil || string(got) != c.want {
			t.Errorf("%s of %s is %s (%v), want %s", c.given, c.typ, got, err, c.want)
		}
		byDefault := load(t, "main.hcl", "variable \"v\" {\n  type = "+c.typ+"\n  default = "+c.given+"\n}\n")
		if d := byDefault.Variables["v"].Default; !d.RawEquals(values["v"]) {
			t.Errorf("%s of %s is %#v as a default and %#v as a value", c.given, c.typ, d, values["v"])
		}
	}
	_, diags := Load(module(t, "main.hcl", `
variable "a" { type = object({ x = optional(number, "many") }) }
variable "b" { type = optional(string) }
variable "c" { type = object({ x = optional(string, var.a) }) }
variable "d" { type = list(optional(string)) }
variable "e" { type = object({ x = optional(string, "a", "b") }) }
`))
	for _, line := range []string{"2,", "3,", "4,", "5,", "6,"} {
		if !strings.Contains(messages(diags), "main.hcl:"+line) {
			t.Errorf("line %s passed:\n%s", line, messages(diags))
		}
	}
}

// All validations of all variables are reported, each with its own message, and what they
// cannot judge is left out.
func TestAllValidationsFailAtOnce(t *testing.T) {
	spec := load(t, "main.hcl", `
variable "port" {
  type = number
  validation {
    condition     = var.port > 0
    error_message = "port must be positive, got ${var.port}."
  }
  validation {
    condition     = var.port % 2 == 0
    error_message = "port must be even."
  }
}
variable "name" {
  type = string
  validation {
    condition     = length(var.name) > 3 && var.port != -1
    error_message = "name is too short for that port."
  }
}
variable "wrong" {
  type = number
  validation {
    condition     = var.wrong > 0
    error_message = "This is not said of what is no number."
  }
}
variable "token" {
  type      = string
  ephemeral = true
  validation {
    condition     = length(var.token) > 9
    error_message = "The token ${var.token} is too short."
  }
}
`)
	inputs, diags := CollectInputs(spec, InputOptions{Flags: []InputFlag{
		{"var", "port=-1"}, {"var", "name=ab"}, {"var", "wrong=x"}, {"var", "token=hunter2"},
	}})
	_, more := spec.VariableValues(inputs, false)
	got := messages(append(diags, more...))
	for _, want := range []string{"port must be positive, got -1.", "port must be even.", "name is too short for that port.", "var.wrong from --var does not fit", "is withheld"} {
		if !strings.Contains(got, want) {
			t.Errorf("nobody says %q:\n%s", want, got)
		}
	}
	if len(more) != 5 || strings.Contains(got, "This is not said") || strings.Contains(got, "hunter2") {
		t.Errorf("%d complaints, want 5:\n%s", len(more), got)
	}
}

func TestEphemeralVariables(t *testing.T) {
	spec := load(t, "main.hcl", "variable \"token\" {\n  type = string\n  ephemeral = true\n}\n")
	inputs, diags := CollectInputs(spec, InputOptions{Environ: []string{"TIDEGATE_VAR_token=hunter2"}})
	values, more := spec.VariableValues(inputs, false)
	if diags = append(diags, more...); len(diags) > 0 {
		t.Fatal(messages(diags))
	}
	token := values["token"]
	if !mark.HasEphemeral(token) || !mark.Has(token) {
		t.Errorf("%#v is not marked", token)
	}
	functions := Functions(FunctionOptions{ModuleDir: spec.Dir})
	for src, ephemeral := range map[string]bool{
		`"Bearer ${token}"`:                              true,
		`{ a = [upper(token)] }`:                         true,
		`nonsensitive(token)`:                            true,
		`ephemeralasnull(token)`:                         false,
		`ephemeralasnull({ a = token, b = "kept" }).b`:   false,
		`jsonencode(ephemeralasnull({ a = [token] }))`:   false,
		`issensitive(ephemeralasnull(sensitive(token)))`: false,
	} {
		v, diags := eval(t, src, functions, map[string]cty.Value{"token": token})
		if diags.HasErrors() || mark.HasEphemeral(v) != ephemeral {
			t.Errorf("%s is %#v, ephemeral: %t (%s)", src, v, !ephemeral, messages(diags))
		}
	}
	v, _ := eval(t, `ephemeralasnull({ a = [token, 1], b = "kept" })`, functions, map[string]cty.Value{"token": token})
	if got, err := ctyjson.Marshal(v, v.Type()); err != nil || string(got) != `{"a":[null,1],"b":"kept"}` {
		t.Errorf("ephemeralasnull gives %s (%v)", got, err)
	}
	spec = load(t, "main.hcl", "variable \"token\" {\n  type = string\n  ephemeral = true\n}\n", "x.auto.hclvars", "token = \"hunter2\"\n")
	_, diags = CollectInputs(spec, InputOptions{})
	wantMessage(t, diags, "Ephemeral variable in a file", "TIDEGATE_VAR_token")
	if strings.Contains(messages(diags), "hunter2") {
		t.Errorf("the value is shown: %s", messages(diags))
	}
}
