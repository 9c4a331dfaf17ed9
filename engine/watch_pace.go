package engine

import (
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/address"
	"tidegate/providers"
)

// pace is when a source is looked at. Sources with the same detectors share one.
type pace struct {
	detectors []providers.Detector
	interval  providers.Duration // that a block asked for by itself
	threshold int
	debounce  time.Duration
	window    time.Duration // of flapping
	longest   time.Duration // back-off
	broken    string        // what is wrong with a detector that panicked, "" if none did
}

// intervalOf is the interval that a source's own block asks for, "" where it does not or where
// that is not known yet.
func intervalOf(n *node) providers.Duration {
	if s, ok := settingsOf(n); ok {
		return s.Interval
	}
	return ""
}

// paceOf returns when a source is looked at, after the detectors it names, else after the
// default of its kind at its own interval.
func (d *Daemon) paceOf(n *node, interval providers.Duration) *pace {
	key := fmt.Sprint(n.detectors)
	if len(n.detectors) == 0 {
		key = n.kind.Name + " " + string(interval)
	}
	if p := d.paces[key]; p != nil {
		return p
	}
	p := &pace{interval: interval}
	if err := d.opts.contain(n.addr, func() { p.detectors = d.detectorsOf(n, interval) }); err != nil {
		p.detectors, p.broken = []providers.Detector{standIn{}}, err.Error()
	}
	for i := range p.detectors {
		d.askDetector(n.addr, p, i, func(det providers.Detector) { p.unite(det) })
	}
	p.threshold = max(1, p.threshold)
	d.paces[key] = p
	return p
}

func (d *Daemon) detectorsOf(n *node, interval providers.Duration) []providers.Detector {
	var out []providers.Detector
	prog := d.engine.prog
	for _, a := range n.detectors {
		if m := prog.nodes[a]; m != nil && m.static != nil && m.static.detector != nil {
			out = append(out, m.static.detector)
		}
	}
	if len(n.detectors) > 0 || len(n.kind.Detectors) == 0 {
		return out
	}
	kind := d.opts.Registry.Kind("detector", n.kind.Detectors[0])
	if kind == nil {
		return out
	}
	values := cty.EmptyObjectVal
	if interval != "" {
		values = cty.ObjectVal(map[string]cty.Value{"interval": cty.StringVal(string(interval))})
	}
	detector, diags := prog.detector(kind, values, n.addr)
	if diags.HasErrors() {
		d.opts.logger().Error("default detector cannot be made", "address", n.addr.String(), "error", diagnosticText(diags))
		return out
	}
	return append(out, detector)
}

// detector makes a detector that is declared nowhere.
func (p *program) detector(kind *providers.Kind, values cty.Value, a address.Address) (providers.Detector, hcl.Diagnostics) {
	c, diags := kind.Configure(values, nil)
	if diags.HasErrors() {
		return nil, diags
	}
	return c.Detector(p.env(a))
}

// askDetector asks one of the detectors of a pace. One that panics is never asked again: another
// stands in for it.
func (d *Daemon) askDetector(a address.Address, p *pace, i int, ask func(providers.Detector)) {
	if err := d.opts.contain(a, func() { ask(p.detectors[i]) }); err != nil {
		p.detectors[i], p.broken = standIn{}, "its detector does not work: "+err.Error()
		ask(p.detectors[i])
	}
}

// unite takes together what detectors say beside their delays.
func (p *pace) unite(det providers.Detector) {
	if n := det.FailureThreshold(); p.threshold == 0 || n < p.threshold {
		p.threshold = n
	}
	if n, ok := det.(providers.Notified); ok && (p.debounce == 0 || n.Debounce() < p.debounce) {
		p.debounce = max(n.Debounce(), time.Nanosecond)
	}
	if paced, ok := det.(providers.Paced); ok {
		if m := paced.BackoffMax(); p.longest == 0 || m < p.longest {
			p.longest = m
		}
		p.window = max(p.window, paced.Window())
	}
}
