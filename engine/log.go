package engine

import (
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"tidegate/engine/plan"
)

// logEvent writes an event down: constant messages with keys and values, one line for what
// happened and, at debug, for what was found to be as before.
func logEvent(l hclog.Logger, ev Event) {
	switch ev := ev.(type) {
	case LookFinished:
		switch {
		case ev.Problem != "":
			l.Warn("source has a problem", "address", ev.Address.String(), "problem", ev.Problem, "reason", ev.Reason, "standing", ev.Standing, "elapsed", logSpan(ev.Elapsed))
		case l.IsDebug():
			l.Debug("source looked at", "address", ev.Address.String(), "standing", ev.Standing, "elapsed", logSpan(ev.Elapsed))
		}
	case Accepted:
		l.Info("value accepted", "address", ev.Address.String(), "version", logVersion(ev.Version))
	case DeliveryStarted:
		if l.IsDebug() {
			l.Debug("delivery started", "address", ev.Address.String(), "action", ev.Action, "target", ev.Target, "delivery", ev.Delivery)
		}
	case DeliveryRetried:
		level := hclog.Warn
		if ev.Attempt > 1 { // that it fails was said; its end will be
			level = hclog.Debug
		}
		l.Log(level, "delivery failed and is tried again", "address", ev.Address.String(), "attempt", ev.Attempt, "error", ev.Err, "wait", logSpan(ev.Wait))
	case DeliveryFinished:
		logDelivery(l, ev)
	case DeliverySkipped:
		l.Warn("delivery skipped", "address", ev.Address.String(), "action", ev.Action, "reason", ev.Reason)
	case Rejected:
		l.Warn("candidate rejected", "address", ev.Address.String(), "version", logVersion(ev.Version), "reason", ev.Reason)
	case SourceState:
		logSource(l, ev)
	case SinkState:
		logSink(l, ev)
	case DaemonStarted:
		if ev.LastGood {
			l.Warn("daemon started with the last good configuration", "sources", ev.Sources, "sinks", ev.Sinks)
			return
		}
		l.Info("daemon started", withMoved([]any{"sources", ev.Sources, "sinks", ev.Sinks}, ev.Moved)...)
	case DaemonReady:
		l.Info("every source was tried", "elapsed", logSpan(ev.Elapsed))
	case DaemonStopping:
		l.Info("daemon is stopping", "grace", logSpan(ev.Grace))
	case DaemonStopped:
		l.Info("daemon stopped", "parked", ev.Parked)
	case Reloaded:
		if ev.Err != "" {
			l.Error("configuration is broken and the old one goes on", "error", ev.Err)
			return
		}
		args := withMoved([]any{"added", ev.Added, "changed", ev.Changed, "removed", ev.Removed}, ev.Moved)
		l.Info("configuration reloaded", append(args, "elapsed", logSpan(ev.Elapsed))...)
	case InstancesChanged:
		switch {
		case ev.Err != "" && !ev.Block.IsZero():
			l.Error("instances stay as they are", "block", ev.Block.String(), "error", ev.Err)
		case ev.Err != "":
			l.Error("instances stay as they are", "error", ev.Err)
		case ev.Added+ev.Changed+ev.Removed > 0:
			l.Info("instances follow the data", "added", ev.Added, "changed", ev.Changed, "removed", ev.Removed, "elapsed", logSpan(ev.Elapsed))
		}
	case StateTrouble:
		if ev.Err != "" {
			l.Error("state cannot be written and nothing new is begun", "error", ev.Err)
			return
		}
		l.Info("state can be written again")
	case CheckState:
		logCheck(l, ev)
	case ApprovalNeeded:
		l.Warn("deletion waits for approval", "address", ev.Address.String(), "target", ev.Target)
	case PauseChanged:
		logPause(l, ev)
	case ApplyFinished:
		r := ev.Result
		args := withMoved([]any{"accepted", r.Accepted, "added", r.Added, "changed", r.Changed, "destroyed", r.Destroyed}, r.Moved)
		l.Info("apply finished", append(args, "forgotten", r.Forgotten, "adopted", r.Adopted, "failed", r.Failed, "skipped", r.Skipped, "deferred", r.Deferred)...)
	}
}

// withMoved says how many were moved, where any were.
func withMoved(args []any, moved int) []any {
	if moved == 0 {
		return args
	}
	return append(args, "moved", moved)
}

