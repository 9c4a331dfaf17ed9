package engine_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/engine/plan"
)

const modulesWithData = `
source "file" "services" { path = "services.json" }
module "service" {
  source   = "./service"
  for_each = source.file.services.value
  name     = each.key
  port     = each.value
}
sink "file" "index" {
  path    = "index"
  content = join(",", [for name, s in module.service : name])
}
`

// A start with a broken file runs the last good configuration, its modules and their instances with
// it, whichever file is broken; instances go on to follow the data.
func TestLastGoodConfigurationWithModules(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]string{"the root": "main.hcl", "the module": "service/main.hcl", "what a function of the module reads": "service/text.tpl"} {
		t.Run(name, func(t *testing.T) {
			m := serviceModule(t, modulesWithData)
			m.write("services.json", `{"web":80,"api":81}`)
			d := m.watch()
			d.awaitFile("conf-web", "hello web 80")
			d.awaitFile("index", "api,web")
			d.halt()
			good, _ := m.read(broken)
			if strings.HasSuffix(broken, ".tpl") {
				if err := os.Remove(m.path(broken)); err != nil {
					t.Fatal(err)
				}
			} else {
				m.write(broken, good+"\nsink \"file\" \"x\" {\n")
			}
			if err := os.Remove(m.path("conf-web")); err != nil {
				t.Fatal(err)
			}
			d = m.watch(quickly)
			if !strings.Contains(d.started, "last good configuration runs") {
				t.Fatalf("it says %q", d.started)
			}
			d.awaitFile("conf-web", "hello web 80")
			m.replace("services.json", `{"web":90,"new":91}`)
			d.awaitFile("conf-web", "hello web 90")
			d.awaitFile("conf-new", "hello new 91")
			d.awaitFile("index", "new,web")
			if s := d.status(); s.Reload.Success || s.Reload.Error == "" {
				t.Errorf("it does not say that the configuration is broken: %+v", s.Reload)
			}
			m.write(broken, good)
			d.await("the mended one runs", func() bool { return d.status().Reload.Success })
			d.awaitFile("index", "new,web")
			if n := len(d.status().Approvals); n > 0 {
				t.Errorf("%d approvals are waited for", n)
			}
		})
	}
}

