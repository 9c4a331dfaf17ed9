package plan

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

func sourceNamed(name string, limits ...string) *SourceObservation {
	o := saw(fetched("v1"))
	o.Address, o.Limits = address.Of(address.Source, "http", name), limits
	return o
}

func sinkNamed(name string, limits ...string) *SinkObservation {
	return file(address.Of(address.Sink, "file", name), "v1", limitedBy(limits...))
}

func passes(p *Plan) (sources, sinks []string) {
	for _, c := range p.Sources {
		if c.Action == Read {
			sources = append(sources, c.Address.Name)
		}
	}
	for _, c := range p.Sinks {
		if c.Action.Delivers() {
			sinks = append(sinks, c.Address.Name)
		}
	}
	return sources, sinks
}

// One plan never grants more passes than a limit has places, whoever asks.
func TestLimitsWithinOnePlan(t *testing.T) {
	for _, c := range []struct {
		name            string
		limits          map[string]Limiter
		shared          map[string]state.Counter
		sources         []*SourceObservation
		sinks           []*SinkObservation
		accept, deliver []string
		after           map[string]state.Counter
	}{
		{
			name:    "each has its own counter",
			limits:  map[string]Limiter{"one": window(1)},
			sources: []*SourceObservation{sourceNamed("a", "one"), sourceNamed("b", "one")},
			sinks:   seen{sinkNamed("c", "one"), sinkNamed("d", "one")},
			accept:  []string{"a", "b"}, deliver: []string{"c", "d"},
		},
		{
			name:    "a shared place goes to the first source",
			limits:  map[string]Limiter{"one": sharedWindow(1)},
			sources: []*SourceObservation{sourceNamed("a", "one"), sourceNamed("b", "one")},
			accept:  []string{"a"},
			after:   map[string]state.Counter{"one": {noon}},
		},
		{
			name:    "and to the first sink",
			limits:  map[string]Limiter{"one": sharedWindow(1)},
			sinks:   seen{sinkNamed("c", "one"), sinkNamed("d", "one")},
			deliver: []string{"c"},
		},
		{
			name:    "a source that passes takes it from a sink",
			limits:  map[string]Limiter{"one": sharedWindow(1)},
			sources: []*SourceObservation{sourceNamed("a", "one")},
			sinks:   seen{sinkNamed("c", "one")},
			accept:  []string{"a"},
			after:   map[string]state.Counter{"one": {noon}},
		},
		{
			name:    "deliveries are not counted among the acceptances",
			limits:  map[string]Limiter{"three": sharedWindow(3)},
			sources: []*SourceObservation{sourceNamed("a", "three")},
			sinks:   seen{sinkNamed("c", "three"), sinkNamed("d", "three"), sinkNamed("e", "three")},
			accept:  []string{"a"}, deliver: []string{"c", "d"},
			after: map[string]state.Counter{"three": {noon}},
		},
		{
			name:    "what passed before counts",
			limits:  map[string]Limiter{"two": sharedWindow(2)},
			shared:  map[string]state.Counter{"two": full},
			sources: []*SourceObservation{sourceNamed("a", "two"), sourceNamed("b", "two")},
			accept:  []string{"a"},
			after:   map[string]state.Counter{"two": {full[0], noon}},
		},
		{
			name:    "all limits must allow",
			limits:  map[string]Limiter{"one": sharedWindow(1), "two": window(2)},
			shared:  map[string]state.Counter{"one": full},
			sources: []*SourceObservation{sourceNamed("a", "two", "one"), sourceNamed("b", "two")},
			accept:  []string{"b"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := ledgerOf()
			l.Shared = c.shared
			before := fmt.Sprint(l.Shared)
			p := Compute(&Input{Now: noon, Ledger: l, Sources: c.sources, Sinks: c.sinks}, NewLimits(c.limits, l, noon))
			sources, sinks := passes(p)
			if diff := cmp.Diff(c.accept, sources); diff != "" {
				t.Errorf("accepted (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.deliver, sinks); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
			if len(c.after)+len(p.Shared) > 0 {
				if diff := cmp.Diff(c.after, p.Shared); diff != "" {
					t.Errorf("shared counters that the plan writes down (-want +got):\n%s", diff)
				}
			}
			if now := fmt.Sprint(l.Shared); now != before {
				t.Errorf("the ledger's counters moved from %s to %s", before, now)
			}
		})
	}
}

// Sources may be decided after sinks that they read from: what those took is not written down
// with the acceptances either.
func TestAcceptedCountersHoldNoDeliveries(t *testing.T) {
	limits := map[string]Limiter{"three": sharedWindow(3)}
	l := ledgerOf()
	c := NewComputation(l, NewLimits(limits, l, noon), noon, false)
	c.Sink(sinkNamed("c", "three"))
	c.Source(sourceNamed("a", "three"))
	c.Sink(sinkNamed("d", "three"))
	if choice := c.Source(sourceNamed("b", "three")); choice.Problem != Limited {
		t.Errorf("the fourth pass: %s %s", choice.Standing, choice.Problem)
	}
	p := c.Plan(nil)
	if diff := cmp.Diff(map[string]state.Counter{"three": {noon}}, p.Shared); diff != "" {
		t.Errorf("shared counters (-want +got):\n%s", diff)
	}
}

func TestOwnCountersAreWrittenWithTheRow(t *testing.T) {
	limits := map[string]Limiter{"own": window(2), "all": sharedWindow(2)}
	o := sourceNamed("a", "own", "all", "unknown")
	l := ledgerOf()
	l.Sources[o.Address] = &state.Source{Address: o.Address, Counters: map[string]state.Counter{"own": full, "older": full}}
	p := Compute(&Input{Now: noon, Ledger: l, Sources: []*SourceObservation{o}}, NewLimits(limits, l, noon))
	want := map[string]state.Counter{"own": {full[0], noon}, "older": full}
	if diff := cmp.Diff(want, p.Sources[0].Row.Counters); diff != "" {
		t.Errorf("own counters (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]state.Counter{"own": full, "older": full}, l.Sources[o.Address].Counters); diff != "" {
		t.Errorf("the ledger's own counters moved:\n%s", diff)
	}
}

// Who waits for several limits waits for the last of them.
func TestNextIsTheLastOfAllLimits(t *testing.T) {
	limits := map[string]Limiter{"soon": window(1), "late": sharedWindow(1), "free": window(9)}
	l := ledgerOf()
	l.Shared = map[string]state.Counter{"late": {noon.Add(-time.Minute)}}
	until, which := NewLimits(limits, l, noon).next([]string{"soon", "late", "free", "gone"}, map[string]state.Counter{"soon": full})
	if which != "late" || !until.Equal(noon.Add(59*time.Minute)) {
		t.Errorf("next: %s at %s", which, until)
	}
	until, which = NewLimits(limits, l, noon).next(nil, nil)
	if which != "" || !until.Equal(noon) {
		t.Errorf("without limits: %q at %s", which, until)
	}
}

// A repetition, a repair and an adoption take no place.
func TestWhatTakesNoPlace(t *testing.T) {
	other := address.Of(address.Sink, "file", "other")
	for name, c := range map[string]struct {
		row  *state.Sink
		sink *SinkObservation
	}{
		"repetition": {rowOf(app, acked("v1"), open("v2", withError)), file(app, "v2", holding("v1"), limitedBy("one"))},
		"repair":     {rowOf(app, acked("v1")), file(app, "v1", holding("theirs"), limitedBy("one"))},
		"adoption":   {nil, file(app, "v1", holding("v1"), limitedBy("one"))},
		"nothing":    {rowOf(app, acked("v1")), file(app, "v1", holding("v1"), limitedBy("one"))},
	} {
		limits := map[string]Limiter{"one": sharedWindow(1)}
		p := compute(ledgerOf(c.row), limits, withLast(c.sink, c.row), file(other, "v1", limitedBy("one")))
		if got := changeOf(t, p, other); got.Action != Create {
			t.Errorf("after a %s the next sink is %s: %+v", name, got.Action, got.Wait)
		}
	}
}
