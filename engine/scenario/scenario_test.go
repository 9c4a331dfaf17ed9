package scenario_test

import (
	"strings"
	"testing"

	"tidegate/engine/scenario"
	"tidegate/hclspec"
)

const service = `
variable "limit" {
  type    = number
  default = 300
  validation {
    condition     = var.limit > 0
    error_message = "limit must be positive, got ${var.limit}."
  }
}
variable "token" {
  type      = string
  sensitive = true
  default   = "correct-horse"
}
rule "assert" "sane" {
  assertion {
    condition     = value.timeout <= var.limit
    error_message = "timeout out of range: ${value.timeout}."
  }
}
rate_limit "sliding_window" "gentle" {
  max = 1
  per = "1m"
}
source "http" "app" {
  url     = "https://config.example.com/app.json"
  headers = { Authorization = "Bearer ${env.CONFIG_TOKEN}" }
  rules   = [rule.assert.sane]
}
sink "file" "app" {
  path        = "/etc/app/config.json"
  content     = jsonencode(source.http.app.value)
  mode        = "0640"
  rate_limits = [rate_limit.sliding_window.gentle]
}
sink "file" "token" {
  path    = "out/token"
  content = var.token
}
sink "exec" "reload" {
  command  = ["systemctl", "reload", "app"]
  triggers = [sink.file.app]
}
sink "http" "announce" {
  url      = "https://hook.example.com/"
  body     = jsonencode({ changes = delivery.changes })
  triggers = [sink.file.app]
}
output "timeout" { value = source.http.app.value.timeout }
`

// What a plan says, and what an apply does, is there for assertions.
func TestPlansAndAppliesAreAsserted(t *testing.T) {
	passes(t, "main.hcl", service, "app.test.hcl", `
environment = { CONFIG_TOKEN = "t" }

run "plan" {
  mock "source.http.app" {
    value   = { timeout = 10 }
    version = "v1"
  }
  assert {
    condition = alltrue([
      plan.sinks["sink.file.app"].action == "create",
      plan.sinks["sink.file.app"].target == "/etc/app/config.json",
      plan.sinks["sink.file.app"].content == "{\"timeout\":10}",
      plan.sinks["sink.file.app"].after.mode == "0640",
      plan.sinks["sink.file.app"].before == null,
      plan.sinks["sink.file.app"].wait == null,
      plan.sinks["sink.file.token"].target == "out/token",
      plan.sinks["sink.exec.reload"].wanted == "create",
      contains(plan.sinks["sink.exec.reload"].depends_on, "sink.file.app"),
      plan.sources["source.http.app"].action == "read",
      plan.sources["source.http.app"].standing == "candidate",
      plan.sources["source.http.app"].value.timeout == 10,
      plan.sources["source.http.app"].version == "v1",
      plan.sources["source.http.app"].previous_version == null,
      length(plan.findings) == 0,
      length(plan.deferrals) == 0,
      plan.summary.add == 4,
      plan.outputs.timeout.action == "create",
      plan.has_changes, !plan.failed,
      output.timeout == 10, var.limit == 300,
      length(files) == 0,
    ])
    error_message = "got ${jsonencode(plan.summary)}."
  }
}

run "apply" {
  command = apply
  mock "source.http.app" { value = { timeout = 10 } }
  assert {
    condition = alltrue([
      apply.programs[0].command == ["systemctl", "reload", "app"],
      apply.programs[0].address == "sink.exec.reload",
      apply.requests[0].url == "https://hook.example.com/",
      length(jsondecode(apply.requests[0].body).changes) == 1,
      [for d in apply.deliveries : d.address if d.kind == "file"] == ["sink.file.token", "sink.file.app"],
      apply.sinks["sink.file.app"].outcome == "delivered",
      apply.summary.added == 4, !apply.failed,
      files["/etc/app/config.json"].content == "{\"timeout\":10}",
      files["/etc/app/config.json"].mode == "0640",
      files["out/token"].content == var.token,
      files["out/token"].mode == "0600",
    ])
    error_message = "got ${jsonencode(apply.deliveries)}."
  }
}

# It finds what the run before has applied, since both have one state.
run "nothing to do" {
  mock "source.http.app" { value = { timeout = 10 } }
  assert {
    condition     = !plan.has_changes && plan.sources["source.http.app"].standing == "accepted"
    error_message = "got ${jsonencode(plan.summary)}."
  }
}

run "deferred" {
  after = "59s"
  mock "source.http.app" { value = { timeout = 20 } }
  assert {
    condition = alltrue([
      plan.sinks["sink.file.app"].action == "no-op",
      plan.sinks["sink.file.app"].wanted == "update",
      plan.sinks["sink.file.app"].wait.kind == "deferred",
      plan.deferrals[0].address == "sink.file.app",
      plan.deferrals[0].on == "rate_limit.sliding_window.gentle",
      plan.deferrals[0].until == timeadd(plan.time, "1s"),
      plan.time == "2026-01-01T12:00:59Z",
    ])
    error_message = "got ${jsonencode(plan.deferrals)}."
  }
}

run "no longer" {
  after = "1s"
  mock "source.http.app" { value = { timeout = 20 } }
  assert {
    condition     = plan.sinks["sink.file.app"].action == "update" && run.deferred.plan.sinks["sink.file.app"].action == "no-op"
    error_message = "got ${plan.sinks["sink.file.app"].action}."
  }
}

run "another state" {
  state_key = "other"
  mock "source.http.app" { value = { timeout = 20 } }
  assert {
    condition     = plan.sinks["sink.file.app"].action == "create" && length(files) == 0
    error_message = "got ${plan.sinks["sink.file.app"].action}."
  }
}

# Whoever asks what apply did need not say that it is to be done.
run "implied" {
  state_key = "implied"
  mock "source.http.app" { value = { timeout = 20 } }
  mock "sink.file.app" { error = "disk full" }
  assert {
    condition = alltrue([
      apply.sinks["sink.file.app"].outcome == "failed",
      strcontains(apply.sinks["sink.file.app"].reason, "disk full"),
      apply.sinks["sink.exec.reload"].outcome == "skipped",
      length(apply.programs) == 0, apply.failed,
      length([for d in apply.diagnostics : d if d.severity == "error"]) == 1,
    ])
    error_message = "got ${jsonencode(apply.sinks)}."
  }
}
`)
}

