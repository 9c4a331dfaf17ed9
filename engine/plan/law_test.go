package plan

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// After an apply that works nothing is left but what waits, and what nobody is to touch.
func TestPlanAfterApplyIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t)
		first := w.plan()
		for _, c := range first.Sinks {
			t.Logf("%s: %s %q", c.Address, describe(c, w.ledger.Sinks[c.Address]), c.Reasons)
			checkChange(t, w, c)
		}
		w.apply(first, nil)
		second := w.plan()
		for i, c := range second.Sinks {
			row := w.ledger.Sinks[c.Address]
			if c.Remember && first.Sinks[i].Wait != nil {
				continue // see TestAddedTriggerIsNotLost
			}
			if c.Action != NoOp || c.Remember || c.Delivery != nil {
				t.Errorf("after %s\nthe plan is %s %q", describe(first.Sinks[i], row), describe(c, row), c.Reasons)
			}
			if c.Wanted != NoOp && c.Wait == nil {
				t.Errorf("%s waits for nothing", c.Address)
			}
			if c.Drift != nil && c.Drift.Policy == "repair" && c.Wait == nil {
				t.Errorf("%s is not repaired", c.Address)
			}
		}
		if second.Acts() {
			t.Errorf("the plan after an apply acts: %+v", second.Summary())
		}
	})
}

// checkChange holds one planned change against what must be true of any.
func checkChange(t *rapid.T, w *world, c *SinkChange) {
	d, row := w.declared(c.Address), w.ledger.Sinks[c.Address]
	if (c.Delivery != nil) != (c.Action == Adopt || c.Action.Delivers() || c.Remember) {
		t.Errorf("%s: %s has delivery %v", c.Address, c.Action, c.Delivery)
	}
	if c.Wait != nil && c.Action != NoOp && !c.Repair {
		t.Errorf("%s acts although it waits: %s", c.Address, describe(c, row))
	}
	if c.Delivery == nil {
		return
	}
	if row != nil && c.Delivery.ID == "" || c.Payload == nil {
		t.Errorf("%s: a delivery without identity or payload: %+v", c.Address, c)
	}
	// What is delivered is the wanted content or the acknowledged one, and the latter only to
	// restore it.
	content := strings.TrimPrefix(strings.TrimPrefix(c.Delivery.Fingerprint, "hmac-"), "fp:")
	if got := blockOf(c.Payload.Values).Content; got != content {
		t.Errorf("%s: the payload holds %s, the delivery says %s", c.Address, got, content)
	}
	restores := c.Repair && row.Acknowledged != nil && content == blockOf([]byte(row.Acknowledged.Payload)).Content
	if content != d.block.Content && !restores {
		t.Errorf("%s: %s delivers %s, wanted is %s", c.Address, describe(c, row), content, d.block.Content)
	}
	if c.Repair && d.onDrift != "repair" {
		t.Errorf("%s is repaired with on_drift %s", c.Address, d.onDrift)
	}
	checkFallback(t, w, c)
}

// A fallback is never written over bytes that we did not write.
func checkFallback(t *rapid.T, w *world, c *SinkChange) {
	d, row := w.declared(c.Address), w.ledger.Sinks[c.Address]
	held, exists := w.files[c.Target]
	if !d.fallback || !c.Action.Delivers() || !exists {
		return
	}
	ours := row != nil && row.Acknowledged != nil && row.Target == c.Target
	attempted := row != nil && row.Pending != nil && held.Content == blockOf([]byte(row.Pending.Payload)).Content
	if !ours && !attempted && held.Content != d.block.Content {
		t.Errorf("%s: a fallback replaces %q: %s %q", c.Address, held.Content, describe(c, row), c.Reasons)
	}
}

// A trigger that comes with the update it is to follow is owed an answer also where its sink
// had to wait, or was never begun.
func TestAddedTriggerIsNotLost(t *testing.T) {
	one := map[string]Limiter{"one": window(1)}
	for name, counters := range map[string]func(*state.Sink){"deferred": counted("one"), "interrupted": func(*state.Sink) {}} {
		l := ledgerOf(rowOf(app, acked("v1")), rowOf(reload, acked("r"), counters))
		p := compute(l, one, withLast(file(app, "v2", holding("v1")), l.Sinks[app]), program(reload, "r", triggeredBy(app), limitedBy("one")))
		if c := changeOf(t, p, reload); c.Wanted != Update {
			t.Errorf("%s: the new trigger does not fire: %s", name, describe(c, l.Sinks[reload]))
		}
		// The file is written, the program is not begun.
		l.Sinks[app] = rowOf(app, acked("v2"), func(row *state.Sink) { row.Writes++ })
		if c := changeOf(t, p, reload); c.Baseline != nil {
			l.Sinks[reload].Acknowledged.Triggers = c.Baseline
		}
		p = compute(l, one, file(app, "v2", holding("v2")), program(reload, "r", triggeredBy(app), limitedBy("one")))
		if c := changeOf(t, p, reload); c.Wanted != Update {
			t.Errorf("%s: the program is never told: %s", name, describe(c, l.Sinks[reload]))
		}
	}
}

