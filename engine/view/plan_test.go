package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	tfjson "github.com/hashicorp/terraform-json"

	"tidegate/engine/plan"
)

func planText(t *testing.T, p *plan.Plan, s Style) string {
	t.Helper()
	var b bytes.Buffer
	if err := PlanText(&b, p, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPlanText(t *testing.T) {
	for _, width := range []int{80, 20} {
		golden(t, fmt.Sprintf("plan_%d.txt", width), []byte(planText(t, fullPlan(), Style{Width: width})))
	}
}

func TestPlanTextSaysTheSameInColour(t *testing.T) {
	plain := planText(t, fullPlan(), Style{Width: 60})
	colour := planText(t, fullPlan(), Style{Width: 60, Color: true})
	for _, code := range []string{bold, faint, red, green, yellow, cyan, "0"} {
		colour = strings.ReplaceAll(colour, "\x1b["+code+"m", "")
	}
	if plain != colour {
		t.Error("colour changes more than colour")
	}
}

func TestPlanTextAtAnyWidth(t *testing.T) {
	for width := range 60 {
		planText(t, fullPlan(), Style{Width: width, Color: true})
	}
}

func TestSummaries(t *testing.T) {
	accept := &plan.Plan{Sources: sampleSources()[:1]}
	blocked := &plan.Plan{Sinks: sampleSinks()[9:10]}
	for _, tt := range []struct {
		name string
		plan *plan.Plan
		want string
	}{
		{"nothing", &plan.Plan{}, "No changes. Every sink holds what the configuration and its sources say.\n"},
		{"destroy nothing", &plan.Plan{Destroy: true}, "No changes. There is nothing to destroy.\n"},
		{"accept only", accept, "Plan: 0 to add, 0 to change, 0 to destroy, 1 value to accept.\n"},
		{"outputs only", &plan.Plan{Outputs: sampleOutputs()}, "Applying this plan saves the new output values in the state and touches no sink.\n"},
		{"blocked", blocked, "No changes. Nothing can be done now: 1 blocked.\n"},
		{"all", fullPlan(), "Plan: 2 to add, 4 to change, 1 to destroy, 1 to forget, 1 to adopt, 2 deferred, 1 blocked, 2 rejected, 1 failed, 2 drifted.\n"},
	} {
		if got := planText(t, tt.plan, Style{}); !strings.Contains(got, tt.want) {
			t.Errorf("%s: no %q in\n%s", tt.name, tt.want, got)
		}
	}
}

func planJSONOf(t *testing.T, p *plan.Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	diags := hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "w", Detail: "d"}}
	if err := PlanJSON(&b, p, diags, Sources{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPlanJSON(t *testing.T) {
	data := planJSONOf(t, fullPlan())
	golden(t, "plan.json", data)
	var p tfjson.Plan
	if err := json.Unmarshal(data, &p); err != nil { // validates, too
		t.Fatal(err)
	}
	changes := map[string]*tfjson.ResourceChange{}
	for _, c := range p.ResourceChanges {
		changes[c.Address] = c
	}
	if c := changes["sink.file.app"]; c == nil || !c.Change.Actions.Update() || c.Mode != tfjson.ManagedResourceMode || c.Type != "file" {
		t.Errorf("sink.file.app: %+v", c)
	}
	if c := changes["source.http.app"]; c == nil || !c.Change.Actions.Read() || c.Mode != tfjson.DataResourceMode {
		t.Errorf("source.http.app: %+v", c)
	}
	if c := changes["sink.file.adopted"]; c == nil || !c.Change.Actions.NoOp() {
		t.Errorf("an adoption is no no-op: %+v", c)
	}
	if len(p.DeferredChanges) != 5 || p.Complete == nil || *p.Complete {
		t.Errorf("deferred: %d, complete: %v", len(p.DeferredChanges), p.Complete)
	}
	if len(p.ResourceDrift) != 4 || len(p.Checks) != 4 || len(p.OutputChanges) != 8 {
		t.Errorf("drift %d, checks %d, outputs %d", len(p.ResourceDrift), len(p.Checks), len(p.OutputChanges))
	}
	if v := p.Variables["hosts"]; len(p.Variables) != 3 || v == nil || fmt.Sprint(v.Value) != "[a]" {
		t.Errorf("variables %+v", p.Variables)
	}
	if v := p.Variables["token"]; v == nil || v.Value != nil {
		t.Errorf("variable token: %+v", v)
	}
	for name, is := range map[string]func(tfjson.Actions) bool{
		"added": tfjson.Actions.Create, "gone": tfjson.Actions.Delete, "url": tfjson.Actions.Update, "same": tfjson.Actions.NoOp, "later": tfjson.Actions.NoOp,
	} {
		if c := p.OutputChanges[name]; c == nil || !is(c.Actions) {
			t.Errorf("output %s: %+v", name, c)
		}
	}
	if c := p.OutputChanges["url"]; c.Before != "http://a" || c.After != "http://b" || c.AfterUnknown != false || c.AfterSensitive != false {
		t.Errorf("output url: %+v", c)
	}
	if c := p.OutputChanges["later"]; c.AfterUnknown != true {
		t.Errorf("output later: %+v", c)
	}
}

func TestPlanJSONOfNothingIsValid(t *testing.T) {
	var p tfjson.Plan
	if err := json.Unmarshal(planJSONOf(t, &plan.Plan{}), &p); err != nil {
		t.Fatal(err)
	}
}

// A saved plan is rendered from its redacted form.
func TestPlanTextAfterARoundTrip(t *testing.T) {
	data, err := json.Marshal(fullPlan())
	if err != nil {
		t.Fatal(err)
	}
	var p plan.Plan
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	if got := planText(t, &p, Style{Width: 80}); strings.Contains(got, canary) {
		t.Error("shows the secret")
	}
}

func TestTightenedRuleIsNotCalledANewValue(t *testing.T) {
	c := &plan.SourceChange{Problem: plan.Rejected, PreviousVersion: "v1", Version: "v1"}
	if got := sourceWords(c); got != "has an accepted value that its rules no longer pass" {
		t.Errorf("an unchanged value that a new rule refuses %s", got)
	}
	c.Version = "v2"
	if got := sourceWords(c); got != "has a new value that is rejected" {
		t.Errorf("another value that is refused %s", got)
	}
}
