package engine_test

import (
	"strings"
	"testing"

	"tidegate/engine/plan"
)

// A change to a block that is repeated, or stands in a repeated module, is told once.
func TestChangedInstancesAreOneChange(t *testing.T) {
	config := `
sink "file" "app" {
  for_each = { a = 1, b = 2, c = 3 }
  path     = "out-${each.key}"
  content  = "x"
}
module "service" {
  source   = "./service"
  for_each = { web = 80, api = 81 }
  name     = each.key
  port     = each.value
}
`
	m := serviceModule(t, config)
	base, diags := m.load()
	defer base.Close()
	if diags.HasErrors() {
		t.Fatal(texts(diags))
	}
	m.write("main.hcl", strings.Replace(config, `"x"`, `"y"`, 1))
	m.write("service/main.hcl", strings.Replace(serviceConfig, `"hello"`, `"dear"`, 1)+"\nsink \"file\" \"more\" {\n  path    = \"more-${var.name}\"\n  content = \"\"\n}\n")
	now, diags := m.load()
	defer now.Close()
	if diags.HasErrors() {
		t.Fatal(texts(diags))
	}
	var got []string
	for _, c := range now.ChangedFrom(base, &plan.Plan{}, &plan.Plan{}) {
		line := string(c.Action) + " " + c.Address.String()
		for _, a := range c.Others {
			line += " " + a.String()
		}
		got = append(got, line)
	}
	want := []string{
		`update sink.file.app["a"] sink.file.app["b"] sink.file.app["c"]`,
		`create module.service["api"].sink.file.more module.service["web"].sink.file.more`,
		`update module.service["api"].var.greeting module.service["web"].var.greeting`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