// Steps of a mock make a run plan and apply at each of them.
func TestSequencesGoOverVirtualTime(t *testing.T) {
	passes(t, "main.hcl", service, "app.test.hcl", `
environment = { CONFIG_TOKEN = "t" }
start       = "2030-06-01T00:00:00Z"

run "sequence" {
  mock "source.http.app" {
    value = { timeout = 10 }
    step {
      at    = "30s"
      value = { timeout = 20 }
    }
    step {
      at    = "40s"
      error = "status 503"
    }
    step {
      at    = "2m"
      value = { timeout = 900 }
    }
    step {
      at   = "3m"
      text = "{\"timeout\": 20,"
    }
  }
  rounds = ["1m"]
  assert {
    condition = [for r in rounds : r.plan.sinks["sink.file.app"].action] == ["create", "no-op", "no-op", "update", "no-op", "no-op"]
    error_message = "got ${jsonencode([for r in rounds : r.plan.sinks["sink.file.app"].action])}."
  }
  assert {
    condition = [for r in rounds : r.plan.sources["source.http.app"].problem] == [null, null, "failed", "failed", "rejected", "failed"]
    error_message = "got ${jsonencode([for r in rounds : r.plan.sources["source.http.app"].problem])}."
  }
  assert {
    condition = alltrue([
      rounds[0].time == "2030-06-01T00:00:00Z", rounds[3].time == "2030-06-01T00:01:00Z",
      rounds[2].plan.sources["source.http.app"].reason == "status 503",
      rounds[4].plan.findings[0].message == "timeout out of range: 900.",
      rounds[4].plan.findings[0].rule == "rule.assert.sane",
      rounds[4].plan.findings[0].object == "source.http.app",
      length(rounds[3].apply.programs) == 1, length(rounds[2].apply.programs) == 0,
      rounds[5].apply == null,
      plan.sources["source.http.app"].value.timeout == 20,
      files["/etc/app/config.json"].content == "{\"timeout\":20}",
    ])
    error_message = "got ${jsonencode(rounds[4].plan.findings)}."
  }
}

# Another version of equal bytes moves nothing.
run "flapping validator" {
  state_key = "flapping"
  mock "source.http.app" {
    value   = { timeout = 10 }
    version = "a"
    step {
      at      = "10m"
      version = "b"
    }
  }
  assert {
    condition     = !plan.has_changes && plan.sources["source.http.app"].version == "a"
    error_message = "got ${jsonencode(plan.sources["source.http.app"])}."
  }
}
`)
}

