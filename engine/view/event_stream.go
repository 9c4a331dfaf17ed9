package view

import (
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/hcl/v2"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// uiFormat is the version of Terraform's machine-readable UI whose shape is written.
const uiFormat = "1.2"

// Stream writes what happens as lines of JSON in the shape of `terraform apply -json`.
// Errors of the writer are passed over while work is under way.
type Stream struct {
	w   io.Writer
	now func() time.Time
}

// NewStream returns a stream of lines.
func NewStream(w io.Writer, now func() time.Time) *Stream { return &Stream{w, now} }

type fields map[string]any

func (s *Stream) line(level, kind, message string, more fields) {
	out := fields{
		"@level": level, "@message": Escape(message), "@module": "tidegate.ui",
		"@timestamp": s.now().UTC().Format("2006-01-02T15:04:05.000000Z07:00"), "type": kind,
	}
	for k, v := range more {
		out[k] = v
	}
	data, err := marshal(out)
	if err != nil {
		return
	}
	_, _ = s.w.Write(append(data, '\n'))
}

// Version writes the first line.
func (s *Stream) Version(version string) {
	s.line("info", "version", "Tidegate "+version, fields{"tidegate": version, "ui": uiFormat})
}

// Message writes a remark that is of no other type.
func (s *Stream) Message(message string) { s.line("info", "log", message, nil) }

// Diagnostics writes one line for each diagnostic.
func (s *Stream) Diagnostics(diags hcl.Diagnostics, src Sources) {
	for _, d := range SortDiagnostics(diags) {
		level, word := "error", "Error: "
		if d.Severity == hcl.DiagWarning {
			level, word = "warn", "Warning: "
		}
		s.line(level, "diagnostic", word+d.Summary, fields{"diagnostic": diagnosticOf(d, src)})
	}
}

// Plan writes the drift, the changes and the counts of a plan.
func (s *Stream) Plan(p *plan.Plan) {
	for _, c := range p.Sinks {
		if c.Drift != nil && c.Drift.Policy != "ignore" {
			action := "update"
			if c.Drift.Missing {
				action = "delete"
			}
			s.line("info", "resource_drift", c.Address.String()+": Drift detected ("+action+")",
				fields{"change": fields{"resource": resourceName(c.Address, c.Kind), "action": action}})
		}
	}
	for _, c := range p.Sources {
		if c.Action == plan.Read {
			s.planned(c.Address, c.Kind, c.Action, "")
		}
	}
	for _, c := range p.Sinks {
		switch {
		case c.Action != plan.NoOp:
			s.planned(c.Address, c.Kind, c.Action, "")
		case c.Wait != nil:
			s.planned(c.Address, c.Kind, c.Wanted, c.Wait.Reason)
		}
	}
	s.outputChanges(p.Outputs)
	if p.Selection != nil {
		s.line("info", "left_out", LeftOut(p.Selection), fields{"selection": selectionOf(p.Selection)})
	}
	s.line("info", "change_summary", "Plan: "+Counts(p), fields{"changes": changeCounts(p)})
}

func (s *Stream) planned(a address.Address, kind string, action plan.Action, wait string) {
	change := fields{"resource": resourceName(a, kind), "action": streamAction(action)}
	typ, message := "planned_change", fmt.Sprintf("%s: Plan to %s", a, action)
	if action == plan.Adopt {
		change["adopt"] = true
	}
	if wait != "" {
		typ, message = "deferred_change", fmt.Sprintf("%s: Not now: %s", a, wait)
		s.line("info", typ, message, fields{"deferred": fields{"reason": wait, "change": change}})
		return
	}
	s.line("info", typ, message, fields{"change": change})
}

// streamAction is the word that Terraform's stream has for an action.
func streamAction(a plan.Action) string {
	switch a {
	case plan.NoOp, plan.Adopt:
		return "noop"
	case plan.Forget:
		return "remove"
	}
	return string(a)
}

func resourceName(a address.Address, kind string) fields {
	out := fields{
		"addr": a.String(), "module": string(a.Module), "resource": (address.Address{Type: a.Type, Kind: a.Kind, Name: a.Name, Key: a.Key}).String(),
		"implied_provider": provider, "resource_type": kind, "resource_name": a.Name, "resource_key": index(a.Key),
	}
	return out
}

// Event writes one event.
func (s *Stream) Event(e engine.Event) {
	switch e := e.(type) {
	case engine.LookStarted:
		s.hook("info", "refresh_start", e.Address, e.Address.String()+": Reading...", nil)
	case engine.LookFinished:
		s.look(e)
	case engine.Accepted:
		s.hook("info", "accepted", e.Address, EventLine(e), fields{"version": e.Version})
	case engine.DeliveryStarted:
		s.hook("info", "apply_start", e.Address, EventLine(e), fields{
			"action": streamAction(e.Action), "id_key": "target", "id_value": e.Target, "delivery": e.Delivery,
		})
	case engine.DeliveryRetried:
		s.hook("warn", "apply_progress", e.Address, EventLine(e), fields{"attempt": e.Attempt, "error": e.Err, "wait_seconds": e.Wait.Seconds()})
	case engine.DeliveryFinished:
		s.finished(e)
	case engine.DeliverySkipped:
		more := fields{"action": streamAction(e.Action), "reason": e.Reason}
		if !e.Until.IsZero() {
			more["until"] = e.Until.UTC().Format(time.RFC3339)
		}
		s.hook("info", "apply_skipped", e.Address, EventLine(e), more)
	}
}

func (s *Stream) look(e engine.LookFinished) {
	more := fields{"elapsed_seconds": e.Elapsed.Seconds(), "standing": string(e.Standing)}
	message, level := e.Address.String()+": Read in "+elapsed(e.Elapsed), "info"
	if e.Problem != plan.NoProblem {
		more["problem"], more["reason"] = string(e.Problem), e.Reason
		message = fmt.Sprintf("%s: %s: %s", e.Address, e.Problem, e.Reason)
		level = "warn"
	}
	s.hook(level, "refresh_complete", e.Address, message, more)
}

func (s *Stream) finished(e engine.DeliveryFinished) {
	more := fields{
		"action": streamAction(e.Action), "elapsed_seconds": e.Elapsed.Seconds(),
		"id_key": "target", "id_value": e.Target,
	}
	if e.Err != "" {
		more["error"] = e.Err
		s.hook("error", "apply_errored", e.Address, EventLine(e), more)
		return
	}
	s.hook("info", "apply_complete", e.Address, EventLine(e), more)
}

func (s *Stream) hook(level, kind string, a address.Address, message string, more fields) {
	hook := fields{"resource": resourceName(a, a.Kind)}
	for k, v := range more {
		hook[k] = v
	}
	s.line(level, kind, message, fields{"hook": hook})
}

// Result writes the counts of an apply.
func (s *Stream) Result(r engine.Result, destroy bool) {
	operation := "apply"
	if destroy {
		operation = "destroy"
	}
	s.line("info", "change_summary", ApplyText(r, destroy), fields{"changes": fields{
		"operation": operation, "add": r.Added, "change": r.Changed, "remove": r.Destroyed, "import": 0, "action_invocation": 0,
		"move": r.Moved, "forget": r.Forgotten, "adopt": r.Adopted, "accept": r.Accepted, "deferred": r.Deferred,
		"skipped": r.Skipped, "failed": r.Failed, "interrupted": r.Interrupted,
	}})
}

// outputChanges writes what becomes of the outputs, without values, where one changes.
func (s *Stream) outputChanges(outputs []*plan.OutputChange) {
	values, changes := fields{}, 0
	for _, o := range outputs {
		values[o.Name] = fields{"sensitive": o.Hidden(), "action": streamAction(o.Action)}
		if o.Action.Delivers() {
			changes++
		}
	}
	if changes > 0 {
		s.line("info", "outputs", fmt.Sprintf("Outputs: %d", len(values)), fields{"outputs": values})
	}
}

// Outputs writes the values of outputs; sensitive ones without their value.
func (s *Stream) Outputs(outputs []*plan.OutputChange) {
	values := fields{}
	for _, o := range outputs {
		if o.Action == plan.Delete {
			continue
		}
		out := fields{"sensitive": o.Sensitive, "action": "noop"}
		if o.Known && !o.Sensitive && !o.Value.IsAbsent() {
			out["value"] = o.Value.Plain()
			if ty, err := ctyjson.MarshalType(o.Value.Type()); err == nil {
				out["type"] = rawJSON(ty)
			}
		}
		values[o.Name] = out
	}
	s.line("info", "outputs", fmt.Sprintf("Outputs: %d", len(values)), fields{"outputs": values})
}
