package graph

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type pair struct{ From, To int }

// draw returns a graph and its edges; without cycles if downhill.
func draw(t *rapid.T, downhill bool) (*Graph[int], []pair) {
	node := rapid.IntRange(0, rapid.IntRange(1, 25).Draw(t, "max"))
	edges := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pair {
		p := pair{node.Draw(t, "from"), node.Draw(t, "to")}
		if downhill {
			// A fixed shuffle, so that the order is not simply that of the numbers.
			if a, b := p.From*7%26, p.To*7%26; a < b {
				p.From, p.To = p.To, p.From
			}
		}
		return p
	}), 0, 60).Draw(t, "edges")
	g := New(cmp.Compare[int])
	for _, e := range edges {
		if downhill && e.From == e.To {
			g.Add(e.From)
			continue
		}
		g.Connect(e.From, e.To)
	}
	if downhill {
		edges = slices.DeleteFunc(edges, func(e pair) bool { return e.From == e.To })
	}
	return g, edges
}

func TestOrderRespectsEveryEdge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, edges := draw(t, true)
		order, cycle := g.Order()
		if cycle != nil {
			t.Fatalf("%v in a graph without cycles", cycle)
		}
		if d := gocmp.Diff(g.Nodes(), slices.Sorted(slices.Values(order))); d != "" {
			t.Fatalf("Order does not hold every node once: %s", d)
		}
		waves, _ := g.Waves()
		waveOf := map[int]int{}
		for i, wave := range waves {
			if !slices.IsSorted(wave) {
				t.Fatalf("wave %v is not sorted", wave)
			}
			for _, k := range wave {
				waveOf[k] = i
			}
		}
		if len(waveOf) != g.Len() {
			t.Fatalf("waves hold %d of %d nodes", len(waveOf), g.Len())
		}
		for _, e := range edges {
			if slices.Index(order, e.To) > slices.Index(order, e.From) {
				t.Fatalf("%v is not in the order %v", e, order)
			}
			if waveOf[e.To] >= waveOf[e.From] {
				t.Fatalf("%v is not in the waves %v", e, waves)
			}
		}
	})
}

func TestOrderDoesNotDependOnHowItWasBuilt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, edges := draw(t, rapid.Bool().Draw(t, "downhill"))
		other := New(cmp.Compare[int])
		for _, k := range rapid.Permutation(g.Nodes()).Draw(t, "nodes") {
			other.Add(k)
		}
		for _, e := range rapid.Permutation(edges).Draw(t, "shuffled") {
			other.Connect(e.From, e.To)
		}
		order, cycle := g.Order()
		order2, cycle2 := other.Order()
		if d := gocmp.Diff(order, order2) + gocmp.Diff(cycle, cycle2); d != "" {
			t.Fatal(d)
		}
	})
}

// TestCycleIsOne checks that a graph has an order or real cycles, of which no two meet, and
// that each knot of nodes has one.
func TestCycleIsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, edges := draw(t, false)
		_, cycle := g.Order()
		reach := brute(edges)
		looping := map[int]bool{}
		for _, e := range edges {
			looping[e.From] = looping[e.From] || reach[pair{e.From, e.From}]
		}
		covered := map[int]bool{}
		if cycle != nil {
			for _, path := range cycle.Paths {
				checkCycle(t, path, edges)
				for _, k := range path[1:] {
					if covered[k] {
						t.Fatalf("%d is twice in %v", k, cycle.Paths)
					}
					covered[k] = true
				}
			}
		}
		for k, loops := range looping {
			onKnown := slices.ContainsFunc(slices.Collect(keys(covered)), func(c int) bool {
				return c == k || reach[pair{c, k}] && reach[pair{k, c}]
			})
			if loops != onKnown {
				t.Fatalf("%d is on a cycle: %t; among those found: %t (%v)", k, loops, onKnown, cycle)
			}
		}
	})
}

func keys(m map[int]bool) func(func(int) bool) {
	return func(yield func(int) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func checkCycle(t *rapid.T, path []int, edges []pair) {
	if len(path) < 2 || path[0] != path[len(path)-1] {
		t.Fatalf("%v is not closed", path)
	}
	for i := range path[1:] {
		if !slices.Contains(edges, pair{path[i], path[i+1]}) {
			t.Fatalf("%v: %d does not depend on %d", path, path[i], path[i+1])
		}
	}
}

func TestAffectedAndAncestors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, edges := draw(t, false)
		seeds := rapid.SliceOfN(rapid.IntRange(0, 30), 0, 3).Draw(t, "seeds")
		reach := brute(edges)
		affected, ancestors := map[int]struct{}{}, map[int]struct{}{}
		for _, seed := range seeds {
			for _, k := range g.Nodes() {
				if g.Has(seed) && (k == seed || reach[pair{k, seed}]) {
					affected[k] = struct{}{}
				}
				if g.Has(seed) && (k == seed || reach[pair{seed, k}]) {
					ancestors[k] = struct{}{}
				}
			}
		}
		if d := gocmp.Diff(affected, g.Affected(seeds)); d != "" {
			t.Fatalf("Affected: %s", d)
		}
		if d := gocmp.Diff(ancestors, g.Ancestors(seeds)); d != "" {
			t.Fatalf("Ancestors: %s", d)
		}
	})
}

func TestReduceKeepsWhatIsReachable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, edges := draw(t, true)
		reduced := g.Reduce()
		var left []pair
		for _, k := range reduced.Nodes() {
			for _, dep := range reduced.Dependencies(k) {
				left = append(left, pair{k, dep})
			}
		}
		if d := gocmp.Diff(brute(edges), brute(left)); d != "" {
			t.Fatalf("reach changed: %s", d)
		}
		for i, e := range left {
			if brute(slices.Delete(slices.Clone(left), i, i+1))[e] {
				t.Fatalf("%v is implied by the others of %v", e, left)
			}
		}
	})
}

// brute returns all pairs that a way of one edge or more leads between (Warshall).
func brute(edges []pair) map[pair]bool {
	const n = 31
	var m [n][n]bool
	for _, e := range edges {
		m[e.From][e.To] = true
	}
	for k := range n {
		for i := range n {
			for j := range n {
				m[i][j] = m[i][j] || m[i][k] && m[k][j]
			}
		}
	}
	out := map[pair]bool{}
	for i := range n {
		for j := range n {
			if m[i][j] {
				out[pair{i, j}] = true
			}
		}
	}
	return out
}
