package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// What a delivery answers is what its triggers will have fired by when its turn comes.
func TestTokensOfADelivery(t *testing.T) {
	l := ledgerOf(rowOf(app, acked("v1")), rowOf(reload, acked("r", answering(app.String(), "writes:3"), answering("gone", "1"))))
	delivers := compute(l, nil, file(app, "v2", holding("v1")), program(reload, "r", triggeredBy(app), triggeredByValue("new", "x")))
	want := map[string]string{app.String(): "writes:4", "new": "x"}
	if diff := cmp.Diff(want, changeOf(t, delivers, reload).Delivery.Triggers); diff != "" {
		t.Errorf("tokens of a triggered delivery (-want +got):\n%s", diff)
	}
	remembers := compute(l, nil, file(app, "v1", holding("v1")), program(reload, "r", triggeredBy(app), triggeredByValue("new", "x")))
	want = map[string]string{app.String(): "writes:3", "new": "x"}
	if diff := cmp.Diff(want, changeOf(t, remembers, reload).Delivery.Triggers); diff != "" {
		t.Errorf("tokens that are remembered (-want +got):\n%s", diff)
	}
}

func TestWaits(t *testing.T) {
	one := map[string]Limiter{"rate_limit.x.one": window(1)}
	const name = "rate_limit.x.one"
	const deferred = name + " lets the next delivery pass at " + fullUntil
	runScenes(t, []scene{
		{
			name:   "a limit defers",
			rows:   rows{rowOf(app, acked("v1"), counted(name))},
			limits: one,
			sinks:  seen{file(app, "v2", holding("v1"), limitedBy(name))},
			want:   says{app: "no-op for update (deferred)"},
			reason: says{app: "content changed / " + name + ": " + deferred},
		},
		{
			name:   "a limit that is not known defers nothing",
			rows:   rows{rowOf(app, acked("v1"), counted(name))},
			limits: one,
			sinks:  seen{file(app, "v2", holding("v1"), limitedBy("rate_limit.x.gone"))},
			want:   says{app: "update new counts"},
		},
		{
			name:   "a delivery that was begun has been counted",
			rows:   rows{rowOf(app, acked("v1"), open("v2", withError), counted(name))},
			limits: one,
			sinks:  seen{file(app, "v2", holding("v1"), limitedBy(name))},
			want:   says{app: "update same counts"},
		},
		{
			name:   "one that supersedes it has not",
			rows:   rows{rowOf(app, acked("v1"), open("v2", withError), counted(name))},
			limits: one,
			sinks:  seen{file(app, "v3", holding("v1"), limitedBy(name))},
			want:   says{app: "no-op for update (deferred)"},
		},
		{
			name:   "a repair is not limited",
			rows:   rows{rowOf(app, acked("v1"), counted(name))},
			limits: one,
			sinks:  seen{file(app, "v1", holding("theirs"), limitedBy(name))},
			want:   says{app: "update new repair counts drift content"},
		},
		{
			name:   "an adoption is not limited",
			rows:   rows{rowOf(app, acked("v1"), counted(name))},
			limits: one,
			sinks:  seen{file(app, "v2", holding("v2"), limitedBy(name))},
			want:   says{app: "adopt new counts drift content"},
		},
		{
			name:   "the acknowledged revision is restored at once while an update is deferred",
			rows:   rows{rowOf(app, acked("v1"), counted(name))},
			limits: one,
			sinks:  seen{file(app, "v2", holding("theirs"), limitedBy(name))},
			want:   says{app: "update new repair counts drift content (deferred)"},
		},
		{
			name:   "also a missing one",
			rows:   rows{rowOf(app, acked("v1"), counted(name))},
			limits: one,
			sinks:  seen{file(app, "v2", limitedBy(name))},
			want:   says{app: "create new repair counts drift missing (deferred)"},
		},
		{
			name:   "but not where the policy is to warn",
			rows:   rows{rowOf(app, acked("v1"), counted(name))},
			limits: one,
			sinks:  seen{file(app, "v2", holding("theirs"), limitedBy(name), onDrift("warn"))},
			want:   says{app: "no-op for update drift content (deferred)"},
		},
		{
			name:   "nor where the target holds what an interrupted attempt wrote",
			rows:   rows{rowOf(app, acked("v1"), open("v2", interrupted), counted(name))},
			limits: one,
			sinks:  seen{file(app, "v3", holding("v2"), limitedBy(name))},
			want:   says{app: "no-op for update (deferred)"},
		},
		{
			name:  "a sink that cannot be rendered is repaired",
			rows:  rows{rowOf(app, acked("v1"))},
			sinks: seen{unrendered(rowOf(app, acked("v1")), holding("theirs"))},
			want:  says{app: "update for no-op new repair counts drift content (blocked)"},
		},
		{
			name:  "and left alone where it is in step",
			rows:  rows{rowOf(app, acked("v1"))},
			sinks: seen{unrendered(rowOf(app, acked("v1")), holding("v1"))},
			want:  says{app: "no-op (blocked)"},
		},
		{
			name:  "a sink that was never applied is left alone",
			sinks: seen{file(app, "v1", blocked(RejectedByOwn), holding("theirs"))},
			want:  says{app: "no-op (rejected)"},
		},
		{
			name:  "an open intent waits, too, for what blocks its sink",
			rows:  rows{rowOf(app, acked("v1"), open("v2", withError))},
			sinks: seen{file(app, "v2", blocked(RejectedByOwn), holding("v1"))},
			want:  says{app: "no-op (rejected)"},
		},
		{
			name:   "who depends on a deferred sink waits with it",
			rows:   rows{rowOf(app, acked("v1"), counted(name)), rowOf(reload, acked("r1"))},
			limits: one,
			sinks:  seen{file(app, "v2", holding("v1"), limitedBy(name)), program(reload, "r2", after(app))},
			want:   says{app: "no-op for update (deferred)", reload: "no-op for update (deferred)"},
			reason: says{reload: "content changed / sink.file.app: waits for sink.file.app, which is deferred: " + deferred},
		},
		{
			name:  "who depends on a blocked sink is blocked",
			rows:  rows{rowOf(app, acked("v1")), rowOf(reload, acked("r1"))},
			sinks: seen{file(app, "v2", holding("v1"), blocked(BlockedBy)), program(reload, "r2", after(app))},
			want:  says{reload: "no-op for update (blocked)"},
			reason: says{
				reload: "content changed / sink.file.app: waits for sink.file.app, which is blocked: no value",
			},
		},
		{
			name: "a wait that speaks of its sink is told in its words",
			rows: rows{rowOf(app, acked("v1")), rowOf(reload, acked("r1"))},
			sinks: seen{
				file(app, "v2", holding("v1"), func(o *SinkObservation) {
					o.Blocked = &Wait{Kind: BlockedBy, Reason: "sink.file.app failed: no space left on device"}
				}),
				program(reload, "r2", after(app)),
			},
			want:   says{reload: "no-op for update (blocked)"},
			reason: says{reload: "content changed / sink.file.app: waits for sink.file.app, which failed: no space left on device"},
		},
		{
			name:  "who depends on a rejected sink is blocked",
			rows:  rows{rowOf(app, acked("v1")), rowOf(reload, acked("r1"))},
			sinks: seen{file(app, "v2", holding("v1"), blocked(RejectedByOwn)), program(reload, "r2", after(app))},
			want:  says{reload: "no-op for update (blocked)"},
			reason: says{
				reload: "content changed / sink.file.app: waits for sink.file.app, which is rejected: no value",
			},
		},
		{
			name:  "who wants nothing does not wait",
			rows:  rows{rowOf(app, acked("v1")), rowOf(reload, acked("r1"))},
			sinks: seen{file(app, "v2", holding("v1"), blocked(BlockedBy)), program(reload, "r1", after(app))},
			want:  says{reload: "no-op"},
		},
		{
			name: "but passes the wait on",
			rows: rows{rowOf(app, acked("v1")), rowOf(reload, acked("r1")), rowOf(notify, acked("n1"))},
			sinks: seen{
				file(app, "v2", holding("v1"), blocked(BlockedBy)), program(reload, "r1", after(app)), program(notify, "n2", after(reload)),
			},
			want:   says{reload: "no-op", notify: "no-op for update (blocked)"},
			reason: says{notify: "content changed / sink.file.app: waits for sink.file.app, which is blocked: no value"},
		},
		{
			name: "a waiting sink in between is the one that is named",
			rows: rows{rowOf(app, acked("v1")), rowOf(reload, acked("r1")), rowOf(notify, acked("n1"))},
			sinks: seen{
				file(app, "v2", holding("v1"), blocked(BlockedBy)), program(reload, "r2", after(app)), program(notify, "n2", after(reload)),
			},
			reason: says{notify: "content changed / sink.exec.reload: waits for sink.exec.reload, which is blocked: " +
				"waits for sink.file.app, which is blocked: no value"},
		},
		{
			name:   "who is triggered by a deferred sink waits with it",
			rows:   rows{rowOf(app, acked("v1"), counted(name)), rowOf(reload, acked("r", answering(app.String(), "writes:3")))},
			limits: one,
			sinks:  seen{file(app, "v2", holding("v1"), limitedBy(name)), program(reload, "r", triggeredBy(app))},
			want:   says{reload: "no-op for update (deferred)"},
			reason: says{reload: "triggered by sink.file.app / sink.file.app: waits for sink.file.app, which is deferred: " + deferred},
		},
		{
			name: "a sink that is restored while its update waits is waited for all the same",
			rows: rows{
				rowOf(app, acked("v1"), counted(name)), rowOf(reload, acked("r", answering(app.String(), "writes:3"))),
			},
			limits: one,
			sinks:  seen{file(app, "v2", holding("theirs"), limitedBy(name)), program(reload, "r", triggeredBy(app))},
			want: says{
				app: "update new repair counts drift content (deferred)", reload: "no-op for update (deferred)",
			},
		},
		{
			name:  "an adoption waits for what it depends on",
			rows:  rows{rowOf(app, acked("v1"))},
			sinks: seen{file(app, "v2", holding("v1"), blocked(BlockedBy)), file(notify, "v1", holding("v1"), after(app))},
			want:  says{notify: "no-op for adopt (blocked)"},
		},
		{
			name:  "a repair that failed is still a repair when it is tried again",
			rows:  rows{rowOf(app, acked("v1"), open("v1", withError, func(d *state.Delivery) { d.Repair = true }))},
			sinks: seen{file(app, "v1", holding("theirs"))},
			want:  says{app: "update same repair counts drift content"},
		},
		{
			name:  "a repair of the wanted value waits for what it depends on, the acknowledged revision does not",
			rows:  rows{rowOf(app, acked("v1")), rowOf(notify, acked("n"))},
			sinks: seen{unrendered(rowOf(app, acked("v1")), holding("v1")), file(notify, "n", holding("theirs"), after(app))},
			want:  says{notify: "update new repair counts drift content (blocked)"},
		},
	})
}

