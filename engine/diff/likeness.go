package diff

import "github.com/zclconf/go-cty/cty"

// maxLikeKeys bounds how many attributes of an object are looked at for likeness.
const maxLikeKeys = 64

// identityKeys are attributes by which people tell members of a list apart.
var identityKeys = []string{"id", "name", "key"}

// likenesses rates each member of before against each of after. All ratings are above zero, so that
// of two ways to pair members the one with more pairs wins unless likeness speaks against it.
func likenesses(before, after []cty.Value) [][]int {
	shallowAfter := make([]map[string]cty.Value, len(after))
	for j, v := range after {
		shallowAfter[j] = shallow(v)
	}
	out := make([][]int, len(before))
	for i, v := range before {
		was := shallow(v)
		out[i] = make([]int, len(after))
		for j := range after {
			out[i][j] = likeness(was, shallowAfter[j])
		}
	}
	return out
}

// likeness counts equal attributes, those that identify many times.
func likeness(a, b map[string]cty.Value) int {
	points := 1
	if len(a) == 0 || len(b) == 0 {
		return points
	}
	for key, v := range a {
		if w, ok := b[key]; ok && equal(v, w) {
			points += 2
		}
	}
	for _, key := range identityKeys {
		v, inA := a[key]
		w, inB := b[key]
		if inA && inB && equal(v, w) {
			points += 4 * maxLikeKeys
		}
	}
	return points
}

// shallow returns the attributes of an object or map that hold no further values; none of one with
// very many, which is told apart by its place alone.
func shallow(v cty.Value) map[string]cty.Value {
	if v.IsMarked() || kindOf(v) != kindMapping || v.LengthInt() > maxLikeKeys {
		return nil
	}
	out := map[string]cty.Value{}
	for key, attr := range v.AsValueMap() {
		if !attr.IsMarked() && attr.Type().IsPrimitiveType() {
			out[key] = attr
		}
	}
	return out
}
