package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"tidegate/engine"
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

// What a module's variable makes of an argument counts: its type with its defaults, and its
// validations.
func TestModuleVariablesCount(t *testing.T) {
	config := `
variable "options" {
  type = object({
    level = optional(string, "info")
    inner = optional(object({ deep = optional(number, 1) }), {})
  })
  default = {}
  validation {
    condition     = var.options.level != "none"
    error_message = "none"
  }
}
sink "file" "conf" {
  path    = "${path.root}/conf"
  content = jsonencode(var.options)
}
`
	for name, change := range map[string][2]string{
		"default of an attribute": {`"info"`, `"warn"`},
		"default further inside":  {"number, 1", "number, 2"},
		"type":                    {"number, 1", `string, "1"`},
		"validation":              {`!= "none"`, `!= "nothing"`},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", "module \"m\" {\n  source  = \"./m\"\n  options = {}\n}\n", "m/main.hcl", config)
			base, diags := m.load()
			defer base.Close()
			if diags.HasErrors() {
				t.Fatal(texts(diags))
			}
			m.write("m/main.hcl", strings.Replace(config, change[0], change[1], 1))
			now, diags := m.load()
			defer now.Close()
			if diags.HasErrors() {
				t.Fatal(texts(diags))
			}
			engine.Digests(base)
			engine.Digests(now)
			if got := fmt.Sprint(now.DiffersFrom(base)); !strings.Contains(got, "module.m.sink.file.conf") {
				t.Errorf("what differs: %s", got)
			}
		})
	}
}

// The same text means something else in another directory.
func TestModulesOfAnotherDirectoryAreOthers(t *testing.T) {
	text := "source \"file\" \"a\" { path = \"a.json\" }\n"
	call := "module \"m\" { source = %q }\n"
	m := newModule(t, "main.hcl", fmt.Sprintf(call, "./one"), "one/main.hcl", text, "two/main.hcl", text, "one/a.json", "1", "two/a.json", "2")
	base, _ := m.load()
	defer base.Close()
	m.write("main.hcl", fmt.Sprintf(call, "./two"))
	now, _ := m.load()
	defer now.Close()
	engine.Digests(base)
	engine.Digests(now)
	if got := fmt.Sprint(now.DiffersFrom(base)); got != "[module.m.source.file.a]" {
		t.Errorf("what differs: %s", got)
	}
}
