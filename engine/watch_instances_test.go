package engine_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
)

func instancesSaid(d *daemon) (out []engine.InstancesChanged) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for _, ev := range d.seen {
		if ev, ok := ev.(engine.InstancesChanged); ok {
			out = append(out, ev)
		}
	}
	return out
}

func (d *daemon) awaitNone(name string) {
	d.m.t.Helper()
	d.await(name+" is gone", func() bool { _, there := d.m.read(name); return !there })
}

func TestWatchInstancesFollowData(t *testing.T) {
	m := newModule(t, "main.hcl", strings.Replace(followers, "= source.file.services.value", "= { for k, v in source.file.services.value : k => v if v > 0 }", 1))
	m.replace("services.json", `{"a":1,"b":2}`)
	d := m.watch()
	d.awaitFile("out-a.json", "1")
	d.awaitFile("out-b.json", "2")
	d.awaitFile("index", "a,b")

	// A key that vanishes is settled after on_destroy: nobody has to approve what data say.
	m.replace("services.json", `{"a":1,"c":3}`)
	d.awaitFile("out-c.json", "3")
	d.awaitNone("out-b.json")
	d.awaitFile("index", "a,c")

	// All of them at once are taken for a mistake.
	m.replace("services.json", `{"a":-1,"c":-3}`)
	d.await("it says that they stay", func() bool {
		return strings.Contains(fmt.Sprint(instancesSaid(d)), "would remove all 2 instances")
	})
	d.await("the instances wait", func() bool {
		return d.sink(`sink.file.app["a"]`).State == engine.StateBlocked && d.sink(`sink.file.app["c"]`).State == engine.StateBlocked
	})
	m.write("out-a.json", "written by somebody else")
	d.awaitFile("out-a.json", "1")
	m.wantFile("out-c.json", "3")
	m.wantFile("index", "a,c")

	// A start finds them as they were, whatever becomes of the source.
	d.halt()
	if err := os.Remove(m.path("services.json")); err != nil {
		t.Fatal(err)
	}
	m.write("out-c.json", "written by somebody else")
	d = m.watch()
	d.awaitFile("out-c.json", "3")
	m.replace("services.json", `{"c":4}`)
	d.awaitFile("out-c.json", "4")
	d.awaitNone("out-a.json")
	d.awaitFile("index", "c")
}

// A module's files are configuration like others.
func TestWatchReloadsModules(t *testing.T) {
	m := serviceModule(t, `
module "service" {
  source   = "./service"
  for_each = { web = 80, api = 81 }
  name     = each.key
  port     = each.value
}
`)
	d := m.watch(func(_ *engine.Options, w *engine.WatchOptions) { w.ConfigInterval = 10 * time.Millisecond })
	d.awaitFile("conf-web", "hello web 80")
	m.write("service/main.hcl", strings.Replace(serviceConfig, `"hello"`, `"dear"`, 1))
	d.awaitFile("conf-web", "dear web 80")
	d.awaitFile("conf-api", "dear api 81")
	m.write("service/text.tpl", "${name}")
	d.awaitFile("conf-web", "web")
	m.write("service/main.hcl", "this is broken")
	d.await("the broken module is reported", func() bool {
		s, err := d.Status(t.Context())
		return err == nil && strings.Contains(s.Reload.Error, "service")
	})
	m.wantFile("conf-web", "web")
}
