package hclspec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/address"
)

// A Reference is what one traversal of an expression names.
type Reference struct {
	// Target is the block, variable or local that is named, without instance key; zero
	// for the built-in roots.
	Target address.Address
	// Key is the instance key written right after a block's address: source.http.app["a"].
	Key address.Key
	// Own is the word of a reference in a list of them whose instance is the one with the own
	// key: "each" of source.http.app[each.key], "count" of [count.index]; "" for others. Whoever
	// knows that key sets Key.
	Own string
	// Node is what the reference stands for where blocks may be repeated and stand in modules:
	// one instance, all of them, or what each and count are of. Whoever knows the instances sets
	// it; zero for the other roots.
	Node address.Address
	// Root is the first word: a type of address (var, local, source, ...) or one of env,
	// path, value, previous, text, meta, delivery, each, count.
	Root string
	// Name is the second word of env, path, each and count.
	Name string
	// Rest is what follows: attributes and indexes of the value.
	Rest hcl.Traversal
	// Range covers the address, without Rest.
	Range hcl.Range
}

// Instance is the target with its instance key.
func (r *Reference) Instance() address.Address {
	a := r.Target
	a.Key = r.Key
	return a
}

// names of built-in roots and, where the second word is fixed, the words it may be.
var builtinRoots = map[string][]string{
	"path":     {"module", "root", "cwd"},
	"each":     {"key", "value"},
	"count":    {"index"},
	"env":      nil,
	"value":    nil,
	"previous": nil,
	"text":     nil,
	"meta":     nil,
	"delivery": nil,
}

// forms shows how references of each sort are written.
var forms = map[string]string{
	"var":        "var.NAME",
	"local":      "local.NAME",
	"source":     "source.KIND.NAME",
	"detector":   "detector.KIND.NAME",
	"rule":       "rule.KIND.NAME",
	"rate_limit": "rate_limit.KIND.NAME",
	"sink":       "sink.KIND.NAME",
	"module":     "module.NAME.OUTPUT",
	"env":        "env.NAME",
	"path":       "path.module, path.root or path.cwd",
	"each":       "each.key or each.value",
	"count":      "count.index",
}

var roots = func() []string {
	names := slices.Concat(slices.Collect(maps.Keys(forms)), slices.Collect(maps.Keys(builtinRoots)))
	slices.Sort(names)
	return slices.Compact(names)
}()

// foreignRoots are what a user of Terraform may try.
var foreignRoots = map[string]string{
	"output":    "Outputs cannot be referred to. Refer to what the output reports, or share it through a local.",
	"check":     "A check has no value. Refer to what it is about.",
	"data":      "What Terraform calls a data source is a source here: source.KIND.NAME.",
	"resource":  "What Terraform calls a resource is a sink here: sink.KIND.NAME.",
	"self":      "There is no self. Refer to the block by its address.",
	"terraform": "There are no workspaces. Use a variable.",
	"locals":    "Local values are referred to as local.NAME.",
	"variable":  "Variables are referred to as var.NAME.",
	"vars":      "Variables are referred to as var.NAME.",
}

// References returns what an expression refers to, in the order of its traversals, and an
// error for each that cannot be a reference. The names of for expressions are not among
// them. Whether the targets exist is another question: see Spec.Resolve.
func References(expr hcl.Expression) ([]*Reference, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	var refs []*Reference
	for _, traversal := range expr.Variables() {
		ref, diag := ParseReference(traversal)
		if diag != nil {
			diags = append(diags, diag)
			continue
		}
		refs = append(refs, ref)
	}
	return refs, diags
}

// ParseReference reads an absolute traversal such as source.http.app.value.
func ParseReference(t hcl.Traversal) (*Reference, *hcl.Diagnostic) {
	root, ok := t[0].(hcl.TraverseRoot)
	if !ok {
		return nil, errorAt(t.SourceRange(), "Invalid reference", "A reference starts with a name.")
	}
	ref := &Reference{Root: root.Name, Range: root.SrcRange, Rest: t[1:]}
	if words, ok := builtinRoots[root.Name]; ok {
		return ref, ref.builtin(words)
	}
	if _, ok := forms[root.Name]; !ok {
		return nil, unknownRoot(root)
	}
	if root.Name == "module" {
		return ref, ref.moduleOutput(t)
	}
	typ := address.Type(root.Name)
	ref.Target.Type = typ
	if typ.HasKind() && !ref.word(&ref.Target.Kind) || !ref.word(&ref.Target.Name) {
		return nil, incomplete(ref, t)
	}
	if typ.HasKind() {
		ref.instanceKey()
	}
	return ref, nil
}

