package hclspec

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"tidegate/hclspec/mark"
)

// anything is a parameter that takes every value as it is.
func anything(name string) []function.Parameter {
	return []function.Parameter{{
		Name: name, Type: cty.DynamicPseudoType,
		AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
	}}
}

func typeOfFirst(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil }

var sensitiveFunc = function.New(&function.Spec{
	Description: "The value, marked so that it is never shown.",
	Params:      anything("value"),
	Type:        typeOfFirst,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return args[0].Mark(Sensitive), nil
	},
})

// nonsensitiveFunc removes the mark of the value itself; parts inside keep theirs.
var nonsensitiveFunc = function.New(&function.Spec{
	Description: "The value without its mark, where it is known to hold no secret.",
	Params:      anything("value"),
	Type:        typeOfFirst,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		val, marks := args[0].Unmark()
		delete(marks, Sensitive)
		return val.WithMarks(marks), nil
	},
})

var isSensitiveFunc = function.New(&function.Spec{
	Description: "Whether the value is marked as sensitive.",
	Params:      anything("value"),
	Type:        function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if args[0].HasMark(Sensitive) {
			return cty.True, nil
		}
		if !args[0].IsKnown() {
			return cty.UnknownVal(cty.Bool), nil // it may turn out to be
		}
		return cty.False, nil
	},
})

// ephemeralAsNullFunc replaces what must not be stored, so that the rest can be.
var ephemeralAsNullFunc = function.New(&function.Spec{
	Description: "The value, with null in place of whatever in it is ephemeral.",
	Params:      anything("value"),
	Type:        typeOfFirst,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.Transform(args[0], func(_ cty.Path, v cty.Value) (cty.Value, error) {
			if v.HasMark(mark.Ephemeral) {
				_, marks := v.Unmark()
				delete(marks, mark.Ephemeral)
				return cty.NullVal(v.Type()).WithMarks(marks), nil
			}
			return v, nil
		})
	},
})

// toFunc is stdlib.MakeToFunc, with marks kept where they are inside collections.
func toFunc(want cty.Type) function.Function {
	return function.New(&function.Spec{
		Description: "Converts the value to " + want.FriendlyNameForConstraint() + ", if that is possible.",
		Params: []function.Parameter{{
			Name: "v", Type: cty.DynamicPseudoType,
			AllowNull: true, AllowMarked: true, AllowDynamicType: true,
		}},
		Type: func(args []cty.Value) (cty.Type, error) {
			got := args[0].Type()
			if got.Equals(want) || convert.GetConversionUnsafe(got, want) != nil {
				return want, nil
			}
			return cty.NilType, function.NewArgErrorf(0, "cannot convert %s to %s", got.FriendlyName(), want.FriendlyNameForConstraint())
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if err := convertibleTo(args[0], want); err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			out, err := convert.Convert(args[0], want)
			if err != nil {
				return cty.NilVal, conversionError(args[0], want)
			}
			return out, nil
		},
	})
}

func conversionError(val cty.Value, want cty.Type) error {
	if val.ContainsMarked() {
		return function.NewArgErrorf(0, "cannot convert this sensitive %s to %s", val.Type().FriendlyName(), want.FriendlyNameForConstraint())
	}
	if val.Type() == cty.String && val.IsKnown() && !val.IsNull() && want.IsPrimitiveType() {
		return function.NewArgErrorf(0, "cannot convert %q to %s", val.AsString(), want.FriendlyName())
	}
	return function.NewArgErrorf(0, "cannot convert %s to %s", val.Type().FriendlyName(), want.FriendlyNameForConstraint())
}
