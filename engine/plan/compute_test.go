package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// targets are what a target may hold when v2 is wanted and v1 was acknowledged.
var targets = map[string][]func(*SinkObservation){
	"missing":         nil,
	"as wanted":       {holding("v2")},
	"as acknowledged": {holding("v1")},
	"foreign":         {holding("theirs")},
	"opaque":          {func(o *SinkObservation) { o.Opaque, o.Hash, o.Content = true, "", nil }},
}

var ledgers = map[string]*state.Sink{
	"none":              nil,
	"acknowledged":      rowOf(app, acked("v1")),
	"adopted":           rowOf(app, adopted("v1")),
	"failed":            rowOf(app, acked("v1"), open("v2", withError)),
	"interrupted":       rowOf(app, acked("v1"), open("v2", interrupted)),
	"other failed":      rowOf(app, acked("v1"), open("v9", withError)),
	"other interrupted": rowOf(app, acked("v1"), open("v9", interrupted)),
	"first failed":      rowOf(app, open("v2", withError)),
	"first interrupted": rowOf(app, open("v2", interrupted)),
	"first was another": rowOf(app, open("v9", withError)),
}

// grid holds a table of text against what is computed: a line for each row of the ledger, a
// column for each target. A cell is what describe says, "-" one that is told elsewhere.
func grid(t *testing.T, wanted, policy, table string) {
	t.Helper()
	var head []string
	for line := range strings.Lines(strings.TrimSpace(table)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if head == nil {
			head = cells
			continue
		}
		row, ok := ledgers[cells[0]]
		if !ok {
			t.Fatalf("no ledger row is called %q", cells[0])
		}
		for i, target := range head[1:] {
			if cells[i+1] == "-" {
				continue
			}
			with, ok := targets[target]
			if !ok {
				t.Fatalf("no target is called %q", target)
			}
			l := ledgerOf(row)
			c := changeOf(t, compute(l, nil, withLast(file(app, wanted, append(with, onDrift(policy))...), row)), app)
			if got := describe(c, row); got != cells[i+1] {
				t.Errorf("ledger %s, target %s, on drift %s: %s %q, want %s", cells[0], target, policy, got, c.Reasons, cells[i+1])
			}
			checkIdentity(t, l, c)
		}
	}
}

// A value that is not the acknowledged one is delivered, whatever the target holds; only a
// target that already holds it is adopted. What was there before us is kept as a revision.
func TestAnotherValueIsWanted(t *testing.T) {
	for _, policy := range []string{"repair", "warn", "ignore"} {
		grid(t, "v2", policy, `
			                  | missing                          | as wanted                       | as acknowledged             | foreign                                  | opaque
			none              | create new counts                | adopt new                       | update new counts replaces  | update new counts replaces               | create new counts
			acknowledged      | create new counts drift missing  | adopt new counts drift content  | update new counts           | update new counts drift content          | update new counts
			adopted           | create new counts drift missing  | adopt new counts drift content  | update new counts replaces  | update new counts replaces drift content | update new counts
			failed            | create same counts drift missing | update same counts              | update same counts          | update same counts drift content         | update same counts
			interrupted       | create same counts drift missing | update same counts              | update same counts          | update same counts drift content         | update same counts
			other failed      | create new counts drift missing  | update new counts drift content | update new counts           | update new counts drift content          | update new counts
			other interrupted | create new counts drift missing  | update new counts drift content | update new counts           | update new counts drift content          | update new counts
			first failed      | create same counts               | update same counts              | update same counts replaces | update same counts replaces              | create same counts
			first interrupted | create same counts               | update same counts              | update same counts replaces | update same counts replaces              | create same counts
			first was another | create new counts                | adopt new                       | update new counts replaces  | update new counts replaces               | create new counts
		`)
	}
}

