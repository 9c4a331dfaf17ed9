package view

import (
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
)

// maxBrief is how many items a summary names.
const maxBrief = 20

// PlanBrief writes the summary of a plan: a line for each of its most important items, and the
// line that counts.
func PlanBrief(w io.Writer, p *plan.Plan, s Style) error {
	out := newPage(w, s)
	all := items(p)
	for i, it := range all {
		if i == maxBrief {
			out.prose(4, "", fmt.Sprintf("... and %d more", len(all)-i))
			break
		}
		out.item(it.sign, markColor(it.sign), it.name+" "+it.words)
	}
	if len(all) > 0 {
		out.blank()
	}
	out.summary(p)
	return out.done()
}

type briefJSON struct {
	FormatVersion   string           `json:"format_version"`
	TidegateVersion string           `json:"tidegate_version,omitempty"`
	Summary         string           `json:"summary"`
	Changes         map[string]any   `json:"changes"`
	Timestamp       string           `json:"timestamp"`
	Applyable       bool             `json:"applyable"`
	Complete        bool             `json:"complete"`
	Errored         bool             `json:"errored"`
	Diagnostics     []diagnosticJSON `json:"diagnostics,omitempty"`
}

// PlanBriefJSON writes the summary of a plan as one object: the flags of PlanJSON, and the counts
// that `apply --json` has in its change_summary.
func PlanBriefJSON(w io.Writer, p *plan.Plan, diags hcl.Diagnostics, src Sources) error {
	return writeJSON(w, briefJSON{
		FormatVersion: planFormat, TidegateVersion: p.ToolVersion, Summary: Verdict(p), Changes: changeCounts(p),
		Timestamp: p.Time.UTC().Format(time.RFC3339), Applyable: p.Acts(), Complete: complete(p),
		Errored: p.Outcome() == plan.Errored, Diagnostics: diagnosticsJSON(diags, src),
	})
}

// changeCounts are the counts of a plan under the names of Terraform's change_summary, and those
// that it has no name for.
func changeCounts(p *plan.Plan) fields {
	sum := p.Summary()
	return fields{
		"operation": "plan", "add": sum.Add, "change": sum.Change, "remove": sum.Destroy, "import": 0, "action_invocation": 0,
		"forget": sum.Forget, "adopt": sum.Adopt, "accept": sum.Accept, "deferred": sum.Deferred,
		"blocked": sum.Blocked, "rejected": sum.Rejected, "failed": sum.Failed,
	}
}
