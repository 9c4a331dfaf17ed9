package graph

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// parse builds a graph from words such as "a>b" (a depends on b) and "c" (a lone node).
func parse(words string) *Graph[string] {
	g := New(strings.Compare)
	for _, word := range strings.Fields(words) {
		if from, to, ok := strings.Cut(word, ">"); ok {
			g.Connect(from, to)
		} else {
			g.Add(word)
		}
	}
	return g
}

func TestOrderAndWaves(t *testing.T) {
	for _, tt := range []struct {
		name, graph, order, waves string
	}{
		{"empty", "", "", ""},
		{"lone nodes by name", "c a b", "a b c", "a b c"},
		{"chain", "a>b b>c", "c b a", "c|b|a"},
		{"smallest that is ready comes first", "a>z b c", "b c z a", "b c z|a"},
		{"diamond", "d>b d>c b>a c>a", "a b c d", "a|b c|d"},
		{"same edge twice", "b>a b>a", "a b", "a|b"},
		{"a wave waits for the longest way", "c>a c>b b>a", "a b c", "a|b|c"},
		{"two parts", "b>a y>x", "a b x y", "a x|b y"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			order, cycle := parse(tt.graph).Order()
			if got := strings.Join(order, " "); got != tt.order || cycle != nil {
				t.Errorf("Order = %q, %v; want %q", got, cycle, tt.order)
			}
			waves, cycle := parse(tt.graph).Waves()
			var groups []string
			for _, wave := range waves {
				groups = append(groups, strings.Join(wave, " "))
			}
			if got := strings.Join(groups, "|"); got != tt.waves || cycle != nil {
				t.Errorf("Waves = %q, %v; want %q", got, cycle, tt.waves)
			}
		})
	}
}

func TestCycle(t *testing.T) {
	for _, tt := range []struct {
		name, graph, want string
	}{
		{"self", "a>a", "a -> a"},
		{"two", "a>b b>a", "a -> b -> a"},
		{"starts at the smallest", "c>a a>b b>c", "a -> b -> c -> a"},
		{"shortest through it", "a>b b>c c>d d>a c>a", "a -> b -> c -> a"},
		{"first of equally long", "a>c c>a a>b b>a", "a -> b -> a"},
		{"what hangs on it is left out", "x>a a>b b>a b>y", "a -> b -> a"},
		{"what lies between two is left out", "a>b b>a b>m m>y y>z z>y", "a -> b -> a\ny -> z -> y"},
		{"disjoint", "m>n n>m b>a a>b q>q", "a -> b -> a\nm -> n -> m\nq -> q"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			order, cycle := parse(tt.graph).Order()
			if order != nil || cycle == nil {
				t.Fatalf("Order = %v, %v; want a cycle", order, cycle)
			}
			if got, want := cycle.Error(), "dependency cycle: "+tt.want; got != want {
				t.Errorf("cycle %q, want %q", got, want)
			}
			waves, other := parse(tt.graph).Waves()
			if d := gocmp.Diff(cycle, other); waves != nil || d != "" {
				t.Errorf("Waves = %v and another cycle:\n%s", waves, d)
			}
			if d := gocmp.Diff(cycle.Paths[0], cycle.Path()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestNeighbours(t *testing.T) {
	g := parse("a>c a>b a>b d>a")
	if d := gocmp.Diff([]string{"a", "b", "c", "d"}, g.Nodes()); d != "" {
		t.Errorf("Nodes: %s", d)
	}
	if d := gocmp.Diff([]string{"b", "c"}, g.Dependencies("a")); d != "" {
		t.Errorf("Dependencies: %s", d)
	}
	if d := gocmp.Diff([]string{"d"}, g.Dependents("a")); d != "" {
		t.Errorf("Dependents: %s", d)
	}
	if g.Len() != 4 || !g.Has("a") || g.Has("x") {
		t.Errorf("Len %d, Has a %t, Has x %t", g.Len(), g.Has("a"), g.Has("x"))
	}
	if got := g.Dependencies("x"); got != nil {
		t.Errorf("Dependencies of a stranger: %v", got)
	}
}

func TestEqualNodesKeepTheirOrder(t *testing.T) {
	g := New(func(a, b string) int { return 0 })
	for _, k := range []string{"c", "a", "b"} {
		g.Connect("user", k)
	}
	order, _ := g.Order()
	if d := gocmp.Diff([]string{"c", "a", "b", "user"}, order); d != "" {
		t.Errorf("Order: %s", d)
	}
	if d := gocmp.Diff([]string{"c", "a", "b"}, g.Dependencies("user")); d != "" {
		t.Errorf("Dependencies: %s", d)
	}
}

func TestReduce(t *testing.T) {
	for graph, want := range map[string]string{
		"a>b b>c a>c":              "a>b b>c",
		"a>b a>c b>d c>d a>d":      "a>b a>c b>d c>d",
		"a>b b>c c>d a>d b>d lone": "a>b b>c c>d",
		"a>b b>a a>c b>c":          "a>b a>c b>a b>c",
		"z>a z>b z>c b>a c>b":      "b>a c>b z>c",
	} {
		g := parse(graph)
		reduced := g.Reduce()
		if got := edges(reduced); got != want {
			t.Errorf("Reduce(%s) = %s, want %s", graph, got, want)
		}
		if d := gocmp.Diff(g.Nodes(), reduced.Nodes()); d != "" {
			t.Errorf("Reduce(%s) has other nodes: %s", graph, d)
		}
	}
}

func edges(g *Graph[string]) string {
	var out []string
	for _, k := range g.Nodes() {
		for _, dep := range g.Dependencies(k) {
			out = append(out, k+">"+dep)
		}
	}
	return strings.Join(out, " ")
}

// TestLongChain would overflow a stack if anything recursed once for each node
// and stacks were small; it also keeps the cost in sight.
func TestLongChain(t *testing.T) {
	const n = 100_000
	g := chain(n)
	order, cycle := g.Order()
	if cycle != nil || len(order) != n || order[0] != n-1 {
		t.Fatalf("%d nodes in order from %d, %v", len(order), order[0], cycle)
	}
	if waves, _ := g.Waves(); len(waves) != n {
		t.Errorf("%d waves", len(waves))
	}
	if got := len(g.Affected([]int{n - 1})); got != n {
		t.Errorf("%d affected", got)
	}
	if got := edgeCount(g.Reduce()); got != n-1 {
		t.Errorf("%d edges after Reduce", got)
	}
	g.Connect(n-1, 0)
	if _, cycle := g.Order(); cycle == nil || len(cycle.Path()) != n+1 {
		t.Errorf("no cycle through all nodes")
	}
}

func edgeCount(g *Graph[int]) int { return edgesOf(g) }

func chain(n int) *Graph[int] {
	g := New(cmp.Compare[int])
	for i := range n - 1 {
		g.Connect(i, i+1)
	}
	return g
}

func BenchmarkOrder(b *testing.B) {
	const n = 100_000
	wide := New(cmp.Compare[int])
	for i := range n {
		for _, back := range []int{1 + i%7, 3 + i%1009, 11 + i%30011} {
			if back <= i {
				wide.Connect(i, i-back)
			}
		}
	}
	for name, g := range map[string]*Graph[int]{"chain": chain(n), "wide": wide} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, cycle := g.Order(); cycle != nil {
					b.Fatal(cycle)
				}
			}
		})
	}
}

