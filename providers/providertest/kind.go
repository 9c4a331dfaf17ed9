package providertest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"tidegate/providers"
)

// Kind checks a kind's declaration: that its documentation is complete, its names are in
// the language's style, its defaults are allowed values, and its example is valid.
func Kind(t *testing.T, k *providers.Kind) {
	t.Helper()
	t.Run("doc", func(t *testing.T) { checkDoc(t, k) })
	t.Run("schema", func(t *testing.T) { checkSchema(t, "", k.Schema) })
	t.Run("example", func(t *testing.T) { checkExample(t, k) })
	t.Run("defaults", func(t *testing.T) { checkDefaults(t, k) })
}

var snakeCase = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

func checkDoc(t *testing.T, k *providers.Kind) {
	if !snakeCase.MatchString(k.Name) {
		t.Errorf("the name %q is not in snake case", k.Name)
	}
	if k.Summary == "" || !strings.HasSuffix(k.Summary, ".") || strings.Contains(k.Summary, "\n") {
		t.Errorf("the summary %q is not one sentence in one line", k.Summary)
	}
	if d := strings.TrimSpace(k.Description); d == "" || !strings.HasSuffix(d, ".") {
		t.Errorf("the description does not end with a sentence: %q", d)
	}
}

func checkSchema(t *testing.T, prefix string, s *providers.Schema) {
	for _, a := range s.Attributes {
		name := prefix + a.Name
		if !snakeCase.MatchString(a.Name) {
			t.Errorf("%s: the name is not in snake case", name)
		}
		if !strings.HasSuffix(a.Doc, ".") {
			t.Errorf("%s: the doc is no sentence: %q", name, a.Doc)
		}
		if value, err := strconv.Unquote(a.Default); err == nil && len(a.Values) > 0 && !slices.Contains(a.Values, value) {
			t.Errorf("%s: the default %s is not one of %q", name, a.Default, a.Values)
		}
		if value, err := strconv.Unquote(a.Default); err == nil && a.Duration {
			if _, err := providers.ParseDuration(value); err != nil {
				t.Errorf("%s: default: %v", name, err)
			}
		}
	}
	for _, b := range s.Blocks {
		name := prefix + b.Name
		if !snakeCase.MatchString(b.Name) {
			t.Errorf("%s: the name is not in snake case", name)
		}
		if !strings.HasSuffix(b.Doc, ".") {
			t.Errorf("%s: the doc is no sentence: %q", name, b.Doc)
		}
		checkSchema(t, name+".", b.Schema)
	}
}

// checkExample takes each block of the kind in its example through the contract. References
// and calls are unknown there; only where nothing is unknown an instance is made as well.
func checkExample(t *testing.T, k *providers.Kind) {
	blocks := exampleBlocks(t, k)
	if len(blocks) == 0 {
		t.Errorf("the example holds no %s %q", k.Type, k.Name)
	}
	for _, b := range blocks {
		block, diags := k.Compile(b.Body, b.DefRange().Ptr())
		if diags.HasErrors() {
			t.Error(diags)
			continue
		}
		values, diags := block.Evaluate(unknownScope(b.Body))
		if diags.HasErrors() {
			t.Error(diags)
			continue
		}
		known := values.IsWhollyKnown()
		c, diags := k.Configure(sample(values), block)
		if diags.HasErrors() {
			t.Error(diags)
			continue
		}
		if diags := build(c, k.Type, environment(nil)); known && diags.HasErrors() {
			t.Error(diags)
		}
		if known {
			checkUnknown(t, k, values, block)
		}
	}
}

func exampleBlocks(t *testing.T, k *providers.Kind) []*hclsyntax.Block {
	file, diags := hclsyntax.ParseConfig([]byte(k.Example), "example.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var found []*hclsyntax.Block
	for _, b := range file.Body.(*hclsyntax.Body).Blocks {
		if b.Type == k.Type && len(b.Labels) == 2 && b.Labels[0] == k.Name {
			found = append(found, b)
		}
	}
	return found
}

// unknownScope knows every name and every function, and the value of none.
func unknownScope(body *hclsyntax.Body) *hcl.EvalContext {
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: map[string]function.Function{}}
	_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.ScopeTraversalExpr:
			ctx.Variables[n.Traversal.RootName()] = cty.DynamicVal
		case *hclsyntax.FunctionCallExpr:
			ctx.Functions[n.Name] = anyFunction
		}
		return nil
	})
	return ctx
}

var anyFunction = function.New(&function.Spec{
	VarParam: &function.Parameter{Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowNull: true, AllowMarked: true},
	Type:     function.StaticReturnType(cty.DynamicPseudoType),
	Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
		return cty.DynamicVal, nil
	},
})

// sample replaces what is unknown by some value of its type.
func sample(v cty.Value) cty.Value {
	out, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		plain, marks := v.Unmark()
		if plain.IsKnown() {
			return v, nil
		}
		return sampleOf(plain.Type()).WithMarks(marks), nil
	})
	if err != nil {
		return v
	}
	return out
}

func sampleOf(ty cty.Type) cty.Value {
	switch {
	case ty == cty.Number:
		return cty.NumberIntVal(1)
	case ty == cty.Bool:
		return cty.True
	case ty.IsListType():
		return cty.ListVal([]cty.Value{sampleOf(ty.ElementType())})
	case ty.IsMapType():
		return cty.MapVal(map[string]cty.Value{"key": sampleOf(ty.ElementType())})
	}
	return cty.StringVal("1s")
}

// checkDefaults decodes a block that says nothing, where that is allowed.
func checkDefaults(t *testing.T, k *providers.Kind) {
	for _, a := range k.Schema.Attributes {
		if a.Required {
			return
		}
	}
	for _, b := range k.Schema.Blocks {
		if b.Required {
			return
		}
	}
	if _, diags := Configure(k, ""); diags.HasErrors() {
		t.Errorf("an empty block: %v", diags)
	}
}

// checkUnknown makes each attribute of a valid example unknown, one after the other: nobody may
// complain of what may still turn out to be right.
func checkUnknown(t *testing.T, k *providers.Kind, values cty.Value, block *providers.Block) {
	for name, v := range values.AsValueMap() {
		attrs := values.AsValueMap()
		attrs[name] = unknownIn(v)
		c, diags := k.Configure(cty.ObjectVal(attrs), block)
		if !diags.HasErrors() {
			diags = build(c, k.Type, environment(nil))
		}
		if diags.HasErrors() {
			t.Errorf("with an unknown %s: %v", name, diags)
		}
	}
}

// unknownIn makes an attribute unknown, and of a nested block each attribute.
func unknownIn(v cty.Value) cty.Value {
	switch plain, marks := v.Unmark(); {
	case plain.Type().IsObjectType() && plain.LengthInt() > 0:
		attrs := plain.AsValueMap()
		for name, a := range attrs {
			attrs[name] = unknownIn(a)
		}
		return cty.ObjectVal(attrs)
	case plain.Type().IsTupleType():
		return v
	default:
		return cty.UnknownVal(plain.Type()).WithMarks(marks)
	}
}