// moduleOutput reads module.NAME, an instance key and the name of an output. Without that the
// reference is to the module as a whole, of type ModuleCall.
func (r *Reference) moduleOutput(t hcl.Traversal) *hcl.Diagnostic {
	r.Target.Type = address.ModuleCall
	if !r.word(&r.Target.Name) {
		return incomplete(r, t)
	}
	r.instanceKey()
	r.output()
	return nil
}

// output makes a reference to an output of a module of one to the module, where a name follows.
func (r *Reference) output() {
	var name string
	if r.word(&name) {
		r.Target = address.Address{Module: address.Root.Child(r.Target.Name, address.NoKey), Type: address.Output, Name: name}
	}
}

// word takes the next step, an attribute, off the rest.
func (r *Reference) word(into *string) bool {
	if len(r.Rest) == 0 {
		return false
	}
	attr, ok := r.Rest[0].(hcl.TraverseAttr)
	if !ok {
		return false
	}
	*into = attr.Name
	r.Range = hcl.RangeBetween(r.Range, attr.SrcRange)
	r.Rest = r.Rest[1:]
	return true
}

// instanceKey takes an index that directly follows the address off the rest.
func (r *Reference) instanceKey() {
	if len(r.Rest) == 0 {
		return
	}
	index, ok := r.Rest[0].(hcl.TraverseIndex)
	if !ok || index.Key.IsNull() || !index.Key.IsKnown() {
		return
	}
	switch index.Key.Type() {
	case cty.String:
		r.Key = address.StringKey(index.Key.AsString())
	case cty.Number:
		n, accuracy := index.Key.AsBigFloat().Int64()
		if accuracy != 0 || int64(int(n)) != n {
			return
		}
		r.Key = address.IntKey(int(n))
	default:
		return
	}
	r.Range = hcl.RangeBetween(r.Range, index.SrcRange)
	r.Rest = r.Rest[1:]
}

func (r *Reference) builtin(words []string) *hcl.Diagnostic {
	if _, needsName := forms[r.Root]; !needsName {
		return nil
	}
	if r.Root == "env" && r.quotedName() {
		return nil
	}
	if !r.word(&r.Name) {
		return errorAt(r.Range, "Incomplete reference", "%s alone names nothing. Write %s.", r.Root, forms[r.Root])
	}
	if words != nil && !slices.Contains(words, r.Name) {
		return errorAt(r.Range, "Unknown attribute", "There is no %s.%s.%s Write %s.", r.Root, r.Name, didYouMean(r.Name, words), forms[r.Root])
	}
	return nil
}

// quotedName accepts env["NAME"], for names that are no identifiers.
func (r *Reference) quotedName() bool {
	if len(r.Rest) == 0 {
		return false
	}
	index, ok := r.Rest[0].(hcl.TraverseIndex)
	if !ok || index.Key.IsNull() || !index.Key.IsKnown() || index.Key.Type() != cty.String {
		return false
	}
	r.Name = index.Key.AsString()
	r.Range = hcl.RangeBetween(r.Range, index.SrcRange)
	r.Rest = r.Rest[1:]
	return true
}

func incomplete(r *Reference, t hcl.Traversal) *hcl.Diagnostic {
	written := r.Root
	if r.Target.Kind != "" {
		written += "." + r.Target.Kind
	}
	if len(r.Rest) > 0 {
		return errorAt(t.SourceRange(), "Invalid reference", "%s must be followed by a name. Write %s.", written, forms[r.Root])
	}
	return errorAt(r.Range, "Incomplete reference", "%s alone names nothing. Write %s.", written, forms[r.Root])
}

func unknownRoot(root hcl.TraverseRoot) *hcl.Diagnostic {
	if hint, ok := foreignRoots[root.Name]; ok {
		return errorAt(root.SrcRange, "Invalid reference", "%s", hint)
	}
	detail := fmt.Sprintf("Nothing is called %s here.", root.Name)
	switch near := didYouMean(root.Name, roots); {
	case near != "":
		detail += near
	case strings.ToUpper(root.Name) == root.Name && len(root.Name) > 1:
		detail += fmt.Sprintf(" An environment variable is env.%s. In a text, $${ stands for ${ itself.", root.Name)
	default:
		detail += " A reference starts with " + strings.Join(roots, ", ") + "; a text is written in quotes."
	}
	return errorAt(root.SrcRange, "Unknown name", "%s", detail)
}
