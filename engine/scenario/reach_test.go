package scenario_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/scenario"
	"tidegate/providers"
)

// A test reaches nothing but the files of its module.
func TestATestAsksNobody(t *testing.T) {
	dir := write(t, "main.hcl", `
source "http" "far" { url = "http://127.0.0.1:1/x.json" }
source "exec" "prog" {
  command = ["touch", "ran"]
  decode  = "text"
}
source "file" "near" { path = "near.json" }
source "file" "outside" { path = "/etc/hostname.json" }
source "env" "home" { names = ["HOME"] }
source "static" "fixed" { value = { a = 1 } }
source "webhook" "sent" {}
sink "file" "all" {
  path    = "out.json"
  content = jsonencode({ near = source.file.near.value, env = source.env.home.value, fixed = source.static.fixed.value })
}
sink "exec" "prog" { command = ["touch", "ran"] }
`, "near.json", `{"b": 2}`, "app.test.hcl", `
run "unmocked" {
  environment = { HOME = "/home/test" }
  assert {
    condition     = true
    error_message = ""
  }
}
run "mocked" {
  environment = { HOME = "/home/test" }
  mock "source.http.far" { value = {} }
  mock "source.exec.prog" { value = "printed" }
  mock "source.file.outside" { text = "[1]" }
  assert {
    condition = alltrue([
      plan.sources["source.file.near"].value == { b = 2 },
      plan.sources["source.env.home"].value == { HOME = "/home/test" },
      plan.sources["source.exec.prog"].value == "printed",
      plan.sources["source.file.outside"].value == [1],
      plan.sources["source.webhook.sent"].problem == "waiting",
      files["out.json"].content == plan.sinks["sink.file.all"].content,
      apply.programs[0].command == ["touch", "ran"],
    ])
    error_message = "got ${jsonencode(plan.sources)}."
  }
}
`)
	results := runAll(t, dir)
	got := said(results["unmocked"].Diagnostics)
	for _, want := range []string{
		`source.http.far (http://127.0.0.1:1/x.json) would be asked, and a test reaches nothing outside of the module's directory. Add mock "source.http.far"`,
		"source.exec.prog (touch ran) would be asked", "source.file.outside (/etc/hostname.json) would be read outside",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "is not mocked"); n != 3 || results["unmocked"].Status != scenario.Err {
		t.Errorf("%s, %d complaints\n%s", results["unmocked"].Status, n, got)
	}
	if r := results["mocked"]; r.Status != scenario.Pass {
		t.Error(said(r.Diagnostics))
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Errorf("the tests left %v behind, %v", left, err)
	}
}

// A source that reads what a sink writes finds what was written in the test, never what lies
// on the disk.
func TestASourceReadsWhatASinkWrote(t *testing.T) {
	passes(t, "main.hcl", `
source "static" "a" { value = { n = 1 } }
sink "file" "a" {
  path    = "mid/a.json"
  content = jsonencode(source.static.a.value)
}
source "file" "a" { path = "mid/a.json" }
source "file" "dir" {
  path       = "mid"
  depends_on = [sink.file.a]
}
sink "file" "b" {
  path    = "b.json"
  content = jsonencode({ a = source.file.a.value, dir = source.file.dir.value })
}
`, "mid/a.json", `{"n": "stale"}`, "mid/other.json", `{"o": 1}`, "app.test.hcl", `
run "chain" {
  command = apply
  assert {
    condition     = jsondecode(files["b.json"].content) == { a = { n = 1 }, dir = { "a.json" = { n = 1 }, "other.json" = { o = 1 } } }
    error_message = "got ${files["b.json"].content}."
  }
}
run "given" {
  state_key = "given"
  file "mid/more.json" { content = "{\"m\":1}" }
  mock "source.file.a" { value = { n = 5 } }
  command = apply
  assert {
    condition     = keys(plan.sources["source.file.dir"].value) == ["a.json", "more.json", "other.json"] && jsondecode(files["b.json"].content).a.n == 5
    error_message = "got ${jsonencode(plan.sources["source.file.dir"].value)}."
  }
}
`)
}

