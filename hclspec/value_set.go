package hclspec

import (
	"github.com/zclconf/go-cty/cty"
)

// A valueSet finds out which values it has in time that does not grow with their number. cty's own
// hash is short, so that data can be made in which many values have one: primitive values are
// compared by all that they are, and of others it is bounded how many are compared.
type valueSet struct {
	plain   map[string]bool
	buckets map[int][]cty.Value
	passes  int
}

func newValueSet(values []cty.Value) (*valueSet, error) {
	s := &valueSet{plain: make(map[string]bool, len(values)), buckets: map[int][]cty.Value{}}
	for _, v := range values {
		if key, ok := plainKey(v); ok {
			s.plain[key] = true
			continue
		}
		known, err := s.has(v)
		if err != nil {
			return nil, err
		}
		if !known {
			h := v.Hash()
			s.buckets[h] = append(s.buckets[h], v)
		}
	}
	return s, nil
}

// has reports whether a value is in the set, as cty.Value.RawEquals has it.
func (s *valueSet) has(v cty.Value) (bool, error) {
	if key, ok := plainKey(v); ok {
		return s.plain[key], nil
	}
	for _, other := range s.buckets[v.Hash()] {
		if s.passes++; s.passes > 100*maxSteps {
			return false, errTooManyPasses
		}
		if v.RawEquals(other) {
			return true, nil
		}
	}
	return false, nil
}

// plainKey is a text that equal primitive values of all types have in common, and no others.
func plainKey(v cty.Value) (string, bool) {
	ty := v.Type()
	switch {
	case !ty.IsPrimitiveType():
		return "", false
	case v.IsNull():
		return ty.FriendlyName(), true
	case ty == cty.String:
		return `"` + v.AsString(), true
	case ty == cty.Bool && v.True():
		return "+", true
	case ty == cty.Bool:
		return "-", true
	}
	switch n := v.AsBigFloat(); {
	case n.Sign() == 0:
		return "0", true // of which there are two
	case n.IsInt():
		return "=" + n.Text('p', 0), true // every bit of it
	default: // fractions are equal whose digits are
		return "." + n.Text('f', -1), true
	}
}
