package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"tidegate/engine/plan"
)

const followers = `
source "file" "services" {
  path = "services.json"
}
sink "file" "app" {
  for_each   = source.file.services.value
  path       = "out-${each.key}.json"
  content    = jsonencode(each.value)
  on_destroy = "delete"
}
sink "file" "index" {
  path    = "index"
  content = join(",", [for k, s in sink.file.app : k])
}
`

// actionsOf lists what a plan does, by address.
func actionsOf(p *plan.Plan) string {
	var out []string
	for _, c := range p.Sinks {
		if c.Action != plan.NoOp || c.Wait != nil {
			word := string(c.Action)
			if c.Wait != nil {
				word = string(c.Wait.Kind)
			}
			out = append(out, fmt.Sprintf("%s %s", word, c.Address))
		}
	}
	return strings.Join(out, "\n")
}

func TestInstancesOfWhatIsKnown(t *testing.T) {
	m := newModule(t, "main.hcl", `
locals {
  ports = { web = 80, "a \"b\"\n.c" = 81 }
}
sink "file" "each" {
  for_each = local.ports
  path     = "each-${each.value}"
  content  = "${each.key}=${each.value}"
}
sink "file" "set" {
  for_each = toset(["x", "y"])
  path     = "set-${each.key}"
  content  = each.value
}
sink "file" "number" {
  count   = 2
  path    = "number-${count.index}"
  content = tostring(count.index)
}
sink "file" "none" {
  count   = 0
  path    = "none"
  content = "none"
}
sink "file" "all" {
  path    = "all"
  content = "${join(",", sink.file.number[*].path)} ${length(sink.file.none)} ${sink.file.each["web"].path} ${sink.file.number[1].path}"
}
source "static" "own" {
  for_each = local.ports
  value    = each.value
}
sink "file" "own" {
  for_each = local.ports
  path     = "own-${each.value}"
  content  = tostring(source.static.own[each.key].value)
}
`)
	m.mustApply()
	m.wantFile("each-80", "web=80")
	m.wantFile("each-81", "a \"b\"\n.c=81")
	m.wantFile("set-y", "y")
	m.wantFile("number-1", "1")
	m.wantFile("own-81", "81")
	m.wantFile("all", fmt.Sprintf("%s,%s 0 %s %s", m.path("number-0"), m.path("number-1"), m.path("each-80"), m.path("number-1")))
	m.wantNoChanges()
}

func TestInstancesFollowData(t *testing.T) {
	m := newModule(t, "main.hcl", followers, "services.json", `{"a":1,"b":2}`)
	m.mustApply()
	m.wantFile("out-a.json", "1")
	m.wantFile("index", "a,b")
	m.wantNoChanges()
	m.write("services.json", `{"a":1,"c":3}`)
	p, _ := m.mustApply()
	if got, want := actionsOf(p), "create sink.file.app[\"c\"]\nupdate sink.file.index\ndelete sink.file.app[\"b\"]"; got != want {
		t.Errorf("planned\n%s\nwant\n%s", got, want)
	}
	if _, there := m.read("out-b.json"); there {
		t.Error("the target of a key that vanished is still there")
	}
	m.wantFile("index", "a,c")
	m.wantNoChanges()
}

// A set that is not known, or empty all of a sudden, leaves the instances as they are; what others
// did to them is repaired all the same.
func TestInstancesStayWithoutAnAnswer(t *testing.T) {
	filtered := strings.Replace(followers, "= source.file.services.value", "= { for k, v in source.file.services.value : k => v if v > 0 }", 1)
	elsewhere := strings.NewReplacer("file.services", "file.others", `"file" "services"`, `"file" "others"`, "services.json", "gone.json").Replace(followers)
	for name, c := range map[string]struct{ config, broken, data, says string }{
		"empty all of a sudden": {filtered, filtered, `{"a":-1,"b":-2}`, "for_each is empty, which would remove all 2 instances"},
		"wrong":                 {followers, followers, `["a","b"]`, "for_each takes a map"},
		"not known":             {followers, elsewhere, `{"a":1,"b":2}`, "gone.json does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", c.config, "services.json", `{"a":1,"b":2}`)
			m.mustApply()
			m.write("main.hcl", c.broken)
			m.write("services.json", c.data)
			m.write("out-a.json", "written by somebody else")
			p, _, diags := m.apply()
			if !diags.HasErrors() || !strings.Contains(texts(diags), c.says) {
				t.Errorf("nothing says %q: %s", c.says, texts(diags))
			}
			for _, s := range p.Sinks {
				if s.Action == plan.Delete || s.Action == plan.Forget {
					t.Errorf("%s: %s", s.Address, s.Action)
				}
			}
			m.wantFile("out-a.json", "1")
			m.wantFile("out-b.json", "2")
			m.wantFile("index", "a,b")
		})
	}
}

