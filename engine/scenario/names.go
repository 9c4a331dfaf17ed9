package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// What expressions may refer to.
var (
	variableNames = []string{"path", "run", "var"}
	mockNames     = []string{"env", "path", "run", "var"}
	assertNames   = []string{"apply", "env", "files", "output", "path", "plan", "rounds", "run", "var"}
)

// names checks what can be checked of an expression before any run: the names it begins with,
// the variables and outputs, the parts of plan, and the addresses in it.
func (r *reader) names(expr hcl.Expression, allowed []string) {
	for _, t := range expr.Variables() {
		root, is := t[0].(hcl.TraverseRoot)
		if !is {
			continue
		}
		if !slices.Contains(allowed, root.Name) {
			r.fail(root.SrcRange, "Unknown name", "Nothing is called %s here.%s In scope are %s.", root.Name, foreignName(root.Name, allowed), strings.Join(allowed, ", "))
			continue
		}
		switch root.Name {
		case "var":
			r.declared(t, address.Variable)
		case "output":
			r.declared(t, address.Output)
		case "plan":
			r.planNames(t[1:])
		case "run":
			r.refersToRuns = true
		case "apply":
			r.refersToApply = true
		}
	}
}

// foreignName says what to write instead of a name of the configuration.
func foreignName(name string, allowed []string) string {
	if slices.Contains(allowed, "plan") {
		switch name {
		case "source":
			return " What the plan says of a source is plan.sources[\"source.KIND.NAME\"]."
		case "sink":
			return " What the plan says of a sink is plan.sinks[\"sink.KIND.NAME\"]."
		case "local", "data", "resource", "module":
			return " A test looks at what comes out: plan.sinks, plan.sources, files and output."
		}
	}
	return didYouMean(name, allowed)
}

func didYouMean(word string, candidates []string) string {
	if near := hclspec.Nearest(word, candidates); near != "" {
		return fmt.Sprintf(" Did you mean %q?", near)
	}
	return ""
}

func (r *reader) declared(t hcl.Traversal, typ address.Type) {
	if len(t) < 2 {
		return
	}
	if step, is := t[1].(hcl.TraverseAttr); is {
		ref := &hclspec.Reference{Target: address.Of(typ, "", step.Name), Range: hcl.RangeBetween(t[0].SourceRange(), step.SrcRange)}
		if d := r.spec.Resolve(ref); d != nil {
			r.diags = append(r.diags, d)
		}
	}
}

func (r *reader) planNames(t hcl.Traversal) {
	part := r.planStep(t, "a plan", planParts)
	var typ address.Type
	var parts []string
	switch part {
	case "sinks":
		typ, parts = address.Sink, sinkParts
	case "sources":
		typ, parts = address.Source, sourceParts
	}
	if parts == nil || len(t) < 2 {
		return
	}
	index, is := t[1].(hcl.TraverseIndex)
	if !is || !known(index.Key, cty.String) {
		return
	}
	a, err := address.Parse(index.Key.AsString())
	if err != nil || a.Type != typ {
		r.fail(index.SrcRange, "Not an address", "%q is no address of a %s, such as %s.KIND.NAME.%s",
			index.Key.AsString(), typ, typ, didYouMean(index.Key.AsString(), r.addresses(typ)))
		return
	}
	if d := r.undeclared(a, index.SrcRange); d != nil {
		r.diags = append(r.diags, d)
		return
	}
	r.planStep(t[2:], "a "+string(typ)+" of a plan", parts)
}

// undeclared says that an address names nothing that the configuration or one of its modules
// declares. Which instances there are is not known here.
func (r *reader) undeclared(a address.Address, rng hcl.Range) *hcl.Diagnostic {
	spec := r.spec.ModuleAt(a.Module)
	if spec == nil {
		return &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Unknown module", Subject: &rng,
			Detail: fmt.Sprintf("%s is in a module that is not called: no call leads to %s.", a, a.Module),
		}
	}
	block := a.Block()
	block.Module = address.Root
	return spec.Resolve(&hclspec.Reference{Target: block, Range: rng})
}

