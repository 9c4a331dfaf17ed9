package state

import (
	"maps"
	"slices"
)

// Clone returns a copy that shares nothing mutable with s, nil for nil.
func (s *Source) Clone() *Source {
	if s == nil {
		return nil
	}
	out := *s
	out.Snapshots = slices.Clone(s.Snapshots)
	out.Changes = slices.Clone(s.Changes)
	out.Rejected = slices.Clone(s.Rejected)
	for i := range out.Rejected {
		out.Rejected[i].Findings = slices.Clone(out.Rejected[i].Findings)
	}
	out.Counters = cloneCounters(s.Counters)
	if s.Flap != nil {
		flap := *s.Flap
		out.Flap = &flap
	}
	return &out
}

// Clone returns a copy that shares nothing mutable with s, nil for nil.
func (s *Sink) Clone() *Sink {
	if s == nil {
		return nil
	}
	out := *s
	out.Acknowledged, out.Pending = s.Acknowledged.clone(), s.Pending.clone()
	out.Revisions = slices.Clone(s.Revisions)
	out.Counters = cloneCounters(s.Counters)
	out.Hold = s.Hold.Clone()
	return &out
}

// Clone returns a copy that shares nothing mutable with h, nil for nil.
func (h *Hold) Clone() *Hold {
	if h == nil {
		return nil
	}
	out := *h
	out.Causes, out.Refused = slices.Clone(h.Causes), slices.Clone(h.Refused)
	return &out
}

// Clone returns a copy that shares nothing mutable with o, nil for nil.
func (o *Output) Clone() *Output {
	if o == nil {
		return nil
	}
	out := *o
	return &out
}

func (d *Delivery) clone() *Delivery {
	if d == nil {
		return nil
	}
	out := *d
	out.Causes = slices.Clone(d.Causes)
	out.Triggers = maps.Clone(d.Triggers)
	return &out
}

func cloneCounters(m map[string]Counter) map[string]Counter {
	out := maps.Clone(m)
	for name, c := range out {
		out[name] = slices.Clone(c)
	}
	return out
}
