//go:build unix

package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secretModule takes a secret along every way there is: through variables, locals, functions,
// templates, instances, modules, dynamic blocks, conditions, checks, outputs and messages.
const secretModule = `
variable "secret" {
  type      = string
  sensitive = true
  validation {
    condition     = length(var.secret) > 3
    error_message = "The secret ${var.secret} is too short."
  }
}
variable "token" {
  type      = string
  ephemeral = true
}
locals {
  secret = { deep = [upper(lower(var.secret))], text = "x-${var.secret}-y" }
  loop   = [for s in local.secret.deep : format("%s!", s)]
  drawn  = templatefile("secret.tmpl", { s = local.loop[0] })
  coded  = base64encode(jsonencode(local.secret))
  marked = sensitive("canary-hunter2")
  hidden = { for k, v in { a = local.marked } : k => v }
}
module "inner" {
  source = "./inner"
  secret = local.secret.text
}
source "static" "plain" {
  value = { n = 5, list = ["a", "b"] }
}
source "static" "hidden" {
  value     = { password = "canary-hunter2", n = 1 }
  sensitive = true
  rules     = [rule.assert.hidden]
}
source "exec" "token" {
  command = ["printenv", "PLAIN"]
  env     = { PLAIN = "1", TOKEN = var.token }
  decode  = "json"
  precondition {
    condition     = var.token != ""
    error_message = "The token ${var.token} is empty."
  }
}
rule "assert" "hidden" {
  severity = "warning"
  assertion {
    condition     = value.password == "another"
    error_message = "The password is ${value.password}."
  }
  dynamic "assertion" {
    for_each = [var.secret]
    content {
      condition     = tonumber(assertion.value) > 1
      error_message = "Not ${assertion.value}."
    }
  }
}
sink "file" "many" {
  for_each = { one = 1, two = 2 }
  path     = "many-${each.key}.txt"
  content  = "${local.drawn} ${each.value} ${module.inner.secret}"
}
sink "file" "coded" {
  path    = "coded.txt"
  content = "${local.coded} ${source.static.hidden.value.password} ${local.hidden.a}"
  precondition {
    condition     = length(var.secret) > 3
    error_message = "The secret is ${var.secret}."
  }
}
sink "file" "refused" {
  path    = "refused.txt"
  content = "x"
  dynamic "precondition" {
    for_each = [local.secret.text]
    content {
      condition     = precondition.value == "other"
      error_message = "It is ${precondition.value}."
    }
  }
}
sink "exec" "run" {
  command  = ["true"]
  stdin    = local.secret.text
  triggers = [var.secret, sink.file.coded]
}
check "secret" {
  assert {
    condition     = local.secret.text == "other"
    error_message = "It is ${local.secret.text}."
  }
  assert {
    condition     = tonumber(var.secret) > 1
    error_message = "no"
  }
  assert {
    condition     = parseint(local.secret.text, 10) > 1
    error_message = "no"
  }
}
output "secret" {
  value     = local.secret
  sensitive = true
}
output "size" {
  value = length(nonsensitive(local.secret.deep)) + source.static.plain.value.n
}
`

const secretInner = `
variable "secret" {}
locals { again = "<${var.secret}>" }
output "secret" { value = local.again }
`

// wantNowhere looks for the secret in any spelling that our functions give it.
func wantNowhere(t *testing.T, where, text string) {
	t.Helper()
	wantNoSecret(t, where, text)
	if i := strings.Index(strings.ToLower(text), canary); i >= 0 {
		t.Errorf("the secret is in %s: ...%s...", where, text[max(0, i-120):min(len(text), i+60)])
	}
}

