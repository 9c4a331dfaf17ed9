package engine

import (
	"slices"
	"testing"

	"tidegate/engine/plan"
)

// A text names each rule once, a list with every finding.
func TestRefusalNamesARuleOnce(t *testing.T) {
	const object = "source.http.app"
	checks := []plan.Check{
		{Address: object, Object: object, Status: "fail", Severity: "error", Findings: []string{"the value is empty."}},
		{Address: "rule.assert.a", Object: object, Status: "fail", Severity: "error", Findings: []string{"x is wrong.", "y is wrong"}},
		{Address: "rule.assert.b", Object: object, Status: "fail", Severity: "warning", Findings: []string{"z is odd"}},
		{Address: "rule.exec.c", Object: object, Status: "error", Severity: "error", Findings: []string{"it cannot judge"}},
		{Address: "rule.exec.d", Object: object, Status: "pass", Severity: "error"},
	}
	if got, want := refusal(checks), "the value is empty; rule.assert.a: x is wrong; y is wrong; rule.exec.c: it cannot judge"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	want := []string{"the value is empty", "rule.assert.a: x is wrong", "rule.assert.a: y is wrong", "rule.exec.c: it cannot judge"}
	if got := rejections(checks); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}