func TestInstancesMayAllGoWhereThatIsAllowed(t *testing.T) {
	m := newModule(t, "main.hcl", strings.NewReplacer("on_destroy", "allow_empty = true\n  on_destroy", `"services.json"`, "\"services.json\"\n  allow_empty = true").Replace(followers), "services.json", `{"a":1}`)
	m.mustApply()
	m.wantFile("out-a.json", "1")
	m.write("services.json", `{}`)
	m.mustApply()
	if _, there := m.read("out-a.json"); there {
		t.Error("the target is still there")
	}
	m.wantFile("index", "")
	m.wantNoChanges()
}

func TestInstanceMistakes(t *testing.T) {
	sinks := func(attrs string) string {
		return "sink \"file\" \"a\" {\n" + attrs + "\npath = \"x\"\ncontent = \"y\"\n}\n"
	}
	each := sinks("for_each = { web = 1, api = 2 }")
	for name, c := range map[string]struct{ text, want string }{
		"both":              {sinks("for_each = {}\ncount = 1"), "exclude each other"},
		"a list":            {sinks(`for_each = ["a"]`), "toset(...)"},
		"null":              {sinks("for_each = null"), "must not be null"},
		"set of numbers":    {sinks("for_each = toset([1])"), "set of number"},
		"sensitive":         {sinks(`for_each = sensitive({ a = 1 })`), "sensitive"},
		"half":              {sinks("count = 1.5"), "whole number"},
		"negative":          {sinks("count = -1"), "whole number"},
		"too many":          {sinks("count = 100001"), "at most 100000"},
		"each outside":      {"locals { a = each.key }\n", "only in a block or module call with for_each"},
		"each with count":   {"sink \"file\" \"a\" {\ncount = 1\npath = each.key\ncontent = \"\"\n}\n", "has count"},
		"count outside":     {"locals { a = count.index }\n", "only in a block or module call with count"},
		"two on one path":   {each, "both write"},
		"no such instance":  {each + "locals { a = sink.file.a[\"wbe\"].path }\n", `Did you mean ["web"]?`},
		"instance of one":   {sinks("") + "locals { a = sink.file.a[0].path }\n", "neither for_each nor count"},
		"missing key":       {each + "locals { a = sink.file.a.path }\n", `sink.file.a["api"]`},
		"detector and data": {"source \"static\" \"s\" { value = { a = 1 } }\ndetector \"hash\" \"d\" {\nfor_each = source.static.s.value\n}\n", "must be known without data"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", c.text)
			_, diags := m.plan()
			if !diags.HasErrors() || !strings.Contains(texts(diags), c.want) {
				t.Errorf("got %q, want %q", texts(diags), c.want)
			}
			for _, d := range diags {
				if d.Subject == nil {
					t.Errorf("without a place: %s", d.Detail)
				}
			}
		})
	}
}

const serviceConfig = `
variable "name" { type = string }
variable "port" {
  type = number
  validation {
    condition     = var.port > 0
    error_message = "the port of ${var.name} is ${var.port}"
  }
}
variable "greeting" { default = "hello" }
locals {
  text = templatefile("${path.module}/text.tpl", { name = var.name, port = var.port, greeting = var.greeting })
}
sink "file" "conf" {
  path    = "${path.root}/conf-${var.name}"
  content = local.text
}
output "path" { value = sink.file.conf.path }
output "secret" {
  value     = "secret of ${var.name}"
  sensitive = true
}
`

