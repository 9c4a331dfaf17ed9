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

// takeOver decides whether anything can be taken over. What every node depends on must be as it was.
func (p *program) takeOver(before *program) {
	if before == nil || !before.sound || p.validate || before.validate || before.spec.Dir != p.spec.Dir ||
		!samePaths(before.spec.Settings.PathsRead, p.spec.Settings.PathsRead) ||
		!samePaths(before.spec.Settings.PathsWrite, p.spec.Settings.PathsWrite) {
		return
	}
	p.before, p.found = before, map[hclspec.Read]hclspec.Found{}
}

// forget lets go of the program before.
func (p *program) forget() {
	if p != nil {
		p.before, p.found = nil, nil
	}
}

// samePaths tells a list that confines to nothing from none.
func samePaths(a, b []string) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

// again takes a node over into n, if its declaration is the same.
func (p *program) again(n *node, a address.Address, declared any) bool {
	if p.before == nil {
		return false
	}
	old := p.before.nodes[a]
	if old == nil || old.declared != declared {
		return false
	}
	*n = *old
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
			if n := p.nodes[was.addr]; n != nil {
				old = append(old, n)
			}
		}
	}
	if len(old) < len(p.nodes) {
		for a, n := range p.nodes {
			if p.before == nil || p.before.nodes[a] == nil {
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

// leadsSomewhere reports whether everything is declared that a node refers to.
func (p *program) leadsSomewhere(n *node) bool {
	for _, r := range n.refs {
		if !r.Target.IsZero() && p.nodes[r.Target] == nil {
			return false
		}
	}
	for _, list := range n.named() {
		for _, a := range list {
			if p.nodes[a] == nil {
				return false
			}
		}
	}
	return true
}

// unlink forgets what references were resolved to.
func (n *node) unlink() {
	n.refs, n.exprs, n.triggers = nil, nil, nil
	n.detectors, n.rules, n.limits, n.depends = nil, nil, nil, nil
	n.usesDelivery, n.fresh = false, true
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
	if old := p.before.nodes[n.addr]; old != nil && old.files != nil && n.files != nil {
		known, later := p.moved(old.files)
		if n.fresh || known || later {
			n.files = p.renewed(old.files, later)
			return true
		}
	}
	switch {
	case n.fresh:
		return true
	case n.addr.Type == address.Variable:
		v, was := p.variables[n.addr.Name], p.before.variables[n.addr.Name]
		return (v == cty.NilVal) != (was == cty.NilVal) || v != cty.NilVal && !v.RawEquals(was)
	}
	return n.used && !n.seen // nobody looked at it before
}

// uncheck forgets what the check found.
func (p *program) uncheck(n *node) {
	n.static, n.constant, n.shown, n.seen = nil, cty.NilVal, cty.NilVal, false
	n.reads, n.writes, n.recursive = "", "", false
	if n.files != nil && n.files.done {
		n.files = p.renewed(n.files, false)
	}
	n.digest = digest{}
}