func BenchmarkOrderOfAddresses(b *testing.B) {
	address := func(i int) string { return fmt.Sprintf("module.m%d.sink.file.s%d", i%10, i*7919%100_000) }
	g := New(strings.Compare)
	for i := range 100_000 {
		g.Add(address(i))
		for _, to := range []int{i / 2, i / 3, i - 1} {
			if to < i && to >= 0 {
				g.Connect(address(i), address(to))
			}
		}
	}
	for b.Loop() {
		if _, cycle := g.Order(); cycle != nil {
			b.Fatal("cycle")
		}
	}
}

func BenchmarkAffected(b *testing.B) {
	g := chain(100_000)
	for b.Loop() {
		if got := len(g.Affected([]int{100})); got != 101 {
			b.Fatal(got)
		}
	}
}

// What is not on a cycle has an order in spite of it.
func TestWithoutTheNodesOfCycles(t *testing.T) {
	g := New(strings.Compare)
	for _, e := range []string{"a b", "b c", "c a", "b d", "d b", "e a", "f e", "a g", "x x"} {
		from, to, _ := strings.Cut(e, " ")
		g.Connect(from, to)
	}
	_, cycle := g.Waves()
	if want := []string{"a", "b", "c", "d", "x"}; cycle == nil || gocmp.Diff(want, cycle.Nodes) != "" {
		t.Fatalf("on cycles: %v, want %v", cycle, want)
	}
	waves, cycle := g.Without(cycle.Nodes).Waves()
	if cycle != nil {
		t.Fatal(cycle)
	}
	if diff := gocmp.Diff([][]string{{"b", "c", "d", "e", "g", "x"}, {"a", "f"}}, waves); diff != "" {
		t.Error(diff)
	}
}

// edgesOf counts the edges.
func edgesOf[K comparable](g *Graph[K]) int {
	n := 0
	for _, deps := range g.deps {
		n += len(deps)
	}
	return n
}

// The few first dependencies of a node are searched otherwise than those that follow.
func TestManyDependencies(t *testing.T) {
	g := New(func(a, b int) int { return a - b })
	for range 2 {
		for i := range 3 * few {
			g.Connect(-1, i)
		}
	}
	if got := edgesOf(g); got != 3*few {
		t.Errorf("%d edges", got)
	}
}

func TestKeepGoesThroughWhatIsLeftOut(t *testing.T) {
	g := New(strings.Compare)
	for _, e := range []string{"a x", "x y", "y b", "y c", "a c", "x x2", "x2 x", "d c"} {
		from, to, _ := strings.Cut(e, " ")
		g.Connect(from, to)
	}
	kept := g.Keep(func(name string) bool { return !strings.ContainsAny(name, "xy") })
	if got := fmt.Sprint(kept.Nodes(), kept.Dependencies("a"), kept.Dependencies("d"), kept.Dependents("c")); got != "[a b c d] [b c] [c] [a d]" {
		t.Error(got)
	}
}