func serviceModule(t *testing.T, main string) *module {
	return newModule(t, "main.hcl", main, "service/main.hcl", serviceConfig, "service/text.tpl", "${greeting} ${name} ${port}")
}

func TestModules(t *testing.T) {
	m := serviceModule(t, `
source "file" "port" { path = "port.json" }
module "one" {
  source = "./service"
  name   = "one"
  port   = source.file.port.value
}
module "many" {
  source   = "./service"
  for_each = { web = 80, api = 81 }
  name     = each.key
  port     = each.value
  greeting = "dear"
}
module "numbered" {
  source = "./service"
  count  = 2
  name   = "n${count.index}"
  port   = count.index + 1
}
sink "file" "index" {
  path    = "index"
  content = join(",", concat([module.one.path, module.many["web"].path], [for k, m in module.many : k], module.numbered[*].path))
}
sink "file" "each" {
  for_each = toset(["web", "api"])
  path     = "each-${each.key}"
  content  = module.many[each.key].path
}
output "secret" {
  value     = module.one.secret
  sensitive = true
}
`)
	m.write("port.json", "8080")
	p, _ := m.mustApply()
	m.wantFile("conf-one", "hello one 8080")
	m.wantFile("conf-web", "dear web 80")
	m.wantFile("conf-n1", "hello n1 2")
	m.wantFile("index", strings.Join([]string{m.path("conf-one"), m.path("conf-web"), "api", "web", m.path("conf-n0"), m.path("conf-n1")}, ","))
	m.wantFile("each-api", m.path("conf-api"))
	var addresses []string
	for _, c := range p.Sinks {
		addresses = append(addresses, c.Address.String())
	}
	if want := `module.many["api"].sink.file.conf`; !strings.Contains(strings.Join(addresses, "\n"), want) {
		t.Errorf("no %s among %v", want, addresses)
	}
	if len(p.Outputs) != 1 {
		t.Errorf("%d outputs, want that of the root alone", len(p.Outputs))
	}
	m.wantNoChanges()

	// A value that the module refuses changes nothing; the others go on.
	m.write("port.json", "0")
	p, diags := m.plan()
	if got := texts(diags); !strings.Contains(got, "the port of one is 0") || !strings.Contains(got, "service/main.hcl") && !strings.Contains(got, "service\\main.hcl") {
		t.Errorf("the validation says %q", got)
	}
	if got := actionsOf(p); !strings.Contains(got, "blocked module.one.sink.file.conf") || strings.Contains(got, "many") {
		t.Errorf("planned\n%s", got)
	}
}

func TestModulesThatFollowData(t *testing.T) {
	m := serviceModule(t, `
source "file" "services" { path = "services.json" }
module "service" {
  source   = "./service"
  for_each = source.file.services.value
  name     = each.key
  port     = each.value
}
sink "file" "index" {
  path    = "index"
  content = join(",", [for k, m in module.service : m.path])
}
`)
	m.write("services.json", `{"a":1,"b":2}`)
	m.mustApply()
	m.wantFile("conf-b", "hello b 2")
	m.write("services.json", `{"c":3,"b":2}`)
	p, _ := m.mustApply()
	if got, want := actionsOf(p), "create module.service[\"c\"].sink.file.conf\nupdate sink.file.index\nforget module.service[\"a\"].sink.file.conf"; got != want {
		t.Errorf("planned\n%s\nwant\n%s", got, want)
	}
	m.wantNoChanges()
}

