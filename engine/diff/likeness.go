package diff

// maxLikeKeys bounds how many attributes of an object are looked at for likeness.
const maxLikeKeys = 64

// identityKeys are attributes by which people tell members of a list apart.
var identityKeys = []string{"id", "name", "key"}

// likenesses rates each member of before against each of after. All ratings are above zero, so that
// of two ways to pair members the one with more pairs wins unless likeness speaks against it.
func likenesses(before, after []node) [][]int {
	out := make([][]int, len(before))
	for i := range before {
		out[i] = make([]int, len(after))
		for j := range after {
			out[i][j] = likeness(&before[i], &after[j])
		}
	}
	return out
}

// likeness counts the attributes that two objects share, those that identify many times.
func likeness(a, b *node) int {
	points := 1
	if !rated(a) || !rated(b) {
		return points
	}
	for i, j := 0, 0; i < len(a.kids) && j < len(b.kids); {
		x, y := &a.kids[i], &b.kids[j]
		switch {
		case x.name < y.name:
			i++
		case y.name < x.name:
			j++
		default:
			if alike(x, y) {
				points += 2
			}
			i, j = i+1, j+1
		}
	}
	for _, name := range identityKeys {
		if x, y := a.kid(name), b.kid(name); x != nil && y != nil && alike(x, y) {
			points += 4 * maxLikeKeys
		}
	}
	return points
}

// alike reports whether two attributes speak for one member. Secrets do not: which members
// are paired must not tell of them.
func alike(x, y *node) bool { return !x.marked && !y.marked && x.print == y.print }

// rated reports whether a member is told apart by what it holds, and not by its place alone.
func rated(n *node) bool {
	return !n.marked && n.kind == kindMapping && len(n.kids) <= maxLikeKeys
}
