package plan

import (
	"strings"
	"testing"

	"tidegate/engine/state"
)

func TestSensitiveFlip(t *testing.T) {
	runScenes(t, []scene{
		{
			name:  "content that is marked later is no other content",
			rows:  rows{rowOf(app, acked("v1"))},
			sinks: seen{file(app, "v1", holding("v1"), secretly)},
			want:  says{app: "no-op kept remember"},
		},
		{
			name:  "nor is content that is not marked any more",
			rows:  rows{rowOf(app, acked("v1", asSecret))},
			sinks: seen{file(app, "v1", holding("v1"), plainly)},
			want:  says{app: "no-op kept remember"},
		},
		{
			name:  "nor is it for a program",
			rows:  rows{rowOf(reload, acked("v1"))},
			sinks: seen{program(reload, "v1", secretly)},
			want:  says{reload: "no-op kept remember"},
		},
		{
			name:  "content that stays marked is in step",
			rows:  rows{rowOf(app, acked("v1", asSecret))},
			sinks: seen{file(app, "v1", holding("v1"), secretly)},
			want:  says{app: "no-op"},
		},
		{
			name:  "drift is seen through it",
			rows:  rows{rowOf(app, acked("v1"))},
			sinks: seen{file(app, "v1", holding("theirs"), secretly)},
			want:  says{app: "update new repair counts drift content"},
		},
		{
			name:  "content that is marked since is not restored by its plain block while it waits",
			rows:  rows{rowOf(conf, acked("c1")), rowOf(app, acked("v1"))},
			sinks: seen{file(conf, "c1", holding("c1"), blocked(BlockedBy)), file(app, "v1", holding("theirs"), secretly, after(conf))},
			want:  says{app: "no-op for update drift content (blocked)"},
		},
		{
			name:  "content that is changed and marked at once is no drift",
			rows:  rows{rowOf(app, acked("v1"))},
			sinks: seen{file(app, "v2", holding("v1"), secretly)},
			want:  says{app: "update new counts"},
		},
		{
			name:   "so that a deferred update repairs nothing",
			rows:   rows{rowOf(app, acked("v1"), counted("one"))},
			limits: map[string]Limiter{"one": window(1)},
			sinks:  seen{file(app, "v2", holding("v1"), secretly, limitedBy("one"))},
			want:   says{app: "no-op for update (deferred)"},
		},
		{
			name:  "what an interrupted secret attempt wrote is no drift",
			rows:  rows{rowOf(app, acked("v1"), open("v2", interrupted, asSecret))},
			sinks: seen{file(app, "v3", holding("v2"), plainly)},
			want:  says{app: "update new counts"},
		},
	})
}

// Where the old or the new content is a secret, no plan shows lines of either.
func TestNoLinesOfSecrets(t *testing.T) {
	for name, s := range map[string]struct {
		row  *state.Sink
		sink *SinkObservation
		want bool
	}{
		"plain":            {rowOf(app, acked("v1")), file(app, "v2", holding("v1"), plainly), true},
		"plain drift":      {rowOf(app, acked("v1")), file(app, "v1", holding("theirs"), plainly), true},
		"now a secret":     {rowOf(app, acked("v1")), file(app, "v2", holding("v1"), secretly), false},
		"was a secret":     {rowOf(app, acked("v1", asSecret)), file(app, "v2", holding("v1"), plainly), false},
		"secret drift":     {rowOf(app, acked("v1", asSecret)), file(app, "v1", holding("theirs"), secretly), false},
		"was, and drifted": {rowOf(app, acked("v1", asSecret)), file(app, "v1", holding("theirs"), plainly), false},
		"first contact":    {nil, file(app, "v1", holding("theirs"), secretly), false},
	} {
		c := changeOf(t, compute(ledgerOf(s.row), nil, withLast(s.sink, s.row)), app)
		shown := c.Lines != nil || c.Drift != nil && len(c.Drift.Lines.Hunks) > 0
		if shown != s.want || c.Sensitive == s.want || !c.ContentChanged {
			t.Errorf("%s: lines shown %t, sensitive %t, changed %t", name, shown, c.Sensitive, c.ContentChanged)
		}
	}
	// What was acknowledged cannot be read: nobody knows whether it may be shown.
	row := rowOf(app, acked("v1"))
	if c := changeOf(t, compute(ledgerOf(row), nil, file(app, "v2", holding("v1"))), app); c.Lines != nil || !c.Sensitive {
		t.Errorf("lines of a content that nobody knows are shown")
	}
}