// The acknowledged value needs no delivery. Where somebody else changed the target the policy
// decides, and an open intent for another value is superseded.
func TestAcknowledgedValueIsWanted(t *testing.T) {
	grid(t, "v1", "repair", `
		                  | missing                                | as acknowledged | foreign                                | opaque
		acknowledged      | create new repair counts drift missing | no-op           | update new repair counts drift content | no-op
		adopted           | create new repair counts drift missing | no-op           | update new repair counts drift content | no-op
		other failed      | -                                      | adopt new       | -                                      | update new counts
		other interrupted | -                                      | adopt new       | -                                      | update new counts
	`)
	for _, policy := range []string{"warn", "ignore"} {
		grid(t, "v1", policy, `
			                  | missing             | as acknowledged | foreign             | opaque
			acknowledged      | no-op drift missing | no-op           | no-op drift content | no-op
			adopted           | no-op drift missing | no-op           | no-op drift content | no-op
			other failed      | -                   | adopt new       | -                   | update new counts
			other interrupted | -                   | adopt new       | -                   | update new counts
		`)
	}
}

// Where the configuration went back to what is acknowledged, and a delivery of another value had
// failed, drift is drift: repaired at once, or left alone.
func TestSupersedingByTheAcknowledgedValue(t *testing.T) {
	back := rowOf(app, acked("v1"), open("v9", withError), counted("one"))
	one := map[string]Limiter{"one": window(1)}
	runScenes(t, []scene{
		{
			name: "missing", rows: rows{back}, limits: one,
			sinks: seen{file(app, "v1", limitedBy("one"))},
			want:  says{app: "create new repair counts drift missing"},
		},
		{
			name: "changed", rows: rows{back}, limits: one,
			sinks: seen{file(app, "v1", holding("theirs"), limitedBy("one"))},
			want:  says{app: "update new repair counts drift content"},
		},
		{
			name: "changed, and only to be reported", rows: rows{back}, limits: one,
			sinks: seen{file(app, "v1", holding("theirs"), onDrift("warn"))},
			want:  says{app: "no-op drift content"},
		},
	})
}

// scene is one computation over a few sinks and what it is to say of each.
type scene struct {
	name   string
	rows   []*state.Sink
	limits map[string]Limiter
	shared map[string]state.Counter
	sinks  []*SinkObservation
	want   map[address.Address]string // as describe says it
	reason map[address.Address]string // the reasons and what is waited for, in full
}

func runScenes(t *testing.T, scenes []scene) {
	t.Helper()
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			l := ledgerOf(s.rows...)
			l.Shared = s.shared
			for _, o := range s.sinks {
				withLast(o, l.Sinks[o.Address])
			}
			p := compute(l, s.limits, s.sinks...)
			for a, want := range s.want {
				c := changeOf(t, p, a)
				if got := describe(c, l.Sinks[a]); got != want {
					t.Errorf("%s: %s %q, want %s", a, got, c.Reasons, want)
				}
				checkIdentity(t, l, c)
			}
			for a, want := range s.reason {
				c := changeOf(t, p, a)
				got := strings.Join(c.Reasons, "; ")
				if c.Wait != nil {
					got += " / " + c.Wait.On + ": " + c.Wait.Reason
				}
				if got != want {
					t.Errorf("%s: reason\n%s\nwant\n%s", a, got, want)
				}
			}
		})
	}
}

type (
	says = map[address.Address]string
	rows = []*state.Sink
	seen = []*SinkObservation
)

const fullUntil = "2026-03-01T12:30:00Z"

// full is a counter whose window has no place before half past twelve.
var full = state.Counter{noon.Add(-30 * time.Minute)}

func counted(name string) func(*state.Sink) {
	return func(row *state.Sink) { row.Counters = map[string]state.Counter{name: full} }
}

