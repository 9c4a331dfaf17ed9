package engine_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/engine"
)

// receives reports whether values are taken in under a name.
func (d *daemon) receives(name string) bool { return d.Receivers().Sources[name] != nil }

func (d *daemon) wantPush(name, data string, want engine.PushOutcome) {
	d.m.t.Helper()
	if got := d.push(name, data, ""); got.Outcome != want {
		d.m.t.Errorf("push of %s to %s: %+v, want %d", data, name, got, want)
	}
}

const pushedInstances = `
source "sim" "teams" {
  name     = "teams"
  interval = "10s"
}
source "webhook" "flags" {
  for_each    = source.sim.teams.value
  config_name = "flags-${each.key}"
}
source "sim" "conf" {
  for_each = source.sim.teams.value
  name     = "conf-${each.key}"
  interval = "1h"
  push {
    config_name  = "conf-${each.key}"
    bearer_token = each.value
  }
}
sink "sim" "out" {
  for_each = source.sim.teams.value
  name     = "out-${each.key}"
  value    = jsonencode([source.webhook.flags[each.key].value, source.sim.conf[each.key].value])
}
`

// Instances are sent their values under names of their own. Those of a key that vanishes are taken in
// no more, and a key that comes back begins anew.
func TestWatchPushesToInstances(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", pushedInstances)
		w.set("teams", `{"a":"a-token-of-some-length","b":"b-token-of-some-length"}`)
		d := w.watch(m)
		pass(time.Minute)
		for _, name := range []string{"a", "b"} {
			if got, taken := secretsOf(d, "conf-"+name); !taken || got != name+"-token-of-some-length" {
				t.Errorf("a sender to conf-%s must prove %q, %t", name, got, taken)
			}
			d.wantPush("flags-"+name, `{"f":"`+name+`"}`, engine.PushAccepted)
			d.wantPush("conf-"+name, `{"c":"`+name+`"}`, engine.PushAccepted)
		}
		d.wantPush("flags-c", `{}`, engine.PushGone)
		d.wantPush("flags", `{}`, engine.PushGone)
		pass(time.Minute)
		if got := w.got("out-a"); len(got) == 0 || got[len(got)-1] != `[{"f":"a"},{"c":"a"}]` {
			t.Errorf("out-a got %q", got)
		}

		w.set("teams", `{"a":"a-token-of-some-length"}`)
		pass(time.Minute)
		d.wantPush("flags-b", `{"f":"late"}`, engine.PushGone)
		d.wantPush("conf-b", `{"c":"late"}`, engine.PushGone)

		// What was known of it is forgotten: it waits for its first push again.
		w.set("teams", `{"a":"a-token-of-some-length","b":"another-token-of-a-length"}`)
		pass(time.Minute)
		if state, _ := d.stateOf(`source.webhook.flags["b"]`); state != engine.StateWaiting {
			t.Errorf("the instance that came back is %s", state)
		}
		if got, _ := secretsOf(d, "conf-b"); got != "another-token-of-a-length" {
			t.Errorf("a sender to conf-b must prove %q", got)
		}
		d.wantPush("flags-b", `{"f":"again"}`, engine.PushAccepted)
		pass(time.Minute)
		if got := w.got("out-b"); len(got) == 0 || got[len(got)-1] != `[{"f":"again"},{"n":1}]` {
			t.Errorf("out-b got %q", got)
		}
	})
}

// A value that was sent and could not be used yet is there after a restart, also where its instance
// follows data that are looked at later; and it is forgotten with its key.
func TestWatchPushThatWaitsIsThatOfItsInstance(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		config := `
source "sim" "teams" {
  name     = "teams"
  interval = "10s"
}
source "sim" "gate" {
  name     = "gate"
  interval = "10s"
}
source "webhook" "flags" {
  for_each    = source.sim.teams.value
  config_name = each.key
  precondition {
    condition     = source.sim.gate.value.open
    error_message = "closed"
  }
}
sink "sim" "out" {
  for_each = source.sim.teams.value
  name     = "out-${each.key}"
  value    = jsonencode(source.webhook.flags[each.key].value)
}
`
		m := newModule(t, "main.hcl", config)
		w.set("teams", `{"a":1,"b":2}`)
		w.set("gate", `{"open":false}`)
		d := w.watch(m)
		pass(time.Minute)
		d.wantPush("a", `{"v":1}`, engine.PushAccepted)
		d.wantPush("b", `{"v":1}`, engine.PushAccepted)
		pass(time.Minute)
		d.halt()
		d = w.watch(m)
		pass(time.Minute)
		// b goes before it was used, and comes back without what was sent before.
		w.set("teams", `{"a":1}`)
		pass(time.Minute)
		w.set("teams", `{"a":1,"b":2}`)
		pass(time.Minute)
		d.halt()
		w.set("gate", `{"open":true}`)
		w.watch(m)
		pass(10 * time.Minute)
		wantValues(t, "out-a", w.got("out-a"), `{"v":1}`)
		wantValues(t, "out-b", w.got("out-b"))
	})
}

