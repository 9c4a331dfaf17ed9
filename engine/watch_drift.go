package engine

import (
	"slices"
	"time"

	"tidegate/providers"
)

// meetSink learns what a decision shows of the sink's settings, and watches its target.
func (d *Daemon) meetSink(it *sinkItem, x *decision) {
	r := x.r
	if r.Target != "" {
		it.target = r.Target
	}
	switch {
	case it.node.writes != "":
		d.claim(it, "")
	case r.path != "": // else it is not known now, and the one of before stays ours
		d.claim(it, r.path)
	}
	s := r.settings
	it.settle = providers.Settle{}
	if s.Settle != nil {
		it.settle = *s.Settle
	}
	it.driftAt = time.Time{}
	if r.Opaque || x.sink == nil || s.OnDrift == "ignore" {
		it.interval = 0
		return
	}
	it.interval = s.DriftInterval.Value()
	if w, ok := x.sink.(providers.Watcher); ok {
		if it.stop == nil || it.watching != r.Target {
			d.unwatchSink(it)
			stop, err := d.notification(it.addr, w, func(providers.Change) { d.post(func() { d.targetMoved(it) }) })
			if err == nil {
				it.stop, it.watching = stop, r.Target
			}
		}
		if it.stop != nil {
			it.interval = max(it.interval, safetyDrift)
		}
	}
}

// targetMoved says that a target may have been changed; while we write it ourselves the end of
// that says the same.
func (d *Daemon) targetMoved(it *sinkItem) {
	if it.removed || it.stop == nil {
		return
	}
	d.touch(it, causeDrift)
}

func (d *Daemon) unwatchSink(it *sinkItem) {
	if it.stop != nil {
		it.stop()
		it.stop = nil
	}
}

// noteWriter counts how often another writer was met: a repair that was needed, or a target
// that moved before it could be written. So many times within so short a time are a fight, and
// the other is left alone for a while.
func (it *sinkItem) noteWriter(now time.Time) {
	it.repairs = append(slices.DeleteFunc(it.repairs, func(t time.Time) bool { return now.Sub(t) > fightWindow }), now)
	if len(it.repairs) >= fightRepairs {
		it.repairs, it.calmAt = nil, now.Add(fightPause)
	}
}
