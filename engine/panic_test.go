package engine_test

import (
	"strings"
	"testing"

	"tidegate/engine"
	"tidegate/providers"
	"tidegate/providers/all"
)

// A panic in the code of a kind is an error of the block it belongs to in a plan and an apply, too;
// the rest goes on.
func TestPanicsStayWithTheirBlock(t *testing.T) {
	for name, config := range map[string]string{
		"source fetch": `source "bomb" "b" { at = "fetch" }
sink "file" "b" {
  path    = "b"
  content = source.bomb.b.text
}`,
		"rule": `rule "bomb" "b" { at = "judge" }
source "file" "b" {
  path  = "v.json"
  rules = [rule.bomb.b]
}`,
		"sink target": `sink "bomb" "b" { at = "target" }`,
		"sink read":   `sink "bomb" "b" { at = "read" }`,
		"sink write":  `sink "bomb" "b" { at = "write" }`,
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "v.json", `{"n":1}`, "main.hcl", config+`
source "file" "v" { path = "v.json" }
sink "file" "ok" {
  path    = "ok"
  content = "n = ${source.file.v.value.n}"
}
`)
			registry, err := providers.NewRegistry(append(all.Kinds(), bombs()...))
			if err != nil {
				t.Fatal(err)
			}
			log := &logText{}
			p, result, diags := m.applyWith(t.Context(), engine.PlanOptions{}, func(o *engine.Options) {
				o.Registry = registry
				log.option(o, nil)
			})
			if text := texts(diags); !diags.HasErrors() || !strings.Contains(text, "internal error: runtime error: index out of range") {
				t.Errorf("%s\n%+v", text, result)
			}
			if (name == "sink write") == p.Failed() {
				t.Errorf("the plan failed: %t", p.Failed())
			}
			m.wantFile("ok", "n = 1")
			if log.count("engine_test.(*bombConfig).blow") == 0 {
				t.Error("the log has no stack")
			}
		})
	}
}
