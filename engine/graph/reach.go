package graph

import (
	"maps"
	"slices"
)

// Affected returns the seeds and everything that depends on them, directly or not: what has to
// be looked at again when the seeds changed. Its cost follows the size of the
// answer, not of the graph. Seeds that are not in the graph are left out.
func (g *Graph[K]) Affected(seeds []K) map[K]struct{} { return g.reach(seeds, g.users) }

// Ancestors returns the seeds and everything they depend on, directly or not: what they need to
// be evaluated. Seeds that are not in the graph are left out.
func (g *Graph[K]) Ancestors(seeds []K) map[K]struct{} { return g.reach(seeds, g.deps) }

// Around returns the part of the graph that a node depends on or that depends on it, with the node
// and the edges between them. It is empty for a node that the graph does not hold.
func (g *Graph[K]) Around(node K) *Graph[K] {
	out := New(g.compare)
	part := g.Ancestors([]K{node})
	maps.Copy(part, g.Affected([]K{node}))
	for key := range part {
		out.Add(key)
		for _, dep := range g.Dependencies(key) {
			if _, in := part[dep]; in {
				out.Connect(key, dep)
			}
		}
	}
	return out
}

func (g *Graph[K]) reach(seeds []K, edges [][]int) map[K]struct{} {
	out := map[K]struct{}{}
	var stack []int
	visit := func(id int) {
		if _, ok := out[g.keys[id]]; !ok {
			out[g.keys[id]] = struct{}{}
			stack = append(stack, id)
		}
	}
	for _, seed := range seeds {
		if id, ok := g.id(seed); ok {
			visit(id)
		}
	}
	for len(stack) > 0 {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, next := range edges[id] {
			visit(next)
		}
	}
	return out
}

// Reduce returns a copy without the edges that other edges imply (a -> c beside a -> b -> c):
// the same order with less to draw. It is for display: its cost is nodes times edges
// at worst. A graph with a cycle is copied whole.
func (g *Graph[K]) Reduce() *Graph[K] {
	out := &Graph[K]{compare: g.compare, ids: maps.Clone(g.ids), keys: slices.Clone(g.keys), edges: map[edge]struct{}{}}
	out.deps, out.users = make([][]int, len(g.keys)), make([][]int, len(g.keys))
	order, cycle := g.order()
	place := make([]int, len(g.keys))
	for i, id := range order {
		place[id] = i
	}
	for id, deps := range g.deps {
		implied := map[int]bool{}
		if cycle == nil && len(deps) > 1 {
			implied = g.implied(deps, place)
		}
		for _, dep := range deps {
			if !implied[dep] {
				out.Connect(g.keys[id], g.keys[dep])
			}
		}
	}
	return out
}

// implied returns what can be reached from deps in one step or more. Nothing ordered before the
// first of deps can lead to one of them, so the walk stops there.
func (g *Graph[K]) implied(deps, place []int) map[int]bool {
	first := len(place)
	for _, dep := range deps {
		first = min(first, place[dep])
	}
	seen := map[int]bool{}
	stack := slices.Clone(deps)
	for len(stack) > 0 {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, next := range g.deps[id] {
			if place[next] >= first && !seen[next] {
				seen[next] = true
				stack = append(stack, next)
			}
		}
	}
	return seen
}
