package hclspec

import (
	"maps"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var deepMergeFunc = function.New(&function.Spec{
	Description: "Merges maps and objects, and those in them, key by key; of anything else, null and lists included, the last one counts.",
	VarParam: &function.Parameter{
		Name: "maps", Type: cty.DynamicPseudoType,
		AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
	},
	Type: function.StaticReturnType(cty.DynamicPseudoType),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		out := cty.EmptyObjectVal
		for i, arg := range args {
			plain, _ := arg.Unmark()
			switch {
			case plain.IsNull(): // as merge
			case isKeyed(plain) || mayBeKeyed(plain):
				out = deepMerge(out, arg)
			default:
				return cty.NilVal, function.NewArgErrorf(i, "a map or an object is needed, not %s", plain.Type().FriendlyName())
			}
		}
		return out, nil
	},
})

// isKeyed reports whether the keys of a value are known.
func isKeyed(v cty.Value) bool {
	return v.IsKnown() && !v.IsNull() && (v.Type().IsObjectType() || v.Type().IsMapType())
}

// mayBeKeyed reports whether it is open what a value holds, and that may be keys.
func mayBeKeyed(v cty.Value) bool {
	return !v.IsKnown() && (v.Type() == cty.DynamicPseudoType || v.Type().IsMapType() || v.Type().IsObjectType())
}

// deepMerge returns what a and b, of which b counts more, make together. The marks of objects
// that are merged are those of the result.
func deepMerge(a, b cty.Value) cty.Value {
	left, leftMarks := a.Unmark()
	right, rightMarks := b.Unmark()
	switch {
	case isKeyed(left) && isKeyed(right):
		out := map[string]cty.Value{}
		maps.Copy(out, left.AsValueMap())
		for key, v := range right.AsValueMap() {
			if before, ok := out[key]; ok {
				v = deepMerge(before, v)
			}
			out[key] = v
		}
		return cty.ObjectVal(out).WithMarks(leftMarks, rightMarks)
	case mayBeKeyed(right) && (isKeyed(left) || mayBeKeyed(left)), mayBeKeyed(left) && isKeyed(right):
		return cty.DynamicVal.WithMarks(leftMarks, rightMarks)
	}
	return b
}
