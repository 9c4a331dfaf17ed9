//go:build unix

package engine_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

const gatedModule = `
source "file" "flags" { path = "flags.json" }
source "http" "app" {
  url = "URL/app.json"
  precondition {
    condition     = source.file.flags.value.open
    error_message = "The gate is shut by ${source.file.flags.value.who}."
  }
  precondition {
    condition     = source.file.flags.value.who != ""
    error_message = "Nobody has opened it."
  }
}
sink "file" "out" {
  path    = "out.json"
  content = source.http.app.text
}
`

// A source is looked at only while its preconditions hold. While they do not, nothing is asked,
// all that speaks against it is told, and the accepted value stays.
func TestPreconditionsOfASource(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"n":` + string(rune('0'+asked.Add(1))) + `}`))
	}))
	defer server.Close()
	m := newModule(t, "main.hcl", strings.ReplaceAll(gatedModule, "URL", server.URL), "flags.json", `{"open":false,"who":""}`)
	m.tool("validate").want(t, 0)
	r := m.tool("plan")
	r.want(t, 1, "its precondition does not hold: The gate is shut by ; Nobody has opened it.", "Nothing was ever accepted", "precondition 2: failed")
	if asked.Load() != 0 || exists(m.path("out.json")) {
		t.Fatal("the source was looked at")
	}

	m.write("flags.json", `{"open":true,"who":"ops"}`)
	m.mustApply()
	m.wantFile("out.json", `{"n":1}`)
	p, _ := m.plan()
	if checks := sourceChange(t, p, "source.http.app").Checks; len(checks) != 2 || checks[0].Status != "pass" || !checks[1].Precondition {
		t.Errorf("checks: %+v", checks)
	}

	before := asked.Load()
	m.write("flags.json", `{"open":false,"who":"ops"}`)
	m.tool("apply", "--auto-approve").want(t, 1, "The gate is shut by ops.", "The accepted value stays in use.")
	m.wantFile("out.json", `{"n":1}`)
	if asked.Load() != before {
		t.Error("the source was looked at although its precondition does not hold")
	}

	// What cannot be judged neither holds nor fails.
	m.write("main.hcl", strings.ReplaceAll(strings.ReplaceAll(gatedModule, "URL", server.URL), "file.flags", "file.other")+"source \"file\" \"other\" { path = \"nothing.json\" }\n")
	m.tool("plan").want(t, 1, "a precondition cannot be judged", "source.file.other has no value")
}

func TestBadPreconditionsOfASource(t *testing.T) {
	for name, c := range map[string]struct {
		condition, message string
		parts              []string
	}{
		"candidate": {"value.a", `""`, []string{"value is known only"}},
		"itself":    {"source.file.a.value.a", `""`, []string{"Cycle", "source.file.a"}},
		"unknown":   {"local.nothing", `""`, []string{"local.nothing is not declared"}},
		"function":  {"bcrypt(\"a\") == \"\"", `""`, []string{"bcrypt"}},
		"message":   {"true", `local.b`, []string{"local.b is not declared"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", "source \"file\" \"a\" {\n path = \"x\"\n precondition {\n condition = "+c.condition+"\n error_message = "+c.message+"\n }\n}\n")
			m.tool("validate").want(t, 1, append(c.parts, "main.hcl")...)
		})
	}
	m := newModule(t, "main.hcl", "source \"file\" \"a\" {\n path = \"x\"\n precondition { condition = true }\n}\n")
	m.tool("validate").want(t, 1, "error_message")
}

// A daemon looks as soon as the precondition holds, and not before.
func TestDaemonLooksWhenThePreconditionHolds(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "gate" {
  path     = "gate.json"
  interval = "100ms"
}
source "file" "app" {
  path     = "app.json"
  interval = "100ms"
  precondition {
    condition     = source.file.gate.value.open
    error_message = "The gate is shut."
  }
}
sink "file" "out" {
  path    = "out.json"
  content = source.file.app.text
}
`, "gate.json", `{"open":true}`, "app.json", `{"a":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"a":1}`)
	m.replace("gate.json", `{"open":false}`)
	d.await("the gate is shut", func() bool { return strings.Contains(d.source("source.file.app").Reason, "The gate is shut") })
	m.replace("app.json", `{"a":2}`)
	looks := d.source("source.file.app").Looks
	d.await("it was looked at again", func() bool { return d.source("source.file.app").Looks > looks })
	m.wantFile("out.json", `{"a":1}`)
	m.replace("gate.json", `{"open":true}`)
	d.awaitFile("out.json", `{"a":2}`)
}