func TestModuleMistakes(t *testing.T) {
	for name, c := range map[string]struct{ main, want string }{
		"no source":        {`module "a" {}`, "has no source"},
		"absolute":         {`module "a" { source = "/etc" }`, "relative to the directory"},
		"no directory":     {`module "a" { source = "./none" }`, "none"},
		"computed source":  {`module "a" { source = "./${var.x}" }`, "constant text"},
		"registry":         {`module "a" { source = "hashicorp/consul/aws" }`, "begins with ./ or ../"},
		"version":          {"module \"a\" {\n  source = \"./service\"\n  version = \"1\"\n}", "no version argument"},
		"unknown argument": {"module \"a\" {\n  source = \"./service\"\n  nam = \"x\"\n  port = 1\n}", `Did you mean "name"?`},
		"missing argument": {"module \"a\" {\n  source = \"./service\"\n  name = \"x\"\n}", `needs a value of "port"`},
		"wrong type":       {"module \"a\" {\n  source = \"./service\"\n  name = \"x\"\n  port = \"many\"\n}", "does not fit its type number"},
		"unknown output":   {"module \"a\" {\n  source = \"./service\"\n  name = \"x\"\n  port = 1\n}\nlocals { p = module.a.paht }", `Did you mean "path"?`},
		"unknown module":   {`locals { p = module.b.path }`, "module.b is not declared"},
		"itself":           {`module "a" { source = "./loop" }`, "call each other as modules without end"},
		"settings inside":  {`module "a" { source = "./settings" }`, "settings of the whole"},
		"sensitive output": {"module \"a\" {\n  source = \"./service\"\n  name = \"x\"\n  port = 1\n}\noutput \"o\" { value = module.a.secret }", "sensitive = true"},
		"inner reference":  {"module \"a\" {\n  source = \"./service\"\n  name = \"x\"\n  port = 1\n}\nlocals { p = sink.file.conf.path }", "not declared"},
	} {
		t.Run(name, func(t *testing.T) {
			m := serviceModule(t, c.main+"\n")
			m.write("loop/main.hcl", "module \"back\" { source = \"../loop2\" }\n")
			m.write("loop2/main.hcl", "module \"back\" { source = \"../loop\" }\n")
			m.write("settings/main.hcl", "tidegate {\n  state \"local\" {}\n}\n")
			_, diags := m.plan()
			if !diags.HasErrors() || !strings.Contains(texts(diags), c.want) {
				t.Errorf("got %q, want %q", texts(diags), c.want)
			}
		})
	}
}

func TestModulesOfModules(t *testing.T) {
	m := serviceModule(t, `
module "team" {
  source   = "./team"
  for_each = { red = { web = 80 }, blue = { api = 81, db = 82 } }
  name     = each.key
  services = each.value
}
output "paths" { value = { for k, t in module.team : k => t.paths } }
`)
	m.write("team/main.hcl", `
variable "name" {}
variable "services" { type = map(number) }
module "service" {
  source   = "../service"
  for_each = var.services
  name     = "${var.name}-${each.key}"
  port     = each.value
}
output "paths" { value = [for k, s in module.service : s.path] }
`)
	m.mustApply()
	m.wantFile("conf-red-web", "hello red-web 80")
	m.wantFile("conf-blue-db", "hello blue-db 82")
	m.wantNoChanges()
}

// validate finds what is wrong with every instance of what follows data, without any data.
func TestValidateInstancesThatFollowData(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "services" { path = "services.json" }
module "service" {
  source   = "./service"
  for_each = source.file.services.value
  name     = each.key
}
sink "file" "app" {
  for_each = source.file.services.value
  path     = "app-${each.kye}"
  content  = upcase(each.value)
}
`, "service/main.hcl", `
variable "name" {}
sink "file" "conf" {
  for_each = { conf = var.name }
  path     = "${each.key}-${each.value}"
  content  = local.nothing
}
`)
	got := texts(m.validate())
	for _, want := range []string{"each.kye", "upcase", "local.nothing"} {
		if strings.Count(got, want) == 0 {
			t.Errorf("it says %q, and nothing of %s", got, want)
		}
	}
	m.write("main.hcl", "source \"file\" \"services\" { path = \"services.json\" }\nsink \"file\" \"app\" {\n  for_each = source.file.services.value\n  path     = \"app-${each.key}\"\n  content  = each.value\n}\n")
	if got := texts(m.validate()); got != "" {
		t.Errorf("of what is right it says %q", got)
	}
}
