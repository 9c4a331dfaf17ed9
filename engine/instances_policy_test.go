package engine_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/engine/plan"
)

// ownPolicies gives each service its own rule, limit and trigger.
const ownPolicies = `
locals {
  most = { web = 100, api = 200 }
}
rule "assert" "port" {
  for_each = local.most
  assertion {
    condition     = value.port <= each.value
    error_message = "${each.key} has at most ${each.value}"
  }
}
rate_limit "sliding_window" "calm" {
  for_each = { web = 1, api = 5 }
  max      = each.value
  per      = "10h"
  scope    = "shared"
}
source "file" "service" {
  for_each = local.most
  path     = "${each.key}.json"
  rules    = [rule.assert.port[each.key]]
}
sink "file" "conf" {
  for_each    = local.most
  path        = "out-${each.key}"
  content     = source.file.service[each.key].value.port
  rate_limits = [rate_limit.sliding_window.calm[each.key]]
}
sink "exec" "run" {
  for_each = local.most
  command  = ["sh", "-c", "echo ran >> ran-${each.key}"]
  triggers = [sink.file.conf[each.key]]
}
sink "exec" "after" {
  command    = ["sh", "-c", "cat out-web > after"]
  depends_on = [sink.file.conf["web"]]
}
sink "exec" "numbered" {
  count      = 2
  command    = ["sh", "-c", "cat count-${count.index} > after-${count.index}"]
  depends_on = [sink.file.number[count.index]]
}
sink "file" "number" {
  count   = 2
  path    = "count-${count.index}"
  content = count.index
}
`

func TestInstancesHaveTheirOwnPolicies(t *testing.T) {
	m := newModule(t, "main.hcl", ownPolicies, "web.json", `{"port":80}`, "api.json", `{"port":81}`)
	m.mustApply()
	m.wantFile("after", "80")
	m.wantFile("after-1", "1")
	m.wantNoChanges()
	if got := len(m.lines("ran-web")); got != 1 {
		t.Fatalf("it ran %d times", got)
	}

	// What the rule of one refuses, that of another lets pass. The limit of one is used up.
	m.write("web.json", `{"port":150}`)
	m.write("api.json", `{"port":150}`)
	p, _, diags := m.apply()
	wantError(t, diags, `source.file.service["web"]`, `rule.assert.port["web"]`, "web has at most 100")
	if strings.Contains(texts(diags), "api") {
		t.Errorf("it speaks of the other: %s", texts(diags))
	}
	m.wantFile("out-web", "80")
	m.wantFile("out-api", "150")
	if got := sourceChange(t, p, `source.file.service["api"]`).Checks; len(got) != 1 || got[0].Address != `rule.assert.port["api"]` {
		t.Errorf("judged by %+v", got)
	}
	if web, api := len(m.lines("ran-web")), len(m.lines("ran-api")); web != 1 || api != 2 {
		t.Errorf("the programs ran %d and %d times, want 1 and 2", web, api)
	}
	m.write("web.json", `{"port":82}`)
	m.write("api.json", `{"port":82}`)
	p, _ = m.mustApply()
	if wait := sinkChange(t, p, `sink.file.conf["web"]`).Wait; wait == nil || wait.Kind != plan.Deferred || wait.On != `rate_limit.sliding_window.calm["web"]` {
		t.Errorf("the update waits for %+v", wait)
	}
	m.wantFile("out-api", "82")
}

// In JSON a reference is a text.
func TestInstancesHaveTheirOwnPoliciesInJSON(t *testing.T) {
	m := newModule(t, "main.hcl.json", `{
  "rule": {"assert": {"port": {
    "for_each": {"web": 1, "api": 2},
    "assertion": {"condition": "${value <= each.value}", "error_message": "more than ${each.value}"}
  }}},
  "sink": {
    "file": {"conf": {
      "for_each": {"web": 2, "api": 2},
      "path": "${each.key}.json",
      "content": "${each.value}",
      "rules": ["rule.assert.port[each.key]"]
    }},
    "exec": {"run": {
      "for_each": {"web": 1, "api": 1},
      "command": ["sh", "-c", "echo ran >> ran-${each.key}"],
      "triggers": ["${sink.file.conf[each.key]}", "source.static.one"],
      "depends_on": ["${sink.file.conf[\"api\"]}"]
    }}
  },
  "source": {"static": {"one": {"value": 1}}}
}`)
	p, _, diags := m.apply()
	wantError(t, diags, `sink.file.conf["web"]`, "more than 1")
	m.wantFile("api.json", "2")
	m.wantFile("ran-api", "ran\n")
	names := slices.Sorted(maps.Keys(sinkChange(t, p, `sink.exec.run["api"]`).Delivery.Triggers))
	if got, want := fmt.Sprint(names), `[sink.file.conf["api"] source.static.one]`; got != want {
		t.Errorf("triggered by %s, want %s", got, want)
	}
}

