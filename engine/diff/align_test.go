package diff

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestAlignWithAnyBudget checks runs alone: with few or no steps left they may be fewer, never wrong.
func TestAlignWithAnyBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		element := rapid.Int32Range(1, rapid.Int32Range(1, 80).Draw(t, "distinct"))
		a := rapid.SliceOfN(element, 0, 120).Draw(t, "a")
		b := rapid.SliceOfN(element, 0, 120).Draw(t, "b")
		al := &aligner{steps: rapid.IntRange(0, 4000).Draw(t, "steps")}
		runs, _ := al.align(a, b)
		if al.steps < 0 {
			t.Fatalf("%d steps left", al.steps)
		}
		x, y := 0, 0
		for _, r := range runs {
			if r.N < 1 || r.A < x || r.B < y || r.A+r.N > len(a) || r.B+r.N > len(b) {
				t.Fatalf("run %v after (%d, %d) in %v", r, x, y, runs)
			}
			for i := range r.N {
				if a[r.A+i] != b[r.B+i] {
					t.Fatalf("run %v joins %d and %d", r, a[r.A+i], b[r.B+i])
				}
			}
			x, y = r.A+r.N, r.B+r.N
		}
	})
}

func TestSearchCostCountsDifferences(t *testing.T) {
	long := make([]rune, 10_000)
	for i := range long {
		long[i] = rune(i + 1)
	}
	other := append([]rune{-1}, long...)
	if got := searchCost(long, other, 1<<20); got < 10_000 || got > 10_010 {
		t.Errorf("one insertion before 10,000 lines costs %d steps", got)
	}
	if got := searchCost(long, other, 500); got != 500 {
		t.Errorf("a limit of 500 gives %d", got)
	}
}

func TestInternerLeavesOutSurrogates(t *testing.T) {
	var in interner[int]
	seen := map[string]int{}
	for i := range maxDistinct + 1 {
		s := string(in.rune(i))
		if j, ok := seen[s]; ok {
			t.Fatalf("%d and %d share the rune %q", i, j, s)
		}
		seen[s] = i
	}
}

func BenchmarkLineDiff(b *testing.B) {
	config := func(n, distinct int, changed func(i int) bool) []byte {
		var s strings.Builder
		for i := range n {
			if changed(i) {
				fmt.Fprintf(&s, "changed = %d\n", i)
				continue
			}
			fmt.Fprintf(&s, "  upstream_%d = \"10.0.0.1:80\"\n", i%distinct)
		}
		return []byte(s.String())
	}
	never := func(int) bool { return false }
	for _, bb := range []struct {
		name     string
		old, new []byte
	}{
		{"50000 lines, 100 changes", config(50_000, 50_000, never), config(50_000, 50_000, func(i int) bool { return i%500 == 7 })},
		{"50000 lines of 40, 100 changes", config(50_000, 40, never), config(50_000, 40, func(i int) bool { return i%500 == 7 })},
		{"50000 lines, every 5th changed", config(50_000, 50_000, never), config(50_000, 50_000, func(i int) bool { return i%5 == 1 })},
		{"50000 lines, all changed", config(50_000, 50_000, never), config(50_000, 50_000, func(int) bool { return true })},
		{"90000 lines of 5, shuffled", []byte(shuffled(90_000, 7)), []byte(shuffled(90_000, 11))},
		{"600000 equal lines, half dropped", config(300_000, 1, func(i int) bool { return i == 0 }), config(150_000, 1, never)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				if l := LineDiff(bb.old, bb.new, 3); len(l.Hunks) == 0 {
					b.Fatal("no hunks", l.Truncated)
				}
			}
		})
	}
}