// Files that are there before a run are met like any other, and what somebody did to them.
func TestFilesThatExistBefore(t *testing.T) {
	passes(t, "main.hcl", service, "app.test.hcl", `
environment = { CONFIG_TOKEN = "t" }
mock "source.http.app" { value = { timeout = 10 } }

run "an existing file is updated" {
  file "/etc/app/config.json" {
    content = "{}"
    mode    = "0600"
  }
  file "out/token" { content = var.token }
  assert {
    condition     = plan.sinks["sink.file.app"].action == "update" && plan.sinks["sink.file.token"].action == "adopt"
    error_message = "got ${plan.sinks["sink.file.app"].action}."
  }
  command = apply
}

run "drift" {
  file "/etc/app/config.json" { content = "mine" }
  assert {
    condition     = plan.sinks["sink.file.app"].repair && plan.sinks["sink.file.app"].drift.content
    error_message = "got ${jsonencode(plan.sinks["sink.file.app"].drift)}."
  }
}

run "mode" {
  file "/etc/app/config.json" {
    content = "{\"timeout\":10}"
    mode    = "0666"
  }
  command = apply
  assert {
    condition     = rounds[0].plan.sinks["sink.file.app"].drift.differs == ["mode is 0666, want 0640"] && files["/etc/app/config.json"].mode == "0640"
    error_message = "got ${jsonencode(plan.sinks["sink.file.app"].drift)}."
  }
}

run "missing" {
  file "/etc/app/config.json" { absent = true }
  assert {
    condition     = plan.sinks["sink.file.app"].drift.missing
    error_message = "got ${jsonencode(plan.sinks["sink.file.app"].drift)}."
  }
}
`)
}

// Variables, environment and mocks of a run win over those of its file, and what the command
// line says over neither.
func TestARunOverridesItsFile(t *testing.T) {
	dir := write(t, "main.hcl", service, "tidegate.hclvars", "limit = 5\n", "app.test.hcl", `
environment = { CONFIG_TOKEN = "t" }
mock "source.http.app" { value = { timeout = 10 } }
variables { limit = 100 }

run "of the file" {
  assert {
    condition     = var.limit == 100 && env.CONFIG_TOKEN == "t" && output.timeout == 10
    error_message = "got ${var.limit}."
  }
}
run "of the run" {
  variables { limit = var.limit + 1 }
  environment = { CONFIG_TOKEN = "u" }
  mock "source.http.app" { value = { timeout = var.limit } }
  assert {
    condition     = var.limit == 101 && env.CONFIG_TOKEN == "u" && output.timeout == 101
    error_message = "got ${var.limit}."
  }
}
`)
	opts := scenario.Options{}
	opts.Engine.Flags = []hclspec.InputFlag{{Name: "var", Value: "limit=7"}}
	s, diags := load(t, dir, opts)
	if diags.HasErrors() {
		t.Fatal(said(diags))
	}
	if r := s.Run(t.Context()); r.Count(scenario.Pass) != 2 {
		t.Error(said(r.Files[0].Runs[0].Diagnostics), said(r.Files[0].Runs[1].Diagnostics))
	}
}

const expecting = `
environment = { CONFIG_TOKEN = "t" }
`

