package engine

import (
	"fmt"
	"maps"
	"time"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// sceneOf shows a node the part of the world that it depends on.
func (d *Daemon) sceneOf(n *node) *scene {
	e := d.engine
	o := &observer{engine: e, prog: e.prog, quiet: true, reader: d.reader, now: time.Now()}
	o.ledger = &state.Ledger{Lineage: d.ledger.Lineage, Serial: d.ledger.Serial}
	if len(d.ledger.Shared) > 0 {
		o.ledger.Shared = maps.Clone(d.ledger.Shared)
	}
	s := &scene{observer: o, cache: d.cache}
	o.scene = s
	if n.addr.Type == address.Source {
		o.ledger.Sources = map[address.Address]*state.Source{n.addr: d.ledger.Sources[n.addr]}
		if e.prog.simple(n) {
			return s // most of what is polled: it depends on nothing
		}
	} else {
		o.ledger.Sources = map[address.Address]*state.Source{}
	}
	o.values, o.choices, o.reasons, o.identities = values{}, map[address.Address]plan.Choice{}, map[address.Address]string{}, map[address.Address]string{}
	o.ledger.Sinks = map[address.Address]*state.Sink{}
	show := func(m *node) {
		for _, a := range m.sources {
			d.showSource(s, a)
		}
		for _, a := range m.sinks {
			d.showSink(s, a)
		}
	}
	show(n)
	for _, list := range [][]address.Address{n.rules, n.detectors, n.limits} {
		for _, a := range list {
			show(e.prog.nodes[a])
		}
	}
	if row := d.ledger.Sinks[n.addr]; row != nil {
		o.ledger.Sinks[n.addr] = row
	}
	for _, a := range n.written {
		if o.secret == nil {
			o.secret = map[address.Address]bool{}
		}
		o.secret[a] = writesSecret(d.ledger.Sinks[a])
	}
	return s
}

// writesSecret reports whether what a sink wrote last, or is writing, is sensitive.
func writesSecret(row *state.Sink) bool {
	if row == nil {
		return false
	}
	for _, delivery := range []*state.Delivery{row.Acknowledged, row.Pending} {
		if delivery != nil && isKeyed(delivery.Fingerprint) {
			return true
		}
	}
	return false
}

func (d *Daemon) showSource(s *scene, a address.Address) {
	it := d.sources[a]
	if it == nil {
		return
	}
	if _, shown := s.choices[a]; shown {
		return
	}
	row := d.ledger.Sources[a]
	if row != nil {
		s.ledger.Sources[a] = row
	}
	c := plan.Choice{Standing: it.standing, Problem: it.problem, Reason: it.had().reason, Value: it.had().fallback}
	if row.Current() != nil {
		c.Standing = plan.Accepted
	}
	if c.Standing == plan.Nothing || c.Standing == "" {
		c.Standing = plan.Nothing
		if c.Reason == "" {
			c.Reason = "it was not looked at yet"
		}
		s.reasons[a] = c.Reason
	}
	s.choices[a] = c
}

func (d *Daemon) showSink(s *scene, a address.Address) {
	it := d.sinks[a]
	if it == nil {
		return
	}
	if row := d.ledger.Sinks[a]; row != nil {
		s.ledger.Sinks[a] = row
	}
	if it.exposed != nilValue {
		s.values[a] = it.exposed
	}
	w := it.waiting
	if it.busy() {
		s.early = true // also with what it waited for before
		if w == nil {
			w = &plan.Wait{Kind: plan.BlockedBy, On: a.String(), Reason: fmt.Sprintf("it waits for %s, which is not finished", a)}
		}
	}
	s.seeds = append(s.seeds, seed{a, it.wanted, w})
}
