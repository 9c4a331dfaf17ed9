package readers

import (
	"context"
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
