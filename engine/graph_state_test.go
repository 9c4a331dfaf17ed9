package engine

import (
	"testing"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

func TestStatesOfTheLedger(t *testing.T) {
	snapshot := []state.Snapshot{{Blob: "x"}}
	done := &state.Delivery{ID: "1"}
	for name, test := range map[string]struct {
		row  any
		want NodeState
	}{
		"source never looked at": {(*state.Source)(nil), NodeState{NodePending, "nothing was accepted yet"}},
		"source accepted":        {&state.Source{Snapshots: snapshot}, NodeState{State: NodeAccepted}},
		"source failing":         {&state.Source{Snapshots: snapshot, Failures: 2, LastError: "503"}, NodeState{NodeFailed, "503"}},
		"source only rejected":   {&state.Source{Rejected: []state.Rejection{{Findings: []string{"a", "b"}}}}, NodeState{NodeRejected, "a; b"}},
		"sink never delivered":   {(*state.Sink)(nil), NodeState{NodePending, "nothing was delivered yet"}},
		"sink delivered":         {&state.Sink{Acknowledged: done}, NodeState{State: NodeDelivered}},
		"sink begun":             {&state.Sink{Acknowledged: done, Pending: &state.Delivery{Unknown: true}}, NodeState{NodePending, "a delivery was begun"}},
		"sink failed":            {&state.Sink{Acknowledged: done, Pending: &state.Delivery{Error: "exit 1"}}, NodeState{NodeFailed, "exit 1"}},
	} {
		l := state.New()
		a := address.Of(address.Source, "file", "a")
		switch row := test.row.(type) {
		case *state.Source:
			if row != nil {
				l.Sources[a] = row
			}
		case *state.Sink:
			a.Type = address.Sink
			if row != nil {
				l.Sinks[a] = row
			}
		}
		nodes := []address.Address{a, address.Of(address.Local, "", "x")}
		if got := LedgerStates(nodes, l); len(got) != 1 || got[a] != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestStatesOfAPlan(t *testing.T) {
	a, b := address.Of(address.Source, "file", "a"), address.Of(address.Sink, "file", "b")
	for name, test := range map[string]struct {
		source plan.SourceChange
		sink   plan.SinkChange
		want   [2]string
	}{
		"in step":  {plan.SourceChange{Action: plan.NoOp}, plan.SinkChange{Action: plan.NoOp}, [2]string{NodeAccepted, NodeDelivered}},
		"changes":  {plan.SourceChange{Action: plan.Read}, plan.SinkChange{Action: plan.Update}, [2]string{NodePending, NodePending}},
		"failed":   {plan.SourceChange{Problem: plan.Failed}, plan.SinkChange{Action: plan.Update, Drift: &plan.Drift{Policy: "repair"}}, [2]string{NodeFailed, NodeDrifted}},
		"rejected": {plan.SourceChange{Problem: plan.Rejected}, plan.SinkChange{Wait: &plan.Wait{Kind: plan.RejectedByOwn}}, [2]string{NodeRejected, NodeRejected}},
		"deferred": {plan.SourceChange{Problem: plan.Limited}, plan.SinkChange{Wait: &plan.Wait{Kind: plan.Deferred}}, [2]string{NodeDeferred, NodeDeferred}},
		"blocked":  {plan.SourceChange{Problem: plan.Blocked}, plan.SinkChange{Wait: &plan.Wait{Kind: plan.BlockedBy}}, [2]string{NodeBlocked, NodeBlocked}},
		"ignored":  {plan.SourceChange{Problem: plan.Waiting}, plan.SinkChange{Action: plan.NoOp, Drift: &plan.Drift{Policy: "ignore"}}, [2]string{NodeBlocked, NodeDelivered}},
	} {
		test.source.Address, test.sink.Address = a, b
		got := PlanStates(&plan.Plan{Sources: []*plan.SourceChange{&test.source}, Sinks: []*plan.SinkChange{&test.sink}})
		if got[a].State != test.want[0] || got[b].State != test.want[1] {
			t.Errorf("%s: %v, want %q", name, got, test.want)
		}
	}
}