func TestMovedTarget(t *testing.T) {
	old := func(row *state.Sink) { row.Target = "/etc/old" }
	runScenes(t, []scene{
		{
			name:  "another path is met for the first time",
			rows:  rows{rowOf(app, acked("v1"), old)},
			sinks: seen{file(app, "v1")},
			want:  says{app: "create new counts"},
			reason: says{
				app: "first delivery to this target; what was delivered to /etc/old stays there",
			},
		},
		{
			name:  "what is there is kept as a revision",
			rows:  rows{rowOf(app, acked("v1"), old)},
			sinks: seen{file(app, "v1", holding("theirs"))},
			want:  says{app: "update new counts replaces"},
		},
		{
			name:  "a fallback does not replace it",
			rows:  rows{rowOf(app, acked("v1"), old)},
			sinks: seen{file(app, "v1", holding("theirs"), from(true))},
			want:  says{app: "no-op for update (blocked)"},
		},
		{
			name:  "a delivery to the old one that failed is not taken up",
			rows:  rows{rowOf(app, acked("v1"), old, open("v9", withError))},
			sinks: seen{file(app, "v2")},
			want:  says{app: "create new counts"},
		},
		{
			name:   "nor is one of the same value, which is another delivery there",
			rows:   rows{rowOf(app, acked("v1"), old, open("v2", withError))},
			sinks:  seen{file(app, "v2", holding("theirs"))},
			want:   says{app: "update new counts replaces"},
			reason: says{app: "first delivery to this target; what was delivered to /etc/old stays there"},
		},
		{
			name:  "what depends on the file learns that it is another one",
			rows:  rows{rowOf(app, acked("v1"), old), rowOf(reload, acked("r", answering(app.String(), "writes:3")))},
			sinks: seen{file(app, "v1", holding("v1")), program(reload, "r", triggeredBy(app))},
			want:  says{app: "adopt new counts", reload: "update new counts"},
		},
		{
			name:   "while it is deferred nothing is repaired there",
			rows:   rows{rowOf(app, acked("v1"), old, counted("one"))},
			limits: map[string]Limiter{"one": window(1)},
			sinks:  seen{file(app, "v1", holding("theirs"), limitedBy("one"))},
			want:   says{app: "no-op for update (deferred)"},
		},
		{
			name:  "nor while its value is refused",
			rows:  rows{rowOf(app, acked("v1"), old)},
			sinks: seen{file(app, "v2", holding("theirs"), blocked(RejectedByOwn))},
			want:  says{app: "no-op (rejected)"},
		},
		{
			name:  "of a program the target is part of what is sent",
			rows:  rows{rowOf(reload, acked("r"), old)},
			sinks: seen{program(reload, "r")},
			want:  says{reload: "no-op"},
		},
	})
}

func TestRemoved(t *testing.T) {
	gone := rowOf(app, acked("v1"))
	begun := rowOf(app, open("v1", interrupted))
	refused := rowOf(app, open("v1", withError))
	for name, s := range map[string]struct {
		row     *state.Sink
		removed Removed
		destroy bool
		want    Action
		reason  string
	}{
		"keep":                       {gone, Removed{OnDestroy: "keep"}, false, Forget, "no longer declared; the target stays as it is (on_destroy is keep)"},
		"keep when destroying":       {gone, Removed{OnDestroy: "keep"}, true, Forget, "the target stays as it is (on_destroy is keep)"},
		"delete":                     {gone, Removed{OnDestroy: "delete"}, false, Delete, "on_destroy is delete"},
		"delete what may be there":   {begun, Removed{OnDestroy: "delete"}, false, Delete, "on_destroy is delete"},
		"delete what was not ours":   {refused, Removed{OnDestroy: "delete"}, false, Forget, "no longer declared; the target stays as it is (on_destroy is keep)"},
		"delete what another writes": {gone, Removed{OnDestroy: "delete", Successor: notify}, false, Forget, "the target stays, since sink.http.notify writes it now"},
	} {
		s.removed.Address = app
		l := ledgerOf(s.row)
		p := Compute(&Input{Now: noon, Ledger: l, Removed: []*Removed{&s.removed}, Destroy: s.destroy}, NewLimits(nil, l, noon))
		c := changeOf(t, p, app)
		if c.Action != s.want || strings.Join(c.Reasons, "; ") != s.reason || c.Revision != s.row.Revision || c.Delivery != nil {
			t.Errorf("%s: %s %q at revision %d, want %s %q", name, c.Action, c.Reasons, c.Revision, s.want, s.reason)
		}
		if s := p.Summary(); s.Forget+s.Destroy != 1 || !p.HasChanges() || !p.Acts() {
			t.Errorf("%s: summary %+v", name, s)
		}
	}
}

// A sink that comes back under an old address never repeats an identity.
func TestSequenceOfANewSinkGrowsWithTheState(t *testing.T) {
	l := ledgerOf()
	first := changeOf(t, compute(l, nil, file(app, "v1")), app)
	if first.Sequence != l.Serial+1 {
		t.Errorf("the first intent is number %d, want %d", first.Sequence, l.Serial+1)
	}
	l.Serial++
	again := changeOf(t, compute(l, nil, file(app, "v1")), app)
	if first.Delivery.ID == again.Delivery.ID {
		t.Error("two states give one identity")
	}
	other := changeOf(t, compute(l, nil, file(notify, "v1")), notify)
	if other.Delivery.ID == again.Delivery.ID {
		t.Error("two sinks give one identity")
	}
}

func TestReasonsOfARepetition(t *testing.T) {
	for want, how := range map[string]func(*state.Delivery){
		"the last delivery was interrupted and its outcome is unknown": interrupted,
		"the last delivery failed: exit status 1":                      withError,
	} {
		row := rowOf(reload, acked("r1"), open("r2", how))
		c := changeOf(t, compute(ledgerOf(row), nil, withLast(program(reload, "r2"), row)), reload)
		if got := strings.Join(c.Reasons, "; "); got != want {
			t.Errorf("reasons %s, want %s", got, want)
		}
	}
}

func TestInterruptedDeliveryIsSupersededInWords(t *testing.T) {
	row := rowOf(app, acked("v1"), open("v2", interrupted))
	c := changeOf(t, compute(ledgerOf(row), nil, withLast(file(app, "v3", holding("v1")), row)), app)
	if len(c.Reasons) != 1 || strings.HasSuffix(c.Reasons[0], ": ") {
		t.Errorf("reasons %q", c.Reasons)
	}
}
