package plan

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/state"
	"tidegate/hclspec/mark"
)

func snapshotOf(content string) state.Snapshot {
	return state.Snapshot{Blob: hashOf(content), Key: "key:" + content, Version: content, Format: "json", Size: int64(len(content))}
}

// source is a row that accepted some contents, the newest first.
func source(with ...func(*state.Source)) *state.Source {
	row := &state.Source{Address: origin, Revision: 3, Validator: "etag-1", Judged: "rules-1", LastSuccess: noon.Add(-time.Minute)}
	for _, f := range with {
		f(row)
	}
	return row
}

func accepted(contents ...string) func(*state.Source) {
	return func(row *state.Source) {
		for _, c := range contents {
			row.Snapshots = append(row.Snapshots, snapshotOf(c))
			row.Accepted++
			row.Changes = append(row.Changes, noon.Add(-time.Hour))
		}
	}
}

func limitedCounter(name string) func(*state.Source) {
	return func(row *state.Source) { row.Counters = map[string]state.Counter{name: full} }
}

// saw is one look at the source.
func saw(with ...func(*SourceObservation)) *SourceObservation {
	o := &SourceObservation{Address: origin, Kind: "http", Identity: "https://example.com/app.json", Validator: "etag-1", Judged: "rules-1"}
	for _, f := range with {
		f(o)
	}
	return o
}

func stored(content string) func(*SourceObservation) {
	return func(o *SourceObservation) { o.Accepted = cty.StringVal(content) }
}

func fetched(content string) func(*SourceObservation) {
	return func(o *SourceObservation) {
		s := snapshotOf(content)
		o.Fresh, o.Data, o.Value, o.Validator = &s, []byte(content), cty.StringVal(content), "etag-"+content
	}
}

func same(o *SourceObservation) { o.Same = true }

func lookFailed(o *SourceObservation) { o.Err = "status 503" }

func notKnown(o *SourceObservation) { o.Blocked = "var.url is not known" }

func refused(o *SourceObservation) {
	o.Rejected = true
	o.Checks = []Check{
		{Address: "rule.assert.fine", Status: "pass", Findings: nil},
		{Address: "rule.assert.mild", Status: "fail", Severity: "warning", Findings: []string{"large"}},
		{Address: "rule.assert.sane", Status: "fail", Severity: "error", Findings: []string{"no port", "no host"}},
	}
}

func standIn(fine bool) func(*SourceObservation) {
	return func(o *SourceObservation) { o.Fallback, o.FallbackFine = cty.StringVal("stand-in"), fine }
}

func underLimit(name string) func(*SourceObservation) {
	return func(o *SourceObservation) { o.Limits = []string{name} }
}

func rekeyedTo(key string) func(*SourceObservation) {
	return func(o *SourceObservation) { o.Fresh.Key = key }
}