// A secret that went along every way is in no output of any command, whether all goes well or
// not, and not in the state.
func TestSecretIsToldOnNoWay(t *testing.T) {
	m := newModule(t, "main.hcl", secretModule, "inner/main.hcl", secretInner, "secret.tmpl", "drawn: ${s}")
	m.environ = append(m.environ, "TIDEGATE_VAR_secret="+canary, "TIDEGATE_VAR_token="+canary+"-token", "TIDEGATE_LOG=debug")
	tell := func(wants int, args ...string) {
		t.Helper()
		r := m.tool(args...)
		if r.code != wants {
			t.Errorf("%q: exit code %d, want %d\n%s%s", args, r.code, wants, r.stdout, r.stderr)
		}
		wantNowhere(t, strings.Join(args, " "), r.stdout+r.stderr)
	}
	tell(0, "validate")
	tell(0, "validate", "--json")
	for _, format := range []string{"text", "json", "markdown"} {
		tell(1, "plan", "--format", format)
	}
	tell(1, "apply", "--auto-approve")
	if text, _ := m.read("many-one.txt"); !strings.Contains(strings.ToLower(text), canary) {
		t.Fatalf("the secret was not delivered: %q", text)
	}
	if _, delivered := m.read("refused.txt"); delivered {
		t.Error("what a precondition refuses was delivered")
	}
	for _, args := range [][]string{
		{"plan", "--format", "json"},
		{"show"},
		{"show", "--json"},
		{"history", "--json"},
		{"state", "list"},
		{"graph", "--format", "json"},
		{"drift"},
	} {
		r := m.tool(args...)
		wantNowhere(t, strings.Join(args, " "), r.stdout+r.stderr)
	}
	m.write("many-one.txt", "somebody else wrote")
	r := m.tool("plan")
	wantNowhere(t, "a plan with drift", r.stdout+r.stderr)
	for _, text := range m.stateHolds() {
		wantNowhere(t, "the state", text)
	}
	files, err := filepath.Glob(m.path(".tidegate/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		wantNowhere(t, filepath.Base(name), string(data))
	}
}

// Errors about expressions in which a secret takes part tell where, and nothing of the secret.
func TestErrorsTellNoSecret(t *testing.T) {
	for name, expr := range map[string]string{
		"number":      `tonumber(var.secret)`,
		"operator":    `var.secret + 1`,
		"index":       `{ a = 1 }[var.secret]`,
		"regex":       `regex(var.secret, "x")`,
		"json":        `jsondecode(var.secret)`,
		"file":        `file(var.secret)`,
		"template":    `templatestring("$${b} ${var.secret}", { a = 1 })`,
		"lookup":      `lookup({ a = 1 }, var.secret)`,
		"loop":        `[for k in [var.secret] : tonumber(k)]`,
		"conditional": `var.secret ? 1 : 2`,
		"time":        `timeadd("2020-01-01T00:00:00Z", var.secret)`,
		"cidr":        `cidrhost(var.secret, 1)`,
		"format":      `format("%d", var.secret)`,
		"enumeration": `{ (var.secret) = 1 }.b`,
		"keys":        `merge({ (var.secret) = 1 }, { a = 1 }).b`,
		"attribute":   `{ a = var.secret }.a.b`,
		"one":         `one([var.secret, var.secret])`,
		"nested":      `{ a = { b = tonumber("${var.secret}") } }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModule(t, "main.hcl", "variable \"secret\" {\n  sensitive = true\n}\nlocals {\n  a = "+expr+"\n}\nsink \"exec\" \"a\" {\n  command = [\"a\", jsonencode(local.a)]\n}\nrule \"assert\" \"r\" {\n  assertion {\n    condition = value != "+expr+"\n    error_message = \"x ${jsonencode("+expr+")}\"\n  }\n}\nsource \"static\" \"s\" {\n  value = { a = 1 }\n  rules = [rule.assert.r]\n}\n")
			m.environ = append(m.environ, "TIDEGATE_VAR_secret="+canary, "TIDEGATE_LOG=debug")
			for _, args := range [][]string{{"plan"}, {"plan", "--json"}, {"apply", "--auto-approve"}} {
				r := m.tool(args...)
				wantNowhere(t, strings.Join(args, " "), r.stdout+r.stderr)
				if r.code != 1 {
					t.Errorf("%q: exit code %d, want 1\n%s%s", args, r.code, r.stdout, r.stderr)
				}
			}
		})
	}
}
