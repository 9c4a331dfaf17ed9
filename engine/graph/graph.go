// Package graph is a directed graph of what depends on what: the order to evaluate
// a configuration in, its cycles, and the part of it that a change touches.
//
// When this fails: nothing here does I/O or panics on data. The one thing that can be
// wrong with a graph is a cycle, and it comes back as a value (Cycle) with a path
// to print; a node that the graph does not hold has no dependencies, no dependents and
// affects nothing.
//
// Every answer is the same from run to run: it follows the compare function given to New,
// never the order of a Go map. Nodes that compare as equal keep the order in which they were
// added. No function recurses, so a chain of 100,000 nodes costs memory and no stack. A graph
// that is no longer being built may be read from several goroutines.
package graph

import "slices"

// Graph is a directed graph. An edge points from a node to what it depends on.
// The zero value is not usable; call New.
type Graph[K comparable] struct {
	compare func(a, b K) int
	keys    []K
	ids     map[K]int         // of keys; nil as long as they came in order, and are found by that
	deps    [][]int           // by id: what it depends on
	users   [][]int           // by id: what depends on it
	edges   map[edge]struct{} // beside the first few of each node
}

type edge struct{ from, to int }

// New returns an empty graph whose answers are ordered by compare, a total order
// in the manner of cmp.Compare.
func New[K comparable](compare func(a, b K) int) *Graph[K] {
	return &Graph[K]{
		compare: compare,
		edges:   map[edge]struct{}{},
	}
}

// Grow makes room for n nodes more.
func (g *Graph[K]) Grow(n int) {
	g.keys, g.deps, g.users = slices.Grow(g.keys, n), slices.Grow(g.deps, n), slices.Grow(g.users, n)
}

// Add makes node part of the graph and returns its place: how many were added before it.
// Adding it again changes nothing.
func (g *Graph[K]) Add(node K) int {
	if id, ok := g.id(node); ok {
		return id
	}
	id := len(g.keys)
	if g.ids == nil && id > 0 && g.compare(g.keys[id-1], node) >= 0 {
		g.ids = make(map[K]int, id+1)
		for i, key := range g.keys {
			g.ids[key] = i
		}
	}
	if g.ids != nil {
		g.ids[node] = id
	}
	g.keys = append(g.keys, node)
	g.deps = append(g.deps, nil)
	g.users = append(g.users, nil)
	return id
}

// id returns the place of a node. A map of all nodes takes more than they do, and whoever adds
// many has them in order.
func (g *Graph[K]) id(node K) (int, bool) {
	if g.ids != nil {
		id, ok := g.ids[node]
		return id, ok
	}
	id, ok := slices.BinarySearchFunc(g.keys, node, g.compare)
	return id, ok && g.keys[id] == node
}

// Connect says that from depends on to, and adds the nodes that are new.
// Connecting the same two again changes nothing. A node connected to itself is a cycle.
func (g *Graph[K]) Connect(from, to K) { g.Link(g.Add(from), g.Add(to)) }

// few dependencies are searched faster than a map is.
const few = 16

// Link is Connect by the places of nodes that were added.
func (g *Graph[K]) Link(from, to int) {
	deps := g.deps[from]
	if slices.Contains(deps[:min(few, len(deps))], to) {
		return
	}
	if len(deps) >= few {
		e := edge{from, to}
		if _, ok := g.edges[e]; ok {
			return
		}
		g.edges[e] = struct{}{}
	}
	g.deps[from] = append(deps, to)
	g.users[to] = append(g.users[to], from)
}

// Without returns a copy of the graph in which nothing depends on the given nodes. With the
// nodes of a Cycle it is what has an order in spite of it.
func (g *Graph[K]) Without(nodes []K) *Graph[K] {
	cut := make([]bool, len(g.keys))
	for _, node := range nodes {
		if id, ok := g.id(node); ok {
			cut[id] = true
		}
	}
	out := New(g.compare)
	for _, key := range g.keys {
		out.Add(key)
	}
	for from, deps := range g.deps {
		for _, to := range deps {
			if !cut[to] {
				out.Connect(g.keys[from], g.keys[to])
			}
		}
	}
	return out
}

// Keep returns a graph of the nodes that keep reports true for. What depends on one of the others
// depends on what that one depends on.
func (g *Graph[K]) Keep(keep func(K) bool) *Graph[K] {
	out := New(g.compare)
	for _, key := range g.keys {
		if keep(key) {
			out.Add(key)
		}
	}
	for from, key := range g.keys {
		if !keep(key) {
			continue
		}
		next := slices.Clone(g.deps[from])
		passed := map[int]bool{}
		for len(next) > 0 {
			to := next[len(next)-1]
			next = next[:len(next)-1]
			switch {
			case keep(g.keys[to]):
				out.Connect(key, g.keys[to])
			case !passed[to]:
				passed[to] = true
				next = append(next, g.deps[to]...)
			}
		}
	}
	return out
}

// Len is the number of nodes.
func (g *Graph[K]) Len() int { return len(g.keys) }

// Has reports whether node is part of the graph.
func (g *Graph[K]) Has(node K) bool {
	_, ok := g.id(node)
	return ok
}

// Nodes returns all nodes, sorted.
func (g *Graph[K]) Nodes() []K {
	out := slices.Clone(g.keys)
	if !slices.IsSortedFunc(out, g.compare) { // mostly they were added in order
		slices.SortStableFunc(out, g.compare)
	}
	return out
}

// Dependencies returns what node depends on directly, sorted.
func (g *Graph[K]) Dependencies(node K) []K { return g.neighbours(node, g.deps) }

// DependsOn returns the places of what the node at a place depends on directly, in no
// particular order. The slice is the graph's own.
func (g *Graph[K]) DependsOn(place int) []int { return g.deps[place] }

// Dependents returns what depends on node directly, sorted.
func (g *Graph[K]) Dependents(node K) []K { return g.neighbours(node, g.users) }

func (g *Graph[K]) neighbours(node K, edges [][]int) []K {
	id, ok := g.id(node)
	if !ok || len(edges[id]) == 0 {
		return nil
	}
	// By id first, so that nodes that compare as equal stay in the order they were added.
	ids := slices.Clone(edges[id])
	slices.Sort(ids)
	out := g.keysOf(ids)
	slices.SortStableFunc(out, g.compare)
	return out
}

func (g *Graph[K]) keysOf(ids []int) []K {
	out := make([]K, len(ids))
	for i, id := range ids {
		out[i] = g.keys[id]
	}
	return out
}
