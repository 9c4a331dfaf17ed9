package scenario_test

import (
	"fmt"
	"strings"
	"testing"

	"tidegate/engine/scenario"
)

// What is wrong with a file of tests is found before anything is run, with its place and a way
// out, all of it at once.
func TestMistakesInFilesOfTests(t *testing.T) {
	run := func(text string) string { return "run \"a\" {\n" + text + "\n}\n" }
	assert := func(condition string) string {
		return run("assert {\n  condition = " + condition + "\n  error_message = \"x\"\n}")
	}
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf(`"%ds"`, i)
	}
	for text, want := range map[string]string{
		`run "a" {`:                            "a.test.hcl:1,9-10: Unclosed configuration block",
		`rum "a" {}`:                           `a.test.hcl:1,1-4: Unsupported block type; Blocks of type "rum" are not expected here. Did you mean "run"?`,
		`run {}`:                               "a.test.hcl:1,5-6: Missing name for run",
		run("") + run(""):                      "Duplicate run",
		`run "" {}`:                            "Missing name",
		"variables { limt = 1 }":               "a.test.hcl:1,13-17: Undeclared variable; var.limt is not declared. Did you mean var.limit?",
		`mock "source.http.ap" {}`:             "a.test.hcl:1,6-22: Undeclared source; source.http.ap is not declared. Did you mean source.http.app?",
		`mock "rule.assert.sane" {}`:           `a.test.hcl:1,6-24: Cannot be mocked; A rule "assert" asks nobody`,
		`mock "var.limit" {}`:                  "Cannot be mocked; var.limit meets nothing outside.",
		`mock "http.app" {}`:                   "is no address of a block",
		`mock "source.http.app" {}`:            "Mock says nothing; Say what source.http.app meets from the beginning: value = {...}",
		`mock "source.http.app" { valeu = 1 }`: `An argument named "valeu" is not expected here. Did you mean "value"?`,
		`mock "sink.file.app" { value = 1 }`:   `An argument named "value" is not expected here.`,
		"mock \"source.http.app\" {\n  value = 1\n  error = \"x\"\n}":                                 "Conflicting arguments",
		"mock \"source.http.app\" {\n  step {\n    at = \"1s\"\n    value = 1\n  }\n}":                "Mock says nothing",
		"mock \"source.http.app\" {\n  value = 1\n  step {\n    at = \"0s\"\n    value = 1\n  }\n}":   "Steps out of order; This step is at 0s, and the one before it at 0s.",
		"mock \"source.http.app\" {\n  value = 1\n  step { value = 1 }\n}":                            `The argument "at" is required`,
		"mock \"source.http.app\" {\n  value = 1\n  step {\n    at = \"soon\"\n    value = 1\n  }\n}": `a.test.hcl:4,10-16: Invalid duration; "soon" is no duration`,
		"mock \"source.http.app\" {\n  value = 1\n  step {\n    at = \"1s\"\n  }\n}":                  "Mock says nothing",
		"mock \"source.http.app\" { value = 1 }\nmock \"source.http.app\" { value = 1 }":              "Duplicate mock",
		`mock "source.http.app" { value = plan.sinks }`:                                               "a.test.hcl:1,34-38: Unknown name; Nothing is called plan here. In scope are env, path, run, var.",
		`file "x" {}`: "Missing content",
		"file \"x\" {\n  content = \"\"\n  absent = true\n}":         "Conflicting arguments",
		"file \"x\" { absent = true }\nfile \"x\" { absent = true }": "Duplicate file",
		run(`command = destroy`):                                     "a.test.hcl:2,11-18: Invalid command; The command of a run is plan or apply.",
		run(`after = "-1s"`):                                         "Invalid duration",
		run(`after = 5`):                                             "Invalid duration; A duration is a text",
		run(`after = "100000h"`):                                     "Invalid duration",
		run(`rounds = "1s"`):                                         "Invalid rounds",
		run("rounds = [" + strings.Join(many, ", ") + "]"):           "Too many rounds; One run goes through at most 1000 rounds, and this lists 1001.",
		run(`expect_failures = "x"`):                                 "Not a list of addresses",
		run(`expect_failures = ["x"]`):                               "Not an address",
		run(`expect_failures = [source.http.ap]`):                    "a.test.hcl:2,20-34: Undeclared source; source.http.ap is not declared. Did you mean source.http.app?",
		run(`expect_failures = [rate_limit.sliding_window.gentle]`):  "Cannot fail",
		run(`assert { condition = true }`):                           `The argument "error_message" is required`,
		assert("plna.sinks"):                                         `a.test.hcl:3,15-19: Unknown name; Nothing is called plna here. Did you mean "plan"?`,
		assert("source.http.app.value"):                              `What the plan says of a source is plan.sources["source.KIND.NAME"].`,
		assert("local.x"):                                            "A test looks at what comes out",
		assert("plan.snks"):                                          `a.test.hcl:3,19-24: Unknown attribute; There is no attribute "snks" of a plan. Did you mean "sinks"?`,
		assert(`plan.sinks["sink.file.ap"].action`):                  `a.test.hcl:3,25-41: Undeclared sink; sink.file.ap is not declared. Did you mean sink.file.app?`,
		assert(`plan.sinks["file.app"].action`):                      "Not an address",
		assert(`plan.sinks["sink.file.app"].acton`):                  `a.test.hcl:3,42-48: Unknown attribute; There is no attribute "acton" of a sink of a plan. Did you mean "action"?`,
		assert(`plan.sources["source.http.app"].valu`):               `Did you mean "value"?`,
		assert(`var.limt`):                                           "Did you mean var.limit?",
		assert(`output.timout`):                                      "Did you mean output.timeout?",
		"run \"a\" {\n  assert {}\n  assert {}\n}\nrum {}":           "Blocks of type \"rum\" are not expected here",
	} {
		_, diags := load(t, write(t, "main.hcl", service, "a.test.hcl", text), scenario.Options{})
		if got := said(diags); !strings.Contains(got, want) {
			t.Errorf("%s\n%swant %s", text, got, want)
		}
	}
}