func TestReferencesToInstancesThatAreWrong(t *testing.T) {
	const rules = "rule \"assert\" \"r\" {\nfor_each = { web = 1, api = 2 }\nassertion {\ncondition = true\nerror_message = \"\"\n}\n}\nlocals { name = \"web\" }\n"
	sink := func(attrs string) string {
		return rules + "sink \"file\" \"a\" {\npath = \"x\"\ncontent = \"y\"\n" + attrs + "\n}\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"a key that is calculated": {sink("rules = [rule.assert.r[local.name]]"), `Write rule.assert.r["KEY"] with its key, rule.assert.r[each.key]`},
		"each of one":              {sink("rules = [rule.assert.r[each.key]]"), "each is known only in a block or module call with for_each"},
		"each of a count":          {sink("count = 1\nrules = [rule.assert.r[each.key]]"), "sink.file.a has count"},
		"no such instance":         {sink("rules = [rule.assert.r[\"wbe\"]]"), `Did you mean ["web"]?`},
		"no such own instance":     {sink("for_each = { db = 1 }\nrules = [rule.assert.r[each.key]]"), `rule.assert.r has no instance ["db"]`},
		"not repeated":             {sink("") + "sink \"exec\" \"b\" {\nfor_each = { a = 1 }\ncommand = [\"x\"]\ndepends_on = [sink.file.a[each.key]]\n}\n", "neither for_each nor count"},
		"a part":                   {sink("for_each = { web = 1 }\ndepends_on = [sink.file.a[each.key].path]"), "Write the address of a block as it is"},
		"a local":                  {sink("for_each = { web = 1 }\ndepends_on = [local.name[each.key]]"), "Only whole blocks can be named here"},
		"two keys":                 {sink("for_each = { web = 1 }\nrules = [rule.assert.r[\"web\"][each.key]]"), "Only whole blocks can be named here"},
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := newModule(t, "main.hcl", c.text).plan()
			if n := strings.Count(texts(diags), "main.hcl:"); n != 1 || !strings.Contains(texts(diags), c.want) {
				t.Errorf("it says %q, want %q once", texts(diags), c.want)
			}
		})
	}
}

// rulesOfData makes sinks and their rules of two files.
const rulesOfData = `
source "file" "services" { path = "services.json" }
source "file" "limits" { path = "limits.json" }
rule "assert" "most" {
  for_each = source.file.limits.value
  assertion {
    condition     = value <= each.value
    error_message = "${each.key} has at most ${each.value}"
  }
}
sink "file" "conf" {
  for_each = source.file.services.value
  path     = "${each.key}.out.json"
  content  = each.value
  rules    = [rule.assert.most[each.key]]
}
sink "file" "all" {
  path    = "all.json"
  content = "7"
  rules   = [rule.assert.most]
}
`

// A rule that is not there lets nothing pass, and nobody else is kept.
func TestRulesThatFollowData(t *testing.T) {
	m := newModule(t, "main.hcl", rulesOfData, "services.json", `{"web":80,"api":81}`, "limits.json", `{"web":100}`)
	p, _, diags := m.apply()
	wantError(t, diags, `sink.file.conf["api"]`, `rule.assert.most["api"]: it cannot be asked: there is no such instance`)
	m.wantFile("web.out.json", "80")
	m.wantFile("all.json", "7")
	if got := sinkChange(t, p, `sink.file.conf["api"]`).Wait; got == nil || got.Kind != plan.RejectedByOwn {
		t.Errorf("it waits for %+v", got)
	}
	if _, there := m.read("api.out.json"); there {
		t.Error("it was written without a judgement")
	}
	m.write("limits.json", `{"web":100,"api":100}`)
	m.mustApply()
	m.wantFile("api.out.json", "81")
	m.wantNoChanges()
	if err := os.Remove(m.path("limits.json")); err != nil {
		t.Fatal(err)
	}
	m.write("services.json", `{"web":82,"api":1000}`)
	_, _, diags = m.apply() // the accepted value of the source that fails stays in use
	wantError(t, diags, "api has at most 100")
	m.wantFile("web.out.json", "82")
	m.wantFile("api.out.json", "81")
}