// With expect_failures what it names has to fail, and nothing else may. Without it, failures
// are what assertions are about; without those either, nothing may fail.
func TestExpectedFailures(t *testing.T) {
	bad, good := `mock "source.http.app" { value = { timeout = 900 } }`, `mock "source.http.app" { value = { timeout = 9 } }`
	for name, c := range map[string]struct {
		run  string
		want scenario.Status
		says string
	}{
		"by the rule":           {bad + "\nexpect_failures = [rule.assert.sane]", scenario.Pass, ""},
		"by the source":         {bad + "\nexpect_failures = [source.http.app]", scenario.Pass, ""},
		"did not happen":        {good + "\nexpect_failures = [source.http.app]", scenario.Fail, "Expected failure did not happen; source.http.app was to fail"},
		"something else":        {bad + "\nexpect_failures = [sink.file.app]", scenario.Fail, "Unexpected failure; source.http.app rejected: refused by rule.assert.sane"},
		"nothing may":           {bad + "\nexpect_failures = []", scenario.Fail, "Unexpected failure; source.http.app rejected"},
		"nothing asserted":      {bad, scenario.Fail, "timeout out of range: 900. If that is what the run is about, name source.http.app"},
		"nothing asserted, all": {good, scenario.Pass, ""},
		"asserted": {bad + `
  assert {
    condition     = plan.sinks["sink.file.app"].action == "no-op"
    error_message = "x"
  }`, scenario.Pass, ""},
		"a failed look":                   {`mock "source.http.app" { error = "status 404" }` + "\nexpect_failures = [source.http.app]", scenario.Pass, ""},
		"a variable":                      {good + "\nvariables { limit = -1 }\nexpect_failures = [var.limit]", scenario.Pass, ""},
		"a variable's type":               {good + "\nvariables { limit = \"many\" }\nexpect_failures = [var.limit]", scenario.Pass, ""},
		"a bad variable":                  {good + "\nvariables { limit = -1 }", scenario.Err, "limit must be positive, got -1."},
		"another one":                     {good + "\nvariables { limit = -1 }\nexpect_failures = [var.limit, source.http.app]", scenario.Fail, "before it came to that"},
		"a delivery":                      {good + "\n  command = apply\n  mock \"sink.exec.reload\" { error = \"exit status 1\" }\nexpect_failures = [sink.exec.reload]", scenario.Pass, ""},
		"a delivery that is only planned": {good + "\n  mock \"sink.exec.reload\" { error = \"exit status 1\" }\nexpect_failures = [sink.exec.reload]", scenario.Fail, "sink.exec.reload was to fail in this run, and did not. This run only plans"},
		"a mistake in data":               {`mock "source.http.app" { value = { timeout = 1, x = "y" } }` + "\nexpect_failures = [output.timeout]", scenario.Fail, "output.timeout was to fail"},
		"a missing key":                   {`mock "source.http.app" { value = { timeout = null } }` + "\nassert {\ncondition = true\nerror_message = \"\"\n}", scenario.Pass, ""},
		"a value that lacks":              {`mock "source.http.app" { value = { other = 1 } }` + "\nexpect_failures = [rule.assert.sane]", scenario.Pass, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := runAll(t, write(t, "main.hcl", service, "app.test.hcl", expecting+"run \"it\" {\n"+c.run+"\n}\n"))["it"]
			if got := said(r.Diagnostics); r.Status != c.want || !strings.Contains(got, c.says) {
				t.Errorf("%s, want %s with %q\n%s", r.Status, c.want, c.says, got)
			}
		})
	}
}

// A fallback stands in as it does in earnest, and the formats of texts are those of the source.
func TestTheRestOfASourceIsReal(t *testing.T) {
	passes(t, "main.hcl", `
source "http" "app" {
  url      = "https://config.example.com/app.yaml"
  fallback = { a = 0 }
}
source "http" "text" {
  url       = "https://config.example.com/text"
  decode    = "text"
  max_bytes = 10
}
source "http" "typed" { url = "https://config.example.com/typed" }
sink "file" "app" {
  path    = "out"
  content = "${source.http.app.value.a} ${source.http.app.text}"
}
`, "app.test.hcl", `
mock "source.http.app" { error = "status 503" }
mock "source.http.text" { value = "hello" }
mock "source.http.typed" {
  text         = "b: 1"
  content_type = "application/yaml"
}

run "fallback" {
  assert {
    condition     = plan.sources["source.http.app"].standing == "fallback" && plan.sinks["sink.file.app"].content == "0 {\"a\":0}"
    error_message = "got ${plan.sources["source.http.app"].standing}."
  }
  assert {
    condition     = plan.sources["source.http.text"].value == "hello" && plan.sources["source.http.typed"].value == { b = 1 }
    error_message = "got ${jsonencode(plan.sources)}."
  }
}
run "yaml" {
  mock "source.http.app" { text = "a: 1 # one\n" }
  mock "source.http.text" { value = "more than ten" }
  mock "source.http.typed" {
    text         = "<html>"
    content_type = "text/html"
  }
  assert {
    condition     = plan.sinks["sink.file.app"].content == "1 a: 1 # one\n"
    error_message = "got ${plan.sinks["sink.file.app"].content}."
  }
  expect_failures = [source.http.text, source.http.typed]
}
run "duplicate keys" {
  mock "source.http.app" { text = "{\"a\": 1, \"a\": 2}" }
  expect_failures = [source.http.app]
}
`)
}
