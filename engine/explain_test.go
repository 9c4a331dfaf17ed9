package engine_test

import "testing"

// What waits for a value says by which way it comes to need it.
func TestReasonsNameTheWay(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "app" { path = "missing.json" }
locals {
  app   = source.file.app.value
  ports = [for n in local.app.ports : n + 1]
}
sink "file" "far" {
  path    = "far.txt"
  content = jsonencode(local.ports)
}
sink "file" "near" {
  path    = "near.txt"
  content = source.file.app.text
}
`)
	p, _ := m.plan()
	for name, want := range map[string]string{"far": "does not exist), used through local.ports, local.app", "near": "does not exist)"} {
		wait := sinkChange(t, p, "sink.file."+name).Wait
		if wait == nil || len(wait.Reason) < len(want) || wait.Reason[len(wait.Reason)-len(want):] != want {
			t.Errorf("%s: %+v, want a reason that ends with %q", name, wait, want)
		}
	}
}
