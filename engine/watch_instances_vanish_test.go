package engine_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/providers"
)

func addressOf(t *testing.T, text string) address.Address {
	t.Helper()
	a, err := address.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What the data takes away follows its on_destroy; what an edit of the configuration takes away waits
// for approval, also where it stood in a module whose instances follow data.
func TestWatchRemovalFromAModuleThatFollowsDataNeedsApproval(t *testing.T) {
	const module = `
variable "name" {}
sink "file" "conf" {
  path       = "${path.root}/conf-${var.name}"
  content    = var.name
  on_destroy = "delete"
}
`
	const other = `
sink "file" "other" {
  path       = "${path.root}/other-${var.name}"
  content    = var.name
  on_destroy = "delete"
}
`
	m := newModule(t, "main.hcl", `
source "file" "services" { path = "services.json" }
module "service" {
  source   = "./service"
  for_each = source.file.services.value
  name     = each.key
}
`, "service/main.hcl", module+other, "services.json", `{"web":1,"api":1}`)
	d := m.watch()
	for _, name := range []string{"conf-web", "conf-api", "other-web", "other-api"} {
		d.awaitFile(name, name[strings.Index(name, "-")+1:])
	}
	m.write("service/main.hcl", module)
	d.mustReload()
	d.await("both wait for approval", func() bool { return len(d.status().Approvals) == 2 })
	m.wantFile("other-web", "web")
	m.wantFile("other-api", "api")

	// A key that goes takes along what waits: then it is the data that says so.
	m.replace("services.json", `{"web":1}`)
	d.awaitNone("conf-api")
	if err := d.Approve(t.Context(), addressOf(t, `module.service["web"].sink.file.other`)); err != nil {
		t.Fatal(err)
	}
	d.awaitNone("other-web")
	m.wantFile("conf-web", "web")
}

// An instance that an edit takes away waits for approval; one that comes back meanwhile is as if it
// had never gone, and its approval is void.
func TestWatchInstancesComeBackBeforeApproval(t *testing.T) {
	config := func(keys string) string {
		return "sink \"file\" \"app\" {\n  for_each   = " + keys + "\n  path       = \"out-${each.key}\"\n  content    = each.value\n  on_destroy = \"delete\"\n}\n"
	}
	m := newModule(t, "main.hcl", config(`{ a = "1", x = "1" }`))
	d := m.watch()
	d.awaitFile("out-a", "1")
	d.awaitFile("out-x", "1")
	x := addressOf(t, `sink.file.app["x"]`)
	if err := d.Approve(t.Context(), x); err == nil {
		t.Error("what does not wait was approved")
	}
	for _, content := range []string{"1", "2"} {
		m.write("main.hcl", config(`{ a = "1" }`))
		d.mustReload()
		d.await("it waits for approval", func() bool { return len(d.status().Approvals) == 1 })
		m.write("main.hcl", config(`{ a = "1", x = "`+content+`" }`))
		d.mustReload()
		d.awaitFile("out-x", content)
		d.awaitSink(x.String(), engine.StateOK)
		if err := d.Approve(t.Context(), x); err == nil || len(d.status().Approvals) > 0 {
			t.Errorf("what came back was approved: %+v", d.status().Approvals)
		}
	}
	m.wantFile("out-x", "2")
	m.write("main.hcl", config(`{ a = "1" }`))
	d.mustReload()
	d.await("it waits for approval", func() bool { return len(d.status().Approvals) == 1 })
	// It waits after a restart, too.
	d.halt()
	d = m.watch()
	d.await("it still waits for approval", func() bool { return len(d.status().Approvals) == 1 })
	m.wantFile("out-x", "2")
	if err := d.Approve(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	d.awaitNone("out-x")
	d.await("it is forgotten", func() bool { return len(d.status().Sinks) == 1 })
	m.wantFile("out-a", "1")
}

const simInstances = `
source "sim" "all" {
  name     = "all"
  interval = "10s"
}
sink "sim" "one" {
  for_each = source.sim.all.value
  name     = each.key
  value    = each.value
}
`

// A delivery that fails when its key vanishes is given up at once, whatever its back-off. One that is
// under way comes to its end, and a key that comes back with other content is delivered after that.
func TestWatchKeysVanishInTheMiddleOfDeliveries(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simInstances)
		w.set("all", `{"a":"1","b":"1"}`)
		w.with(func() {
			w.target("b").refuse = func(int, string) error { return providers.Temporary(errors.New("no room")) }
		})
		d := w.watch(m)
		pass(30 * time.Minute)
		if state, _ := d.stateOf(`sink.sim.one["b"]`); state != engine.StateFailed {
			t.Fatalf("b is %s", state)
		}
		w.set("all", `{"a":"1"}`)
		pass(11 * time.Second)
		if n := len(d.status().Sinks); n != 1 {
			t.Errorf("%d sinks, want 1: what failed is still there", n)
		}
		tried := len(w.tried("b"))
		pass(30 * time.Minute)
		if got := len(w.tried("b")); got != tried {
			t.Errorf("what is gone was tried %d times more", got-tried)
		}

		hang := make(chan struct{})
		w.with(func() { w.target("a").hang = hang })
		w.set("all", `{"a":"2","b":"2"}`)
		w.with(func() { w.target("b").refuse = nil })
		pass(time.Minute)
		wantValues(t, "b", w.got("b"), "2")
		w.set("all", `{"b":"2"}`)
		pass(time.Minute)
		w.set("all", `{"a":"3","b":"2"}`)
		pass(time.Minute)
		close(hang)
		pass(time.Minute)
		wantValues(t, "a", w.got("a"), "1", "2", "3")
		if n := w.target("a").most; n != 1 {
			t.Errorf("%d deliveries to one target at a time", n)
		}
	})
}

