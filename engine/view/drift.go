package view

import (
	"fmt"
	"io"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
)

// DriftText writes for people what somebody else changed since the last delivery.
func DriftText(w io.Writer, d *engine.Drift, failed bool, s Style) error {
	p := newPage(w, s)
	for _, x := range d.Sinks {
		c := x.Change
		switch x.Standing {
		case engine.Drifted, engine.Ignored:
			p.item(attention, markColor(attention), c.Address.String()+" "+driftPolicyWords(c.Drift.Policy))
		case engine.Unreadable:
			p.item(attention, markColor(attention), c.Address.String()+" cannot be compared")
		default:
			continue
		}
		target := c.Target
		if target != "" {
			p.prose(6, "", "target: "+Escape(target))
		}
		if x.Standing == engine.Unreadable {
			if c.Wait != nil {
				p.prose(6, yellow, c.Wait.Reason)
			}
			p.blank()
			continue
		}
		if text := driftWords(c.Drift, c.Sensitive); text != "" {
			p.prose(6, yellow, "drift: "+text)
		}
		if differ(&c.Drift.Lines) {
			p.prose(6, yellow, "drift: somebody else changed the content since the last delivery:")
			p.diffLines(8, &c.Drift.Lines)
		}
		p.blank()
	}
	if text := LeftOut(d.Selection); text != "" {
		p.text(0, text)
	}
	p.driftCounts(d, failed)
	return p.done()
}

func driftPolicyWords(policy string) string {
	switch policy {
	case "ignore":
		return "has drifted, which on_drift ignores"
	case "warn":
		return "has drifted and is left alone (on_drift is warn)"
	}
	return "has drifted; apply restores what was delivered"
}

func (p *page) driftCounts(d *engine.Drift, failed bool) {
	drifted, inStep := d.Count(engine.Drifted), d.Count(engine.InStep)
	text := fmt.Sprintf("%d drifted, %d in step", drifted, inStep)
	more := func(n int, words string) {
		if n > 0 {
			text += fmt.Sprintf(", %d %s", n, words)
		}
	}
	more(d.Count(engine.Ignored), "ignored")
	more(d.Count(engine.Unreadable), "not readable")
	more(d.Count(engine.Unapplied), "not delivered yet")
	more(d.Count(engine.Opaque), "that cannot be asked (programs and servers)")
	switch {
	case failed:
		p.paintedProse(red, "Drift is not known in full:", text+".")
	case drifted > 0:
		p.paintedProse(yellow, "Drift:", text+".")
	default:
		p.paintedProse(green, "No drift:", text+".")
	}
}

type driftReportJSON struct {
	FormatVersion string           `json:"format_version"`
	Drifted       bool             `json:"drifted"`
	Errored       bool             `json:"errored"`
	ResourceDrift []*resourceJSON  `json:"resource_drift"`
	Sinks         []standingJSON   `json:"sinks"`
	Selection     *selectionJSON   `json:"selection,omitempty"`
	Diagnostics   []diagnosticJSON `json:"diagnostics,omitempty"`
}

type standingJSON struct {
	Address  string `json:"address"`
	Target   string `json:"target,omitempty"`
	Standing string `json:"standing"`
	OnDrift  string `json:"on_drift,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// DriftJSON writes the same for programs; resource_drift is that of a plan.
func DriftJSON(w io.Writer, d *engine.Drift, failed bool, diags hcl.Diagnostics, src Sources) error {
	out := driftReportJSON{
		FormatVersion: planFormat, Drifted: d.Count(engine.Drifted) > 0, Errored: failed,
		ResourceDrift: []*resourceJSON{}, Sinks: []standingJSON{},
		Selection: selectionOf(d.Selection), Diagnostics: diagnosticsJSON(diags, src),
	}
	for _, x := range d.Sinks {
		s := standingJSON{Address: x.Change.Address.String(), Target: x.Change.Target, Standing: string(x.Standing)}
		if x.Change.Drift != nil {
			s.OnDrift = x.Change.Drift.Policy
			out.ResourceDrift = append(out.ResourceDrift, driftJSON(x.Change))
		}
		if x.Standing == engine.Unreadable && x.Change.Wait != nil {
			s.Reason = x.Change.Wait.Reason
		}
		out.Sinks = append(out.Sinks, s)
	}
	return writeJSON(w, out)
}
