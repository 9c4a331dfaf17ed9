package plan

import (
	"maps"
	"time"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// Limits asks the rate limits of one plan. Passes that the plan itself grants count at once,
// so that two items under one shared limit do not both take the last place.
type Limits struct {
	now    time.Time
	limits map[string]Limiter
	shared map[string]state.Counter
	passes map[address.Address]map[string]state.Counter // own counters after an acceptance
	// accepted are the shared counters as acceptances alone move them. Deliveries are counted
	// again at dispatch, so they must not be written down with the plan.
	accepted map[string]state.Counter
}

// NewLimits returns the limits with the shared counters of the ledger.
func NewLimits(limits map[string]Limiter, l *state.Ledger, now time.Time) *Limits {
	out := &Limits{now: now, limits: limits, shared: map[string]state.Counter{}, passes: map[address.Address]map[string]state.Counter{}, accepted: map[string]state.Counter{}}
	if l != nil {
		maps.Copy(out.shared, l.Shared)
	}
	return out
}

// Shared reports whether the named limit has one counter for all its users.
func (l *Limits) Shared(name string) bool { return l.limits[name].Shared }

// next returns the time at which all the named limits allow one more, and which of them is
// the last to do so.
func (l *Limits) next(names []string, own map[string]state.Counter) (until time.Time, which string) {
	until = l.now
	for _, name := range names {
		limit, ok := l.limits[name]
		if !ok {
			continue
		}
		counter := own[name]
		if limit.Shared {
			counter = l.shared[name]
		}
		if t := limit.Next(counter, l.now); t.After(until) {
			until, which = t, name
		}
	}
	return until, which
}

// Take counts the acceptance of a source's candidate when it is chosen, so that the next
// source under a shared limit finds one place less.
func (l *Limits) Take(names []string, a address.Address, row *state.Source, before *state.Ledger) {
	for _, name := range names {
		limit, ok := l.limits[name]
		if !ok || !limit.Shared {
			continue
		}
		counter, moved := l.accepted[name]
		if !moved {
			counter = before.Shared[name]
		}
		l.accepted[name] = limit.Take(counter, l.now)
	}
	l.passes[a] = l.take(names, counters(row))
}

// take counts one pass and returns the item's own counters after it.
func (l *Limits) take(names []string, own map[string]state.Counter) map[string]state.Counter {
	own = maps.Clone(own)
	for _, name := range names {
		limit, ok := l.limits[name]
		if !ok {
			continue
		}
		if limit.Shared {
			l.shared[name] = limit.Take(l.shared[name], l.now)
			continue
		}
		if own == nil {
			own = map[string]state.Counter{}
		}
		own[name] = limit.Take(own[name], l.now)
	}
	return own
}