// A delivery that fails is wanted again: the same content under the same identity.
func TestFailedDeliveryIsWantedAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t)
		p := w.plan()
		fates := map[address.Address]fate{}
		for _, c := range p.Sinks {
			fates[c.Address] = rapid.SampledFrom([]fate{works, fails, lost, reached}).Draw(t, "fate of "+c.Address.Name)
		}
		begun := w.apply(p, fates)
		again := w.plan()
		for a, first := range begun {
			if fates[a] == works || first.Wait != nil {
				continue // a revision that is restored meanwhile is none of the wanted value
			}
			c := changeOf(&testing.T{}, again, a)
			if !c.Action.Delivers() {
				t.Errorf("%s failed (%d) and is %s", a, fates[a], describe(c, w.ledger.Sinks[a]))
				continue
			}
			if c.Delivery.ID != first.Delivery.ID || c.Delivery.Fingerprint != first.Delivery.Fingerprint || c.Sequence != first.Sequence {
				t.Errorf("%s failed (%d) as %s number %d and is wanted again as %s number %d: %q",
					a, fates[a], first.Delivery.ID, first.Sequence, c.Delivery.ID, c.Sequence, c.Reasons)
			}
			if diff := cmp.Diff(first.Payload, c.Payload); diff != "" {
				t.Errorf("%s is repeated with another payload (-first +again):\n%s", a, diff)
			}
		}
	})
}

// Whatever fails and whoever interferes on the way: what is delivered is never older than what
// was acknowledged, and in the end the newest value is everywhere.
func TestNeverOlderAndNeverDropped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t)
		clear(w.ledger.Sinks)
		clear(w.files)
		for _, d := range w.sinks {
			d.block, d.onDrift, d.fallback, d.secret, d.blocked = block{version(1), "0644"}, "repair", false, false, ""
		}
		newest := map[address.Address]int{}
		step := func(fates map[address.Address]fate) {
			p := w.plan()
			for _, c := range p.Sinks {
				if c.Delivery == nil {
					continue
				}
				if n := number(blockOf(c.Payload.Values).Content); n < newest[c.Address] {
					t.Errorf("%s delivers %d after %d was acknowledged: %s", c.Address, n, newest[c.Address], describe(c, w.ledger.Sinks[c.Address]))
				}
			}
			w.apply(p, fates)
			for a, row := range w.ledger.Sinks {
				if row.Acknowledged != nil {
					newest[a] = max(newest[a], number(blockOf([]byte(row.Acknowledged.Payload)).Content))
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"another value": func(t *rapid.T) {
				d := rapid.SampledFrom(w.sinks).Draw(t, "sink")
				d.block.Content = version(number(d.block.Content) + 1)
			},
			"blocked or not": func(t *rapid.T) {
				d := rapid.SampledFrom(w.sinks).Draw(t, "sink")
				d.blocked = rapid.SampledFrom([]WaitKind{"", BlockedBy, RejectedByOwn}).Draw(t, "by")
			},
			"somebody writes": func(t *rapid.T) {
				w.files[rapid.SampledFrom(w.sinks).Draw(t, "sink").target] = block{"theirs", "0644"}
			},
			"somebody deletes": func(t *rapid.T) {
				delete(w.files, rapid.SampledFrom(w.sinks).Draw(t, "sink").target)
			},
			"time passes": func(t *rapid.T) {
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 70).Draw(t, "minutes")) * time.Minute)
			},
			"apply": func(t *rapid.T) {
				fates := map[address.Address]fate{}
				for _, d := range w.sinks {
					fates[d.addr] = rapid.SampledFrom([]fate{works, works, fails, lost, reached}).Draw(t, "fate")
				}
				step(fates)
			},
		})
		for _, d := range w.sinks {
			d.blocked = ""
		}
		for range 4 {
			w.now = w.now.Add(2 * time.Hour)
			step(nil)
		}
		for _, d := range w.sinks {
			row := w.ledger.Sinks[d.addr]
			if row == nil || row.Pending != nil || blockOf([]byte(row.Acknowledged.Payload)) != d.block {
				t.Fatalf("%s is not in step with %v: %+v", d.addr, d.block, row)
			}
			if sent := w.sent[d.addr]; sent[len(sent)-1] != d.block.Content || !d.opaque && w.files[d.target] != d.block {
				t.Errorf("%s: sent %v, holds %v, want %v", d.addr, sent, w.files[d.target], d.block)
			}
		}
		if p := w.plan(); p.HasChanges() {
			t.Errorf("the last plan has changes: %+v", p.Summary())
		}
	})
}

// Compute is a function: the same values give the same plan, and the ledger is as it was.
func TestComputeChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t)
		before := marshal(t, rowsOf(w.ledger))
		first, second := marshal(t, w.plan()), marshal(t, w.plan())
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("the same values give two plans:\n%s", diff)
		}
		if diff := cmp.Diff(before, marshal(t, rowsOf(w.ledger))); diff != "" {
			t.Errorf("the ledger changed:\n%s", diff)
		}
	})
}

func rowsOf(l *state.Ledger) map[string]*state.Sink {
	out := map[string]*state.Sink{}
	for a, row := range l.Sinks {
		out[a.String()] = row
	}
	return out
}

