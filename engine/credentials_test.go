package engine_test

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

func TestCredentialsOfTheEnvironmentAreToldOf(t *testing.T) {
	const sources = `
source "env" "named" { names = ["DB_USER", "DB_PASSWORD"] }
source "env" "prefixed" { prefix = "MYAPP_" }
source "env" "marked" {
  names     = ["DB_PASSWORD"]
  sensitive = true
}
source "static" "copy" { value = env.DB_PASSWORD }
locals {
  named  = source.env.named.value
  direct = env.DB_PASSWORD
  user   = source.env.named.value.DB_USER
}
`
	for content, want := range map[string][]string{
		`env.DB_PASSWORD`:                                          {"env.DB_PASSWORD looks", "sensitive(env.DB_PASSWORD)"},
		`local.direct`:                                             {"env.DB_PASSWORD looks"},
		`source.static.copy.value`:                                 {"env.DB_PASSWORD looks"},
		`source.env.named.value.DB_PASSWORD`:                       {"DB_PASSWORD of source.env.named looks", "content of sink.file.app", "sensitive = true on source.env.named"},
		`source.env.named.value["DB_PASSWORD"]`:                    {"DB_PASSWORD of source.env.named"},
		`jsonencode(source.env.named.value)`:                       {"DB_PASSWORD of source.env.named"},
		`jsonencode(merge(local.named, {}))`:                       {"DB_PASSWORD of source.env.named"},
		`source.env.named.text`:                                    {"DB_PASSWORD of source.env.named"},
		`local.named.DB_PASSWORD`:                                  {"DB_PASSWORD of source.env.named"},
		`jsonencode(source.env.prefixed.value)`:                    {"MYAPP_TOKEN of source.env.prefixed"},
		`source.env.prefixed.value.MYAPP_TOKEN`:                    {"MYAPP_TOKEN of source.env.prefixed"},
		`source.env.named.value.DB_USER`:                           nil,
		`local.named.DB_USER`:                                      nil,
		`local.user`:                                               nil,
		`source.env.named.version`:                                 nil,
		`source.env.prefixed.value.MYAPP_PORT`:                     nil,
		`source.env.marked.value.DB_PASSWORD`:                      nil,
		`jsonencode(source.env.marked.value)`:                      nil,
		`sensitive(source.env.named.value.DB_PASSWORD)`:            nil,
		`sensitive(env.DB_PASSWORD)`:                               nil,
		`sha256(sensitive(source.env.named.value["DB_PASSWORD"]))`: nil,
	} {
		m := newModule(t, "main.hcl", sources+"sink \"file\" \"app\" {\n  path    = \"out\"\n  content = "+content+"\n}\n")
		m.environ = append(m.environ, "DB_USER=u", "DB_PASSWORD=canary-hunter2", "MYAPP_TOKEN=canary-hunter3", "MYAPP_PORT=80", "OTHER_TOKEN=x")
		e, diags := m.load()
		e.Close()
		if diags.HasErrors() {
			t.Fatalf("%s: %s", content, texts(diags))
		}
		var warnings hcl.Diagnostics
		for _, d := range diags {
			if d.Summary == "Credential is not marked as sensitive" {
				warnings = append(warnings, d)
			}
		}
		if len(warnings) != min(len(want), 1) {
			t.Errorf("%s: %d warnings: %s", content, len(warnings), texts(warnings))
		}
		for _, part := range want {
			if !strings.Contains(texts(warnings), part) {
				t.Errorf("%s: no warning says %q: %s", content, part, texts(warnings))
			}
		}
		if strings.Contains(texts(diags), "canary") {
			t.Errorf("%s: a warning shows the value: %s", content, texts(diags))
		}
	}
}