func (r *reader) addresses(typ address.Type) []string {
	var out []string
	for _, b := range r.spec.Blocks {
		if b.Address.Type == typ {
			out = append(out, b.Address.String())
		}
	}
	return out
}

// planStep checks one attribute and returns its name.
func (r *reader) planStep(t hcl.Traversal, of string, parts []string) string {
	if len(t) == 0 {
		return ""
	}
	step, is := t[0].(hcl.TraverseAttr)
	if !is {
		return ""
	}
	if !slices.Contains(parts, step.Name) {
		r.fail(step.SrcRange, "Unknown attribute", "There is no attribute %q of %s.%s It has %s.", step.Name, of, didYouMean(step.Name, parts), strings.Join(parts, ", "))
	}
	return step.Name
}

// evaluate evaluates an expression of a test. Where it fails at a name that is not there, the
// error says which is.
func evaluate(expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := expr.Value(ctx)
	for _, d := range diags {
		if d.Severity == hcl.DiagError && d.Subject != nil {
			if secret(expr, ctx) {
				d.Detail, d.Expression, d.EvalContext = "A sensitive value takes part, so the details are not shown.", nil, nil
			} else if h := hint(expr, ctx, *d.Subject); h != "" && !strings.Contains(d.Detail, "Did you mean") {
				d.Detail = strings.TrimSuffix(d.Detail, " ") + h
			}
		}
	}
	return v, diags
}

// secret reports whether an expression refers to something sensitive: the words of an error may
// quote it.
func secret(expr hcl.Expression, ctx *hcl.EvalContext) bool {
	return slices.ContainsFunc(expr.Variables(), func(t hcl.Traversal) bool {
		v, diags := t.TraverseAbs(ctx)
		return !diags.HasErrors() && v != cty.NilVal && mark.Has(v)
	})
}

// hint looks for the reference that leads nowhere at a place.
func hint(expr hcl.Expression, ctx *hcl.EvalContext, at hcl.Range) string {
	for _, t := range expr.Variables() {
		root, is := t[0].(hcl.TraverseRoot)
		if !is || !t.SourceRange().Overlaps(at) {
			continue
		}
		v, there := variable(ctx, root.Name)
		if !there {
			continue
		}
		for _, step := range t[1:] {
			v, _ = v.Unmark()
			if !v.IsKnown() || v.IsNull() {
				if root.Name == "apply" && v.IsNull() {
					return onlyPlans
				}
				break
			}
			next, wrong := step.TraversalStep(v)
			if wrong.HasErrors() {
				name, ok := stepName(step)
				if !ok || !(v.Type().IsObjectType() || v.Type().IsMapType()) {
					break
				}
				names := slices.Sorted(maps.Keys(v.AsValueMap()))
				if near := didYouMean(name, names); near != "" {
					return near
				}
				if apply, _ := variable(ctx, "apply"); root.Name == "files" && apply != cty.NilVal && apply.IsNull() {
					return onlyPlans
				}
				if len(names) == 0 {
					return " There is nothing in it."
				}
				if root.Name == "env" {
					return "" // it has many, and none of them is near
				}
				if len(names) > maxNames {
					names = append(names[:maxNames], "...")
				}
				return fmt.Sprintf(" There are %s.", strings.Join(names, ", "))
			}
			v = next
		}
	}
	return ""
}

func variable(ctx *hcl.EvalContext, name string) (cty.Value, bool) {
	for ; ctx != nil; ctx = ctx.Parent() {
		if v, ok := ctx.Variables[name]; ok {
			return v, true
		}
	}
	return cty.NilVal, false
}

// onlyPlans is said where somebody looks for what only an apply brings.
const onlyPlans = " This run only plans: with command = apply it also applies."

// maxNames bounds the names that an error lists.
const maxNames = 20

func stepName(step hcl.Traverser) (string, bool) {
	switch s := step.(type) {
	case hcl.TraverseAttr:
		return s.Name, true
	case hcl.TraverseIndex:
		if known(s.Key, cty.String) {
			return s.Key.AsString(), true
		}
	}
	return "", false
}
