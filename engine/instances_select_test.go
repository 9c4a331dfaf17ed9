//go:build unix

package engine_test

import (
	"strings"
	"testing"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// A plan about some instances leaves the others as they are, also where which ones there are comes
// out when the plan looks at data.
func TestSelectInstancesThatFollowData(t *testing.T) {
	const main = followers + `
module "service" {
  source   = "./service"
  for_each = source.file.services.value
  name     = each.key
  port     = each.value
}
source "file" "other" { path = "nowhere.json" }
`
	for name, c := range map[string]struct {
		options engine.PlanOptions
		want    string
		says    string
	}{
		"one that there is":     {options: engine.PlanOptions{Targets: []string{`sink.file.app["a"]`}}},
		"one that is to come":   {options: engine.PlanOptions{Targets: []string{`sink.file.app["c"]`}}, want: "create sink.file.app[\"c\"]"},
		"a key without escapes": {options: engine.PlanOptions{Targets: []string{`sink.file.app["b \"\n.${x}"]`, `sink.file.app["b \"\n.$${x}"]`}}, says: `${x}`},
		"one that is gone":      {options: engine.PlanOptions{Targets: []string{`sink.file.app["b \"\n.$${x}"]`}}, want: "delete sink.file.app[\"b \\\"\\n.$${x}\"]"},
		"all of a block":        {options: engine.PlanOptions{Targets: []string{"sink.file.app"}}, want: "create sink.file.app[\"c\"]\ndelete sink.file.app[\"b \\\"\\n.$${x}\"]"},
		"a module":              {options: engine.PlanOptions{Targets: []string{"module.service"}}, want: "create module.service[\"c\"].sink.file.conf\nforget module.service[\"b \\\"\\n.$${x}\"].sink.file.conf"},
		"in a module to come":   {options: engine.PlanOptions{Targets: []string{`module.service["c"].sink.file.conf`}}, want: "create module.service[\"c\"].sink.file.conf"},
		"none":                  {options: engine.PlanOptions{Targets: []string{`sink.file.app["d"]`}}, says: "matches no source, sink or output"},
		"none in a module":      {options: engine.PlanOptions{Excludes: []string{`module.service["d"]`}, Targets: []string{"module.service"}}, says: "matches no source, sink or output"},
		"without one to come":   {options: engine.PlanOptions{Excludes: []string{`sink.file.app["c"]`, "module.service"}}, want: "delete sink.file.app[\"b \\\"\\n.$${x}\"]"},
		"without one that there is": {
			options: engine.PlanOptions{Excludes: []string{`sink.file.app["a"]`, "module.service"}},
			want:    "create sink.file.app[\"c\"]\ndelete sink.file.app[\"b \\\"\\n.$${x}\"]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := serviceModule(t, main)
			m.write("nowhere.json", "1")
			m.write("services.json", `{"a":1,"b \"\n.${x}":2}`)
			m.write("main.hcl", strings.NewReplacer("out-${each.key}", "out-${each.value}", "  name     = each.key", "  name     = tostring(each.value)").Replace(main))
			m.mustApply()
			m.write("services.json", `{"a":1,"c":3}`)
			e, diags := m.load()
			if diags.HasErrors() {
				t.Fatal(texts(diags))
			}
			defer e.Close()
			p, diags := e.Plan(t.Context(), c.options)
			if got := texts(diags); diags.HasErrors() != (c.says != "") || !strings.Contains(got, c.says) {
				t.Errorf("it says %q, want %q", got, c.says)
			}
			if got := actionsOf(p); got != c.want {
				t.Errorf("planned\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// What is to go last when everything is destroyed is known of instances that follow data, too, and
// they can be rolled back.
func TestDestroyAndRollBackInstancesThatFollowData(t *testing.T) {
	m := newModule(t, "main.hcl", followers+`
sink "file" "first" {
  for_each   = source.file.services.value
  path       = "zz-${each.key}"
  content    = sink.file.app[each.key].sha256
  on_destroy = "delete"
}
`, "services.json", `{"a":1}`)
	m.mustApply()
	m.write("services.json", `{"a":2}`)
	m.mustApply()
	m.wantFile("out-a.json", "2")
	a, err := address.Parse(`sink.file.app["a"]`)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, diags := m.rollbackOf(a, engine.RevisionBefore); diags.HasErrors() {
		t.Fatal(texts(diags))
	}
	m.wantFile("out-a.json", "1")
	p, _, diags := m.run(engine.PlanOptions{Destroy: true, Targets: []string{`sink.file.app["a"]`}})
	if got, want := actionsOf(p), "delete sink.file.first[\"a\"]\ndelete sink.file.app[\"a\"]"; diags.HasErrors() || !strings.HasPrefix(strings.Replace(got, "forget sink.file.index\n", "", 1), want) {
		t.Errorf("planned\n%s\nwant\n%s\n%s", got, want, texts(diags))
	}
}

// All instances of a block as triggers: a write of one fires once, also that of one that comes.
func TestInstancesTrigger(t *testing.T) {
	const main = followers + `
sink "exec" "reload" {
  command  = ["sh", "-c", "echo ran >> runs"]
  triggers = [sink.file.app]
}
`
	m := newModule(t, "main.hcl", main, "services.json", `{"a":1,"b":2}`)
	runs := func(after string, want int) {
		t.Helper()
		m.mustApply()
		if got := len(m.lines("runs")); got != want {
			t.Errorf("%d runs after %s, want %d", got, after, want)
		}
		m.wantNoChanges()
	}
	runs("the first apply", 1)
	m.write("services.json", `{"a":1,"b":3}`)
	runs("an update of one", 2)
	m.write("services.json", `{"a":1,"b":3,"c":4}`)
	runs("one that came", 3)
	m.write("services.json", `{"a":2,"b":4,"c":4}`)
	runs("an update of two", 4)
	m.write("services.json", `{"a":2,"c":4}`)
	runs("one that went", 4)
	m.write("services.json", `{"a":2,"b":5,"c":4}`)
	runs("one that came again", 5)
	m.write("main.hcl", strings.Replace(main, "triggers = [sink.file.app]", "triggers = [sink.file.app[\"a\"]]", 1))
	runs("another list", 5)
	m.write("main.hcl", main)
	runs("the list of before", 5)
}

func TestDependsOnOfModuleCalls(t *testing.T) {
	m := serviceModule(t, `
source "file" "gate" { path = "gate.json" }
sink "file" "first" {
  path    = "first"
  content = source.file.gate.value
}
module "service" {
  source     = "./service"
  for_each   = toset(["a"])
  name       = each.key
  port       = 1
  depends_on = [sink.file.first]
}
sink "file" "last" {
  path       = "last"
  content    = "last"
  depends_on = [module.service]
}
sink "file" "free" {
  path    = "free"
  content = "free"
}
`)
	p, _, _ := m.apply()
	if got, want := actionsOf(p), "blocked sink.file.first\nblocked module.service[\"a\"].sink.file.conf\nblocked sink.file.last\ncreate sink.file.free"; !sameLines(got, want) {
		t.Errorf("planned\n%s\nwant\n%s", got, want)
	}
	m.write("gate.json", `"open"`)
	m.mustApply()
	m.wantFile("conf-a", "hello a 1")
	m.wantFile("last", "last")
	m.write("main.hcl", `
module "service" {
  source     = "./service"
  name       = "a"
  port       = 1
  depends_on = [sink.file.nowhere]
}
`)
	if _, diags := m.plan(); !strings.Contains(texts(diags), "sink.file.nowhere") {
		t.Errorf("depends_on of what is not there: %q", texts(diags))
	}
}

func sameLines(a, b string) bool {
	lines := func(s string) map[string]bool {
		out := map[string]bool{}
		for line := range strings.Lines(s + "\n") {
			out[line] = true
		}
		return out
	}
	x, y := lines(a), lines(b)
	for line := range x {
		if !y[line] {
			return false
		}
	}
	return len(x) == len(y)
}

// A precondition of a module's output keeps what it refuses from whoever uses it.
func TestPreconditionsOfModuleOutputs(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "port" { path = "port.json" }
module "one" {
  source = "./one"
  port   = source.file.port.value
}
locals { url = "http://localhost:${module.one.port}" }
sink "file" "url" {
  path    = "url"
  content = local.url
}
`, "one/main.hcl", `
variable "port" {}
output "port" {
  value = var.port
  precondition {
    condition     = var.port < 1024
    error_message = "port ${var.port} is too high"
  }
}
`, "port.json", "80")
	m.mustApply()
	m.wantFile("url", "http://localhost:80")
	m.write("port.json", "8080")
	p, diags := m.plan()
	if !strings.Contains(texts(diags), "module.one.output.port: port 8080 is too high") {
		t.Errorf("it says %q", texts(diags))
	}
	for _, c := range p.Sinks {
		if c.Wait == nil || c.Wait.Kind != plan.BlockedBy || !strings.Contains(c.Wait.Reason, "port 8080 is too high") {
			t.Errorf("%s: %s, %v", c.Address, c.Action, c.Wait)
		}
	}
	d := m.watch()
	d.await("the sink waits", func() bool { return d.sink("sink.file.url").State == engine.StateBlocked })
	if reason := d.sink("sink.file.url").Reason; !strings.Contains(reason, "port 8080 is too high") {
		t.Errorf("the daemon's reason is %q", reason)
	}
	m.replace("port.json", "81")
	d.awaitFile("url", "http://localhost:81")
}
