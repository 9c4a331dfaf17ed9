//go:build unix

package engine_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tidegate/engine"
)

const checkedModule = `
source "file" "app" { path = "app.json" }
source "file" "extra" {
  path     = "extra.json"
  fallback = { n = 0 }
}
sink "file" "out" {
  path    = "out.json"
  content = source.file.app.text
}
check "size" {
  assert {
    condition     = source.file.app.value.n < 10
    error_message = "n is ${source.file.app.value.n}, and ten is too many."
  }
  assert {
    condition     = source.file.app.value.n >= 0
    error_message = "n is negative"
  }
}
check "fresh" {
  assert {
    condition     = !source.file.extra.stale
    error_message = "The extra file is stale."
  }
}
`

// Whatever becomes of a check, everything is done as without it.
func TestChecksOnlyWarn(t *testing.T) {
	m := newModule(t, "main.hcl", checkedModule, "app.json", `{"n":5}`, "extra.json", `{"n":1}`)
	m.tool("validate").want(t, 0)
	r := m.tool("apply", "--auto-approve")
	r.want(t, 0, "1 added")
	if strings.Contains(r.stdout+r.stderr, "check.") {
		t.Errorf("checks that hold are told of:\n%s%s", r.stdout, r.stderr)
	}

	m.write("app.json", `{"n":12}`)
	m.tool("plan").want(t, 0, "check.size does not hold", "n is 12, and ten is too many.", "Warning: Check failed", "source.file.app.value.n is 12")
	m.tool("plan", "--format", "markdown").want(t, 0, "check.size does not hold", "n is 12, and ten is too many.")
	var out struct {
		Checks []struct {
			Address struct{ Kind, Name string }
			Status  string
		}
		Errored bool
	}
	if err := json.Unmarshal([]byte(m.tool("plan", "--json").stdout), &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Checks) != 2 || out.Checks[0].Status != "pass" || out.Checks[1].Status != "fail" || out.Checks[1].Address.Name != "size" || out.Checks[1].Address.Kind != "check" || out.Errored {
		t.Errorf("checks: %+v", out)
	}
	m.tool("apply", "--auto-approve").want(t, 0, "Check failed")
	m.wantFile("out.json", `{"n":12}`)
	m.tool("plan", "--warnings-as-errors").want(t, 1, "Check failed")

	// An error inside of a condition is a warning, too.
	m.write("app.json", `{"n":"many"}`)
	m.tool("apply", "--auto-approve").want(t, 0, "assertion 1 cannot be evaluated")
	m.wantFile("out.json", `{"n":"many"}`)
}

// What cannot be judged is told by the plan; why it cannot stands where the value is missing.
func TestCheckOfWhatIsNotKnown(t *testing.T) {
	m := newModule(t, "main.hcl", checkedModule, "extra.json", `{"n":1}`)
	r := m.tool("plan")
	r.want(t, 1, "check.size cannot be judged", "source.file.app has no value")
	if strings.Contains(r.stderr, "Check failed") {
		t.Errorf("one cause makes two complaints:\n%s", r.stderr)
	}
}

func TestBadChecks(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		parts []string
	}{
		"reference":     {"check \"a\" {\n assert {\n condition = local.nothing\n error_message = \"\"\n }\n}", []string{"local.nothing is not declared"}},
		"function":      {"check \"a\" {\n assert {\n condition = legnth(\"a\") > 1\n error_message = \"\"\n }\n}", []string{"legnth", `"length"`}},
		"another block": {"check \"a\" {\n assertion {\n condition = true\n error_message = \"\"\n }\n}", []string{"A check holds assert blocks"}},
		"no assertions": {"check \"a\" {}", []string{"at least one assert block"}},
		"no message":    {"check \"a\" {\n assert { condition = true }\n}", []string{"error_message"}},
		"candidate":     {"check \"a\" {\n assert {\n condition = value.x\n error_message = \"\"\n }\n}", []string{"value is known only"}},
		"twice":         {"check \"a\" {\n assert {\n condition = true\n error_message = \"\"\n }\n}\ncheck \"a\" {\n assert {\n condition = true\n error_message = \"\"\n }\n}", []string{"Duplicate check"}},
		"label":         {"check {\n}", []string{`check "NAME"`}},
		"referred to":   {"locals { a = check.b }", []string{"A check has no value"}},
		"scoped data":   {"check \"a\" {\n data \"http\" \"x\" {}\n}", []string{"data"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", c.text+"\n")
			m.tool("validate").want(t, 1, append(c.parts, "main.hcl")...)
		})
	}
}

// A daemon judges a check when what it is about moves, and tells when its result does.
func TestDaemonJudgesChecks(t *testing.T) {
	m := newModule(t, "main.hcl", checkedModule, "app.json", `{"n":5}`, "extra.json", `{"n":1}`)
	log := &logText{}
	d := m.watch(log.option)
	status := func(name string) string {
		s, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range s.Checks {
			if c.Address.String() == name {
				return c.Status
			}
		}
		return ""
	}
	d.await("all checks hold", func() bool { return status("check.size") == "pass" && status("check.fresh") == "pass" })
	m.replace("app.json", `{"n":12}`)
	d.await("the size is too large", func() bool { return status("check.size") == "fail" })
	d.awaitFile("out.json", `{"n":12}`)
	m.replace("extra.json", `{"n":`)
	d.await("the extra file is stale", func() bool { return status("check.fresh") == "fail" })
	m.replace("extra.json", `{"n":1}`)
	m.replace("app.json", `{"n":6}`)
	d.await("all checks hold again", func() bool { return status("check.size") == "pass" && status("check.fresh") == "pass" })
	if n := log.count("check does not hold"); n < 2 || log.count("n is 12, and ten is too many.") != 1 {
		t.Errorf("the log tells of %d checks that do not hold", n)
	}
	var last engine.CheckState
	for _, ev := range events[engine.CheckState](d) {
		if ev.Address.Name == "size" {
			last = ev
		}
	}
	if last.From != "fail" || last.To != "pass" {
		t.Errorf("the last event is %+v", last)
	}

	// Checks that are gone are told of no more, new ones are judged at once.
	m.replace("main.hcl", "check \"other\" {\n  assert {\n    condition     = false\n    error_message = \"No.\"\n  }\n}\n")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.await("the new check is judged", func() bool { return status("check.other") == "fail" && status("check.size") == "" })
}
