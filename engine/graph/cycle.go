package graph

import (
	"fmt"
	"slices"
	"strings"
)

// Cycle says why a graph has no order. It holds one cycle for each knot of nodes that
// depend on each other (strongly connected component), so no two of them share a
// node and each needs its own mending; mending them all may uncover further
// ones inside the same knot.
type Cycle[K comparable] struct {
	// Paths are the cycles, sorted by their first nodes; there is at least one. In each path every
	// node depends on the next and the last is the first again: a, b, a. It starts at
	// the knot's smallest node and is the shortest cycle through that node.
	Paths [][]K
	// Nodes are all nodes of all knots, sorted; Paths may leave some of them out.
	Nodes []K
}

// Path is the first cycle, closed: a, b, a.
func (c *Cycle[K]) Path() []K { return c.Paths[0] }

// Error lists the cycles, one a line, as "a -> b -> a". A nil *Cycle means that there is none:
// compare it with nil before passing it on as an error.
func (c *Cycle[K]) Error() string {
	var b strings.Builder
	b.WriteString("dependency cycle: ")
	for i, path := range c.Paths {
		if i > 0 {
			b.WriteByte('\n')
		}
		for j, k := range path {
			if j > 0 {
				b.WriteString(" -> ")
			}
			fmt.Fprint(&b, k)
		}
	}
	return b.String()
}

// cycle describes what is left when a sort got stuck: missing is above zero exactly for
// the nodes on a cycle and those that depend on one.
func (g *Graph[K]) cycle(missing, sorted []int) *Cycle[K] {
	knot := g.knots(missing)
	c := &Cycle[K]{}
	seen := map[int]bool{}
	for _, id := range sorted {
		if k := knot[id]; k >= 0 && !seen[k] {
			if path := g.shortestCycle(id, knot); path != nil {
				seen[k] = true
				c.Paths = append(c.Paths, g.keysOf(path))
			}
		}
	}
	for _, id := range sorted {
		if k := knot[id]; k >= 0 && seen[k] {
			c.Nodes = append(c.Nodes, g.keys[id])
		}
	}
	return c
}

// knots numbers the strongly connected components among the nodes with missing
// dependencies, -1 for all others (Tarjan's algorithm with its own stack).
func (g *Graph[K]) knots(missing []int) []int {
	t := tarjan{
		deps:  g.deps,
		knot:  make([]int, len(g.keys)),
		index: make([]int, len(g.keys)),
		low:   make([]int, len(g.keys)),
	}
	for i := range t.knot {
		t.knot[i] = -1
	}
	for id := range g.keys {
		if missing[id] > 0 && t.index[id] == 0 {
			t.visit(id)
		}
	}
	for id := range g.keys {
		if missing[id] == 0 {
			t.knot[id] = -1
		}
	}
	return t.knot
}

type tarjan struct {
	deps       [][]int
	knot       []int
	index, low []int // from 1; 0 is unvisited
	stack      []int
	visited    int
	knots      int
}

type frame struct{ id, next int }

func (t *tarjan) visit(root int) {
	frames := []frame{{id: root}}
	t.enter(root)
	for len(frames) > 0 {
		top := &frames[len(frames)-1]
		id := top.id
		if top.next < len(t.deps[id]) {
			dep := t.deps[id][top.next]
			top.next++
			switch {
			case t.index[dep] == 0:
				t.enter(dep)
				frames = append(frames, frame{id: dep})
			case t.knot[dep] < 0: // still on the stack
				t.low[id] = min(t.low[id], t.index[dep])
			}
			continue
		}
		frames = frames[:len(frames)-1]
		if len(frames) > 0 {
			parent := frames[len(frames)-1].id
			t.low[parent] = min(t.low[parent], t.low[id])
		}
		t.leave(id)
	}
}

func (t *tarjan) enter(id int) {
	t.visited++
	t.index[id], t.low[id] = t.visited, t.visited
	t.stack = append(t.stack, id)
}

// leave closes the component whose root id is, if it is one.
func (t *tarjan) leave(id int) {
	if t.low[id] != t.index[id] {
		return
	}
	at := len(t.stack) - 1
	for t.stack[at] != id {
		at--
	}
	for _, member := range t.stack[at:] {
		t.knot[member] = t.knots
	}
	t.stack = t.stack[:at]
	t.knots++
}

// shortestCycle walks breadth first from start inside its knot until an edge leads back.
// It returns the closed path, or nil for a node that is a knot by itself without an edge to itself.
func (g *Graph[K]) shortestCycle(start int, knot []int) []int {
	from := map[int]int{start: start}
	queue := []int{start}
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		deps := slices.Clone(g.deps[id])
		slices.SortStableFunc(deps, func(a, b int) int { return g.compare(g.keys[a], g.keys[b]) })
		for _, dep := range deps {
			if dep == start {
				return closed(from, start, id)
			}
			if _, ok := from[dep]; !ok && knot[dep] == knot[start] {
				from[dep] = id
				queue = append(queue, dep)
			}
		}
	}
	return nil
}

func closed(from map[int]int, start, last int) []int {
	path := []int{start}
	for id := last; id != start; id = from[id] {
		path = append(path, id)
	}
	path = append(path, start)
	slices.Reverse(path)
	return path
}
