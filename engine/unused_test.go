//go:build unix

package engine_test

import (
	"strings"
	"testing"
)

func TestUnusedDeclarationsAreWarnings(t *testing.T) {
	m := newModule(t, "main.hcl", `
tidegate {
  listener {
    address = var.listen
  }
}
variable "listen" { default = "127.0.0.1:0" }
variable "idle" {
  default = "a"
  validation {
    condition     = true
    error_message = "no"
  }
}
locals {
  base   = 1
  chain  = local.base
  idle   = local.base
  keys   = {}
  naming = 2
}
detector "hash" "idle" {}
detector "hash" "calm" {}
rule "assert" "idle" {
  assertion {
    condition     = true
    error_message = "no"
  }
}
rule "assert" "ofnone" {
  assertion {
    condition     = true
    error_message = "no"
  }
}
rate_limit "sliding_window" "idle" {
  max = 1
  per = "1m"
}
source "file" "a" {
  path      = "a.json"
  detectors = [detector.hash.calm]
}
sink "file" "none" {
  for_each = local.keys
  path     = each.key
  content  = local.naming
  rules    = [rule.assert.ofnone]
}
output "chain" { value = local.chain }
module "inner" { source = "./inner" }
`, "inner/main.hcl", "locals { idle_inside = 1 }\n", "a.json", `{"a":1}`)
	r := m.tool("validate")
	r.want(t, 0, "Unused variable", "Nothing refers to var.idle.", "Nothing refers to local.idle.", "Nothing refers to detector.hash.idle.",
		"Nothing refers to rule.assert.idle.", "Nothing refers to rate_limit.sliding_window.idle.")
	if n := strings.Count(r.stderr, "Nothing refers to"); n != 5 {
		t.Errorf("%d warnings, want 5:\n%s", n, r.stderr)
	}
	m.tool("validate", "--warnings-as-errors").want(t, 1)
	m.tool("plan").want(t, 0, "Nothing refers to local.idle.")
	if r := m.tool("test"); strings.Contains(r.stderr, "Nothing refers to") {
		t.Errorf("tests tell of what is unused:\n%s", r.stderr)
	}
}