func TestFirstContact(t *testing.T) {
	skip := func(o *SinkObservation) { o.OnCreate = "skip" }
	runScenes(t, []scene{
		{
			name:   "on_create skip remembers without a delivery",
			sinks:  seen{program(reload, "v1", skip)},
			want:   says{reload: "adopt new"},
			reason: says{reload: "on_create is skip: the value is remembered without a delivery"},
		},
		{
			name:  "on_create skip is about the first contact only",
			rows:  rows{rowOf(reload, acked("v1"))},
			sinks: seen{program(reload, "v2", skip)},
			want:  says{reload: "update new counts"},
		},
		{
			name:  "on_create skip says nothing of targets that can be read",
			sinks: seen{file(app, "v1", skip)},
			want:  says{app: "create new counts"},
		},
		{
			name:  "on_create skip does not drop a delivery that was begun",
			rows:  rows{rowOf(reload, open("v1", withError))},
			sinks: seen{program(reload, "v1", skip)},
			want:  says{reload: "create same counts"},
		},
		{
			name:   "on_create skip is no delivery for whom it triggers, nor for a limit",
			rows:   rows{rowOf(notify, acked("n"))},
			limits: map[string]Limiter{"one": sharedWindow(1)},
			shared: map[string]state.Counter{"one": full},
			sinks:  seen{program(reload, "v1", skip, limitedBy("one")), program(notify, "n", triggeredBy(reload))},
			want:   says{reload: "adopt new", notify: "no-op kept remember"},
		},
		{
			name:   "a fallback never replaces what somebody else wrote",
			sinks:  seen{file(app, "v1", from(true), holding("theirs"))},
			want:   says{app: "no-op for update (blocked)"},
			reason: says{app: "first delivery / : a fallback never replaces what somebody else wrote, and /etc/app exists"},
		},
		{
			name:  "nor what was only adopted",
			rows:  rows{rowOf(app, adopted("v1"))},
			sinks: seen{file(app, "v2", from(true), holding("v1"))},
			want:  says{app: "no-op for update (blocked)"},
		},
		{
			name:  "nor after a first delivery that failed",
			rows:  rows{rowOf(app, open("v1", withError))},
			sinks: seen{file(app, "v1", from(true), holding("theirs"))},
			want:  says{app: "no-op for update (blocked)"},
		},
		{
			name: "nor by a repair",
			rows: rows{rowOf(app, adopted("v1"))}, sinks: seen{file(app, "v1", from(true), holding("theirs"))},
			want: says{app: "no-op for update drift content (blocked)"},
		},
		{
			name:  "nor by a delivery that supersedes another",
			rows:  rows{rowOf(app, adopted("v1"), open("v9", withError))},
			sinks: seen{file(app, "v2", from(true), holding("theirs"), onDrift("warn"))},
			want:  says{app: "no-op for update drift content (blocked)"},
		},
		{
			name:  "a fallback is delivered where nothing is",
			sinks: seen{file(app, "v1", from(true)), program(reload, "x", from(true))},
			want:  says{app: "create new counts", reload: "create new counts"},
		},
		{
			name:  "a fallback is adopted where it stands already",
			sinks: seen{file(app, "v1", from(true), holding("v1"))},
			want:  says{app: "adopt new"},
		},
		{
			name:  "a fallback replaces what we wrote",
			rows:  rows{rowOf(app, acked("v1"))},
			sinks: seen{file(app, "v2", from(true), holding("v1"))},
			want:  says{app: "update new counts"},
		},
		{
			name:  "another mode is no reason to adopt",
			sinks: seen{file(app, "v1", holding("v1"), differing("mode 0600, not 0644"))},
			want:  says{app: "update new counts replaces"},
		},
	})
}

func differing(words ...string) func(*SinkObservation) {
	return func(o *SinkObservation) { o.Differs = words }
}

func configChanged(policies string) func(*SinkObservation) {
	return func(o *SinkObservation) { o.ConfigChanged, o.Policies = true, policies }
}

