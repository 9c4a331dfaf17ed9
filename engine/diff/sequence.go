package diff

import (
	"github.com/zclconf/go-cty/cty"
)

// pairArea is the most pairs that are looked at to match replaced members of a list by likeness.
const pairArea = 1024

// sequences aligns the members of two lists and reports what is left over. Within a replaced stretch,
// members that resemble each other are taken for the same one, changed.
func (d *differ) sequences(before, after []cty.Value) {
	pre := 0
	for pre < len(before) && pre < len(after) && equal(before[pre], after[pre]) {
		pre++
	}
	n, m := len(before), len(after)
	for n > pre && m > pre && equal(before[n-1], after[m-1]) {
		n, m = n-1, m-1
	}
	before, after = before[pre:n], after[pre:m]
	x, y := 0, 0
	for _, r := range append(d.alignMembers(before, after), run{len(before), len(after), 0}) {
		d.replaced(before[x:r.A], after[y:r.B], pre+x, pre+y)
		for i := range r.N {
			d.at(indexStep(pre+r.B+i), func() { d.walk(before[r.A+i], after[r.B+i]) })
		}
		x, y = r.A+r.N, r.B+r.N
	}
}

// alignMembers finds equal members of two lists that begin and end differently.
func (d *differ) alignMembers(before, after []cty.Value) []run {
	if len(before)*len(after) <= 1 || len(before)+len(after) > maxDistinct {
		return nil
	}
	var in interner[uint64]
	ids := func(members []cty.Value) []rune {
		out := make([]rune, len(members))
		for i, v := range members {
			out[i] = in.rune(fingerprint(v))
		}
		return out
	}
	runs, _ := d.aligner.align(ids(before), ids(after))
	return runs
}

// replaced reports a stretch of a list without equal members.
func (d *differ) replaced(before, after []cty.Value, bAt, aAt int) {
	x, y := 0, 0
	for _, p := range append(d.pairs(before, after), run{len(before), len(after), 0}) {
		for ; x < p.A; x++ {
			d.at(indexStep(bAt+x), func() { d.remove(before[x]) })
		}
		for ; y < p.B; y++ {
			d.at(indexStep(aAt+y), func() { d.add(after[y]) })
		}
		if p.N > 0 {
			d.at(indexStep(aAt+y), func() { d.walk(before[x], after[y]) })
			x, y = x+1, y+1
		}
	}
}

// pairs says which members of a replaced stretch are shown as the same one, changed: in ascending
// order, so many as fit, and so that like goes with like. Large stretches go by index.
func (d *differ) pairs(before, after []cty.Value) []run {
	n, m := len(before), len(after)
	if n == 0 || m == 0 {
		return nil
	}
	if n == 1 && m == 1 || n > pairArea/m {
		out := make([]run, min(n, m))
		for i := range out {
			out[i] = run{i, i, 1}
		}
		return out
	}
	like := likenesses(before, after)
	best := make([][]int, n+1) // best[i][j]: the most likeness of before[i:] with after[j:]
	for i := range best {
		best[i] = make([]int, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			best[i][j] = max(best[i+1][j], best[i][j+1], like[i][j]+best[i+1][j+1])
		}
	}
	var out []run
	for i, j := 0, 0; i < n && j < m; {
		switch best[i][j] {
		case like[i][j] + best[i+1][j+1]:
			out = append(out, run{i, j, 1})
			i, j = i+1, j+1
		case best[i+1][j]:
			i++
		default:
			j++
		}
	}
	return out
}

func indexStep(i int) Step { return Step{Kind: Index, Index: i} }