func TestChoose(t *testing.T) {
	const one = "rate_limit.x.one"
	const deferred = one + " lets the next update pass at " + fullUntil
	for _, c := range []struct {
		name   string
		row    *state.Source
		look   *SourceObservation
		want   string // standing, problem and value
		reason string
		read   bool
	}{
		{"first value", nil, saw(fetched("v1")), "candidate  v1", "", true},
		{"another value", source(accepted("v1")), saw(stored("v1"), fetched("v2")), "candidate  v2", "", true},
		{"not modified", source(accepted("v1")), saw(stored("v1"), same), "accepted  v1", "", false},
		{"other bytes, the same value", source(accepted("v1")), saw(stored("v1"), fetched("v2"), rekeyedTo("key:v1")), "accepted  v1", "", false},
		{"an older value is a value, too", source(accepted("v2", "v1")), saw(stored("v2"), fetched("v1")), "candidate  v1", "", true},
		{"accepted bytes that are lost are healed", source(accepted("v1")), saw(fetched("v1")), "candidate  v1", "", true},

		{"failed", source(accepted("v1")), saw(stored("v1"), lookFailed), "accepted failed v1", "status 503", false},
		{"failed at first", nil, saw(lookFailed), "none failed ", "status 503", false},
		{"failed at first with a fallback", nil, saw(lookFailed, standIn(true)), "fallback failed stand-in", "status 503", false},
		{"failed at first with a fallback that is refused", nil, saw(lookFailed, standIn(false)), "none failed ", "status 503", false},
		{"failed with a fallback", source(accepted("v1")), saw(stored("v1"), lookFailed, standIn(true)), "accepted failed v1", "status 503", false},

		{"rejected", source(accepted("v1")), saw(stored("v1"), fetched("v2"), refused), "accepted rejected v1", "refused by rule.assert.sane: no port (and 1 more)", false},
		{"rejected at first", nil, saw(fetched("v1"), refused), "none rejected ", "refused by rule.assert.sane: no port (and 1 more)", false},
		{"rejected at first with a fallback", nil, saw(fetched("v1"), refused, standIn(true)), "fallback rejected stand-in", "refused by rule.assert.sane: no port (and 1 more)", false},
		{"rejected without findings", nil, saw(fetched("v1"), func(o *SourceObservation) { o.Rejected = true }), "none rejected ", "refused", false},
		{"accepted once, refused by today's rules", source(accepted("v1")), saw(stored("v1"), same, refused), "accepted rejected v1", "refused by rule.assert.sane: no port (and 1 more)", false},

		{"deferred", source(accepted("v1"), limitedCounter(one)), saw(stored("v1"), fetched("v2"), underLimit(one)), "accepted deferred v1", deferred, false},
		{"deferred at first", source(limitedCounter(one)), saw(fetched("v1"), underLimit(one), standIn(true)), "none deferred ", deferred, false},
		{"a value that is no change is not deferred", source(accepted("v1"), limitedCounter(one)), saw(stored("v1"), same, underLimit(one)), "accepted  v1", "", false},
		{"a refusal is told before a deferral", source(accepted("v1"), limitedCounter(one)), saw(stored("v1"), fetched("v2"), refused, underLimit(one)), "accepted rejected v1", "refused by rule.assert.sane: no port (and 1 more)", false},

		{"blocked", source(accepted("v1")), saw(stored("v1"), notKnown), "accepted blocked v1", "var.url is not known", false},
		{"blocked at first", nil, saw(notKnown, standIn(true)), "none blocked ", "var.url is not known", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			limits := map[string]Limiter{one: window(1)}
			got := Choose(c.look, c.row, NewLimits(limits, nil, noon))
			value := ""
			if got.Value != cty.NilVal {
				value = got.Value.AsString()
			}
			if s := fmt.Sprintf("%s %s %s", got.Standing, got.Problem, value); s != c.want {
				t.Errorf("chosen: %q, want %q", s, c.want)
			}
			if got.Reason != c.reason || got.Read != c.read {
				t.Errorf("reason %q, read %t; want %q, %t", got.Reason, got.Read, c.reason, c.read)
			}
			if (got.Problem == Limited) != got.Until.Equal(noon.Add(30*time.Minute)) {
				t.Errorf("until %s", got.Until)
			}
		})
	}
}

// change computes one source alone.
func change(row *state.Source, look *SourceObservation) *SourceChange {
	limits := map[string]Limiter{"one": window(1)}
	l := state.New()
	if row != nil {
		l.Sources[origin] = row
	}
	return Compute(&Input{Now: noon, Ledger: l, Sources: []*SourceObservation{look}}, NewLimits(limits, l, noon)).Sources[0]
}

