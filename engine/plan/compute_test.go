package plan

import (
	"strings"
	"testing"
	"time"

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