// A file that was on its way when the daemon was killed, to a target that nobody delivered to before,
// is deleted with its key only if it arrived: what stands there may be somebody else's.
func TestWatchVanishedKeysOfUnknownDeliveries(t *testing.T) {
	for name, content := range map[string]string{"arrived": "mine", "did not arrive": "somebody else's"} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", followers, "services.json", `{"a":1,"b":"mine"}`)
			m.mustApply()
			m.forgetOutcome(`sink.file.app["b"]`)
			m.write("out-b.json", strings.Replace(content, "mine", `"mine"`, 1))
			m.write("services.json", `{"a":1}`)
			d := m.watch()
			d.await("b is settled", func() bool { return len(d.status().Sinks) == 2 })
			if _, there := m.read("out-b.json"); there != (content != "mine") {
				t.Errorf("the target is there: %t", there)
			}
		})
	}
}

// Pauses of instances, and of all of them, hold across a restart and for instances that come later;
// the block is resumed out of a glob with all its instances.
func TestWatchPausesOfInstances(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", simInstances+simSources(`interval = "10s"`, "other"))
		w.set("all", `{"a":"1","b":"1","x--y":"1","[-]":"1"}`)
		d := w.watch(m)
		states := func(want map[string]string) {
			t.Helper()
			for name, state := range want {
				if got, _ := d.stateOf(name); got != state {
					t.Errorf("%s is %s, want %s", name, got, state)
				}
			}
		}
		pause := func(pattern string) {
			t.Helper()
			if err := d.Pause(t.Context(), engine.Pause{Pattern: pattern}); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Minute)
		pause(`sink.sim.one["a"]`)
		pause(`sink.sim.one["x--y"]`)
		pause(`sink.sim.one["[-]"]`)
		d.halt()
		d = w.watch(m)
		w.set("all", `{"a":"2","b":"2","x--y":"2","[-]":"2"}`)
		pass(time.Minute)
		states(map[string]string{
			`sink.sim.one["a"]`: engine.StatePaused, `sink.sim.one["x--y"]`: engine.StatePaused, `sink.sim.one["[-]"]`: engine.StatePaused,
			`sink.sim.one["b"]`: engine.StateOK,
		})
		wantValues(t, "x--y", w.got("x--y"), "1")
		for _, pattern := range []string{`sink.sim.one["a"]`, `sink.sim.one["x--y"]`, `sink.sim.one["[-]"]`} {
			if _, err := d.Resume(t.Context(), pattern); err != nil {
				t.Error(err)
			}
		}
		pass(time.Minute)
		wantValues(t, "a", w.got("a"), "1", "2")
		wantValues(t, "x--y", w.got("x--y"), "1", "2")

		pause("sink.sim.*")
		w.set("all", `{"a":"3","b":"3","c":"3"}`)
		pass(time.Minute)
		states(map[string]string{`sink.sim.one["a"]`: engine.StatePaused, `sink.sim.one["c"]`: engine.StatePaused})
		d.halt()
		d = w.watch(m)
		pass(time.Minute)
		states(map[string]string{`sink.sim.one["a"]`: engine.StatePaused, `sink.sim.one["c"]`: engine.StatePaused})
		if n, err := d.Resume(t.Context(), "sink.sim.one"); err != nil || n != 1 {
			t.Errorf("resumed: %d, %v", n, err)
		}
		pass(time.Minute)
		states(map[string]string{`sink.sim.one["a"]`: engine.StateOK, `sink.sim.one["c"]`: engine.StateOK})
		wantValues(t, "c", w.got("c"), "3")
	})
}

