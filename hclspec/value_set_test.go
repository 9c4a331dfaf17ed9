package hclspec

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// A set answers as a comparison with each of its values does.
func TestValueSetAnswersAsComparisonsDo(t *testing.T) {
	short := new(big.Float).SetPrec(24).SetInt64(3)
	values := []cty.Value{
		cty.StringVal(""), cty.StringVal("a"), cty.StringVal("0"), cty.StringVal("+"), cty.StringVal("string"), cty.NullVal(cty.String),
		cty.True, cty.False, cty.NullVal(cty.Bool), cty.NullVal(cty.Number),
		cty.Zero, cty.NumberVal(new(big.Float).Neg(new(big.Float))), cty.NumberIntVal(3), cty.NumberVal(short), cty.NumberFloatVal(0.1),
		cty.MustParseNumberVal("0.1"), cty.MustParseNumberVal("1e300"), cty.PositiveInfinity, cty.NegativeInfinity,
		cty.EmptyTupleVal, cty.EmptyObjectVal, cty.NullVal(cty.DynamicPseudoType), cty.ListVal([]cty.Value{cty.True}),
		cty.ObjectVal(map[string]cty.Value{"a": cty.Zero}), cty.ObjectVal(map[string]cty.Value{"a": cty.NumberIntVal(1)}),
		cty.MapVal(map[string]cty.Value{"a": cty.Zero}), cty.SetVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}),
	}
	for i, one := range values {
		for _, other := range values {
			s, err := newValueSet([]cty.Value{other})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.has(one); err != nil || got != one.RawEquals(other) {
				t.Errorf("%#v in [%#v]: %t, %v", one, other, got, err)
			}
		}
		s, err := newValueSet(slices.Delete(slices.Clone(values), i, i+1))
		if err != nil {
			t.Fatal(err)
		}
		others := slices.Delete(slices.Clone(values), i, i+1)
		if got, err := s.has(one); err != nil || got != slices.ContainsFunc(others, one.RawEquals) {
			t.Errorf("%#v among the others: %t, %v", one, got, err)
		}
	}
}

// Many keys and many that are searched for were refused before: each was compared with each.
func TestMatchKeysOfManyKeys(t *testing.T) {
	const n = 30_000
	for name, of := range map[string]func(i int) cty.Value{
		"texts":   func(i int) cty.Value { return cty.StringVal(fmt.Sprint("k", i)) },
		"numbers": func(i int) cty.Value { return cty.NumberIntVal(int64(i)) },
		"objects": func(i int) cty.Value {
			return cty.ObjectVal(map[string]cty.Value{"a": cty.NumberIntVal(int64(i))})
		},
	} {
		keys, search := make([]cty.Value, n), make([]cty.Value, n)
		for i := range n {
			keys[i], search[i] = of(i), of(2*i)
		}
		v, diags := evaluate(t, t.TempDir(), "length(matchkeys(keys, keys, search))", map[string]cty.Value{"keys": cty.ListVal(keys), "search": cty.ListVal(search)})
		if diags.HasErrors() || !v.RawEquals(cty.NumberIntVal(n/2)) {
			t.Errorf("%s: %#v, %v", name, v, diags)
		}
	}
}
