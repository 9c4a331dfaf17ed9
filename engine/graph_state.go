package engine

import (
	"cmp"
	"strings"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// NodeState is how a source or sink of the graph stands.
type NodeState struct {
	State  string // one of the states below
	Reason string // in words, "" for none; redacted
}

// The states of sources and sinks in the graph, as of the ledger or a plan.
const (
	NodeAccepted  = "accepted"  // of a source: its newest value is in use
	NodeDelivered = "delivered" // of a sink: its target was brought in step
	NodePending   = "pending"   // something is to be accepted or delivered
	NodeDeferred  = "deferred"  // a rate limit lets it pass later
	NodeBlocked   = "blocked"   // by something that it is made from
	NodeRejected  = "rejected"  // a rule or a precondition refuses it
	NodeFailed    = "failed"    // the look or the delivery failed
	NodeDrifted   = "drifted"   // somebody else changed the target
	NodePaused    = "paused"    // somebody paused it, in a running daemon
)

// LedgerStates tells of each source and sink of the graph what the ledger knows: nothing is
// looked at.
func LedgerStates(nodes []address.Address, l *state.Ledger) map[address.Address]NodeState {
	out := map[address.Address]NodeState{}
	for _, a := range nodes {
		switch a.Type {
		case address.Source:
			out[a] = ledgerSource(l.Sources[a])
		case address.Sink:
			out[a] = ledgerSink(l.Sinks[a])
		}
	}
	return out
}

func ledgerSource(row *state.Source) NodeState {
	switch {
	case row != nil && row.Failures > 0:
		return NodeState{NodeFailed, row.LastError}
	case row.Current() == nil && row != nil && len(row.Rejected) > 0:
		return NodeState{NodeRejected, strings.Join(row.Rejected[0].Findings, "; ")}
	case row.Current() == nil:
		return NodeState{NodePending, "nothing was accepted yet"}
	}
	return NodeState{State: NodeAccepted}
}

func ledgerSink(row *state.Sink) NodeState {
	switch {
	case row != nil && row.Pending != nil && row.Pending.Error != "":
		return NodeState{NodeFailed, row.Pending.Error}
	case row != nil && row.Pending != nil:
		return NodeState{NodePending, "a delivery was begun"}
	case row == nil || row.Acknowledged == nil:
		return NodeState{NodePending, "nothing was delivered yet"}
	}
	return NodeState{State: NodeDelivered}
}

// DaemonStates tells how a running daemon sees each source and sink.
func DaemonStates(s *Status) map[address.Address]NodeState {
	out := make(map[address.Address]NodeState, len(s.Sources)+len(s.Sinks))
	for _, src := range s.Sources {
		out[src.Address] = NodeState{daemonState(src.State, NodeAccepted), cmp.Or(src.Reason, errorOf(src.State, src.LastError))}
	}
	for _, snk := range s.Sinks {
		out[snk.Address] = NodeState{daemonState(snk.State, NodeDelivered), cmp.Or(snk.Reason, errorOf(snk.State, snk.LastError))}
	}
	return out
}

// daemonState is the state of the graph for one of a daemon's.
func daemonState(state, ok string) string {
	switch state {
	case StateOK:
		return ok
	case StateFailing, StateDegraded, StateFailed:
		return NodeFailed
	case StateRejected, StateFlapping:
		return NodeRejected
	case StateDeferred:
		return NodeDeferred
	case StateBlocked:
		return NodeBlocked
	case StateDrifted, StateFighting:
		return NodeDrifted
	case StatePaused:
		return NodePaused
	}
	return NodePending // it waits, settles, or is being delivered
}

// errorOf leaves out an error that is an old story.
func errorOf(state, err string) string {
	if state == StateOK {
		return ""
	}
	return err
}

// PlanStates tells what a plan says of each source and sink.
func PlanStates(p *plan.Plan) map[address.Address]NodeState {
	out := map[address.Address]NodeState{}
	for _, c := range p.Sources {
		out[c.Address] = planSource(c)
	}
	for _, c := range p.Sinks {
		out[c.Address] = planSink(c)
	}
	return out
}

func planSource(c *plan.SourceChange) NodeState {
	switch c.Problem {
	case plan.Failed:
		return NodeState{NodeFailed, c.Reason}
	case plan.Rejected, plan.Flapping:
		return NodeState{NodeRejected, c.Reason}
	case plan.Limited:
		return NodeState{NodeDeferred, c.Reason}
	case plan.Blocked, plan.Waiting:
		return NodeState{NodeBlocked, c.Reason}
	}
	if c.Action == plan.Read {
		return NodeState{NodePending, "a new value is to be accepted"}
	}
	return NodeState{State: NodeAccepted}
}

func planSink(c *plan.SinkChange) NodeState {
	if c.Wait != nil {
		s := map[plan.WaitKind]string{
			plan.Deferred: NodeDeferred, plan.BlockedBy: NodeBlocked, plan.RejectedByOwn: NodeRejected,
		}[c.Wait.Kind]
		return NodeState{s, c.Wait.Reason}
	}
	switch {
	case c.Drift != nil && c.Drift.Policy != "ignore":
		return NodeState{NodeDrifted, strings.Join(c.Reasons, "; ")}
	case c.Action != plan.NoOp:
		return NodeState{NodePending, string(c.Action)}
	}
	return NodeState{State: NodeDelivered}
}
