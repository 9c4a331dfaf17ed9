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
	t.Parallel()
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

// Instances within instances are those of the ledger when a daemon starts, and when a configuration
// that is read again lets them follow data: nothing of theirs is forgotten or run again.
func TestWatchInstancesAreRememberedAtAnyDepth(t *testing.T) {
	t.Parallel()
	const team = `
variable "name" {}
variable "services" {}
sink "exec" "run" {
  for_each = var.services
  command  = ["sh", "-c", "echo '${var.name}-${each.key}' >> '${path.root}/runs'"]
}
`
	call := func(each string) string {
		return `
source "file" "teams" { path = "teams.json" }
module "team" {
  source   = "./team"
  for_each = ` + each + `
  name     = each.key
  services = each.value
}
sink "file" "done" {
  path    = "done"
  content = source.file.teams.text
}
`
	}
	m := newModule(t, "main.hcl", call(`{ red = { a = 1 }, blue = { b = 1, c = 1 } }`), "team/main.hcl", team, "teams.json", `{"red":{"a":1},"blue":{"b":1,"c":1}}`)
	noApproval := func(_ *engine.Options, w *engine.WatchOptions) { w.ConfigInterval = 10 * time.Millisecond }
	d := m.watch(noApproval)
	d.await("all have run", func() bool { return len(m.lines("runs")) == 3 })
	settled := func(keys int) {
		t.Helper()
		d.await("all are in step", func() bool {
			s, err := d.Status(t.Context())
			if err != nil || len(s.Sinks) != keys+1 || !s.Ready {
				return false
			}
			for _, sink := range s.Sinks {
				if sink.State != engine.StateOK {
					return false
				}
			}
			return true
		})
	}
	settled(3)
	m.write("main.hcl", call("source.file.teams.value"))
	d.await("the configuration is taken up", func() bool {
		s, err := d.Status(t.Context())
		return err == nil && s.Reload.Count > 0 && s.Reload.Error == ""
	})
	settled(3)
	d.halt()
	d = m.watch(noApproval)
	settled(3)
	m.replace("teams.json", `{"red":{"a":1},"blue":{"b":1,"d":1},"green":{"e":1}}`)
	d.awaitFile("done", `{"red":{"a":1},"blue":{"b":1,"d":1},"green":{"e":1}}`)
	d.await("the new ones have run", func() bool { return len(m.lines("runs")) == 5 })
	settled(4)
	if got := strings.Join(m.lines("runs")[3:], " "); !strings.Contains(got, "blue-d") || !strings.Contains(got, "green-e") {
		t.Errorf("what ran was %s", got)
	}
}

// A write of one instance fires a trigger of all of them once, that of one that comes included.
func TestWatchInstancesTrigger(t *testing.T) {
	m := newModule(t, "main.hcl", followers+`
sink "exec" "reload" {
  command  = ["sh", "-c", "cat index out-*.json > seen.tmp; echo >> seen.tmp; cat seen.tmp >> seen"]
  triggers = [sink.file.app, sink.file.index]
}
`)
	m.replace("services.json", `{"a":1,"b":2}`)
	d := m.watch()
	d.awaitFile("seen", "a,b12\n")
	want := []string{"a,b12"}
	for _, step := range [][2]string{
		{`{"a":1,"b":3}`, "a,b13"}, {`{"a":1,"b":3,"c":4}`, "a,b,c134"}, {`{"a":1,"b":3,"c":5}`, "a,b,c135"}, {`{"a":6,"c":5}`, "a,c65"},
	} {
		m.replace("services.json", step[0])
		want = append(want, step[1])
		d.await("the program has run for "+step[1], func() bool { return len(m.lines("seen")) >= len(want) })
	}
	d.halt()
	if got := m.lines("seen"); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("it saw %q, want %q", got, want)
	}
}

// A value that changes for one instance wakes that one, not all that have their keys from the same
// source.
func TestWatchOneInstanceOfManyChanges(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simSources(`interval = "10s"`, "all")+`
sink "sim" "one" {
  for_each = source.sim.all.value
  name     = each.key
  value    = each.value
  readable = true
}
`)
		w.set("all", `{"a":"1","b":"1","c":"1"}`)
		w.watch(m)
		pass(time.Minute)
		reads := func(name string) (n int) {
			w.with(func() { n = w.target(name).reads })
			return n
		}
		want := func(name, value string) {
			t.Helper()
			if got := w.got(name); len(got) == 0 || got[len(got)-1] != value {
				t.Errorf("%s got %q, want %s last", name, got, value)
			}
		}
		before := map[string]int{}
		for _, name := range []string{"a", "b", "c"} {
			want(name, "1")
			before[name] = reads(name)
		}
		w.set("all", `{"a":"1","b":"2","c":"1"}`)
		pass(time.Minute)
		want("b", "2")
		w.set("all", `{"a":"1","b":"2","c":"1","d":"1"}`)
		pass(time.Minute)
		want("d", "1")
		for _, name := range []string{"a", "c"} {
			if n := reads(name); n != before[name] {
				t.Errorf("the target of %s was looked at %d times more", name, n-before[name])
			}
		}
		w.set("all", `{"a":"3","b":"3","c":"3","d":"3"}`)
		pass(time.Minute)
		for _, name := range []string{"a", "b", "c", "d"} {
			want(name, "3")
		}
	})
}
