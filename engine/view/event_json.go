package view

import (
	"bytes"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
	"tidegate/hclspec/address"
)

// EventJSON returns an event as one line of JSON without its end:
//
//	{"type":"source_state","time":"2026-03-01T12:00:00Z","address":"source.http.app",...}
//
// The type is the name of the event in snake case, time is when it was heard of, and
// address stands in every event that is about one block. What follows depends on the type:
// durations are seconds in fields that end in _seconds, times are RFC 3339 and missing where
// there is none, texts that can be empty are missing when they are. Fields and types are
// added over time and never change their meaning. It is nil only for what is no event.
func EventJSON(e engine.Event, at time.Time) []byte {
	typ, list := eventFields(e)
	if typ == "" {
		return nil
	}
	head := fieldList{{"type", typ}, {"time", stamp(at)}}
	return append(head, list...).json()
}

// DiagnosticEvents returns diagnostics as lines like those of EventJSON, with the type
// "diagnostic" and the fields of a diagnostic of `validate --json`.
func DiagnosticEvents(diags hcl.Diagnostics, src Sources, at time.Time) [][]byte {
	var out [][]byte
	for _, d := range diagnosticsJSON(diags, src) {
		line := fieldList{{"type", "diagnostic"}, {"time", stamp(at)}, {"severity", d.Severity}, {"summary", d.Summary}, {"detail", d.Detail}}
		if d.Range != nil {
			line = append(line, fieldList{{"range", d.Range}}...)
		}
		out = append(out, line.json())
	}
	return out
}

// fieldList is an object with its fields in order; those whose value is "" are left out.
type fieldList []struct {
	name  string
	value any
}

func (l fieldList) json() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for _, f := range l {
		if f.value == "" {
			continue
		}
		data, err := marshal(f.value)
		if err != nil {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + f.name + `":`)
		b.Write(data)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// stamp writes a time, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// of begins the fields of an event about one block.
func of(a address.Address, more fieldList) fieldList {
	return append(fieldList{{"address", a.String()}}, more...)
}

func eventFields(e engine.Event) (string, fieldList) {
	switch e := e.(type) {
	case engine.PhaseStarted:
		return "phase_started", fieldList{{"phase", string(e.Phase)}, {"total", e.Total}}
	case engine.LookStarted:
		return "look_started", of(e.Address, nil)
	case engine.LookFinished:
		return "look_finished", of(e.Address, fieldList{
			{"standing", string(e.Standing)}, {"problem", string(e.Problem)}, {"reason", e.Reason}, {"elapsed_seconds", e.Elapsed.Seconds()},
		})
	case engine.Accepted:
		return "accepted", of(e.Address, fieldList{{"version", e.Version}})
	case engine.Rejected:
		return "rejected", of(e.Address, fieldList{{"version", e.Version}, {"reason", e.Reason}})
	case engine.SourceState:
		return "source_state", of(e.Address, fieldList{{"from", e.From}, {"to", e.To}, {"reason", e.Reason}})
	case engine.SinkState:
		return "sink_state", of(e.Address, fieldList{{"from", e.From}, {"to", e.To}, {"reason", e.Reason}, {"until", stamp(e.Until)}})
	case engine.PushReceived:
		return "push_received", of(e.Address, fieldList{{"name", e.Name}, {"outcome", OutcomeWord(e.Outcome)}, {"elapsed_seconds", e.Elapsed.Seconds()}})
	case engine.CheckState:
		return "check_state", of(e.Address, fieldList{{"from", e.From}, {"to", e.To}, {"reason", e.Reason}})
	case engine.ApprovalNeeded:
		return "approval_needed", of(e.Address, fieldList{{"target", e.Target}})
	}
	if typ, list := deliveryFields(e); typ != "" {
		return typ, list
	}
	return daemonFields(e)
}

func deliveryFields(e engine.Event) (string, fieldList) {
	switch e := e.(type) {
	case engine.DeliveryStarted:
		return "delivery_started", of(e.Address, fieldList{{"action", string(e.Action)}, {"target", e.Target}, {"delivery", e.Delivery}, {"repair", e.Repair}})
	case engine.DeliveryRetried:
		return "delivery_retried", of(e.Address, fieldList{{"attempt", e.Attempt}, {"error", e.Err}, {"wait_seconds", e.Wait.Seconds()}})
	case engine.DeliveryFinished:
		return "delivery_finished", of(e.Address, fieldList{
			{"action", string(e.Action)}, {"target", e.Target}, {"repair", e.Repair}, {"error", e.Err}, {"elapsed_seconds", e.Elapsed.Seconds()},
		})
	case engine.DeliverySkipped:
		return "delivery_skipped", of(e.Address, fieldList{{"action", string(e.Action)}, {"reason", e.Reason}, {"until", stamp(e.Until)}})
	case engine.ApplyFinished:
		r := e.Result
		return "apply_finished", fieldList{
			{"accepted", r.Accepted},
			{"added", r.Added},
			{"changed", r.Changed},
			{"destroyed", r.Destroyed},
			{"moved", r.Moved},
			{"forgotten", r.Forgotten},
			{"adopted", r.Adopted},
			{"failed", r.Failed},
			{"skipped", r.Skipped},
			{"deferred", r.Deferred},
			{"interrupted", r.Interrupted},
		}
	}
	return "", nil
}

func daemonFields(e engine.Event) (string, fieldList) {
	switch e := e.(type) {
	case engine.DaemonStarted:
		return "daemon_started", fieldList{{"sources", e.Sources}, {"sinks", e.Sinks}, {"moved", e.Moved}, {"last_good", e.LastGood}}
	case engine.DaemonReady:
		return "daemon_ready", fieldList{{"elapsed_seconds", e.Elapsed.Seconds()}}
	case engine.DaemonStopping:
		return "daemon_stopping", fieldList{{"grace_seconds", e.Grace.Seconds()}}
	case engine.DaemonStopped:
		return "daemon_stopped", fieldList{{"parked", e.Parked}}
	case engine.ReloadStarted:
		return "reload_started", nil
	case engine.Reloaded:
		return "reloaded", fieldList{
			{"error", e.Err}, {"added", e.Added}, {"changed", e.Changed}, {"removed", e.Removed}, {"moved", e.Moved}, {"elapsed_seconds", e.Elapsed.Seconds()},
		}
	case engine.InstancesChanged:
		return "instances_changed", fieldList{
			{"block", e.Block.String()}, {"error", e.Err}, {"added", e.Added}, {"changed", e.Changed}, {"removed", e.Removed}, {"elapsed_seconds", e.Elapsed.Seconds()},
		}
	case engine.StateTrouble:
		return "state_trouble", fieldList{{"error", e.Err}}
	case engine.PauseChanged:
		return "pause_changed", fieldList{
			{"pattern", e.Pause.Pattern}, {"reason", e.Pause.Reason}, {"since", stamp(e.Pause.Since)}, {"until", stamp(e.Pause.Until)}, {"resumed", e.Resumed},
		}
	}
	return "", nil
}

// OutcomeWord is what a push's outcome is called.
func OutcomeWord(o engine.PushOutcome) string {
	switch o {
	case engine.PushAccepted:
		return "accepted"
	case engine.PushUnchanged:
		return "unchanged"
	case engine.PushConflict:
		return "conflict"
	case engine.PushRejected:
		return "rejected"
	case engine.PushGone:
		return "gone"
	case engine.PushBusy:
		return "busy"
	}
	return "unknown"
}