// A source that is sent its value gets it as a push, at the time of each step.
func TestAPushIsMocked(t *testing.T) {
	hook := `
source "webhook" "flags" {}
source "webhook" "all" { config_name = "*" }
sink "file" "flags" {
  path    = "flags.json"
  content = jsonencode({ flags = source.webhook.flags.value, all = source.webhook.all.value })
}
`
	passes(t, "main.hcl", hook, "app.test.hcl", `
run "pushes" {
  command = apply
  mock "source.webhook.flags" {
    value = { dark = true }
    step {
      at    = "1m"
      value = { dark = false }
    }
  }
  mock "source.webhook.all" {
    value = { a = 1 }
    step {
      at    = "2m"
      text  = "{\"b\": 2}"
    }
  }
  assert {
    condition     = [for r in rounds : r.plan.summary.accept] == [2, 1, 1]
    error_message = "got ${jsonencode([for r in rounds : r.plan.summary])}."
  }
  assert {
    condition     = jsondecode(files["flags.json"].content) == { flags = { dark = false }, all = { a = 1, b = 2 } }
    error_message = "got ${files["flags.json"].content}."
  }
}
run "kept" {
  mock "source.webhook.all" { value = { a = 1 } }
  assert {
    condition     = plan.sources["source.webhook.flags"].value == { dark = false } && !plan.has_changes
    error_message = "got ${jsonencode(plan.sources)}."
  }
}
`)
	for mock, want := range map[string]string{
		`error = "down"`: "source.webhook.flags is sent its value (flags), so there is no look that could fail.",
		`text = "{"`:     "is sent JSON, and this text is none",
	} {
		r := runAll(t, write(t, "main.hcl", hook, "a.test.hcl", "run \"it\" {\n  mock \"source.webhook.flags\" {\n    "+mock+"\n  }\n}\n"))["it"]
		if got := said(r.Diagnostics); r.Status != scenario.Err || !strings.Contains(got, want) {
			t.Errorf("%s: %s\n%s", mock, r.Status, got)
		}
	}
}

// A rule of a kind that asks somebody is mocked, and refused where it is not.
func TestARuleThatAsksIsMocked(t *testing.T) {
	asked := providers.RuleKind("oracle", providers.Doc{}, func() *struct{} { return &struct{}{} },
		func(*struct{}, providers.Env) (providers.Rule, error) { return oracle{}, nil })
	dir := write(t, "main.hcl", `
rule "oracle" "far" {}
source "static" "a" {
  value = 1
  rules = [rule.oracle.far]
}
`, "a.test.hcl", `
run "unmocked" { expect_failures = [source.static.a] }
run "accepts" {
  mock "rule.oracle.far" { findings = [] }
}
run "finds" {
  mock "rule.oracle.far" { findings = ["too small"] }
  assert {
    condition     = plan.findings[0].message == "too small" && plan.sources["source.static.a"].findings == ["too small"]
    error_message = "got ${jsonencode(plan.findings)}."
  }
  expect_failures = [rule.oracle.far]
}
run "broken" {
  mock "rule.oracle.far" { error = "no answer" }
  assert {
    condition     = plan.findings[0].status == "error"
    error_message = "got ${jsonencode(plan.findings)}."
  }
}
`)
	want := map[string]scenario.Status{"unmocked": scenario.Err, "accepts": scenario.Pass, "finds": scenario.Pass, "broken": scenario.Pass}
	got := map[string]scenario.Status{}
	for name, r := range runAll(t, dir, asked) {
		got[name] = r.Status
		if r.Status != want[name] {
			t.Log(said(r.Diagnostics))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

type oracle struct{}

func (oracle) Judge(context.Context, providers.Candidate) ([]providers.Finding, error) {
	panic("a test asked")
}

// Whatever a test says of a secret, it is not shown.
func TestSecretsAreNotShown(t *testing.T) {
	const secret = "correct-horse"
	results := runAll(t, write(t, "main.hcl", service, "a.test.hcl", `
environment = { CONFIG_TOKEN = "bearer-of-secrets" }
mock "source.http.app" { value = { timeout = 1 } }
run "condition" {
  command = apply
  assert {
    condition     = files["out/token"].content == "x" || plan.sinks["sink.file.token"].content == "y"
    error_message = "it is ${files["out/token"].content}"
  }
}
run "error" {
  assert {
    condition     = tonumber(plan.sinks["sink.file.token"].content) == 1 && plan.sinks["sink.file.token"].sensitive
    error_message = "x"
  }
}
run "mocked" {
  mock "source.http.app" { value = { timeout = 1, key = sensitive("correct-horse") } }
  assert {
    condition     = jsonencode(plan.sources["source.http.app"].value) == ""
    error_message = "it is ${jsonencode(plan.sources["source.http.app"].value)}"
  }
}
`))
	for name, r := range results {
		if r.Status == scenario.Pass {
			t.Errorf("%s passes", name)
		}
		for _, d := range r.Diagnostics {
			text := d.Summary + d.Detail
			if d.EvalContext != nil {
				// What the view shows of values is marked, which it respects.
				for _, traversal := range d.Expression.Variables() {
					if v, diags := traversal.TraverseAbs(d.EvalContext); !diags.HasErrors() && !v.ContainsMarked() && v.Type() == cty.String {
						text += v.AsString()
					}
				}
			}
			if strings.Contains(text, secret) || strings.Contains(text, "bearer-of") {
				t.Errorf("%s tells: %s", name, text)
			}
		}
	}
	if got := said(results["condition"].Diagnostics); !strings.Contains(got, "Its message refers to a sensitive value and is not shown") {
		t.Error(got)
	}
	if got := said(results["error"].Diagnostics); !strings.Contains(got, "A sensitive value takes part") {
		t.Error(got)
	}
}
