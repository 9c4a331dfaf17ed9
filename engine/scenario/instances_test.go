package scenario_test

import (
	"strings"
	"testing"

	"tidegate/engine/scenario"
)

// What is in modules and what is repeated is asserted and mocked by its address: one mock serves all
// instances that have none of their own.
func TestInstancesAndModules(t *testing.T) {
	const test = `
run "instances" {
  mock "source.file.services" { value = { a = 1, b = 2 } }
  mock "module.service.source.http.settings" { value = { of = "all" } }
  mock "module.service[\"b\"].source.http.settings" { value = { of = "b" } }
  assert {
    condition     = plan.sinks["module.service[\"a\"].sink.file.conf"].content == "{\"of\":\"all\"}"
    error_message = "got ${plan.sinks["module.service[\"a\"].sink.file.conf"].content}."
  }
  assert {
    condition     = plan.sinks["module.service[\"b\"].sink.file.conf"].content == "{\"of\":\"b\"}"
    error_message = "got ${plan.sinks["module.service[\"b\"].sink.file.conf"].content}."
  }
  assert {
    condition     = plan.sinks["sink.file.app[\"a\"]"].content == "1"
    error_message = "got ${plan.sinks["sink.file.app[\"a\"]"].content}."
  }
}
`
	dir := write(t, "main.hcl", `
source "file" "services" { path = "services.json" }
module "service" {
  source   = "./service"
  for_each = source.file.services.value
  name     = each.key
}
sink "file" "app" {
  for_each = source.file.services.value
  path     = "app-${each.key}"
  content  = tostring(each.value)
}
`, "service/main.hcl", `
variable "name" {}
source "http" "settings" { url = "https://config.example.com/${var.name}.json" }
sink "file" "conf" {
  path    = "${path.root}/conf-${var.name}"
  content = jsonencode(source.http.settings.value)
}
`, "app.test.hcl", test)
	s, diags := load(t, dir, scenario.Options{})
	if diags.HasErrors() {
		t.Fatal(said(diags))
	}
	if r := s.Run(t.Context()); r.Count(scenario.Pass) != 1 {
		t.Error(said(r.Files[0].Runs[0].Diagnostics))
	}
	for wrong, want := range map[string]string{
		"module.servce.source.http.settings": "no call leads to module.servce",
		"module.service.source.http.settngs": "settings",
	} {
		write := write(t, "main.hcl", `module "service" {
  source = "./service"
}
`, "service/main.hcl", `source "http" "settings" { url = "https://config.example.com/" }
`, "app.test.hcl", "run \"r\" {\n  mock \""+wrong+"\" { value = 1 }\n}\n")
		if _, diags := load(t, write, scenario.Options{}); !strings.Contains(said(diags), want) {
			t.Errorf("%s: %s", wrong, said(diags))
		}
	}
}

// What is expected to fail may be an instance, all of them, or in a module; and the same of mocks.
func TestInstancesAndModulesThatFail(t *testing.T) {
	const module = `
variable "name" {}
variable "port" {
  type = number
  validation {
    condition     = var.port > 0
    error_message = "the port of ${var.name} is ${var.port}"
  }
}
rule "assert" "small" {
  assertion {
    condition     = value < 10
    error_message = "${value} is too big"
  }
}
source "file" "v" {
  path  = "v.json"
  rules = [rule.assert.small]
}
sink "file" "out" {
  path    = "${path.root}/out-${var.name}"
  content = tostring(source.file.v.value)
}
output "v" {
  value = source.file.v.value
  precondition {
    condition     = source.file.v.value != 3
    error_message = "three"
  }
}
`
	passes(t, "main.hcl", `
source "static" "names" { value = { x = 1, y = 2 } }
source "http" "x" {
  for_each = source.static.names.value
  url      = "https://config.example.com/${each.key}.json"
}
source "webhook" "w" {
  for_each    = source.static.names.value
  config_name = each.key
}
module "a" {
  source = "./m"
  name   = "a"
  port   = 1
}
module "b" {
  source   = "./m"
  for_each = source.static.names.value
  name     = each.key
  port     = each.value
}
sink "file" "app" {
  for_each = source.static.names.value
  path     = "app-${each.key}"
  content  = jsonencode([source.http.x[each.key].value, source.webhook.w[each.key].value])
}
sink "file" "sum" {
  path    = "sum"
  content = jsonencode(module.a.v)
}
`, "m/main.hcl", module, "m/v.json", "1", "app.test.hcl", `
mock "source.http.x" { value = "all" }
mock "source.webhook.w" { value = "sent" }

run "mocks" {
  mock "module.a.source.file.v" { value = 5 }
  mock "source.http.x[\"y\"]" { value = "y" }
  mock "source.webhook.w[\"y\"]" { value = "sent to y" }
  assert {
    condition = [for a in ["module.a.sink.file.out", "module.b[\"x\"].sink.file.out", "sink.file.app[\"x\"]", "sink.file.app[\"y\"]"] : plan.sinks[a].content] == [
      "5", "1", "[\"all\",\"sent\"]", "[\"y\",\"sent to y\"]"]
    error_message = "got ${jsonencode(plan.sinks)}."
  }
}
run "a source of a module" {
  mock "module.a.source.file.v" { error = "gone" }
  expect_failures = [module.a.source.file.v]
}
run "a rule of a module" {
  mock "module.a.source.file.v" { value = 11 }
  expect_failures = [module.a.rule.assert.small]
}
run "a source of an instance of a module" {
  mock "module.b[\"y\"].source.file.v" { error = "gone" }
  expect_failures = [module.b["y"].source.file.v]
}
run "of all instances of a module" {
  mock "module.b.source.file.v" { error = "gone" }
  expect_failures = [module.b.source.file.v]
}
run "an instance of a source" {
  mock "source.http.x[\"x\"]" { error = "gone" }
  expect_failures = [source.http.x["x"]]
}
run "an output of a module" {
  mock "module.a.source.file.v" { value = 3 }
  expect_failures = [module.a.output.v]
}
run "an instance of a sink" {
  command = apply
  mock "sink.file.app[\"x\"]" { error = "disk full" }
  expect_failures = [sink.file.app["x"]]
}
run "a variable of an instance of a module" {
  mock "source.static.names" { value = { x = 1, y = -2 } }
  expect_failures = [module.b["y"].var.port]
}
`)
	for name, c := range map[string]struct{ test, want string }{
		"not that instance": {"  mock \"source.http.x[\\\"x\\\"]\" { error = \"gone\" }\n  expect_failures = [source.http.x[\"y\"]]\n", "Unexpected failure"},
		"no key":            {"  expect_failures = [source.http.x[path.module]]\n", "Not an address"},
		"half a number":     {"  expect_failures = [source.http.x[0.5]]\n", "Not an address"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, "main.hcl", "source \"http\" \"x\" {\n  for_each = toset([\"x\", \"y\"])\n  url = \"https://config.example.com/${each.key}.json\"\n}\n",
				"app.test.hcl", "mock \"source.http.x\" { value = 1 }\nrun \"it\" {\n"+c.test+"}\n")
			s, diags := load(t, dir, scenario.Options{})
			got := said(diags)
			if !diags.HasErrors() {
				got = said(s.Run(t.Context()).Files[0].Runs[0].Diagnostics)
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("said: %s", got)
			}
		})
	}
}
