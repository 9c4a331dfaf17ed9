package hclspec

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// A Signature says how a function is called. Its JSON is that of a signature of `terraform
// metadata functions -json`.
type Signature struct {
	Description string   `json:"description,omitempty"`
	ReturnType  cty.Type `json:"return_type"` // dynamic where it follows from the arguments
	// Parameters are those that every call gives.
	Parameters []Parameter `json:"parameters,omitempty"`
	// Variadic takes all further arguments, nil where there are none.
	Variadic *Parameter `json:"variadic_parameter,omitempty"`
}

// A Parameter is one argument of a function, or each of its further ones.
type Parameter struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	IsNullable  bool     `json:"is_nullable,omitempty"`
	Type        cty.Type `json:"type"`
}

// InCore reports whether a function is one of Terraform's.
func InCore(name string) bool {
	_, own := ownFunctions[name]
	return !own && name != "gotemplate"
}

// Signatures returns the signatures of all functions, by name.
func Signatures() map[string]*Signature {
	funcs := Functions(FunctionOptions{})
	out := make(map[string]*Signature, len(funcs))
	for name, f := range funcs {
		out[name] = signature(f)
	}
	return out
}

func signature(f function.Function) *Signature {
	out := &Signature{Description: f.Description()}
	var types []cty.Type
	for _, p := range f.Params() {
		out.Parameters = append(out.Parameters, parameter(&p))
		types = append(types, p.Type)
	}
	if v := f.VarParam(); v != nil {
		p := parameter(v)
		out.Variadic = &p
		types = append(types, v.Type)
	}
	var err error
	if out.ReturnType, err = f.ReturnType(types); err != nil {
		out.ReturnType = cty.DynamicPseudoType
	}
	return out
}

func parameter(p *function.Parameter) Parameter {
	ty := p.Type
	if ty.IsCapsuleType() { // an expression that the function evaluates itself
		ty = cty.DynamicPseudoType
	}
	return Parameter{Name: p.Name, Description: p.Description, IsNullable: p.AllowNull, Type: ty}
}

// Call shows how the function is called: substr(str, offset, length), max(numbers...).
func (s *Signature) Call(name string) string {
	var args []string
	for _, p := range s.Parameters {
		args = append(args, p.Name)
	}
	if s.Variadic != nil {
		args = append(args, s.Variadic.Name+"...")
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

// described gives a function of a library the words that it lacks.
func described(f function.Function, description string) function.Function {
	return f.WithNewDescriptions(description, make([]string, len(f.Params())))
}
