package engine

import "github.com/hashicorp/go-hclog"

// logEvent writes an event down: constant messages with keys and values, one line for what
// happened and, at debug, for what was found to be as before.
func logEvent(l hclog.Logger, ev Event) {
	switch ev := ev.(type) {
	case LookFinished:
		switch {
		case ev.Problem != "":
			l.Warn("source has a problem", "address", ev.Address.String(), "problem", ev.Problem, "reason", ev.Reason, "standing", ev.Standing, "elapsed", ev.Elapsed)
		case l.IsDebug():
			l.Debug("source looked at", "address", ev.Address.String(), "standing", ev.Standing, "elapsed", ev.Elapsed)
		}
	case Accepted:
		l.Info("value accepted", "address", ev.Address.String(), "version", ev.Version)
	case DeliveryStarted:
		if l.IsDebug() {
			l.Debug("delivery started", "address", ev.Address.String(), "action", ev.Action, "target", ev.Target, "delivery", ev.Delivery)
		}
	case DeliveryRetried:
		l.Warn("delivery failed and is tried again", "address", ev.Address.String(), "attempt", ev.Attempt, "error", ev.Err, "wait", ev.Wait)
	case DeliveryFinished:
		if ev.Err != "" {
			l.Error("delivery failed", "address", ev.Address.String(), "action", ev.Action, "target", ev.Target, "error", ev.Err, "elapsed", ev.Elapsed)
			return
		}
		l.Info("delivery finished", "address", ev.Address.String(), "action", ev.Action, "target", ev.Target, "elapsed", ev.Elapsed)
	case DeliverySkipped:
		l.Warn("delivery skipped", "address", ev.Address.String(), "action", ev.Action, "reason", ev.Reason)
	case Rejected:
		l.Warn("candidate rejected", "address", ev.Address.String(), "version", ev.Version, "reason", ev.Reason)
	case SourceState:
		logSource(l, ev)
	case SinkState:
		logSink(l, ev)
	case DaemonStarted:
		if ev.LastGood {
			l.Warn("daemon started with the last good configuration", "sources", ev.Sources, "sinks", ev.Sinks)
			return
		}
		l.Info("daemon started", "sources", ev.Sources, "sinks", ev.Sinks)
	case DaemonReady:
		l.Info("every source was tried", "elapsed", ev.Elapsed)
	case DaemonStopping:
		l.Info("daemon is stopping", "grace", ev.Grace)
	case DaemonStopped:
		l.Info("daemon stopped", "parked", ev.Parked)
	case Reloaded:
		if ev.Err != "" {
			l.Error("configuration is broken and the old one goes on", "error", ev.Err)
			return
		}
		l.Info("configuration reloaded", "added", ev.Added, "changed", ev.Changed, "removed", ev.Removed, "elapsed", ev.Elapsed)
	case StateTrouble:
		if ev.Err != "" {
			l.Error("state cannot be written and nothing new is begun", "error", ev.Err)
			return
		}
		l.Info("state can be written again")
	case ApprovalNeeded:
		l.Warn("deletion waits for approval", "address", ev.Address.String(), "target", ev.Target)
	case PauseChanged:
		logPause(l, ev)
	case ApplyFinished:
		r := ev.Result
		l.Info("apply finished", "accepted", r.Accepted, "added", r.Added, "changed", r.Changed, "destroyed", r.Destroyed,
			"forgotten", r.Forgotten, "adopted", r.Adopted, "failed", r.Failed, "skipped", r.Skipped, "deferred", r.Deferred)
	}
}

// logSource writes a line where something began or ended: a source that is well from its
// first look on needs none.
func logSource(l hclog.Logger, ev SourceState) {
	args := []any{"address", ev.Address.String(), "from", ev.From, "to", ev.To}
	if ev.Reason != "" {
		args = append(args, "reason", ev.Reason)
	}
	switch ev.To {
	case StateDegraded:
		l.Error("source is degraded", args...)
	case StateFailing, StateFlapping, StateBlocked, StateRejected:
		l.Warn("source has a problem", args...)
	case StateOK:
		if ev.From == StateWaiting {
			l.Debug("source is well", args...)
			return
		}
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
		args = append(args, "until", ev.Pause.Until)
	}
	l.Info("paused", args...)
}
