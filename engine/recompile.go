package engine

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec"
	"tidegate/hclspec/address"
)

// A program is made from the one before where little changed. A node is taken over when its
// file is the same, byte for byte, and then three questions decide what is done again:
//
//   - Is everything there that it refers to? If not, its references are resolved again, which
//     finds what is wrong with them.
//   - Does it depend on something that is new, on a variable with another value, or on a file
//     that holds something else? Then it is checked again.
//   - Else nothing is done, and what was said of it is said again.
//
// Order, waves and what nodes know of each other are made anew each time: they cost less than
// the question whether they changed. Nodes are copied, since the program before goes on while
// this one is made; what they point to is shared and never changed.
//
// Two things outside of the configuration are looked at when a node is checked and not again
// before: where links of a path lead, and whether a directory is there.

// bears reports whether nodes can be taken over into a program of another Spec: what every one
// of them depends on must be as it was.
func (p *program) bears(spec *hclspec.Spec) bool {
	return p.spec.Dir == spec.Dir && samePaths(p.spec.Settings.PathsRead, spec.Settings.PathsRead) &&
		samePaths(p.spec.Settings.PathsWrite, spec.Settings.PathsWrite)
}

// forget lets go of the program before.
func (p *program) forget() {
	if p == nil || p.before == nil {
		return
	}
	for _, n := range p.before.sorted {
		n.next = nil
	}
	for _, n := range p.sorted {
		n.was = nil
	}
	p.before, p.found = nil, nil
}

// samePaths tells a list that confines to nothing from none.
func samePaths(a, b []string) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

// again takes a node over into n, if its declaration is the same.
func (p *program) again(n *node, a address.Address, declared any) bool {
	if p.before == nil {
		return false
	}
	old := p.before.nodes[a]
	if old == nil {
		return false
	}
	old.next = n
	if n.was = old; old.declared != declared {
		return false
	}
	*n = *old
	n.was, n.next = old, nil
	n.read, n.used, n.reread, n.fresh, n.dirty, n.cyclic = nil, false, false, false, false, false
	return true
}

// sort puts the nodes in order: those of before already are.
func (p *program) sort() {
	var old []*node
	var added []*node
	if p.before != nil {
		old = make([]*node, 0, len(p.nodes))
		for _, was := range p.before.sorted {
			if was.next != nil {
				old = append(old, was.next)
			}
		}
	}
	if len(old) < len(p.nodes) {
		for _, n := range p.nodes {
			if n.was == nil {
				added = append(added, n)
			}
		}
	}
	byAddress := func(a, b *node) int { return a.addr.Compare(b.addr) }
	slices.SortFunc(added, byAddress)
	p.sorted = make([]*node, 0, len(p.nodes))
	for _, n := range old {
		for len(added) > 0 && byAddress(added[0], n) < 0 {
			p.sorted = append(p.sorted, added[0])
			added = added[1:]
		}
		p.sorted = append(p.sorted, n)
	}
	p.sorted = append(p.sorted, added...)
}

// unlink forgets what references were resolved to.
func (n *node) unlink() {
	n.refs, n.exprs, n.triggers = nil, nil, nil
	n.detectors, n.rules, n.limits, n.depends, n.members, n.absent = nil, nil, nil, nil, nil, nil
	n.usesDelivery, n.fresh = false, true
	n.unchecked()
}

// affected marks the nodes that are to be checked.
func (p *program) affected() {
	if p.before == nil {
		for _, n := range p.sorted {
			n.dirty = true
		}
		return
	}
	p.lookAgain()
	var seeds []address.Address
	for _, n := range p.sorted {
		if p.touched(n) {
			seeds = append(seeds, n.addr)
		}
	}
	for a := range p.graph.Affected(seeds) {
		n := p.nodes[a]
		n.dirty = true
		if !n.fresh {
			p.uncheck(n)
		}
	}
}

// touched reports whether a node is to be checked for its own sake.
func (p *program) touched(n *node) bool {
	if old := n.was; old != nil && old.files != nil && n.files != nil {
		known, later := p.moved(old.files)
		if n.fresh || known || later {
			n.files = p.renewed(old.files, later)
			return true
		}
	}
	switch {
	case n.fresh:
		return true
	case n.group != nil && p.regrouped(n):
		return true
	case n.addr.Type == address.Variable && n.input == nil:
		v, was := p.variables[n.addr.Name], p.before.variables[n.addr.Name]
		return (v == cty.NilVal) != (was == cty.NilVal) || v != cty.NilVal && !v.RawEquals(was)
	}
	return n.used && !n.seen // nobody looked at it before
}

// regrouped reports whether a repeated block has other instances than before, for all of them as one
// value, or whether it is another question whether they are to be trusted.
func (p *program) regrouped(n *node) bool {
	old := p.before.groups[n.group.block]
	if old == nil || old.reason != n.group.reason {
		return true
	}
	return n.addr.Type == address.Instances && !slices.Equal(old.keys, n.group.keys)
}

// otherKeys reports whether a repeated block has other instances than before.
func (p *program) otherKeys(block address.Address) bool {
	old, now := p.before.groups[block], p.groups[block]
	return old == nil || now == nil || !slices.Equal(old.keys, now.keys)
}

// uncheck forgets what the check found.
func (p *program) uncheck(n *node) {
	n.unchecked()
	if n.files != nil && n.files.done {
		n.files = p.renewed(n.files, false)
	}
}

// unchecked forgets it but for the files that were read.
func (n *node) unchecked() {
	n.takes = nil
	n.static, n.constant, n.shown, n.seen = nil, cty.NilVal, cty.NilVal, false
	n.reads, n.writes, n.recursive = "", "", false
	n.digest = digest{}
}
