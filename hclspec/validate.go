package hclspec

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// validate runs all validation blocks. A condition may refer to any variable.
func (s *Spec) validate(values map[string]cty.Value, funcs map[string]function.Function) hcl.Diagnostics {
	var diags hcl.Diagnostics
	var ctx *hcl.EvalContext
	for _, name := range slices.Sorted(maps.Keys(s.Variables)) {
		for _, c := range s.Variables[name].Validations {
			if ctx == nil {
				ctx = s.validationContext(values, funcs)
			}
			diags = append(diags, s.checkValidation(s.Variables[name], c, ctx)...)
		}
	}
	return diags
}

func (s *Spec) validationContext(values map[string]cty.Value, funcs map[string]function.Function) *hcl.EvalContext {
	if funcs == nil {
		funcs = Functions(FunctionOptions{ModuleDir: s.Dir, ReadPaths: s.Settings.PathsRead})
	}
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(values), "path": s.PathObject()},
		Functions: funcs,
	}
}

func (s *Spec) checkValidation(v *Variable, c Condition, ctx *hcl.EvalContext) hcl.Diagnostics {
	if diags := s.validationReferences(c); diags.HasErrors() {
		return diags
	}
	return v.Judge(c, ctx)
}

// InvalidVariable is the summary of what Judge says of a value that a validation refuses.
const InvalidVariable = "Invalid value for variable"

// Judge evaluates one validation of a variable. A condition that is not known says nothing.
func (v *Variable) Judge(c Condition, ctx *hcl.EvalContext) hcl.Diagnostics {
	val, diags := c.Condition.Value(ctx)
	if diags.HasErrors() {
		return diags
	}
	val, _ = val.Unmark()
	if !val.IsKnown() {
		return diags
	}
	result, err := convert.Convert(val, cty.Bool)
	if err != nil || result.IsNull() {
		return append(diags, errorAt(c.Condition.Range(), "Invalid condition", "A condition must be true or false."))
	}
	if result.True() {
		return diags
	}
	message, msgDiags := conditionMessage(c, ctx)
	diags = append(diags, msgDiags...)
	failed := errorAt(c.Condition.Range(), InvalidVariable, "var.%s: %s", v.Name, message)
	failed.Expression, failed.EvalContext = c.Condition, ctx
	return append(diags, failed)
}

// validationReferences lets a condition use variables and path.*, nothing else.
func (s *Spec) validationReferences(c Condition) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, expr := range []hcl.Expression{c.Condition, c.ErrorMessage} {
		_, wrong := s.ValidationReferences(expr)
		diags = append(diags, wrong...)
	}
	return diags
}

// ValidationReferences returns what an expression of a validation refers to, with what is wrong
// about that.
func (s *Spec) ValidationReferences(expr hcl.Expression) ([]*Reference, hcl.Diagnostics) {
	refs, diags := References(expr)
	for _, r := range refs {
		if r.Root != "var" && r.Root != "path" {
			diags = append(diags, errorAt(r.Range, "Invalid reference in validation",
				"A validation may refer to variables only, and %s is none. Check it with a rule, a precondition or a check block.", written(r)))
		} else if diag := s.Resolve(r); diag != nil {
			diags = append(diags, diag)
		}
	}
	return refs, diags
}

// conditionMessage evaluates an error message. A sensitive one is withheld.
func conditionMessage(c Condition, ctx *hcl.EvalContext) (string, hcl.Diagnostics) {
	const fallback = "the validation failed"
	val, diags := c.ErrorMessage.Value(ctx)
	if diags.HasErrors() {
		return fallback + ", and its error message cannot be shown because it is itself wrong.", diags
	}
	if val.ContainsMarked() {
		return fallback + ". Its error message is withheld because it refers to a sensitive value.", diags
	}
	text, err := convert.Convert(val, cty.String)
	if err != nil || text.IsNull() || !text.IsKnown() {
		return fallback + ".", append(diags, errorAt(c.ErrorMessage.Range(), "Invalid error message", "An error message must be a known text."))
	}
	return text.AsString(), diags
}

// written is a reference as it is written, without what follows the address.
func written(r *Reference) string {
	switch {
	case !r.Target.IsZero():
		return r.Instance().String()
	case r.Name != "":
		return r.Root + "." + r.Name
	}
	return r.Root
}