func TestAttributesBesideTheContent(t *testing.T) {
	const words = "mode 0644, not 0600"
	runScenes(t, []scene{
		{
			name:   "changed by somebody else they are drift",
			rows:   rows{rowOf(app, acked("v1"))},
			sinks:  seen{file(app, "v1", holding("v1"), differing(words))},
			want:   says{app: "update new repair counts drift differs"},
			reason: says{app: "drift: " + words},
		},
		{
			name:  "and only that where the policy is to warn",
			rows:  rows{rowOf(app, acked("v1"))},
			sinks: seen{file(app, "v1", holding("v1"), differing(words), onDrift("warn"))},
			want:  says{app: "no-op drift differs"},
		},
		{
			name:   "changed in the configuration they are an update, whatever the policy",
			rows:   rows{rowOf(app, acked("v1"))},
			sinks:  seen{file(app, "v1", holding("v1"), differing(words), configChanged("0600"), onDrift("ignore"))},
			want:   says{app: "update new counts"},
			reason: says{app: words},
		},
		{
			name:  "changed in the configuration to what they are already, the ledger learns of it",
			rows:  rows{rowOf(app, acked("v1"))},
			sinks: seen{file(app, "v1", holding("v1"), configChanged("0600"))},
			want:  says{app: "no-op kept remember"},
		},
		{
			name:   "an update of them waits for its limit",
			rows:   rows{rowOf(app, acked("v1"), counted("one"))},
			limits: map[string]Limiter{"one": window(1)},
			sinks:  seen{file(app, "v1", holding("v1"), differing(words), configChanged("0600"), limitedBy("one"))},
			want:   says{app: "no-op for update (deferred)"},
		},
	})
}

