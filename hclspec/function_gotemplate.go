package hclspec

import (
	"errors"
	"math/big"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"tidegate/hclspec/gotemplate"
)

// goTemplateFunc renders a template of Go. It looks after marks itself: of an error that secrets
// take part in it says the place alone.
func goTemplateFunc(r *fileReader) function.Function {
	return function.New(&function.Spec{
		Description: "The content of a file, rendered as a template of Go with the functions of sprig that depend on their arguments alone.",
		Params: []function.Parameter{pathParam, {
			Name: "vars", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
		}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path, pathMarks := args[0].Unmark()
			content, err := r.read(path.AsString())
			if err != nil {
				return cty.NilVal, argError(err, len(pathMarks) > 0)
			}
			src, err := text(content)
			if err != nil {
				return cty.NilVal, argError(err, len(pathMarks) > 0)
			}
			vars, varMarks := args[1].UnmarkDeep()
			out := cty.UnknownVal(cty.String)
			if !vars.IsWhollyKnown() {
				err = gotemplate.Check(path.AsString(), src)
			} else if out, err = renderGoTemplate(path.AsString(), src, vars); err != nil && len(varMarks) > 0 {
				err = withoutReason(err)
			}
			if err != nil {
				return cty.NilVal, argError(err, len(pathMarks) > 0)
			}
			return out.WithMarks(pathMarks, varMarks), nil
		},
	})
}

func withoutReason(err error) error {
	var e *gotemplate.Error
	if !errors.As(err, &e) || e.Discreet {
		return err
	}
	return &gotemplate.Error{Place: e.Place, What: "why is not shown, because the reason may quote a sensitive value"}
}

func renderGoTemplate(name, src string, vars cty.Value) (cty.Value, error) {
	if ty := vars.Type(); !ty.IsObjectType() && !ty.IsMapType() {
		return cty.NilVal, function.NewArgErrorf(1, "the variables of a template are given as a map or object, not as %s", ty.FriendlyName())
	}
	if sizeOf(vars).tooMany() {
		return cty.NilVal, errTooManyParts
	}
	out, err := gotemplate.Render(name, src, goValue(vars).(map[string]any), gotemplate.Limits{
		Bytes: MaxTextBytes, Steps: maxSteps, Time: maxLoopTime,
	})
	if err != nil {
		return cty.NilVal, err
	}
	return cty.StringVal(out), nil
}

// goValue is a value as templates of Go take it. A number is an int64 or a float64 if that is
// exactly it, and otherwise the text of its digits.
func goValue(v cty.Value) any {
	if v.IsNull() {
		return nil
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		return v.AsString()
	case ty == cty.Bool:
		return v.True()
	case ty == cty.Number:
		return goNumber(v.AsBigFloat())
	case ty.IsObjectType() || ty.IsMapType():
		out := make(map[string]any, v.LengthInt())
		for key, part := range v.AsValueMap() {
			out[key] = goValue(part)
		}
		return out
	case v.CanIterateElements():
		out := make([]any, 0, v.LengthInt())
		for _, part := range v.AsValueSlice() {
			out = append(out, goValue(part))
		}
		return out
	}
	return nil // a capsule, which no expression has
}

func goNumber(f *big.Float) any {
	if n, accuracy := f.Int64(); accuracy == big.Exact {
		return n
	}
	if near, _ := f.Float64(); big.NewFloat(near).Text('g', -1) == f.Text('g', -1) {
		return near
	}
	return f.Text('f', -1)
}
