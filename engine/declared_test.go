package engine_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The configuration is described as it is written, with what each expression refers to, and without
// a literal that may be a secret.
func TestDeclared(t *testing.T) {
	m := newModule(t, "main.hcl", `
variable "token" {
  sensitive = true
  default   = "canary-1"
}
variable "url" {
  description = "where"
  default     = "https://x"
}
rule "assert" "sane" {
  assertion {
    condition     = value.port > 0
    error_message = "port is ${value.port}."
  }
  assertion {
    condition     = true
    error_message = "never"
  }
}
source "file" "app" {
  path  = "app.json"
  rules = [rule.assert.sane]
}
source "static" "secret" {
  sensitive = true
  value     = { password = "canary-2" }
}
sink "file" "app" {
  for_each   = toset(["a", "b"])
  path       = "app-${each.key}.json"
  content    = jsonencode(source.file.app.value.list[0].x)
  depends_on = [sink.http.h]
}
sink "http" "h" {
  url          = "http://127.0.0.1:1/x"
  bearer_token = "canary-3"
  headers      = { A = "canary-4" }
  body         = var.token
  sign {
    secret = "canary-5"
  }
}
sink "file" "none" {
  count   = 0
  path    = "none"
  content = ""
}
module "m" {
  source = "./mod"
  name   = var.url
  secret = "canary-6"
}
output "o" {
  value       = "${module.m.out} ${try(env.HOME, "")}"
  description = "an output"
}
output "p" {
  value     = "canary-7"
  sensitive = true
}
`, "mod/main.hcl", `
variable "name" {}
variable "secret" { sensitive = true }
sink "file" "inner" {
  path    = "inner"
  content = var.name
}
output "out" { value = var.name }
`)
	e, diags := m.load()
	defer e.Close()
	if diags.HasErrors() {
		t.Fatal(texts(diags))
	}
	data, err := json.Marshal(e.Declared())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "canary") {
		t.Errorf("it tells a secret: %s", data)
	}
	var got any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	at := func(path ...any) any {
		t.Helper()
		v := got
		for _, step := range path {
			switch step := step.(type) {
			case string:
				v = v.(map[string]any)[step]
			case int:
				v = v.([]any)[step]
			}
		}
		return v
	}
	refs := func(list ...string) any {
		out := []any{}
		for _, r := range list {
			out = append(out, r)
		}
		return map[string]any{"references": out}
	}
	constant := func(v any) any { return map[string]any{"constant_value": v} }
	root := func(path ...any) []any { return append([]any{"root_module"}, path...) }
	for _, c := range []struct {
		path []any
		want any
	}{
		{[]any{"provider_config", "tidegate", "name"}, "tidegate"},
		{root("resources", 0, "address"), "sink.file.app"},
		{root("resources", 0, "mode"), "managed"},
		{root("resources", 0, "depends_on"), []any{"sink.http.h"}},
		{root("resources", 0, "expressions", "path"), refs("each.key")},
		{root("resources", 0, "expressions", "content"), refs("source.file.app.value.list[0].x", "source.file.app.value.list[0]", "source.file.app.value.list", "source.file.app.value", "source.file.app")},
		{root("resources", 1, "address"), "sink.file.none"},
		{root("resources", 1, "count_expression"), constant(0.)},
		{root("resources", 2, "expressions", "url"), constant("http://127.0.0.1:1/x")},
		{root("resources", 2, "expressions", "bearer_token"), map[string]any{}},
		{root("resources", 2, "expressions", "sign"), []any{map[string]any{"secret": map[string]any{}}}},
		{root("resources", 3, "mode"), "data"},
		{root("resources", 3, "expressions", "rules"), refs("rule.assert.sane")},
		{root("resources", 4, "expressions"), map[string]any{"sensitive": constant(true), "value": map[string]any{}}},
		{root("policies", 0, "expressions", "assertion", 0, "condition"), refs("value.port", "value")},
		{root("policies", 0, "expressions", "assertion", 1, "error_message"), constant("never")},
		{root("variables", "url"), map[string]any{"default": "https://x", "description": "where"}},
		{root("variables", "token"), map[string]any{"sensitive": true}},
		{root("outputs", "o"), map[string]any{"expression": refs("module.m.out", "module.m", "env.HOME"), "description": "an output"}},
		{root("outputs", "p"), map[string]any{"expression": map[string]any{}, "sensitive": true}},
		{root("module_calls", "m", "source"), "./mod"},
		{root("module_calls", "m", "expressions"), map[string]any{"name": refs("var.url"), "secret": map[string]any{}}},
		{root("module_calls", "m", "module", "resources", 0, "expressions", "content"), refs("var.name")},
	} {
		if diff := cmp.Diff(c.want, at(c.path...)); diff != "" {
			t.Errorf("%v:\n%s", c.path, diff)
		}
	}
}