func logCheck(l hclog.Logger, ev CheckState) {
	args := []any{"address", ev.Address.String(), "from", ev.From, "to", ev.To}
	switch ev.To {
	case "pass":
		l.Info("check holds", args...)
	case "unknown":
		l.Info("check cannot be judged", append(args, "reason", ev.Reason)...)
	default:
		l.Warn("check does not hold", append(args, "reason", ev.Reason)...)
	}
}

// logDelivery writes the end of a delivery, or of what takes its place.
func logDelivery(l hclog.Logger, ev DeliveryFinished) {
	args := []any{"address", ev.Address.String(), "action", ev.Action, "target", ev.Target}
	switch {
	case ev.Err != "" && ev.Repair:
		l.Error("repair failed", append(args, "error", ev.Err, "elapsed", logSpan(ev.Elapsed))...)
	case ev.Err != "":
		l.Error("delivery failed", append(args, "error", ev.Err, "elapsed", logSpan(ev.Elapsed))...)
	case ev.Action == plan.Adopt:
		l.Info("target adopted", args...)
	case ev.Action == plan.Forget:
		l.Info("sink forgotten", args...)
	case ev.Action == plan.Delete:
		l.Info("target deleted", append(args, "elapsed", logSpan(ev.Elapsed))...)
	case ev.Repair:
		l.Info("target repaired", append(args, "elapsed", logSpan(ev.Elapsed))...)
	default:
		l.Info("delivery finished", append(args, "elapsed", logSpan(ev.Elapsed))...)
	}
}

// logSource writes a line where something began or ended: a source that is well from its
// first look on needs none, nor does one that somebody paused, or whose value was just said
// to be rejected.
func logSource(l hclog.Logger, ev SourceState) {
	args := []any{"address", ev.Address.String(), "from", ev.From, "to", ev.To}
	if ev.Reason != "" {
		args = append(args, "reason", ev.Reason)
	}
	failed := ev.From == StateFailing || ev.From == StateDegraded
	switch {
	case ev.To == StateDegraded:
		l.Error("source is degraded", args...)
	case ev.To == StateFailing, ev.To == StateFlapping, ev.To == StateBlocked:
		l.Warn("source has a problem", args...)
	case ev.To == StateRejected && failed:
		l.Info("source answers again", args...)
	case ev.To == StateRejected, ev.To == StatePaused, ev.From == StatePaused, ev.From == StateWaiting && ev.To == StateOK:
		l.Debug("source changed its state", args...)
	case ev.To == StateOK:
		l.Info("source is well again", args...)
	default:
		l.Info("source waits", args...)
	}
}

func logSink(l hclog.Logger, ev SinkState) {
	args := []any{"address", ev.Address.String(), "from", ev.From, "to", ev.To}
	if ev.Reason != "" {
		args = append(args, "reason", ev.Reason)
	}
	switch ev.To {
	case StateFighting, StateDrifted, StateRejected, StateFailed:
		l.Warn("sink has a problem", args...)
	case StateOK:
		l.Info("sink is in step", args...)
	case StatePaused: // the pause was told
		l.Debug("sink changed its state", args...)
	default:
		l.Info("sink waits", args...)
	}
}

func logPause(l hclog.Logger, ev PauseChanged) {
	args := []any{"pattern", ev.Pause.Pattern}
	if ev.Pause.Reason != "" {
		args = append(args, "reason", ev.Pause.Reason)
	}
	if ev.Resumed {
		l.Info("resumed", args...)
		return
	}
	if !ev.Pause.Until.IsZero() {
		args = append(args, "until", ev.Pause.Until.UTC().Format(time.RFC3339))
	}
	l.Info("paused", args...)
}

// logVersion is a version of a source: people get a hash cut to what they compare, JSON whole.
type logVersion string

func (v logVersion) String() string {
	const digits = 12
	s := string(v)
	for _, head := range []string{"sha256:", "hmac-sha256:"} {
		if rest, ok := strings.CutPrefix(s, head); ok && len(rest) > digits {
			return head + rest[:digits]
		}
	}
	return s
}

func (v logVersion) MarshalText() ([]byte, error) { return []byte(v), nil }

// logSpan is a duration as people say it: "0.8ms", "1.204s".
type logSpan time.Duration

func (s logSpan) String() string {
	d := time.Duration(s)
	if d < time.Second {
		tenths := d.Round(100*time.Microsecond).Microseconds() / 100
		return strconv.FormatFloat(float64(tenths)/10, 'f', -1, 64) + "ms"
	}
	return d.Round(time.Millisecond).String()
}

func (s logSpan) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