// A plan comes back from its JSON with everything that is no secret. Payloads and replaced
// bytes travel as blobs; the bytes of sealed ones stay behind.
func TestPlanSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t)
		w.ledger.Sources[origin] = source(accepted("v1"))
		p := w.plan()
		looks := map[string]*SourceObservation{
			"candidate": saw(stored("v1"), fetched("v2"), underLimit("own")), "failed": saw(stored("v1"), lookFailed),
			"rejected": saw(stored("v1"), fetched("v2"), refused), "same": saw(stored("v1"), same),
		}
		look := looks[rapid.SampledFrom([]string{"candidate", "failed", "rejected", "same"}).Draw(t, "look")]
		c := NewComputation(w.ledger, NewLimits(w.limits, w.ledger, w.now), w.now, false)
		c.Source(look)
		p.Sources, p.Shared = c.Plan(nil).Sources, c.Plan(nil).Shared
		p.ForgetSources = []address.Address{{Type: address.Source, Kind: "file", Name: "old", Key: address.StringKey(`a"b`)}}
		p.Outputs = []*OutputChange{{Name: "port", Value: Of(cty.NumberIntVal(80)), Known: true}}
		p.Limits = []*Limit{{Address: "rate_limit.x.own", Kind: "x", Values: Of(cty.ObjectVal(attrs{"max": cty.NumberIntVal(1)}))}}
		for _, c := range p.Sinks {
			if c.Payload != nil {
				c.Blobs = append(c.Blobs, state.Blob{Hash: "blob", Data: c.Payload.Values})
			}
		}
		text := marshal(t, p)
		var got *Plan
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%s\nis not read: %v", text, err)
		}
		redacted := cmp.Comparer(func(a, b Value) bool {
			if a.IsAbsent() || b.IsAbsent() {
				return a.IsAbsent() == b.IsAbsent()
			}
			return mark.Redact(a.Value).RawEquals(mark.Redact(b.Value))
		})
		if diff := cmp.Diff(p, got, redacted, sameValues[1], cmpopts.IgnoreFields(SinkChange{}, "Payload", "Replaces"),
			cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("the plan after its JSON (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(p.Summary(), got.Summary()); diff != "" {
			t.Errorf("its summary:\n%s", diff)
		}
	})
}

// The JSON of a plan holds no secret: neither in values nor in diffs nor in blobs.
func TestJSONOfAPlanHoldsNoSecret(t *testing.T) {
	look := saw(fetched(canary), func(o *SourceObservation) {
		inSecret(o.Fresh)
		o.Fresh.Key, o.Fresh.Blob = "hmac-1", "hmac-2"
		o.Fresh.Version, o.Validator, o.Value = "2", "etag-2", secret(o.Value)
	})
	row := rowOf(app, acked("old "+canary, asSecret))
	for name, sink := range map[string]*SinkObservation{
		"update":     file(app, "new "+canary, holding("old "+canary), secretly),
		"repair":     file(app, "old "+canary, holding("their "+canary), secretly),
		"unmarked":   file(app, "harmless", holding("old "+canary), plainly),
		"in step":    file(app, "old "+canary, holding("old "+canary), secretly),
		"unrendered": unrendered(row, holding("their "+canary), func(o *SinkObservation) { o.Sensitive, o.HeldHash = true, "hmac-3" }),
	} {
		l := ledgerOf(row)
		hide := func(s string) string { return "hmac-" + strconv.Itoa(len(s)) }
		for _, s := range []*string{&sink.Fingerprint, &sink.OtherFingerprint, &sink.Hash, &sink.OtherHash, &sink.HeldHash, &sink.OtherHeldHash} {
			if strings.Contains(*s, canary) {
				*s = hide(*s)
			}
		}
		row.Acknowledged.Fingerprint, row.Acknowledged.Hash = "hmac-f", "hmac-h"
		o := withLast(sink, row)
		row := row.Clone()
		row.Acknowledged.Payload = "hmac-p"
		l.Sinks[app] = row
		p := Compute(&Input{Now: noon, Ledger: l, Sources: []*SourceObservation{look}, Sinks: seen{o}}, NewLimits(nil, l, noon))
		for _, c := range p.Sinks {
			if c.Payload != nil {
				c.Blobs = append(c.Blobs, state.Blob{Hash: "hmac-b", Data: c.Payload.Values, Sealed: true})
			}
		}
		text := marshal(t, p)
		if strings.Contains(text, canary) {
			t.Errorf("%s: the plan tells a secret:\n%s", name, text)
		}
		var got Plan
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		blobs := slices.Clone(got.Sources[0].Blobs)
		for _, c := range got.Sinks {
			blobs = append(blobs, c.Blobs...)
		}
		for _, b := range blobs {
			if strings.Contains(string(b.Data), canary) {
				t.Errorf("%s: blob %s tells a secret: %s", name, b.Hash, b.Data)
			}
		}
		if p.Sources[0].Action != Read {
			t.Errorf("%s: the candidate is %s", name, p.Sources[0].Action)
		}
	}
}
