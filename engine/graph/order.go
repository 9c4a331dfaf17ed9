package graph

import "slices"

// Order returns all nodes, each after everything it depends on. Of the nodes that could come
// next the smallest by compare does, so the order depends on the graph alone and not on
// how it was built. With a cycle there is no order: the nodes are nil and the Cycle is not.
func (g *Graph[K]) Order() ([]K, *Cycle[K]) {
	ids, cycle := g.order()
	if cycle != nil {
		return nil, cycle
	}
	return g.keysOf(ids), nil
}

func (g *Graph[K]) order() ([]int, *Cycle[K]) {
	sorted, rank := g.ranks()
	missing := g.missing()
	var ready rankHeap
	for r, id := range sorted {
		if missing[id] == 0 {
			ready = append(ready, r) // ascending, so already a heap
		}
	}
	out := make([]int, 0, len(g.keys))
	for len(ready) > 0 {
		id := sorted[ready.pop()]
		out = append(out, id)
		for _, user := range g.users[id] {
			if missing[user]--; missing[user] == 0 {
				ready.push(rank[user])
			}
		}
	}
	if len(out) < len(g.keys) {
		return nil, g.cycle(missing, sorted)
	}
	return out, nil
}

// Waves returns the nodes in groups: all that a group depends on is in earlier groups, so the
// members of one may be worked on at the same time. Each node is in the earliest
// group that it can be in; groups are sorted. With a cycle there are no groups.
func (g *Graph[K]) Waves() ([][]K, *Cycle[K]) {
	levels, cycle := g.Levels()
	if levels == nil {
		return nil, cycle
	}
	out := make([][]K, len(levels))
	for i, level := range levels {
		out[i] = g.keysOf(level)
	}
	return out, nil
}

// Levels is Waves with the places of nodes.
func (g *Graph[K]) Levels() ([][]int, *Cycle[K]) {
	sorted, rank := g.ranks()
	missing := g.missing()
	var wave []int // ranks
	for r, id := range sorted {
		if missing[id] == 0 {
			wave = append(wave, r)
		}
	}
	var out [][]int
	done := 0
	for len(wave) > 0 {
		var next []int
		level := make([]int, len(wave))
		for i, r := range wave {
			level[i] = sorted[r]
			for _, user := range g.users[sorted[r]] {
				if missing[user]--; missing[user] == 0 {
					next = append(next, rank[user])
				}
			}
		}
		out = append(out, level)
		done += len(wave)
		slices.Sort(next)
		wave = next
	}
	if done < len(g.keys) {
		return nil, g.cycle(missing, sorted)
	}
	return out, nil
}

// ranks returns the ids in the order of compare, and for each id its place there.
// Ordering integers from here on spares the caller's compare.
func (g *Graph[K]) ranks() (sorted, rank []int) {
	sorted = make([]int, len(g.keys))
	for i := range sorted {
		sorted[i] = i
	}
	byKey := func(a, b int) int { return g.compare(g.keys[a], g.keys[b]) }
	if !slices.IsSortedFunc(sorted, byKey) { // mostly they were added in order
		slices.SortStableFunc(sorted, byKey)
	}
	rank = make([]int, len(sorted))
	for r, id := range sorted {
		rank[id] = r
	}
	return sorted, rank
}

// missing returns for each id how many of its dependencies are still to come.
func (g *Graph[K]) missing() []int {
	out := make([]int, len(g.keys))
	for id, deps := range g.deps {
		out[id] = len(deps)
	}
	return out
}

// rankHeap is a binary heap of ranks, smallest first. container/heap would
// box every integer.
type rankHeap []int

func (h *rankHeap) push(rank int) {
	s := append(*h, rank)
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if s[parent] <= s[i] {
			break
		}
		s[parent], s[i] = s[i], s[parent]
		i = parent
	}
	*h = s
}

func (h *rankHeap) pop() int {
	s := *h
	top, last := s[0], len(s)-1
	s[0] = s[last]
	s = s[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if child+1 < len(s) && s[child+1] < s[child] {
			child++
		}
		if s[i] <= s[child] {
			break
		}
		s[i], s[child] = s[child], s[i]
		i = child
	}
	*h = s
	return top
}
