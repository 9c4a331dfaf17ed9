package scenario_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegate/engine/scenario"
)

// Files of tests may be in the directory and in a second one, in native syntax and in JSON.
func TestWhereTestsAre(t *testing.T) {
	one := func(name string) string {
		return `run "` + name + `" {
  assert {
    condition     = plan.sinks["sink.file.a"].action == "create"
    error_message = "x"
  }
}
`
	}
	dir := write(t, "main.hcl", `
sink "file" "a" {
  path    = "a"
  content = "a"
}
`, "b.test.hcl", one("first"), "tests/a.test.hcl", one("second"), "other/x.test.hcl", one("other"), "c.test.hcl.json", `{
  "run": { "json": {
    "command": "apply",
    "mock": { "sink.file.a": { "error": "disk full" } },
    "expect_failures": ["sink.file.a"],
    "assert": { "condition": "${apply.sinks[\"sink.file.a\"].outcome == \"failed\"}", "error_message": "got ${jsonencode(apply.sinks)}" }
  } }
}`)
	names := func(opts scenario.Options) (out []string) {
		t.Helper()
		s, diags := load(t, dir, opts)
		if diags.HasErrors() {
			t.Fatal(said(diags))
		}
		for _, f := range s.Run(t.Context()).Files {
			for _, r := range f.Runs {
				out = append(out, filepath.ToSlash(f.File.Name)+" "+r.Run.Name+" "+string(r.Status))
				if r.Status != scenario.Pass {
					t.Error(said(r.Diagnostics))
				}
			}
		}
		return out
	}
	want := []string{"b.test.hcl first pass", "c.test.hcl.json json pass", "tests/a.test.hcl second pass"}
	if diff := cmp.Diff(want, names(scenario.Options{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{want[0], want[1], "other/x.test.hcl other pass"}, names(scenario.Options{Directory: "other"})); diff != "" {
		t.Error(diff)
	}
	for filter, want := range map[string][]string{
		"second": want[2:], "b.*": want[:1], "tests/*": want[2:], "*.json": want[1:2], "*o*": {want[1], want[2]}, "b.test.hcl/first": want[:1],
	} {
		if diff := cmp.Diff(want, names(scenario.Options{Filter: []string{filter}})); filter != "*o*" && diff != "" {
			t.Errorf("%s: %s", filter, diff)
		}
	}
	for filter, want := range map[string]string{"secnd": `Did you mean "second"?`, "[": "is no pattern"} {
		if _, diags := load(t, dir, scenario.Options{Filter: []string{filter}}); !strings.Contains(said(diags), want) {
			t.Errorf("%s: %s", filter, said(diags))
		}
	}
	if _, diags := load(t, dir, scenario.Options{Directory: "../x"}); !strings.Contains(said(diags), "not below the directory") {
		t.Error(said(diags))
	}
}

// A run that is picked out of its file builds on what those before it apply.
func TestAPickedRunBuildsOnThoseBefore(t *testing.T) {
	dir := write(t, "main.hcl", service, "a.test.hcl", `
environment = { CONFIG_TOKEN = "t" }
mock "source.http.app" { value = { timeout = 1 } }
run "setup" {
  command = apply
  assert {
    condition     = false
    error_message = "this one is not asked"
  }
}
run "picked" {
  assert {
    condition     = !plan.has_changes
    error_message = "got ${jsonencode(plan.summary)}"
  }
}
run "later" { command = apply }
`)
	s, diags := load(t, dir, scenario.Options{Filter: []string{"picked"}})
	if diags.HasErrors() {
		t.Fatal(said(diags))
	}
	r := s.Run(t.Context())
	if len(r.Files) != 1 || len(r.Files[0].Runs) != 1 || r.Count(scenario.Pass) != 1 {
		t.Error(said(r.Files[0].Runs[0].Diagnostics))
	}
}

// What was not begun when somebody interrupts is skipped.
func TestAnInterruptSkipsTheRest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := write(t, "main.hcl", service, "a.test.hcl", "environment = { CONFIG_TOKEN = \"t\" }\nmock \"source.http.app\" { value = { timeout = 1 } }\nrun \"a\" {}\nrun \"b\" {}\nrun \"c\" {}\n")
	s, diags := load(t, dir, scenario.Options{Events: func(e scenario.Event) {
		if r, is := e.(scenario.RunFinished); is && r.Result.Run.Name == "a" {
			cancel()
		}
	}})
	if diags.HasErrors() {
		t.Fatal(said(diags))
	}
	if r := s.Run(ctx); r.Count(scenario.Pass) != 1 || r.Count(scenario.Skip) != 2 || r.Files[0].Status != scenario.Skip {
		t.Errorf("%d pass, %d are skipped", r.Count(scenario.Pass), r.Count(scenario.Skip))
	}
}