func TestAcceptanceIsOneRow(t *testing.T) {
	row := source(accepted("v3", "v2", "v1"), func(row *state.Source) { row.Failures, row.LastError = 2, "status 503" })
	before := row.Clone()
	got := change(row, saw(stored("v3"), fetched("v4"), underLimit("one")))
	if diff := cmp.Diff(before, row, sameValues); diff != "" {
		t.Errorf("computing changed the ledger's row (-before +after):\n%s", diff)
	}
	want := source(accepted("v4", "v3", "v2"), func(row *state.Source) {
		row.Snapshots[0].AcceptedAt = noon
		row.Changes = append(row.Changes, noon)
		row.Accepted, row.Validator, row.LastSuccess = 4, "etag-v4", noon
		row.Counters = map[string]state.Counter{"one": {noon}}
	})
	if diff := cmp.Diff(want, got.Row, sameValues); diff != "" {
		t.Errorf("the row after the acceptance (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]state.Blob{{Hash: hashOf("v4"), Data: []byte("v4")}}, got.Blobs); diff != "" {
		t.Errorf("its bytes (-want +got):\n%s", diff)
	}
	if got.Action != Read || got.PreviousVersion != "v3" || got.Version != "v4" {
		t.Errorf("%s from %s to %s", got.Action, got.PreviousVersion, got.Version)
	}
	if len(got.Changes) != 1 || got.Changes[0].Before.AsString() != "v3" || got.Changes[0].After.AsString() != "v4" {
		t.Errorf("changes %v", got.Changes)
	}
}

func TestRowAfterALook(t *testing.T) {
	failing := func(row *state.Source) { row.Failures, row.LastError = 2, "status 503" }
	for _, c := range []struct {
		name string
		row  *state.Source
		look *SourceObservation
		want string // what of the row changed
	}{
		{"nothing changed", source(accepted("v1")), saw(stored("v1"), same), "-"},
		{"blocked", source(accepted("v1")), saw(stored("v1"), notKnown), "-"},
		{"failed", source(accepted("v1")), saw(stored("v1"), lookFailed), "1 failures status 503, etag-1, rules-1, 0 rejected, 1 snapshots"},
		{"failed again", source(accepted("v1"), failing), saw(stored("v1"), lookFailed), "3 failures status 503, etag-1, rules-1, 0 rejected, 1 snapshots"},
		{"well again", source(accepted("v1"), failing), saw(stored("v1"), same), "0 failures , etag-1, rules-1, 0 rejected, 1 snapshots"},
		{"a renewed validator", source(accepted("v1")), saw(stored("v1"), same, func(o *SourceObservation) { o.Validator = "etag-2" }), "0 failures , etag-2, rules-1, 0 rejected, 1 snapshots"},
		{"other rules that pass", source(accepted("v1")), saw(stored("v1"), same, func(o *SourceObservation) { o.Judged = "rules-2" }), "0 failures , etag-1, rules-2, 0 rejected, 1 snapshots"},
		{"other rules that refuse", source(accepted("v1")), saw(stored("v1"), same, refused, func(o *SourceObservation) { o.Judged = "rules-2" }), "-"},
		{"rejected", source(accepted("v1")), saw(stored("v1"), fetched("v2"), refused), "0 failures , etag-1, rules-1, 1 rejected, 1 snapshots"},
		{"rejected again", source(accepted("v1"), func(row *state.Source) { row.Rejected = []state.Rejection{{Hash: hashOf("v2")}} }), saw(stored("v1"), fetched("v2"), refused), "-"},
		{"deferred", source(accepted("v1"), limitedCounter("one")), saw(stored("v1"), fetched("v2"), underLimit("one")), "-"},
		{"failed at first", nil, saw(lookFailed), "1 failures status 503, , , 0 rejected, 0 snapshots"},
	} {
		got := "-"
		if row := change(c.row, c.look).Row; row != nil {
			got = fmt.Sprintf("%d failures %s, %s, %s, %d rejected, %d snapshots", row.Failures, row.LastError, row.Validator, row.Judged, len(row.Rejected), len(row.Snapshots))
		}
		if got != c.want {
			t.Errorf("%s: row %s, want %s", c.name, got, c.want)
		}
	}
}

func TestHistoriesOfASourceAreBounded(t *testing.T) {
	row := source(accepted("v1"), func(row *state.Source) {
		for i := range 2 * maxChanges {
			row.Changes = append(row.Changes, noon.Add(time.Duration(i)))
			row.Rejected = append(row.Rejected, state.Rejection{Hash: fmt.Sprint(i)})
		}
	})
	got := change(row, saw(stored("v1"), fetched("v2"))).Row
	if n := len(got.Changes); n != maxChanges || !got.Changes[n-1].Equal(noon) {
		t.Errorf("%d changes, the last at %s", n, got.Changes[n-1])
	}
	got = change(row, saw(stored("v1"), fetched("v2"), refused)).Row
	if n := len(got.Rejected); n != maxRejections || got.Rejected[n-1].Hash != hashOf("v2") {
		t.Errorf("%d rejections, the last of %s", n, got.Rejected[n-1].Hash)
	}
}

// inSecret marks a snapshot as one whose bytes are kept encrypted, as it is stored.
func inSecret(s *state.Snapshot) {
	s.Key, s.Blob = keyed(s.Key), keyed(s.Blob)
	if err := json.Unmarshal([]byte(`{"sensitive": true, "sealed": true}`), s); err != nil {
		panic(err)
	}
}

// What was accepted before it was a secret does not stay in the state in clear.
func TestSecretSnapshotDropsThePlainOnes(t *testing.T) {
	secret := func(o *SourceObservation) {
		inSecret(o.Fresh)
		o.Value, o.Accepted = o.Value.Mark(mark.Sensitive), o.Accepted.Mark(mark.Sensitive)
	}
	got := change(source(accepted("v2", "v1")), saw(stored("v2"), fetched("v2"), secret))
	if got.Action != Read || len(got.Row.Snapshots) != 1 || !got.Row.Snapshots[0].Sensitive || !got.Blobs[0].Sealed {
		t.Errorf("%s, snapshots %+v, blobs sealed %t", got.Action, got.Row.Snapshots, got.Blobs[0].Sealed)
	}
}

func TestWhatIsShownOfASource(t *testing.T) {
	other := change(source(accepted("v1")), saw(stored("v1"), fetched("v2"), rekeyedTo("key:v1")))
	if !other.FormatOnly || other.Action != NoOp || other.Version != "v1" || len(other.Changes) > 0 {
		t.Errorf("other bytes: format only %t, %s, version %s, changes %v", other.FormatOnly, other.Action, other.Version, other.Changes)
	}
	for name, look := range map[string]*SourceObservation{
		"rejected": saw(stored("v1"), fetched("v2"), refused),
		"deferred": saw(stored("v1"), fetched("v2"), underLimit("one")),
	} {
		got := change(source(accepted("v1"), limitedCounter("one")), look)
		if got.Action != NoOp || got.Version != "v2" || got.After.AsString() != "v2" || len(got.Changes) != 1 || len(got.Blobs) > 0 {
			t.Errorf("%s: %s of version %s, after %v, changes %v", name, got.Action, got.Version, got.After, got.Changes)
		}
	}
	failed := change(source(accepted("v1")), saw(stored("v1"), lookFailed))
	if failed.Version != "v1" || failed.After.AsString() != "v1" {
		t.Errorf("failed: version %s, after %v; want what is in use", failed.Version, failed.After)
	}
	standsIn := change(nil, saw(lookFailed, standIn(true)))
	if standsIn.Row.Current() != nil || standsIn.After.AsString() != "stand-in" || standsIn.Action != NoOp {
		t.Errorf("a fallback is %s: %+v", standsIn.Action, standsIn.Row)
	}
}

func TestSummaryOfSources(t *testing.T) {
	for _, c := range []struct {
		name                  string
		row                   *state.Source
		look                  *SourceObservation
		changes, acts, failed bool
	}{
		{"in step", source(accepted("v1")), saw(stored("v1"), same), false, false, false},
		{"candidate", nil, saw(fetched("v1")), true, true, false},
		{"deferred", source(accepted("v1"), limitedCounter("one")), saw(stored("v1"), fetched("v2"), underLimit("one")), true, false, false},
		{"failed", source(accepted("v1")), saw(stored("v1"), lookFailed), false, false, true},
		{"rejected", source(accepted("v1")), saw(stored("v1"), fetched("v2"), refused), false, false, true},
		{"blocked", source(accepted("v1")), saw(stored("v1"), notKnown), false, false, false},
	} {
		p := &Plan{Sources: []*SourceChange{change(c.row, c.look)}}
		if p.HasChanges() != c.changes || p.Acts() != c.acts || p.Failed() != c.failed {
			t.Errorf("%s: changes %t, acts %t, failed %t", c.name, p.HasChanges(), p.Acts(), p.Failed())
		}
	}
}