// What comes out only while a run is under way is an error of that run, and the others go on.
func TestMistakesInRuns(t *testing.T) {
	for text, want := range map[string]string{
		"assert {\n  condition = nosuch(1)\n  error_message = \"\"\n}":                                             "Call to unknown function",
		"assert {\n  condition = 5\n  error_message = \"\"\n}":                                                     "Invalid condition; A condition must be true or false.",
		"assert {\n  condition = null\n  error_message = \"\"\n}":                                                  "Invalid condition",
		"assert {\n  condition = rounds[0].plan.sinks[\"sink.file.ap\"].action == \"\"\n  error_message = \"\"\n}": `Did you mean "sink.file.app"?`,
		"assert {\n  condition = files[\"out/tokn\"].content == \"\"\n  error_message = \"\"\n}\ncommand = apply":  `Did you mean "out/token"?`,
		"assert {\n  condition = files[\"none\"].content == \"\"\n  error_message = \"\"\n}":                       "This run only plans: with command = apply it also applies.",
		"command = apply\nassert {\n  condition = env.NONE_SUCH == \"\"\n  error_message = \"\"\n}":                "Unsupported attribute",
		"assert {\n  condition = output.timeout.x == \"\"\n  error_message = \"\"\n}":                              "Unsupported attribute",
		"assert {\n  condition = rounds[0].apply.failed\n  error_message = \"\"\n}":                                "Attempt to get attribute from null value",
		"assert {\n  condition = run.x == \"\"\n  error_message = \"\"\n}":                                         "There is nothing in it.",
		"command = plan\nassert {\n  condition = apply.failed\n  error_message = \"\"\n}":                          "This run only plans: with command = apply it also applies.",
		"assert {\n  condition = false\n  error_message = nosuch(1)\n}":                                            "Call to unknown function",
		"assert {\n  condition = run.before.plan.failed\n  error_message = \"\"\n}":                                "There is nothing in it.",
		"mock \"source.http.app\" { value = nosuch(1) }":                                                           "Call to unknown function",
		"mock \"source.http.app\" { text = 5 }":                                                                    "Invalid text; text is a text.",
		"mock \"source.http.app\" { error = \"\" }":                                                                "Empty error",
		"environment = 5":                                     "Invalid environment",
		"environment = { A = 1 }":                             "Invalid environment",
		"variables { limit = var.none }":                      "var.none is not declared",
		"file \"x\" { content = 5 }":                          "Unsuitable value; This is a text.",
		"file \"x\" {\n  content = \"\"\n  mode = \"999\"\n}": `"999" is no octal text`,
		"file \"x\" { absent = false }":                       "Missing content",
	} {
		dir := write(t, "main.hcl", service, "a.test.hcl", "environment = { CONFIG_TOKEN = \"t\" }\nmock \"source.http.app\" { value = { timeout = 1 } }\nrun \"wrong\" {\n"+text+"\n}\nrun \"right\" {}\n")
		s, diags := load(t, dir, scenario.Options{})
		if diags.HasErrors() {
			if got := said(diags); !strings.Contains(got, want) {
				t.Errorf("%s\n%swant %s", text, got, want)
			}
			continue
		}
		r := s.Run(t.Context()).Files[0]
		if got := said(r.Runs[0].Diagnostics); r.Runs[0].Status != scenario.Err || !strings.Contains(got, want) {
			t.Errorf("%s\n%s: %swant %s", text, r.Runs[0].Status, got, want)
		}
		if r.Runs[1].Status != scenario.Pass || r.Status != scenario.Err {
			t.Errorf("%s\nthe run after it: %s", text, said(r.Runs[1].Diagnostics))
		}
	}
}

