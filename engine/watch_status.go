package engine

import (
	"context"
	"slices"
	"time"

	"tidegate/engine/plan"
)

// Status says how everything is. It is put together in the loop, between two turns.
func (d *Daemon) Status(ctx context.Context) (*Status, error) {
	var out *Status
	err := d.call(ctx, func() { out = d.status() })
	return out, err
}

// Graph returns the graph of the configuration that runs. It is never changed: a reload makes
// another.
func (d *Daemon) Graph(ctx context.Context) (*BlockGraph, error) {
	var e *Engine
	if err := d.call(ctx, func() { e = d.engine }); err != nil {
		return nil, err
	}
	return e.Graph(), nil
}

func (d *Daemon) status() *Status {
	s := &Status{
		Version: d.opts.Version, PID: pid(), Started: d.started, Time: time.Now(), Dir: d.engine.spec.Dir, State: d.engine.statePath,
		Configuration: d.engine.hash(), Reload: d.reload, Ready: d.Ready(),
		Queue:  d.looks.Waiting() + d.renders.Waiting() + d.delivers.Waiting(),
		Pauses: slices.Clone(d.pauses),
	}
	if l := d.listener.Load(); l != nil {
		s.Listener = *l
	}
	if d.trouble != nil {
		s.StateError = d.trouble.Error()
	}
	for _, a := range sortedKeys(d.sources) {
		s.Sources = append(s.Sources, d.sourceStatus(d.sources[a]))
	}
	for _, a := range sortedKeys(d.sinks) {
		s.Sinks = append(s.Sinks, d.sinkStatus(d.sinks[a]))
	}
	for _, a := range sortedKeys(d.checks) {
		s.Checks = append(s.Checks, d.checks[a])
	}
	for _, a := range sortedKeys(d.approvals) {
		s.Approvals = append(s.Approvals, d.approvals[a])
	}
	return s
}

func (d *Daemon) sourceStatus(it *sourceItem) *SourceStatus {
	s := &SourceStatus{
		Address: it.addr(), Kind: it.node.addr.Kind, Identity: it.identity, State: it.state, Reason: it.had().reason,
		LastLook: it.lastLook, LastSuccess: it.lastSuccess, LastError: it.had().lastError, LastErrorTime: it.had().lastErrorTime,
		NextLook: it.due, CertificateEnds: it.had().certificate, LostPush: it.had().lostPush,
		Looks: it.looks, Changes: it.changes, Rejections: it.had().rejections, Errors: it.had().errorsSeen,
	}
	if it.queued {
		s.NextLook = time.Now()
	}
	if row := d.ledger.Sources[it.addr()]; row != nil {
		s.Failures = row.Failures
		if s.LastSuccess.IsZero() {
			s.LastSuccess = row.LastSuccess
		}
		if c := row.Current(); c != nil {
			s.Version, s.LastChange = c.Version, c.AcceptedAt
		}
	}
	return s
}

func (d *Daemon) sinkStatus(it *sinkItem) *SinkStatus {
	s := &SinkStatus{
		Address: it.addr, Kind: it.addr.Kind, Target: it.target, State: it.state, Reason: it.reason,
		LastError: it.lastError, LastErrorTime: it.lastErrorTime,
		Deliveries: it.deliveries, Errors: it.errorsSeen, Repairs: it.repaired, Deferrals: it.puts,
	}
	for _, t := range []time.Time{it.retryAt, it.limitAt, it.due, it.calmAt} {
		if t.After(time.Now()) {
			s.Next = earlier(s.Next, t)
		}
	}
	if it.busy() && it.state == StateOK && it.wanted != plan.NoOp && it.phase != idle {
		s.State = StateDelivering
	}
	if d.trouble != nil && s.State == StateDelivering && it.phase == committing {
		s.State, s.Reason = StateBlocked, "waits until the state can be written"
	}
	if p := d.isPaused(it.addr); p != nil && s.State == StateOK {
		s.State, s.Reason = StatePaused, pauseReason(p) // though there is nothing to deliver
	}
	if row := d.ledger.Sinks[it.addr]; row != nil {
		if s.Target == "" {
			s.Target = row.Target
		}
		if len(row.Revisions) > 0 {
			s.Revision = row.Revisions[0].Number
		}
		if row.Acknowledged != nil {
			s.LastSuccess = row.Acknowledged.At
		}
		if row.Pending != nil {
			s.Attempts = row.Pending.Attempts
			if s.LastError == "" {
				s.LastError = row.Pending.Error
			}
		}
	}
	return s
}

// SetListener notes where the listener is, for the status.
func (d *Daemon) SetListener(address string) { d.listener.Store(&address) }