// unrendered is a sink that cannot be rendered, looked at by its acknowledged block.
func unrendered(row *state.Sink, with ...func(*SinkObservation)) *SinkObservation {
	o := &SinkObservation{Address: row.Address, Kind: row.Kind, Target: row.Target, OnCreate: "run", OnDrift: "repair"}
	blocked(BlockedBy)(o)
	for _, f := range with {
		f(o)
	}
	withLast(o, row)
	o.Last = lastOf(row)
	return o
}

func TestWaitUntilComesFromWhatIsWaitedFor(t *testing.T) {
	l := ledgerOf(rowOf(app, acked("v1"), counted("one")), rowOf(reload, acked("r1")))
	p := compute(l, map[string]Limiter{"one": window(1)},
		file(app, "v2", holding("v1"), limitedBy("one")), program(reload, "r2", after(app)))
	for _, c := range p.Sinks {
		if got := c.Wait.Until; !got.Equal(noon.Add(30 * time.Minute)) {
			t.Errorf("%s waits until %s, want %s", c.Address, got, fullUntil)
		}
	}
	if s := p.Summary(); s.Deferred != 2 || p.Acts() || !p.HasChanges() || p.Failed() {
		t.Errorf("summary %+v, acts %t, changes %t, failed %t; want two deferred changes and nothing to do now", s, p.Acts(), p.HasChanges(), p.Failed())
	}
}

