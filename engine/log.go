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
	case ApplyFinished:
		r := ev.Result
		l.Info("apply finished", "accepted", r.Accepted, "added", r.Added, "changed", r.Changed, "destroyed", r.Destroyed,
			"forgotten", r.Forgotten, "adopted", r.Adopted, "failed", r.Failed, "skipped", r.Skipped, "deferred", r.Deferred)
	}
}