// Nothing passes while it is not known which rules there are.
func TestRulesThatAreNotKnown(t *testing.T) {
	m := newModule(t, "main.hcl", rulesOfData, "services.json", `{"web":80}`)
	_, _, diags := m.apply()
	wantError(t, diags, "limits.json does not exist", "sink.file.all is left as it is: rule.assert.most: it cannot be asked: its for_each is not known")
	for _, name := range []string{"all.json", "web.out.json"} {
		if _, there := m.read(name); there {
			t.Errorf("%s was written without a judgement", name)
		}
	}
	m.write("limits.json", `{"web":100,"api":6}`)
	_, _, diags = m.apply()
	wantError(t, diags, "sink.file.all is left as it is", "api has at most 6")
	m.wantFile("web.out.json", "80")
}

// A rule that waits for data is found by validate to be right, whatever the keys will be.
func TestValidateRulesOfInstances(t *testing.T) {
	m := newModule(t, "main.hcl", strings.Replace(rulesOfData, "= source.file.limits.value", "= { web = 1 }", 1))
	if diags := m.validate(); len(diags) > 0 {
		t.Error(texts(diags))
	}
}

func TestWatchInstancesHaveTheirOwnPolicies(t *testing.T) {
	m := newModule(t, "main.hcl", rulesOfData+`
detector "hash" "pace" {
  for_each = { fast = "100ms", slow = "10h" }
  interval = each.value
}
source "file" "polled" {
  for_each  = { fast = 1, slow = 2 }
  path      = "polled-${each.key}.json"
  detectors = [detector.hash.pace[each.key]]
}
sink "file" "polled" {
  for_each = { fast = 1, slow = 2 }
  path     = "polled-${each.key}.out"
  content  = source.file.polled[each.key].text
}
sink "exec" "ran" {
  for_each = source.file.services.value
  command  = ["sh", "-c", "echo ran >> 'ran-${each.key}'"]
  triggers = [sink.file.conf[each.key]]
}
`, "limits.json", `{"web":100,"db":5}`)
	m.write("polled-fast.json", `1`)
	m.write("polled-slow.json", `1`)
	m.write("services.json", `{"web":80,"api":81}`)
	d := m.watch()
	d.awaitFile("web.out.json", "80")
	d.awaitSink(`sink.file.conf["api"]`, engine.StateRejected)
	if reason := d.sink(`sink.file.conf["api"]`).Reason; !strings.Contains(reason, `rule.assert.most["api"]`) {
		t.Errorf("it waits since %s", reason)
	}
	m.replace("limits.json", `{"web":100,"api":100,"db":7}`)
	d.awaitFile("api.out.json", "81")
	d.awaitFile("ran-api", "ran\n")
	d.awaitFile("all.json", "7")
	m.replace("services.json", `{"web":101,"api":82}`)
	d.awaitFile("api.out.json", "82")
	d.awaitFile("ran-api", "ran\nran\n")
	d.await("the rule of one holds it back", func() bool {
		return strings.Contains(d.sink(`sink.file.conf["web"]`).Reason, "web has at most 100")
	})
	m.wantFile("ran-web", "ran\n")

	// Each is looked at when its own detector says so.
	m.replace("polled-slow.json", `2`)
	m.replace("polled-fast.json", `2`)
	d.awaitFile("polled-fast.out", "2")
	m.wantFile("polled-slow.out", "1")
	if next := d.source(`source.file.polled["slow"]`).NextLook; time.Until(next) < time.Hour {
		t.Errorf("the slow one is looked at again at %s", next)
	}
}
