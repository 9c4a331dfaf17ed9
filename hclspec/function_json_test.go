package hclspec

import (
	"math/big"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"pgregory.net/rapid"
)

// TestJSONEncodeIsTheLibrarys holds our bytes against those of the standard function.
func TestJSONEncodeIsTheLibrarys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawValue(t, 3)
		want, err := stdlib.JSONEncode(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := jsonEncodeFunc.Call([]cty.Value{v})
		if err != nil {
			t.Fatal(err)
		}
		if !got.RawEquals(want) {
			t.Fatalf("jsonencode(%#v) = %s, the library says %s", v, got.AsString(), want.AsString())
		}
	})
}

func drawValue(t *rapid.T, depth int) cty.Value {
	kinds := 6
	if depth == 0 {
		kinds = 4
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return cty.StringVal(rapid.String().Draw(t, "text"))
	case 1:
		f, _, err := big.ParseFloat(rapid.StringMatching(`-?[0-9]{1,30}(\.[0-9]{1,20})?(e-?[0-9]{1,2})?`).Draw(t, "number"), 10, 512, big.ToNearestEven)
		if err != nil {
			t.Fatal(err)
		}
		return cty.NumberVal(f)
	case 2:
		return cty.BoolVal(rapid.Bool().Draw(t, "bool"))
	case 3:
		return cty.NullVal(cty.DynamicPseudoType)
	case 4:
		n := rapid.IntRange(0, 4).Draw(t, "members")
		members := make([]cty.Value, n)
		for i := range members {
			members[i] = drawValue(t, depth-1)
		}
		return cty.TupleVal(members)
	}
	members := map[string]cty.Value{}
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		members[rapid.String().Draw(t, "name")] = drawValue(t, depth-1)
	}
	return cty.ObjectVal(members)
}