func TestTriggers(t *testing.T) {
	const fired = "triggered by sink.file.app"
	answered := answering(app.String(), "writes:3")
	runScenes(t, []scene{
		{
			name:  "a trigger that did not fire does nothing",
			rows:  rows{rowOf(app, acked("v1")), rowOf(reload, acked("r", answered))},
			sinks: seen{file(app, "v1", holding("v1")), program(reload, "r", triggeredBy(app))},
			want:  says{app: "no-op", reload: "no-op"},
		},
		{
			name:   "a planned delivery fires",
			rows:   rows{rowOf(app, acked("v1")), rowOf(reload, acked("r", answered))},
			sinks:  seen{file(app, "v2", holding("v1")), program(reload, "r", triggeredBy(app))},
			want:   says{app: "update new counts", reload: "update new counts"},
			reason: says{reload: fired},
		},
		{
			name:  "a planned repair fires",
			rows:  rows{rowOf(app, acked("v1")), rowOf(reload, acked("r", answered))},
			sinks: seen{file(app, "v1", holding("theirs")), program(reload, "r", triggeredBy(app))},
			want:  says{app: "update new repair counts drift content", reload: "update new counts"},
		},
		{
			name:  "an earlier write that was not answered fires",
			rows:  rows{rowOf(app, acked("v1")), rowOf(reload, acked("r", answering(app.String(), "writes:2")))},
			sinks: seen{file(app, "v1", holding("v1")), program(reload, "r", triggeredBy(app))},
			want:  says{reload: "update new counts"},
		},
		{
			name:  "an adoption at first contact does not fire",
			rows:  rows{rowOf(reload, acked("r", answering(app.String(), "writes:0")))},
			sinks: seen{file(app, "v1", holding("v1")), program(reload, "r", triggeredBy(app))},
			want:  says{app: "adopt new", reload: "no-op"},
		},
		{
			name:  "an adoption of another value fires: the target changed",
			rows:  rows{rowOf(app, acked("v1")), rowOf(reload, acked("r", answered))},
			sinks: seen{file(app, "v2", holding("v2")), program(reload, "r", triggeredBy(app))},
			want:  says{app: "adopt new counts drift content", reload: "update new counts"},
		},
		{
			name:  "a failed delivery that only restores what is there fires nothing",
			rows:  rows{rowOf(app, acked("v1"), open("v2", withError)), rowOf(reload, acked("r", answered))},
			sinks: seen{file(app, "v1", holding("v1")), program(reload, "r", triggeredBy(app))},
			want:  says{app: "adopt new", reload: "no-op"},
		},
		{
			name:  "a trigger that is added later is remembered",
			rows:  rows{rowOf(app, acked("v1")), rowOf(reload, acked("r"))},
			sinks: seen{file(app, "v1", holding("v1")), program(reload, "r", triggeredBy(app))},
			want:  says{reload: "no-op kept remember"},
		},
		{
			name:  "and fires at once where its sink is delivered",
			rows:  rows{rowOf(app, acked("v1")), rowOf(reload, acked("r"))},
			sinks: seen{file(app, "v2", holding("v1")), program(reload, "r", triggeredBy(app))},
			want:  says{reload: "update new counts"},
		},
		{
			name:  "a trigger that is removed is forgotten",
			rows:  rows{rowOf(app, acked("v1")), rowOf(reload, acked("r", answering(app.String(), "writes:2")))},
			sinks: seen{file(app, "v2", holding("v1")), program(reload, "r")},
			want:  says{reload: "no-op kept remember"},
		},
		{
			name:   "a value fires when its token moves",
			rows:   rows{rowOf(reload, acked("r", answering("local.port", "80")))},
			sinks:  seen{program(reload, "r", triggeredByValue("local.port", "81"))},
			want:   says{reload: "update new counts"},
			reason: says{reload: "triggered by local.port"},
		},
		{
			name:  "a value that did not move does nothing",
			rows:  rows{rowOf(reload, acked("r", answering("local.port", "80")))},
			sinks: seen{program(reload, "r", triggeredByValue("local.port", "80"))},
			want:  says{reload: "no-op"},
		},
		{
			name:  "a value that is added later fires from now on",
			rows:  rows{rowOf(reload, acked("r"))},
			sinks: seen{program(reload, "r", triggeredByValue("local.port", "80"))},
			want:  says{reload: "no-op kept remember"},
		},
		{
			name:   "all that fired are named, in order",
			rows:   rows{rowOf(app, acked("v1")), rowOf(reload, acked("r", answering("var.b", "1"), answering("local.a", "1")))},
			sinks:  seen{program(reload, "r", triggeredByValue("var.b", "2"), triggeredByValue("local.a", "2"))},
			reason: says{reload: "triggered by local.a, var.b"},
		},
		{
			name: "a failed delivery keeps its identity while it answers the same",
			rows: rows{
				rowOf(app, acked("v1")),
				rowOf(reload, acked("r", answering(app.String(), "writes:2")), open("r", withError, answered)),
			},
			sinks: seen{file(app, "v1", holding("v1")), program(reload, "r", triggeredBy(app))},
			want:  says{reload: "update same counts"},
		},
		{
			name: "and not when it is owed to another write",
			rows: rows{
				rowOf(app, acked("v1")),
				rowOf(reload, acked("r", answering(app.String(), "writes:2")), open("r", withError, answered)),
			},
			sinks: seen{file(app, "v2", holding("v1")), program(reload, "r", triggeredBy(app))},
			want:  says{reload: "update new counts"},
		},
		{
			name: "nor when delivery.* is filled from other versions",
			rows: rows{rowOf(reload, open("r", withError, func(d *state.Delivery) {
				d.Causes = []state.Cause{{Source: origin, Version: "1"}}
			}))},
			sinks: seen{program(reload, "r", func(o *SinkObservation) {
				o.FilledLater, o.Causes = true, []state.Cause{{Source: origin, Version: "2"}}
			})},
			want: says{reload: "create new counts"},
		},
		{
			name: "other versions alone are no other delivery",
			rows: rows{rowOf(reload, open("r", withError))},
			sinks: seen{program(reload, "r", func(o *SinkObservation) {
				o.Causes = []state.Cause{{Source: origin, Version: "2"}}
			})},
			want: says{reload: "create same counts"},
		},
	})
}

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
