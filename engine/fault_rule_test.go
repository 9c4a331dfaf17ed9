//go:build unix

package engine_test

import (
	"encoding/json"
	"fmt"
	"testing"
)

// fields makes n string fields f00, f01 and so on, and puts others over them; a nil leaves
// its field out.
func fields(n int, others map[string]any) string {
	all := map[string]any{}
	for i := range n {
		all[fmt.Sprintf("f%02d", i)] = "x"
	}
	for name, v := range others {
		all[name] = v
		if v == missing {
			delete(all, name)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// missing stands for a field that is not there.
var missing = new(int)

// C8: what is wrong with a form of twenty required fields, by either kind of rule. Nothing is
// touched, every finding of every rule is named, and the exit code is 1.
func TestFaultContentFieldsOfAForm(t *testing.T) {
	const form = `
source "file" "c" {
  path  = "c.json"
  rules = [rule.schema.form, rule.assert.form]
}
rule "schema" "form" {
  schema = jsonencode({
    type                 = "object"
    required             = [for i in range(20): format("f%02d", i)]
    maxProperties        = 20
    additionalProperties = false
    patternProperties    = { "^f[01][0-9]$" = { type = "string", pattern = "\\S" } }
  })
}
rule "assert" "form" {
  assertion {
    condition     = length(value) == 20
    error_message = "there are ${length(value)} fields and not 20."
  }
  assertion {
    condition     = alltrue([for v in values(value): can(regex("\\S", v))])
    error_message = "blank: ${join(", ", [for k, v in value: k if !can(regex("\\S", v))])}."
  }
  assertion {
    condition     = alltrue([for v in values(value): try(jsonencode(v) == jsonencode(tostring(v)), false)])
    error_message = "no text: ${join(", ", [for k, v in value: k if try(jsonencode(v) != jsonencode(tostring(v)), true)])}."
  }
}
sink "file" "c" {
  path    = "out.json"
  content = jsonencode(source.file.c.value)
}
sink "file" "other" {
  path    = "other.txt"
  content = "independent"
}
sink "exec" "after" {
  command   = ["/bin/sh", "-c", "echo ran >>ran.txt"]
  triggers  = [sink.file.c]
  on_create = "skip"
}
`
	for name, c := range map[string]struct {
		bad   string
		parts []string
	}{
		"empty field":   {fields(20, map[string]any{"f03": ""}), []string{`f03: must match the pattern \S, but is ""`, "blank: f03"}},
		"blank field":   {fields(20, map[string]any{"f03": " \t\n "}), []string{"f03: must match the pattern", "blank: f03"}},
		"null":          {fields(20, map[string]any{"f03": nil}), []string{"f03: must be a string, but is null", "blank: f03"}},
		"number":        {fields(20, map[string]any{"f03": 5}), []string{"f03: must be a string, but is a number", "no text: f03"}},
		"true":          {fields(20, map[string]any{"f03": true}), []string{"f03: must be a string, but is a boolean", "no text: f03"}},
		"list":          {fields(20, map[string]any{"f03": []int{1}}), []string{"f03: must be a string, but is an array", "no text: f03"}},
		"object":        {fields(20, map[string]any{"f03": map[string]any{}}), []string{"f03: must be a string, but is an object", "no text: f03"}},
		"missing field": {fields(20, map[string]any{"f03": missing}), []string{`The value must have "f03"`, "there are 19 fields"}},
		"unknown field": {fields(20, map[string]any{"f03": missing, "g03": "x"}), []string{`only properties that the schema allows, but has "g03"`, `must have "f03"`}},
		"21 fields":     {fields(21, nil), []string{"at most 20 properties, but has 21", `has "f20"`, "there are 21 fields"}},
		"all at once": {
			fields(20, map[string]any{"f00": nil, "f01": 1, "f02": "", "f03": missing, "g1": 1, "g2": 2}),
			[]string{
				"f00: must be a string, but is null", "f01: must be a string, but is a number", "f02: must match",
				`must have "f03"`, `but has "g1" and "g2"`, "at most 20 properties, but has 21",
				"there are 21 fields", "blank: f00, f02", "no text: f01, g1, g2",
			},
		},
		"no object": {`["x"]`, []string{"must be an object, but is an array", "there are 1 fields"}},
		"a text":    {`"x"`, []string{"must be an object, but is a string", "there are 1 fields"}},
	} {
		t.Run(name, func(t *testing.T) {
			good := fields(20, nil)
			m := newModule(t, "c.json", good, "main.hcl", form)
			m.mustApply()
			m.write("c.json", c.bad)
			parts := append([]string{"rule.schema.form"}, c.parts...)
			m.keeps(t, "source.file.c", parts...)
			before := tree(t, m.dir)
			r := m.tool("apply", "--auto-approve")
			r.want(t, 1, parts...)
			m.tool("plan").want(t, 1, parts...)
			after := tree(t, m.dir)
			for _, name := range []string{"out.json", "other.txt"} {
				if before[name] != after[name] {
					t.Errorf("%s was touched: %s -> %s", name, before[name], after[name])
				}
			}
			if exists(m.path("ran.txt")) {
				t.Error("the program ran")
			}
			// B5: the next good one is taken.
			m.write("c.json", fields(20, map[string]any{"f03": "y"}))
			m.mustApply()
			m.wantFile("out.json", fields(20, map[string]any{"f03": "y"}))
			m.wantFile("ran.txt", "ran\n")
		})
	}
}