// A paused source of a for_each leaves the instances as they are. A target whose key vanishes while
// its sink is paused is left as it is until that is resumed, also over a restart.
func TestWatchVanishedKeysWhileTheyArePaused(t *testing.T) {
	m := newModule(t, "main.hcl", followers, "services.json", `{"a":1,"b":2}`)
	d := m.watch()
	d.awaitFile("out-b.json", "2")
	if err := d.Pause(t.Context(), engine.Pause{Pattern: "source.file.services"}); err != nil {
		t.Fatal(err)
	}
	m.replace("services.json", `{"a":1}`)
	d.halt()
	d = m.watch()
	d.awaitSink(`sink.file.app["b"]`, engine.StateOK)
	if err := os.Remove(m.path("out-b.json")); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("out-b.json", "2") // what was accepted is in force
	if err := d.Pause(t.Context(), engine.Pause{Pattern: `sink.file.app["b"]`}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Resume(t.Context(), "source.file.services"); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("index", "a")
	d.awaitSink(`sink.file.app["b"]`, engine.StatePaused)
	m.wantFile("out-b.json", "2")
	d.halt()
	d = m.watch()
	d.awaitSink(`sink.file.app["b"]`, engine.StatePaused)
	if _, err := d.Resume(t.Context(), `sink.file.app["b"]`); err != nil {
		t.Fatal(err)
	}
	d.awaitNone("out-b.json")
	d.await("it is forgotten", func() bool { return len(d.status().Sinks) == 2 })
}

// forgetOutcome lets the state know of a sink's first delivery as one that a killed daemon left.
func (m *module) forgetOutcome(name string) {
	m.t.Helper()
	s, err := state.Open(m.t.Context(), state.Options{Path: m.path(engine.DefaultState), Command: "test"})
	if err != nil {
		m.t.Fatal(err)
	}
	defer s.Close()
	ledger, err := s.Load(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	row := ledger.Sinks[addressOf(m.t, name)].Clone()
	row.Pending, row.Acknowledged, row.Revisions = row.Acknowledged, nil, nil
	row.Pending.Unknown = true
	if err := s.Commit(m.t.Context(), &state.Batch{Sinks: []*state.Sink{row}}); err != nil {
		m.t.Fatal(err)
	}
}

// Keys that go because the for_each was edited, or what it is made of, wait for approval like all that
// an edit takes away: in a reload, over a restart, and where it was edited while nothing ran. After
// that it is the data again that says what goes.
func TestWatchKeysThatAnEditTakesAwayWaitForApproval(t *testing.T) {
	const whole = `{"a":1,"b":2,"c":3}`
	filtered := strings.Replace(followers, "= source.file.services.value", "= { for k, v in source.file.services.value : k => v if k != \"b\" }", 1)
	byLocal := func(kept string) string {
		return "locals { kept = " + kept + " }\n" + strings.Replace(followers, "= source.file.services.value", "= { for k, v in source.file.services.value : k => v if contains(local.kept, k) }", 1)
	}
	inModule := func(call string) []string {
		return []string{
			"main.hcl", "source \"file\" \"services\" {\n  path = \"services.json\"\n}\nmodule \"app\" {\n  source = \"./app\"\n  for_each = " + call + "\n  name = each.key\n  content = each.value\n}\n",
			"app/main.hcl", "variable \"name\" {}\nvariable \"content\" {}\nsink \"file\" \"app\" {\n  path = \"${path.root}/out-${var.name}.json\"\n  content = tostring(var.content)\n  on_destroy = \"delete\"\n}\n",
		}
	}
	tests := map[string]struct{ before, after []string }{
		"filter": {[]string{"main.hcl", followers}, []string{"main.hcl", filtered}},
		"local":  {[]string{"main.hcl", byLocal(`["a", "b", "c", "d"]`)}, []string{"main.hcl", byLocal(`["a", "c", "d"]`)}},
		"source": {
			[]string{"main.hcl", followers, "others.json", `{"a":1,"c":3}`},
			[]string{"main.hcl", strings.Replace(followers, "services.json", "others.json", 1)},
		},
		"module": {inModule("source.file.services.value"), inModule(`{ for k, v in source.file.services.value : k => v if k != "b" }`)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, how := range []string{"reload", "restart", "after an apply"} {
				t.Run(how, func(t *testing.T) {
					t.Parallel()
					m := newModule(t, append([]string{"services.json", whole}, test.before...)...)
					edit := func() {
						for i := 0; i < len(test.after); i += 2 {
							m.write(test.after[i], test.after[i+1])
						}
					}
					var d *daemon
					if how == "after an apply" {
						m.mustApply()
						edit()
						d = m.watch()
					} else {
						d = m.watch()
						d.awaitFile("out-a.json", "1")
						d.awaitFile("out-b.json", "2")
						d.awaitFile("out-c.json", "3")
						if how == "reload" {
							edit()
							d.mustReload()
						} else {
							d.halt()
							edit()
							d = m.watch()
						}
					}
					waits := func() bool { return len(d.status().Approvals) == 1 }
					d.await("b waits for approval", waits)
					d.halt()
					d = m.watch()
					d.await("b still waits for approval", waits)
					m.wantFile("out-b.json", "2")
					b := d.status().Approvals[0].Address
					if err := d.Approve(t.Context(), b); err != nil {
						t.Fatal(err)
					}
					d.awaitNone("out-b.json")
					d.await("b is forgotten", func() bool {
						return !slices.ContainsFunc(d.status().Sinks, func(s *engine.SinkStatus) bool { return s.Address == b })
					})
					m.wantFile("out-a.json", "1")
					bring := func(data string) {
						m.replace("services.json", data)
						if name == "source" {
							m.replace("others.json", data)
						}
					}
					bring(`{"a":1,"c":3,"d":4}`) // this daemon has seen what the edited for_each gives
					d.awaitFile("out-d.json", "4")
					bring(`{"a":1}`)
					d.awaitNone("out-c.json")
				})
			}
		})
	}
}
