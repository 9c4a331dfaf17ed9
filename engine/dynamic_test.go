//go:build unix

package engine_test

import (
	"strings"
	"testing"
)

// What a dynamic block refers to is what its block depends on: by for_each, by its content, and
// through locals. Its elements may come out of data.
func TestDynamicBlocksFollowData(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "names" { path = "names.json" }
source "file" "value" {
  path  = "value.json"
  rules = [rule.assert.required]
}
locals { names = [for n in source.file.names.value : upper(n)] }
rule "assert" "required" {
  assertion {
    condition     = value != null
    error_message = "There is nothing."
  }
  dynamic "assertion" {
    for_each = local.names
    iterator = name
    content {
      condition     = can(value[name.value])
      error_message = "${name.value} (number ${name.key}) is missing."
    }
  }
}
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.file.value.value)
  dynamic "precondition" {
    for_each = { low = 1, high = 10 }
    content {
      condition     = precondition.key == "low" ? source.file.value.value.A >= precondition.value : source.file.value.value.A <= precondition.value
      error_message = "A is too ${precondition.key == "low" ? "low" : "high"}, the bound is ${precondition.value}."
    }
  }
}
`, "names.json", `["a","b"]`, "value.json", `{"A":5,"B":1}`)
	m.tool("validate").want(t, 0)
	m.tool("graph", "--format", "dot").want(t, 0, "rule.assert.required")
	m.mustApply()
	m.wantNoChanges()
	m.wantFile("out.json", `{"A":5,"B":1}`)
	out := m.tool("plan", "--json")
	if strings.Contains(out.stdout, "iterators") {
		t.Errorf("the plan tells how conditions are found:\n%s", out.stdout)
	}

	m.write("value.json", `{"A":11,"B":1}`)
	_, _, diags := m.apply()
	wantError(t, diags, "A is too high, the bound is 10.")
	m.wantFile("out.json", `{"A":5,"B":1}`)

	m.write("value.json", `{"A":5}`)
	_, _, diags = m.apply()
	wantError(t, diags, "B (number 1) is missing.")

	// The rule moves with its elements, so the accepted value is judged again.
	m.write("value.json", `{"A":11,"B":1}`)
	m.write("names.json", `["a","b","c"]`)
	_, _, diags = m.apply()
	wantError(t, diags, "C (number 2) is missing.")
}

// As long as the elements are not known, neither is the block: what uses it waits, and says
// for what. Mistakes in the content come out all the same.
func TestDynamicBlockWaitsForItsElements(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "names" { path = "missing.json" }
sink "file" "out" {
  path    = "out.json"
  content = "x"
  dynamic "precondition" {
    for_each = source.file.names.value
    content {
      condition     = precondition.value != ""
      error_message = "A name is empty."
    }
  }
}
`)
	m.tool("validate").want(t, 0)
	m.tool("plan").want(t, 1, "source.file.names has no value")
	if exists(m.path("out.json")) {
		t.Error("the sink did not wait")
	}
	m.write("missing.json", `["a",""]`)
	m.tool("apply", "--auto-approve").want(t, 1, "A name is empty.")
	m.write("missing.json", `["a"]`)
	m.tool("apply", "--auto-approve").want(t, 0)
	m.wantFile("out.json", "x")
}

func TestBadDynamicBlocks(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		parts []string
	}{
		"reference in for_each":   {"for_each = local.nothing\n content {\n condition = true\n error_message = \"\"\n }", []string{"local.nothing is not declared"}},
		"reference in content":    {"for_each = []\n content {\n condition = local.nothing\n error_message = \"\"\n }", []string{"local.nothing is not declared"}},
		"function in content":     {"for_each = env.A\n content {\n condition = jsonencod(precondition.value)\n error_message = \"\"\n }", []string{"jsonencod", "jsonencode"}},
		"iterator of another":     {"for_each = [1]\n iterator = a\n content {\n condition = precondition.value\n error_message = \"\"\n }", []string{"precondition"}},
		"delivery in an assert":   {"for_each = [1]\n content {\n condition = delivery.id == \"\"\n error_message = \"\"\n }", []string{"delivery is known only"}},
		"attribute of an element": {"for_each = [{ a = 1 }]\n content {\n condition = precondition.value.b == 1\n error_message = \"\"\n }", []string{`"b"`}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", "sink \"file\" \"a\" {\n path = \"x\"\n content = \"y\"\n dynamic \"precondition\" {\n"+c.text+"\n }\n}\n")
			for _, command := range []string{"validate", "plan"} {
				if name == "attribute of an element" && command == "validate" {
					continue // an element is looked at when its condition is judged
				}
				r := m.tool(command)
				r.want(t, 1, append(c.parts, "main.hcl")...)
			}
		})
	}
}
