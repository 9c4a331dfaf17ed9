//go:build unix

package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"tidegate/engine"
)

// tellers answer with what they were given in a file, so that no attribute of theirs holds it alone.
const tellers = `
variable "name" { type = string }
variable "password" {
  type      = string
  sensitive = true
}
locals {
  told = "password=${var.password};"
}
sink "exec" "tell" {
  command = ["sh", "-c", "sed 's/password=//;s/;//' >&2; echo; exit 3"]
  stdin   = local.told
  retry { attempts = 1 }
}
source "exec" "ask" {
  command = ["sh", "-c", "echo \"$TOLD\" | sed 's/password=//;s/;//' >&2; exit 4"]
  env     = { TOLD = local.told }
}
`

// What a module keeps secret is redacted in what programs answer, whether the value comes from the
// call as it is, out of data, or from for_each.
var tellingCalls = map[string]string{
	"of the call": `module "m" {
  source   = "./tell"
  name     = "a"
  password = "` + canary + `"
}
`,
	"out of data": `source "file" "data" { path = "data.json" }
module "m" {
  source   = "./tell"
  name     = "a"
  password = "${source.file.data.value.head}-${source.file.data.value.tail}"
}
`,
	"of for_each": `source "file" "data" { path = "data.json" }
module "m" {
  source   = "./tell"
  for_each = { a = source.file.data.value }
  name     = each.key
  password = "${each.value.head}-${each.value.tail}"
}
`,
}

func tellingModule(t *testing.T, call string) *module {
	return newModule(t, "main.hcl", call, "tell/main.hcl", tellers, "data.json", `{"head":"canary","tail":"hunter2"}`)
}

func TestSecretsOfModulesAreRedacted(t *testing.T) {
	for name, call := range tellingCalls {
		t.Run(name, func(t *testing.T) {
			m := tellingModule(t, call)
			_, _, diags := m.apply()
			wantError(t, diags, "sink.exec.tell: ", "exited with status 3", "source.exec.ask: ", "exited with status 4", "(sensitive value)")
			wantNoSecret(t, "the diagnostics", texts(diags))
			wantNoSecret(t, "the events", fmt.Sprintf("%+v", m.events))
			if files := m.stateHolds(); len(files) > 0 {
				t.Errorf("it is in %v", files)
			}
		})
	}
}

// A plan that is applied later knows them, too.
func TestSecretsOfModulesAreRedactedInSavedPlans(t *testing.T) {
	m := tellingModule(t, tellingCalls["out of data"])
	m.write("tell/main.hcl", tellers[:strings.Index(tellers, "source ")])
	m.tool("plan", "--out", "p").want(t, 0)
	if text, _ := m.read("p"); text == "" || strings.Contains(text, canary) {
		t.Errorf("the plan holds %q", text)
	}
	r := m.tool("apply", "p")
	r.want(t, 1, "exited with status 3", "(sensitive value)")
	wantNoSecret(t, "the output", r.stdout+r.stderr)
}

func TestWatchSecretsOfModulesAreRedacted(t *testing.T) {
	for name, call := range tellingCalls {
		t.Run(name, func(t *testing.T) {
			m := tellingModule(t, call)
			log := &logText{}
			d := m.watch(log.option)
			d.await("the program has failed", func() bool { return log.count("exited with status 3") > 0 })
			d.await("the source has failed", func() bool { return log.count("exited with status 4") > 0 })
			s, err := d.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range s.Sinks {
				wantNoSecret(t, "the status", fmt.Sprintf("%+v", one))
			}
			for _, one := range s.Sources {
				wantNoSecret(t, "the status", fmt.Sprintf("%+v", one))
			}
			wantNoSecret(t, "the events", fmt.Sprintf("%+v", events[engine.Event](d)))
			d.halt()
			wantNoSecret(t, "the log", log.text.String())
			if log.count("(sensitive value)") == 0 {
				t.Errorf("nothing was redacted: %s", log.text.String())
			}
			if files := m.stateHolds(); len(files) > 0 {
				t.Errorf("it is in %v", files)
			}
		})
	}
}
