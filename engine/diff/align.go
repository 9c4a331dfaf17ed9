package diff

import (
	"math"
	"slices"
	"unicode/utf8"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// A sequence to align is a []rune in which equal runes stand for equal elements (lines,
// list members), because runes are what go-diff takes. See interner.

// run is a stretch of n equal elements: a[A:A+N] equals b[B:B+N].
type run struct{ A, B, N int }

// Work is counted in element comparisons of Myers' algorithm, whose cost for d differences grows
// with d squared. One search may take searchSteps, which is about 4,000 differences; all
// searches of one diff share totalSteps, some 100 ms. tinyArea is always searched,
// so that a spent budget coarsens large stretches only.
const (
	searchSteps = 1 << 23
	totalSteps  = 1 << 25
	tinyArea    = 256
	maxSplits   = 16
)

// aligner finds what two sequences have in common, within a budget of steps.
type aligner struct {
	steps  int // what is left
	coarse bool
	runs   []run
}

func newAligner() *aligner { return &aligner{steps: totalSteps} }

// align returns the runs of equal elements in ascending order, and whether some stretch was given up
// as too costly to search and so stands as replaced though it may hold equal elements.
func (al *aligner) align(a, b []rune) (runs []run, coarse bool) {
	al.runs, al.coarse = nil, false
	al.split(a, b, 0, 0, 0)
	return al.runs, al.coarse
}

// split aligns a and b, which start at aAt and bAt of the whole: by search if that is cheap, else
// between elements that occur once on either side.
func (al *aligner) split(a, b []rune, aAt, bAt, depth int) {
	pre := commonPrefix(a, b)
	al.emit(run{aAt, bAt, pre})
	a, b, aAt, bAt = a[pre:], b[pre:], aAt+pre, bAt+pre
	suf := commonSuffix(a, b)
	a, b = a[:len(a)-suf], b[:len(b)-suf]
	defer al.emit(run{aAt + len(a), bAt + len(b), suf})

	if len(a) == 0 || len(b) == 0 {
		return
	}
	if al.affordable(a, b) {
		al.search(a, b, aAt, bAt)
		return
	}
	anchors := uniqueAnchors(a, b)
	if len(anchors) == 0 || depth == maxSplits {
		al.coarse = true
		return
	}
	x, y := 0, 0
	for _, at := range anchors {
		al.split(a[x:at.A], b[y:at.B], aAt+x, bAt+y, depth+1)
		al.emit(run{aAt + at.A, bAt + at.B, 1})
		x, y = at.A+1, at.B+1
	}
	al.split(a[x:], b[y:], aAt+x, bAt+y, depth+1)
}

func (al *aligner) emit(r run) {
	if r.N > 0 {
		al.runs = append(al.runs, r)
	}
}

// affordable counts what a search would take, and pays for the counting.
func (al *aligner) affordable(a, b []rune) bool {
	if len(a) <= tinyArea/len(b) {
		return true
	}
	limit := min(al.steps, searchSteps)
	used := insideSteps(a, b, limit)
	if used < limit {
		used += searchCost(a, b, limit-used)
	}
	al.steps -= min(used, al.steps)
	return used < limit
}

// search runs go-diff, the exact and unbounded algorithm.
func (al *aligner) search(a, b []rune, aAt, bAt int) {
	dmp := diffmatchpatch.New()
	dmp.DiffTimeout = 0 // any other value lets the wall clock decide the result
	for _, d := range dmp.DiffMainRunes(a, b, false) {
		n := utf8.RuneCountInString(d.Text)
		switch d.Type {
		case diffmatchpatch.DiffEqual:
			al.emit(run{aAt, bAt, n})
			aAt, bAt = aAt+n, bAt+n
		case diffmatchpatch.DiffDelete:
			aAt += n
		case diffmatchpatch.DiffInsert:
			bAt += n
		}
	}
}

// searchCost runs Myers' greedy algorithm for its cost alone, up to limit steps. It remembers one
// row instead of all, so it cannot tell the path, only how long one would look for it.
func searchCost(a, b []rune, limit int) int {
	// The first d rounds take d*d/2 steps at least, so this many fit into the limit.
	rounds := min(len(a)+len(b), int(math.Sqrt(2*float64(limit)))+1)
	reach := make([]int, 2*rounds+3) // furthest x on each diagonal x-y
	zero, steps := rounds+1, 0
	for d := 0; d <= rounds; d++ {
		for k := zero - d; k <= zero+d; k += 2 {
			x := 0
			switch {
			case d == 0:
			case k == zero-d || (k != zero+d && reach[k-1] < reach[k+1]):
				x = reach[k+1]
			default:
				x = reach[k-1] + 1
			}
			from := x
			for y := x - (k - zero); x < len(a) && y < len(b) && a[x] == b[y]; y++ {
				x++
			}
			reach[k] = x
			steps += x - from + 1
			if steps >= limit || (x >= len(a) && x-(k-zero) >= len(b)) {
				return min(steps, limit)
			}
		}
	}
	return limit
}

// insideSteps counts what go-diff takes to look for the shorter sequence inside the
// longer one, up to limit; its search for it is the naive one.
func insideSteps(a, b []rune, limit int) int {
	long, short := a, b
	if len(long) < len(short) {
		long, short = short, long
	}
	steps := 0
	for i := 0; i <= len(long)-len(short) && steps < limit; i++ {
		n := commonPrefix(long[i:i+len(short)], short)
		steps += n + 1
		if n == len(short) {
			break
		}
	}
	return steps
}

func commonPrefix[T comparable](a, b []T) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func commonSuffix[T comparable](a, b []T) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// uniqueAnchors returns elements that occur exactly once in a and once in b, as many as there are in
// the same order on both sides, ascending ("patience diff"). They hold the pieces of
// a long text in place, at the price of a diff that is not always the smallest.
func uniqueAnchors(a, b []rune) []run {
	at := onlyPlaces(b)
	seen := onlyPlaces(a)
	var pairs []run
	for i, r := range a {
		if j, ok := at[r]; ok && j >= 0 && seen[r] >= 0 {
			pairs = append(pairs, run{i, j, 1})
		}
	}
	return longestAscending(pairs)
}

// onlyPlaces maps each element to its place, or to -1 if it has several.
func onlyPlaces(s []rune) map[rune]int {
	at := make(map[rune]int, len(s))
	for i, r := range s {
		if _, ok := at[r]; ok {
			at[r] = -1
		} else {
			at[r] = i
		}
	}
	return at
}

// longestAscending keeps the most pairs whose B ascends with A (patience sorting).
func longestAscending(pairs []run) []run {
	before := make([]int, len(pairs)) // the pair before, in the best chain that ends here
	var tails []int                   // for each length, the pair with the smallest B that ends such a chain
	for i, p := range pairs {
		n, _ := slices.BinarySearchFunc(tails, p.B, func(t, b int) int { return pairs[t].B - b })
		before[i] = -1
		if n > 0 {
			before[i] = tails[n-1]
		}
		if n == len(tails) {
			tails = append(tails, i)
		} else {
			tails[n] = i
		}
	}
	out := make([]run, len(tails))
	if len(tails) == 0 {
		return nil
	}
	for i, n := tails[len(tails)-1], len(tails)-1; n >= 0; i, n = before[i], n-1 {
		out[n] = pairs[i]
	}
	return out
}

// interner hands out one rune for each distinct key.
type interner[K comparable] struct{ known map[K]rune }

// maxDistinct is how many distinct elements an interner is asked to hold. There are
// 1.1 million runes, and go-diff panics when they run out.
const maxDistinct = 1_000_000

// rune returns the rune of key. The surrogates are left out: go-diff keeps its results as
// strings, which would turn each of them into the same replacement character.
func (in *interner[K]) rune(key K) rune {
	if r, ok := in.known[key]; ok {
		return r
	}
	if in.known == nil {
		in.known = map[K]rune{}
	}
	r := rune(len(in.known) + 1)
	if r >= 0xD800 {
		r += 0xE000 - 0xD800
	}
	in.known[key] = r
	return r
}