// A module from git whose checkout is damaged or gone is a broken configuration like any other.
func TestLastGoodConfigurationWithModulesFromGit(t *testing.T) {
	dir, commit := gitModule(t)
	commit("one")
	m := newModule(t, "main.hcl", "source \"file\" \"names\" { path = \"names.json\" }\nmodule \"m\" {\n  source = \"git::file://"+dir+"\"\n  for_each = source.file.names.value\n  to = \"out-${each.key}\"\n}\n", "names.json", `{"a":1}`)
	m.get(false)
	d := m.watch()
	d.awaitFile("out-a", "one")
	d.halt()
	checkouts, err := os.ReadDir(m.path(".tidegate/modules"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range checkouts {
		if e.IsDir() {
			m.write(".tidegate/modules/"+e.Name()+"/main.hcl", "sink \"file\" \"x\" {\n")
			m.write(".tidegate/modules/"+e.Name()+"/text", "forged")
		}
	}
	d = m.watch(quickly)
	if !strings.Contains(d.started, "last good configuration runs") {
		t.Fatalf("it says %q", d.started)
	}
	m.replace("names.json", `{"a":1,"b":1}`)
	d.awaitFile("out-b", "one")
	m.wantFile("out-a", "one")
	m.get(false)
	d.await("the mended one runs", func() bool { return d.status().Reload.Success })
	d.awaitSink(`module.m["b"].sink.file.out`, engine.StateOK)
	m.wantFile("out-b", "one")
}

// A reload that breaks only a file of a module is refused with its place, and touches no instance.
func TestWatchReloadBreaksAModuleOnly(t *testing.T) {
	m := serviceModule(t, modulesWithData)
	m.write("services.json", `{"web":80}`)
	d := m.watch()
	d.awaitFile("index", "web")
	d.awaitFile("conf-web", "hello web 80")
	good, _ := m.read("service/main.hcl")
	for text, want := range map[string]string{
		good + "\nsink \"file\" \"x\" {\n":                          "service/main.hcl:",
		good + "\nlocals { x = local.none }\n":                      "service/main.hcl:",
		strings.Replace(good, `variable "port"`, `variable "p"`, 1): "Missing argument",
		"": "",
	} {
		m.write("service/main.hcl", text)
		err := d.Reload(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: reload says %v", text, err)
		}
		m.replace("services.json", `{"web":80,"api":81}`)
		d.awaitFile("conf-api", "hello api 81")
		m.replace("services.json", `{"web":80}`)
		d.awaitFile("index", "web")
	}
	m.wantFile("conf-web", "hello web 80")
	m.write("service/main.hcl", good)
	d.mustReload()
}

// A module's directory that is replaced file by file, with a moment in between in which it does not
// fit together or is not there, is waited for: nothing of that is ever run.
func TestWatchModuleIsReplacedFileByFile(t *testing.T) {
	t.Parallel()
	m := newModule(t, "main.hcl", `
module "part" {
  source   = "./part"
  for_each = toset(["a", "b"])
  name     = each.key
}
`, "part/variables.hcl", "variable \"name\" {}\n", "part/sinks.hcl", `
sink "file" "one" {
  path       = "${path.root}/one-${var.name}"
  content    = "1"
  on_destroy = "delete"
}
`)
	d := m.watch(quickly)
	d.awaitFile("one-a", "1")
	d.awaitFile("one-b", "1")
	if err := os.RemoveAll(m.path("part")); err != nil {
		t.Fatal(err)
	}
	for _, f := range [][2]string{
		{"part/sinks.hcl", "sink \"file\" \"one\" {\n  path       = \"${path.root}/one-${var.name}\"\n  content    = local.content\n  on_destroy = \"delete\"\n}\n"},
		{"part/locals.hcl", "locals { content = \"2 of ${var.name}\" }\n"},
		{"part/variables.hcl", "variable \"name\" {}\n"},
	} {
		time.Sleep(100 * time.Millisecond) // less than it waits for; the rate is the subject
		m.write(f[0], f[1])
	}
	d.awaitFile("one-a", "2 of a")
	d.awaitFile("one-b", "2 of b")
	for _, ev := range events[engine.ApprovalNeeded](d) {
		t.Errorf("a deletion was asked for: %+v", ev)
	}
	for _, ev := range events[engine.DeliveryFinished](d) {
		if ev.Action != "create" && ev.Action != "update" {
			t.Errorf("%+v", ev)
		}
	}
}

// Data that makes the first instances of a module, and makes them wrong, leaves the daemon as it is:
// nothing of the module was taken apart before. Right data makes them then.
func TestWatchFirstInstancesOfAModuleCannotBeMade(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "parts" { path = "parts.json" }
module "part" {
  source      = "./part"
  for_each    = source.file.parts.value
  name        = each.key
  allow_empty = true
}
sink "file" "index" {
  path    = "index"
  content = join(",", [for k, p in module.part : k])
}
`, "part/main.hcl", `
variable "name" {}
locals { contents = { right = "content" } }
sink "file" "one" {
  path    = "${path.root}/part-${var.name}"
  content = local.contents[var.name]
}
`, "parts.json", `{"wrong":1}`)
	d := m.watch()
	d.await("it says what is wrong", func() bool { return strings.Contains(fmt.Sprint(instancesSaid(d)), "Invalid index") })
	m.replace("parts.json", `{"right":1}`)
	d.awaitFile("part-right", "content")
	d.awaitFile("index", "right")
	m.replace("parts.json", `{"right":1,"wrong":1}`)
	d.await("it says it again", func() bool { return strings.Count(fmt.Sprint(instancesSaid(d)), "Invalid index") == 2 })
	m.wantFile("part-right", "content")
	m.replace("parts.json", `{"right":2}`)
	d.await("all are in step", func() bool {
		return !slices.ContainsFunc(d.status().Sinks, func(s *engine.SinkStatus) bool { return s.State != engine.StateOK })
	})
	// Each time it was tried and said once.
	if n := strings.Count(fmt.Sprint(instancesSaid(d)), "Invalid index"); n != 2 {
		t.Errorf("it was said %d times", n)
	}
}

// An instance that cannot be made plans no removal of what the ledger knows, and no daemon that starts
// forgets it.
func TestInstancesThatCannotBeMadeAreKept(t *testing.T) {
	m := serviceModule(t, modulesWithData)
	m.write("service/more.hcl", "sink \"file\" \"more\" {\n  path       = \"${path.root}/more-${var.name}\"\n  content    = \"more\"\n  on_destroy = \"delete\"\n}\n")
	m.write("services.json", `{"web":80}`)
	m.mustApply()
	m.wantFile("more-web", "more")
	text, _ := m.read("service/text.tpl")
	if err := os.Remove(m.path("service/text.tpl")); err != nil {
		t.Fatal(err)
	}
	p, diags := m.plan()
	if !strings.Contains(texts(diags), "text.tpl") {
		t.Errorf("said: %s", texts(diags))
	}
	if p != nil {
		for _, c := range p.Sinks {
			if c.Action == plan.Delete || c.Action == plan.Forget {
				t.Errorf("%s %s", c.Action, c.Address)
			}
		}
	}
	_, _, _ = m.apply()
	m.wantFile("more-web", "more")
	// No daemon ran before, so there is no last good configuration.
	if err := m.tryWatch(); err == nil || !strings.Contains(err.Error(), "text.tpl") {
		t.Errorf("a daemon starts: %v", err)
	}
	m.write("service/text.tpl", text)
	m.wantNoChanges()
}