// A mistake of the configuration that comes out with data is an error of the run, unless it
// expects that block to fail.
func TestMistakesOfTheConfiguration(t *testing.T) {
	config := "source \"file\" \"a\" { path = \"a.json\" }\nsink \"file\" \"a\" {\n  path = \"a\"\n  content = source.file.a.value.text\n}\n"
	for text, want := range map[string]scenario.Status{
		"assert {\n  condition = plan.sinks[\"sink.file.a\"].action == \"no-op\"\n  error_message = \"\"\n}": scenario.Err,
		"expect_failures = [sink.file.a]": scenario.Pass,
	} {
		dir := write(t, "main.hcl", config, "a.test.hcl", "run \"a\" {\n  mock \"source.file.a\" { value = { other = 1 } }\n"+text+"\n}\n")
		r := runAll(t, dir)["a"]
		if got := said(r.Diagnostics); r.Status != want || want == scenario.Err && !strings.Contains(got, "main.hcl:4,32-37: Unsupported attribute") {
			t.Errorf("%s\n%s, want %s\n%s", text, r.Status, want, got)
		}
	}
	if _, diags := load(t, write(t, "main.hcl", "sink \"fiel\" \"a\" {}\n", "a.test.hcl", "run \"a\" {}\n"), scenario.Options{}); !strings.Contains(said(diags), `Did you mean "file"?`) {
		t.Error(said(diags))
	}
	// A required variable without a value, and a missing environment variable.
	dir := write(t, "main.hcl", "variable \"v\" {}\nsink \"file\" \"a\" {\n  path = \"a\"\n  content = \"${var.v} ${env.NOT_SET}\"\n}\n", "a.test.hcl", `
run "nothing" {}
run "variable" {
  variables { v = "x" }
}
run "both" {
  variables { v = "x" }
  environment = { NOT_SET = "now it is" }
}
`)
	results := runAll(t, dir)
	for name, want := range map[string]string{"nothing": "No value for required variable", "variable": "NOT_SET is not set in the environment", "both": ""} {
		if got := said(results[name].Diagnostics); !strings.Contains(got, want) || (want == "") != (results[name].Status == scenario.Pass) {
			t.Errorf("%s: %s\n%s", name, results[name].Status, got)
		}
	}
}

// A sequence without an end ends.
func TestSequencesAreBounded(t *testing.T) {
	var steps strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&steps, "    step {\n      at    = \"%ds\"\n      value = %d\n    }\n", i+1, i)
	}
	for text, want := range map[string]string{
		"run \"a\" {\n  mock \"source.static.a\" {\n    value = 0\n" + steps.String() + "  }\n}\n": "Too many rounds",
		"run \"a\" { after = \"80000h\" }\nrun \"b\" { after = \"80000h\" }\n":                     "Clock out of range",
	} {
		got := ""
		for _, r := range runAll(t, write(t, "main.hcl", "source \"static\" \"a\" { value = 1 }\n", "a.test.hcl", text)) {
			got += said(r.Diagnostics)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
