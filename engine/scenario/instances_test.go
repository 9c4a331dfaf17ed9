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