// A delivery waits for those that are delivered before it, also through sinks that do nothing.
func TestDependsOnWhatActs(t *testing.T) {
	l := ledgerOf(rowOf(app, acked("v1")), rowOf(reload, acked("r")), rowOf(notify, acked("n1")))
	p := compute(l, nil, file(app, "v2", holding("v1")), program(reload, "r", after(app)), program(notify, "n2", after(reload, app)))
	if diff := cmp.Diff([]address.Address{app}, changeOf(t, p, notify).DependsOn, sameValues); diff != "" {
		t.Errorf("what the notification waits for (-want +got):\n%s", diff)
	}
}

func TestRefusedDeliveryLetsNothingPass(t *testing.T) {
	l := ledgerOf(rowOf(app, acked("v1")), rowOf(reload, acked("r", answering(app.String(), "writes:3"))), rowOf(notify, acked("n1")))
	c := NewComputation(l, NewLimits(nil, l, noon), noon, false)
	out := c.Sink(withLast(file(app, "v2", holding("v1")), l.Sinks[app]))
	c.Refuse(out, &Wait{Kind: RejectedByOwn, Reason: "cannot be filled in"}, nil)
	if got := describe(out, l.Sinks[app]); got != "no-op for update (rejected)" {
		t.Errorf("the refused sink: %s", got)
	}
	// What it triggers and what depends on it wait with it.
	if got := describe(c.Sink(program(reload, "r", triggeredBy(app))), l.Sinks[reload]); got != "no-op for update (blocked)" {
		t.Errorf("the triggered sink: %s, want blocked", got)
	}
	if got := describe(c.Sink(program(notify, "n2", after(app))), l.Sinks[notify]); got != "no-op for update (blocked)" {
		t.Errorf("the sink that depends on it: %s, want blocked", got)
	}
}
