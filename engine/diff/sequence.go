package diff

// pairArea is the most pairs that are looked at to match replaced members of a list by likeness.
const pairArea = 1024

// sequences aligns the members of two lists and reports what is left over. Within a replaced stretch,
// members that resemble each other are taken for the same one, changed. Aligned members
// are compared all the same, as they only share a fingerprint.
func (d *differ) sequences(before, after []node) {
	x, y := 0, 0
	for _, r := range append(d.alignMembers(before, after), run{len(before), len(after), 0}) {
		d.replaced(before[x:r.A], after[y:r.B], x, y)
		for i := range r.N {
			d.step(indexStep(r.B+i), &before[r.A+i], &after[r.B+i])
		}
		x, y = r.A+r.N, r.B+r.N
	}
}

// alignMembers finds members with equal fingerprints, in ascending order.
func (d *differ) alignMembers(before, after []node) []run {
	pre := 0
	for pre < len(before) && pre < len(after) && before[pre].print == after[pre].print {
		pre++
	}
	before, after = before[pre:], after[pre:]
	runs := []run{{0, 0, pre}}
	if len(before) == 0 || len(after) == 0 || len(before)+len(after) > maxDistinct {
		return runs
	}
	var in interner[uint64]
	ids := func(members []node) []rune {
		out := make([]rune, len(members))
		for i := range members {
			out[i] = in.rune(members[i].print)
		}
		return out
	}
	rest, _ := d.aligner.align(ids(before), ids(after))
	for _, r := range rest {
		runs = append(runs, run{pre + r.A, pre + r.B, r.N})
	}
	return runs
}

// replaced reports a stretch of a list without equal members.
func (d *differ) replaced(before, after []node, bAt, aAt int) {
	x, y := 0, 0
	for _, p := range append(pairs(before, after), run{len(before), len(after), 0}) {
		for ; x < p.A; x++ {
			d.step(indexStep(bAt+x), &before[x], nil)
		}
		for ; y < p.B; y++ {
			d.step(indexStep(aAt+y), nil, &after[y])
		}
		if p.N > 0 {
			d.step(indexStep(aAt+y), &before[x], &after[y])
			x, y = x+1, y+1
		}
	}
}

// pairs says which members of a replaced stretch are shown as the same one, changed: in ascending
// order, so many as fit, and so that like goes with like. Large stretches go by index.
func pairs(before, after []node) []run {
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
