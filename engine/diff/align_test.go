package diff

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sergi/go-diff/diffmatchpatch"

	"pgregory.net/rapid"
)

// TestAlignWithAnyBudget checks runs alone: with few or no steps left they may be fewer, never wrong.
func TestAlignWithAnyBudget(t *testing.T) {
	coarse, exact := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSequences(t)
		al := &aligner{steps: rapid.SampledFrom([]int{0, 10, 1000, totalSteps}).Draw(t, "steps")}
		runs, gaveUp := al.align(a, b)
		if al.steps < 0 {
			t.Fatalf("%d steps left", al.steps)
		}
		if gaveUp {
			coarse++
		} else {
			exact++
		}
		checkRuns(t, runs, a, b)
	})
	if coarse == 0 || exact == 0 {
		t.Errorf("%d coarse and %d exact alignments: one of the two is untested", coarse, exact)
	}
}

// drawSequences returns some hundred elements, and the same with stretches dropped, moved and put in.
func drawSequences(t *rapid.T) (a, b []rune) {
	distinct := rapid.SampledFrom([]int{2, 20, 100, 10_000}).Draw(t, "distinct")
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	for range rapid.SampledFrom([]int{0, 5, 50, 200}).Draw(t, "n") {
		a = append(a, rune(1+random.IntN(distinct)))
	}
	b = slices.Clone(a)
	for range rapid.IntRange(0, 30).Draw(t, "edits") {
		from := random.IntN(len(b) + 1)
		cut := slices.Clone(b[from:min(len(b), from+random.IntN(6))])
		b = slices.Delete(b, from, from+len(cut))
		switch random.IntN(3) {
		case 0:
			b = slices.Insert(b, random.IntN(len(b)+1), cut...)
		case 1:
			b = slices.Insert(b, from, rune(1+random.IntN(distinct)))
		}
	}
	return a, b
}

func checkRuns(t *rapid.T, runs []run, a, b []rune) {
	x, y := 0, 0
	for _, r := range runs {
		if r.N < 1 || r.A < x || r.B < y || r.A+r.N > len(a) || r.B+r.N > len(b) {
			t.Fatalf("run %v after (%d, %d) in %v", r, x, y, runs)
		}
		if !slices.Equal(a[r.A:r.A+r.N], b[r.B:r.B+r.N]) {
			t.Fatalf("run %v joins different elements", r)
		}
		x, y = r.A+r.N, r.B+r.N
	}
}

func TestLongestAscending(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6}[:rapid.IntRange(0, 7).Draw(t, "n")]).Draw(t, "order")
		var pairs []run
		best := 0
		length := make([]int, len(order)) // of the longest that ends here
		for i, b := range order {
			pairs = append(pairs, run{i, b, 1})
			length[i] = 1
			for j := range i {
				if order[j] < b {
					length[i] = max(length[i], length[j]+1)
				}
			}
			best = max(best, length[i])
		}
		got := longestAscending(pairs)
		ascends := true
		for i := range got[min(1, len(got)):] {
			ascends = ascends && got[i].A < got[i+1].A && got[i].B < got[i+1].B
		}
		if len(got) != best || !ascends {
			t.Fatalf("%v of %v, want %d that ascend", got, order, best)
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
	for i := range 60_000 { // the surrogates would begin at 55,296
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
	// The peers, on the first pair: the library in its own line mode, and the program, which
	// also reads the files.
	old, changed := config(50_000, 50_000, never), config(50_000, 50_000, func(i int) bool { return i%500 == 7 })
	b.Run("peer: go-diff in line mode", func(b *testing.B) {
		for b.Loop() {
			dmp := diffmatchpatch.New()
			dmp.DiffTimeout = 0
			x, y, lines := dmp.DiffLinesToRunes(string(old), string(changed))
			if len(dmp.DiffCharsToLines(dmp.DiffMainRunes(x, y, false), lines)) < 100 {
				b.Fatal("too few differences")
			}
		}
	})
	b.Run("peer: GNU diff", func(b *testing.B) {
		program, err := exec.LookPath("diff")
		if err != nil {
			b.Skip("there is no diff")
		}
		dir := b.TempDir()
		for name, data := range map[string][]byte{"old": old, "new": changed} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				b.Fatal(err)
			}
		}
		for b.Loop() {
			cmd := exec.Command(program, "-u", "old", "new")
			cmd.Dir = dir
			if out, _ := cmd.Output(); len(out) == 0 { // it exits with 1 for differences
				b.Fatal("no differences")
			}
		}
	})
}
