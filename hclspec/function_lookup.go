package hclspec

import (
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"tidegate/hclspec/mark"
)

// lookupFunc takes an optional default, which stdlib's requires, and works on objects.
var lookupFunc = function.New(&function.Spec{
	Description: "The value of a key in a map or object, or the default if there is no such key.",
	Params: []function.Parameter{
		{Name: "inputMap", Type: cty.DynamicPseudoType, AllowMarked: true},
		{Name: "key", Type: cty.String, AllowMarked: true},
	},
	VarParam: &function.Parameter{
		Name: "default", Type: cty.DynamicPseudoType,
		AllowUnknown: true, AllowDynamicType: true, AllowNull: true, AllowMarked: true,
	},
	Type: lookupType,
	Impl: func(args []cty.Value, ret cty.Type) (cty.Value, error) {
		coll, collMarks := args[0].Unmark()
		key, keyMarks := args[1].Unmark()
		if !coll.IsKnown() || !key.IsKnown() {
			return cty.UnknownVal(ret).WithMarks(collMarks, keyMarks), nil
		}
		if found, ok := element(coll, key); ok {
			return found.WithMarks(collMarks, keyMarks), nil
		}
		if len(args) == 3 {
			def, err := convert.Convert(args[2], ret)
			return def.WithMarks(collMarks, keyMarks), err
		}
		shown := fmt.Sprintf("%q", key.AsString())
		if len(collMarks)+len(keyMarks) > 0 {
			shown = mark.Redacted
		}
		return cty.NilVal, fmt.Errorf("lookup failed to find key %s", shown)
	},
})

func lookupType(args []cty.Value) (cty.Type, error) {
	if len(args) > 3 {
		return cty.NilType, errors.New("lookup() takes two or three arguments")
	}
	ty := args[0].Type()
	switch {
	case ty.IsMapType():
		if len(args) == 3 {
			if _, err := convert.Convert(args[2], ty.ElementType()); err != nil {
				return cty.NilType, function.NewArgErrorf(2, "the default value must have the same type as the map elements")
			}
		}
		return ty.ElementType(), nil
	case !ty.IsObjectType():
		return cty.NilType, function.NewArgErrorf(0, "lookup() requires a map as the first argument")
	case !args[1].IsKnown():
		return cty.DynamicPseudoType, nil
	}
	key, keyMarks := args[1].Unmark()
	if ty.HasAttribute(key.AsString()) {
		return ty.AttributeType(key.AsString()), nil
	}
	if len(args) == 3 {
		return args[2].Type(), nil
	}
	if len(keyMarks) > 0 {
		return cty.NilType, function.NewArgErrorf(0, "the given object has no such attribute")
	}
	return cty.NilType, function.NewArgErrorf(0, "the given object has no attribute %q", key.AsString())
}

func element(coll, key cty.Value) (cty.Value, bool) {
	if coll.Type().IsObjectType() {
		if coll.Type().HasAttribute(key.AsString()) {
			return coll.GetAttr(key.AsString()), true
		}
		return cty.NilVal, false
	}
	if coll.HasIndex(key).True() {
		return coll.Index(key), true
	}
	return cty.NilVal, false
}
