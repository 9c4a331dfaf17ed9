package hclspec

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"tidegate/hclspec/mark"
)

// ValueOptions says how variables' values are made.
type ValueOptions struct {
	// AllowMissing makes required variables without a value unknown instead of an error.
	AllowMissing bool
	// Functions are those of validation conditions; nil stands for Functions of the
	// module's directory and paths.read.
	Functions map[string]function.Function
}

// VariableValues is EvalVariables with the functions of the module.
func (s *Spec) VariableValues(inputs map[string]VariableInput, allowMissing bool) (map[string]cty.Value, hcl.Diagnostics) {
	return s.EvalVariables(inputs, ValueOptions{AllowMissing: allowMissing})
}

// EvalVariables returns the value of each declared variable: the one given or the
// default, converted to the variable's type with the defaults of optional attributes
// filled in, marked where sensitive, and validated. A value that is wrong is unknown in
// the result, so that evaluation can go on and find more mistakes. All mistakes are
// reported at once.
func (s *Spec) EvalVariables(inputs map[string]VariableInput, opts ValueOptions) (map[string]cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	var missing []*Variable
	values := make(map[string]cty.Value, len(s.Variables))
	for _, name := range slices.Sorted(maps.Keys(s.Variables)) {
		v := s.Variables[name]
		input, given := inputs[name]
		if !given && v.Required() {
			values[name] = v.mark(cty.UnknownVal(v.Type))
			missing = append(missing, v)
			continue
		}
		val, diag := v.value(input, given)
		if diag != nil {
			diags = append(diags, diag)
		}
		values[name] = v.mark(val)
	}
	if len(missing) > 0 && !opts.AllowMissing {
		diags = append(diags, missingValues(missing))
	}
	return values, append(diags, s.validate(values, opts.Functions)...)
}

func (v *Variable) mark(val cty.Value) cty.Value {
	if v.Sensitive {
		val = val.Mark(Sensitive)
	}
	if v.Ephemeral {
		val = val.Mark(mark.Ephemeral)
	}
	return val
}

// hidden reports whether the value must not be shown.
func (v *Variable) hidden() bool { return v.Sensitive || v.Ephemeral }

func (v *Variable) value(input VariableInput, given bool) (cty.Value, *hcl.Diagnostic) {
	if !given {
		return v.Default, nil
	}
	val, err := v.convert(input.Value)
	if err != nil {
		detail := "The value of var.%s from %s does not fit its type %s%s."
		return cty.UnknownVal(v.Type), input.complain(v, detail, v.Name, input.Source, typeexpr.TypeString(v.Constraint), v.mismatch(err))
	}
	if !val.IsNull() || v.Nullable {
		return val, nil
	}
	if v.Required() {
		return cty.UnknownVal(v.Type), input.complain(v, "var.%s is not nullable, and its value from %s is null.", v.Name, input.Source)
	}
	return v.Default, nil // as in Terraform: null asks for the default
}

// mismatch says what does not fit. The keys of a sensitive map are as secret as its
// values, so there it says nothing.
func (v *Variable) mismatch(err error) string {
	if v.hidden() {
		return ""
	}
	return ": " + describeConversion(err)
}

// complain has no place where a snippet would show a secret.
func (i VariableInput) complain(v *Variable, detail string, args ...any) *hcl.Diagnostic {
	if i.Range == (hcl.Range{}) || v.hidden() {
		return errorWithoutPlace("Invalid value for variable", detail, args...)
	}
	return errorAt(i.Range, "Invalid value for variable", detail, args...)
}

func missingValues(missing []*Variable) *hcl.Diagnostic {
	names := make([]string, len(missing))
	for i, v := range missing {
		names[i] = "var." + v.Name
	}
	first := missing[0]
	subject, verb := names[0], "has"
	if n := len(names); n > 1 {
		subject, verb = strings.Join(names[:n-1], ", ")+" and "+names[n-1], "have"
	}
	return errorAt(first.DefRange, "No value for required variable",
		"%s %s no default and no value. Set them with --var '%s=...', a line %s = ... in tidegate.hclvars or a --var-file, or the environment variable %s%s.",
		subject, verb, first.Name, first.Name, EnvPrefix, first.Name)
}

// describeConversion says what does not fit, with the path inside the value.
func describeConversion(err error) string {
	var pathErr cty.PathError
	if errors.As(err, &pathErr) && len(pathErr.Path) > 0 {
		return fmt.Sprintf("at %s, %s", describePath(pathErr.Path), err)
	}
	return err.Error()
}

func describePath(path cty.Path) string {
	var b strings.Builder
	for _, step := range path {
		switch s := step.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + s.Name)
		case cty.IndexStep:
			key, err := convert.Convert(s.Key, cty.String)
			if err != nil || !key.IsKnown() || key.IsNull() || key.IsMarked() {
				b.WriteString("[...]")
			} else if s.Key.Type() == cty.String {
				fmt.Fprintf(&b, "[%q]", key.AsString())
			} else {
				b.WriteString("[" + key.AsString() + "]")
			}
		}
	}
	return b.String()
}
