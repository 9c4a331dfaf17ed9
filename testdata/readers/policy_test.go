package readers

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
)

// ask evaluates a query over a plan with all policies.
func ask(t *testing.T, query string, plan any) string {
	t.Helper()
	result, err := rego.New(rego.Query(query), rego.Load([]string{"policy"}, nil), rego.Input(plan), rego.StrictBuiltinErrors(true)).Eval(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(result) == 0 || len(result[0].Expressions) == 0 {
		return "undefined"
	}
	return fmt.Sprint(result[0].Expressions[0].Value)
}

func expect(t *testing.T, plan any, answers map[string]string) {
	t.Helper()
	for query, want := range answers {
		if got := ask(t, query, plan); got != want {
			t.Errorf("%s is %s, want %s", query, got, want)
		}
	}
}

// Policies that were written for Terraform's plans judge ours.
func TestPoliciesJudgePlans(t *testing.T) {
	w := appWorld(t)
	_, plan := w.plan(2)
	expect(t, plan, map[string]string{
		"data.terraform.analysis.score":       "7", // two files and a program are new
		"data.terraform.analysis.authz":       "false",
		"data.main.deny":                      "[]",
		"data.terraform.modes.world_writable": "[]",
		"data.terraform.modes.clear":          "[]",
		"data.terraform.modes.new_values":     "[source.file.app]",
	})
	w.apply()

	w.write("app.json", `{"port":8080,"host":"a"}`)
	_, plan = w.plan(2)
	expect(t, plan, map[string]string{
		"data.terraform.analysis.score": "7", // one file and one program change
		"data.terraform.analysis.authz": "true",
		"data.main.deny":                "[]",
	})

	// A file too many, at a place that nobody may write, and for everybody to write.
	w.write("more.hcl", `
sink "file" "protected" {
  path    = "/etc/tidegate-protected"
  content = "root"
  mode    = "0666"
}
`)
	_, plan = w.plan(2)
	expect(t, plan, map[string]string{
		"data.main.deny":                      "[sink.file.protected writes /etc/tidegate-protected, which is protected]",
		"data.terraform.modes.world_writable": "[sink.file.protected]",
	})

	w.write("more.hcl", "")
	w.write("main.hcl", `source "file" "app" { path = "app.json" }`)
	_, plan = w.plan(2)
	expect(t, plan, map[string]string{
		"data.terraform.analysis.score": "20",
		"data.terraform.analysis.authz": "true",
		"data.main.deny":                "[sink.exec.reload would be lost (forget) sink.file.app would be lost (delete) sink.file.token would be lost (forget)]",
	})

	w.write("main.hcl", configuration)
	w.write("app.json", `{"port":`)
	_, plan = w.plan(1)
	expect(t, plan, map[string]string{"data.main.deny": "[the plan has errors]"})
}

// So does one over the configuration behind a plan, also of a saved one.
func TestPoliciesJudgeTheConfiguration(t *testing.T) {
	w := appWorld(t)
	w.write("more.hcl", `source "static" "unjudged" { value = "x" }`)
	p, plan := w.plan(2)
	answers := map[string]string{
		"data.wiring.literal":  "[sink.exec.reload sink.file.token]",
		"data.wiring.unjudged": "[source.static.unjudged]",
	}
	expect(t, plan, answers)
	root := p.Config.RootModule
	found := map[string]bool{}
	for _, r := range root.Resources {
		found[r.Address] = true
		if r.Address == "sink.file.app" {
			if refs := r.Expressions["content"].References; fmt.Sprint(refs) != "[source.file.app.value source.file.app]" {
				t.Errorf("content refers to %v", refs)
			}
			if mode := r.Expressions["mode"].ConstantValue; mode != "0640" {
				t.Errorf("mode is %v", mode)
			}
		}
	}
	if len(found) != 5 || p.Config.ProviderConfigs["tidegate"] == nil || !root.Variables["token"].Sensitive || root.Variables["token"].Default != nil {
		t.Errorf("%v %+v", found, root.Variables["token"])
	}
	if out := root.Outputs["port"]; out == nil || fmt.Sprint(out.Expression.References) != "[source.file.app.value.port source.file.app.value source.file.app]" {
		t.Errorf("%+v", out)
	}
	if _, code := w.run("plan", "--out", "change.plan"); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	data, code := w.run("show", "--json", "change.plan")
	var saved any
	if err := json.Unmarshal(data, &saved); err != nil || code != 0 {
		t.Fatal(err, code)
	}
	expect(t, saved, answers)
}