// Keys come and go while values arrive: every answer is one of those that there are, and in the end
// the newest acknowledged value of the instances that stayed is delivered.
func TestWatchPushesWhileKeysComeAndGo(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "teams" { path = "teams.json" }
source "webhook" "flags" {
  for_each    = source.file.teams.value
  config_name = each.key
}
sink "file" "out" {
  for_each   = source.file.teams.value
  path       = "out-${each.key}"
  content    = jsonencode(source.webhook.flags[each.key].value)
  on_destroy = "delete"
}
`, "teams.json", `{"stays":1}`)
	d := m.watch()
	d.await("stays is taken in", func() bool { return d.receives("stays") })
	var stop atomic.Bool
	var newest atomic.Int64
	var wg sync.WaitGroup
	outcomes := make([]map[engine.PushOutcome]int, 2)
	for i, name := range []string{"stays", "goes"} {
		outcomes[i] = map[engine.PushOutcome]int{}
		wg.Go(func() {
			for n := int64(1); !stop.Load(); n++ {
				time.Sleep(time.Millisecond) // the rate is the subject
				got := d.push(name, fmt.Sprintf(`{"n":%d}`, n), fmt.Sprint(n)).Outcome
				outcomes[i][got]++
				if name == "stays" && got == engine.PushAccepted {
					newest.Store(n)
				}
			}
		})
	}
	for i := range 10 { // always other values: what goes back and forth is held
		m.replace("teams.json", fmt.Sprintf(`{"stays":%d,"goes":1}`, i))
		d.await("goes is taken in", func() bool { return d.receives("goes") })
		m.replace("teams.json", fmt.Sprintf(`{"stays":%d}`, i))
		d.await("goes is taken in no more", func() bool { return !d.receives("goes") })
	}
	stop.Store(true)
	wg.Wait()
	d.awaitFile("out-stays", fmt.Sprintf(`{"n":%d}`, newest.Load()))
	d.awaitNone("out-goes")
	if n := outcomes[0]; len(n) != 1 || n[engine.PushAccepted] == 0 {
		t.Errorf("to the one that stays: %v", n)
	}
	for outcome := range outcomes[1] {
		if outcome != engine.PushAccepted && outcome != engine.PushGone {
			t.Errorf("to the one that goes: %v", outcomes[1])
		}
	}
}

// A module has its own webhook source in each instance. Without a name of its own each would be sent
// the same values, and only the last one would get them.
func TestPushNamesAreTakenOnce(t *testing.T) {
	const webhook = "source \"webhook\" \"flags\" {\n  config_name = var.name\n}\nvariable \"name\" {}\n"
	const call = "module \"m\" {\n  source = \"./m\"\n  for_each = toset([\"a\", \"b\"])\n  name = each.key\n}\n"
	m := newModule(t, "main.hcl", call, "m/main.hcl", webhook)
	d := m.watch()
	d.await("both are taken in", func() bool { return d.receives("a") && d.receives("b") })
	if got := d.Receivers().Sources["b"].Address.String(); got != `module.m["b"].source.webhook.flags` {
		t.Errorf("b is %s", got)
	}
	d.halt()
	detector := "detector \"webhook\" \"told\" {\n  bearer_token = \"${var.%s}-token-of-a-length\"\n}\nvariable \"name\" {}\nvariable \"same\" { default = \"x\" }\nsource \"file\" \"f\" {\n  path = \"f.json\"\n  detectors = [detector.webhook.told]\n}\n"
	for name, c := range map[string]struct{ main, module, want string }{
		"instances of a source": {"source \"webhook\" \"flags\" {\n  for_each = toset([\"a\", \"b\"])\n}\n", "", `source.webhook.flags["a"] and source.webhook.flags["b"] are both sent values as "flags"`},
		"instances of a module": {call, strings.Replace(webhook, "config_name = var.name", "", 1), `module.m["a"].source.webhook.flags and module.m["b"].source.webhook.flags are both sent values as "flags"`},
		"a push block":          {"source \"webhook\" \"x\" {}\nsource \"static\" \"y\" {\n  value = 1\n  push {\n    config_name = \"x\"\n  }\n}\n", "", `source.static.y and source.webhook.x are both sent values as "x"`},
		"everything twice":      {"source \"webhook\" \"x\" {\n  config_name = \"*\"\n}\nsource \"webhook\" \"y\" {\n  config_name = \"*\"\n}\n", "", `both sent values as "*"`},
		"detectors":             {call, fmt.Sprintf(detector, "name"), "are both told of changes at /webhook/notify/told"},
		"equal detectors":       {call, fmt.Sprintf(detector, "same"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.module == "" {
				c.module = webhook
			}
			m := newModule(t, "main.hcl", c.main, "m/main.hcl", c.module, "m/f.json", "1")
			e, diags := m.load()
			defer e.Close()
			if c.want == "" && diags.HasErrors() || !strings.Contains(texts(diags), c.want) {
				t.Errorf("said: %s", texts(diags))
			}
		})
	}
}

// One hint wakes the sources of all detectors that have its name, as in the instances of a module.
func TestWatchHintsToInstancesOfAModule(t *testing.T) {
	simulate(t, func(t *testing.T, w *sim) {
		m := newModule(t, "main.hcl", `
module "m" {
  source   = "./m"
  for_each = toset(["a", "b"])
  name     = each.key
}
`, "m/main.hcl", `
variable "name" {}
detector "webhook" "told" {}
source "sim" "s" {
  name      = var.name
  detectors = [detector.webhook.told]
}
`)
		d := w.watch(m)
		pass(time.Minute)
		before := map[string]int{"a": len(w.looks("a")), "b": len(w.looks("b"))}
		d.Notify(d.Receivers().Detectors["told"].Address)
		pass(time.Second)
		for name, n := range before {
			if got := len(w.looks(name)); got != n+1 {
				t.Errorf("%s was looked at %d times, want %d", name, got, n+1)
			}
		}
	})
}
