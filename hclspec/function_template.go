package hclspec

import (
	"errors"
	"fmt"
	"maps"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"tidegate/hclspec/scan"
)

// templateFunctions render templates with the given functions, which do not include
// themselves: a template cannot render another one.
func templateFunctions(opts FunctionOptions, inner func() map[string]function.Function) map[string]function.Function {
	return map[string]function.Function{
		"templatefile":   templateFileFunc(&fileReader{opts: opts}, inner),
		"templatestring": templateStringFunc(inner),
	}
}

// inTemplates adds the functions that templates refuse.
func inTemplates(funcs map[string]function.Function) map[string]function.Function {
	for _, name := range []string{"templatefile", "templatestring"} {
		funcs[name] = notInTemplates(name)
	}
	return funcs
}

func notInTemplates(name string) function.Function {
	err := fmt.Errorf("%s cannot be called from inside a template; render the inner one first and pass its result as a variable", name)
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "any", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true},
		Type:     func([]cty.Value) (cty.Type, error) { return cty.NilType, err },
		Impl:     func([]cty.Value, cty.Type) (cty.Value, error) { return cty.NilVal, err },
	})
}

// The result's type is found by rendering: a template that is one interpolation has the
// type of its value. So it is declared as dynamic and rendered once.
func templateFileFunc(r *fileReader, inner func() map[string]function.Function) function.Function {
	return function.New(&function.Spec{
		Description: "The content of a file, rendered as a template with the given variables.",
		Params:      []function.Parameter{pathParam, {Name: "vars", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true}},
		Type:        function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path, marks := args[0].Unmark()
			content, err := r.read(path.AsString())
			if err != nil {
				return cty.NilVal, argError(err, len(marks) > 0)
			}
			if !args[1].IsKnown() {
				// What can be said before there are names: whether there is a template, and
				// which file the result depends on.
				if _, err := parseTemplate(content, path.AsString()); err != nil {
					return cty.NilVal, argError(err, len(marks) > 0)
				}
				return cty.DynamicVal.WithMarks(marks, marksWithin(args[1])), nil
			}
			out, err := renderTemplate(content, path.AsString(), args[1], inner())
			if err != nil {
				return cty.NilVal, argError(err, len(marks) > 0)
			}
			return out.WithMarks(marks, marksWithin(args[1])), nil
		},
	})
}

func templateStringFunc(inner func() map[string]function.Function) function.Function {
	return function.New(&function.Spec{
		Description: "A string, rendered as a template with the given variables.",
		Params:      []function.Parameter{{Name: "template", Type: cty.String}, {Name: "vars", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			src, name := []byte(args[0].AsString()), "<templatestring argument>"
			if !args[1].IsKnown() {
				_, err := parseTemplate(src, name)
				return cty.UnknownVal(cty.String).WithMarks(marksWithin(args[1])), err
			}
			out, err := renderTemplate(src, name, args[1], inner())
			if err != nil {
				return cty.NilVal, argError(err, false)
			}
			text, err := convert.Convert(out, cty.String)
			switch {
			case err == nil && text.IsNull():
				return cty.NilVal, function.NewArgErrorf(0, "the template makes null, which is no text")
			case err != nil:
				return cty.NilVal, function.NewArgErrorf(0, "the template makes a value of type %s, which is no text", out.Type().FriendlyName())
			}
			return text.WithMarks(marksWithin(args[1])), nil
		},
	})
}

// marksWithin are the marks of all variables: as Terraform does, a result counts as secret as soon
// as any of them is. Within the template each variable has its own, so that what goes wrong
// there is told without the secrets.
func marksWithin(vars cty.Value) cty.ValueMarks {
	_, marks := vars.UnmarkDeep()
	return marks
}

func renderTemplate(src []byte, name string, vars cty.Value, funcs map[string]function.Function) (cty.Value, error) {
	expr, err := parseTemplate(src, name)
	if err != nil {
		return cty.NilVal, err
	}
	ctx, err := templateContext(vars)
	if err != nil {
		return cty.NilVal, err
	}
	ctx.Functions = funcs
	for _, t := range expr.Variables() {
		if _, ok := ctx.Variables[t.RootName()]; !ok {
			names := make([]string, 0, len(ctx.Variables))
			for k := range maps.Keys(ctx.Variables) {
				names = append(names, k)
			}
			return cty.NilVal, fmt.Errorf("the template uses %q at %s, which is not among the given variables.%s",
				t.RootName(), t[0].SourceRange(), didYouMean(t.RootName(), names))
		}
	}
	val, diags := expr.Value(ctx)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	return val, nil
}

func parseTemplate(src []byte, name string) (hclsyntax.Expression, error) {
	if !utf8.Valid(src) {
		return nil, errors.New("the template is not valid UTF-8")
	}
	if diag := placed(src, name, scan.Template(src)); diag != nil {
		return nil, hcl.Diagnostics{diag}
	}
	expr, diags := hclsyntax.ParseTemplate(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	return guard(expr), nil
}

func templateContext(vars cty.Value) (*hcl.EvalContext, error) {
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}}
	if ty := vars.Type(); !ty.IsObjectType() && !ty.IsMapType() {
		return nil, function.NewArgErrorf(1, "the variables of a template are given as a map or object, not as %s", ty.FriendlyName())
	}
	vars, marks := vars.Unmark()
	for it := vars.ElementIterator(); it.Next(); {
		k, v := it.Element()
		k, _ = k.Unmark()
		if !hclsyntax.ValidIdentifier(k.AsString()) {
			return nil, function.NewArgErrorf(1, "%q cannot be the name of a template variable: it must start with a letter and hold only letters, digits and underscores", k.AsString())
		}
		ctx.Variables[k.AsString()] = v.WithMarks(marks)
	}
	return ctx, nil
}
