package engine

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"tidegate/hclspec"
	"tidegate/hclspec/address"
)

// A block with for_each or count stands for its instances. Which ones there are is known when a
// program is made, so that everything else sees a node for each and nothing else: the keys
// come from what is known without data, else from what was found out when data was looked at
// (keysets), which makes another program of the same configuration.
//
// Two more nodes belong to such a block. Its expansion is the value of for_each or count: each
// instance takes each.value out of it, so that the expression is evaluated once. Its collection is
// all instances as one value, for whoever refers to the block as a whole.

// maxInstances bounds what a count or a for_each makes.
const maxInstances = 100_000

// group is what a program knows of a repeated block, or of a repeated module call.
type group struct {
	block     address.Address // without key; of a call of type ModuleCall
	repeated  *hclspec.Repetition
	scope     *module // in which for_each is evaluated
	expansion *node
	keys      []address.Key

	data   bool   // which instances there are depends on data
	fixed  bool   // which it must not
	reason string // why the keys are not those that for_each gives, "" if they are
}

// keyset is which instances a block has that follows data.
type keyset struct {
	keys   []address.Key
	reason string // why they are not what for_each gives
}

func (k keyset) equal(other keyset) bool {
	return k.reason == other.reason && slices.Equal(k.keys, other.keys)
}

// unsure reports whether the keys are not those that for_each gives. What is made of them waits.
func (g *group) unsure() bool { return g != nil && g.reason != "" }

// has reports whether there is an instance with a key.
func (g *group) has(key address.Key) bool {
	_, ok := slices.BinarySearchFunc(g.keys, key, address.Key.Compare)
	return ok
}

// repeat makes the group of a repeated block, with its expansion and its collection.
func (p *program) repeat(block address.Address, r *hclspec.Repetition, scope *module) *group {
	g := &group{block: block, repeated: r, scope: scope}
	p.groups[block] = g
	g.expansion = p.add(block.Expansion(), r, scope)
	g.expansion.expr, g.expansion.group = r.Expression(), g
	p.add(block.Instances(), r, scope).group = g
	v, known := p.early(r.Expression(), scope, nil)
	if known {
		keys, _, diag := keysOf(v, r)
		if diag == nil && keys != nil {
			g.keys = keys
			return g
		}
		if diag != nil {
			g.reason = "its " + r.Word() + " is wrong"
			return g // the check of the expansion says what is wrong
		}
	}
	g.data = true
	if block.Type == address.Detector || block.Type == address.RateLimit {
		g.fixed = true
	}
	k, ok := p.keysets[block]
	if !ok {
		k = keyset{keys: g.remembered(p.remembered), reason: "its " + r.Word() + " is not known yet"}
		if p.keysets == nil {
			p.keysets = map[address.Address]keyset{}
		}
		p.keysets[block] = k
	}
	g.keys, g.reason = k.keys, k.reason
	return g
}

// keysOf returns the keys that a value of for_each or count gives, sorted. What is not known
// gives none and no error.
func keysOf(v cty.Value, r *hclspec.Repetition) (keys []address.Key, empty bool, diag *hcl.Diagnostic) {
	fail := func(summary, format string, args ...any) ([]address.Key, bool, *hcl.Diagnostic) {
		return nil, false, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: r.Expression().Range().Ptr(),
		}
	}
	if v.IsMarked() {
		return fail("Sensitive "+r.Word(), "The keys of instances stand in plans, logs and addresses, so %s cannot be made of a sensitive value. Take the keys from something that may be shown, or use nonsensitive(...) if these may.", r.Word())
	}
	if v.IsNull() {
		return fail("Invalid "+r.Word(), "%s must not be null. For no instances write %s.", r.Word(), map[bool]string{true: "an empty map or set, such as {}", false: "0"}[r.ForEach != nil])
	}
	if r.Count != nil {
		return countKeys(v, fail)
	}
	ty := v.Type()
	switch {
	case ty == cty.DynamicPseudoType:
		return nil, false, nil
	case ty.IsMapType(), ty.IsObjectType():
		if !v.IsKnown() {
			return nil, false, nil
		}
	case ty.IsSetType():
		if !v.IsWhollyKnown() {
			return nil, false, nil
		}
		if ty.ElementType() != cty.String && v.LengthInt() > 0 {
			return fail("Invalid for_each", "for_each takes a map, an object or a set of strings, and this is a set of %s. Make texts of its elements, or a map with the keys that the instances shall have.", ty.ElementType().FriendlyName())
		}
	case ty.IsTupleType(), ty.IsListType():
		return fail("Invalid for_each", "for_each takes a map, an object or a set of strings, and this is %s. The order of a list says nothing about which instance is which: use toset(...) where its elements are texts, or a map such as { for x in LIST : x.name => x }.", ty.FriendlyName())
	default:
		return fail("Invalid for_each", "for_each takes a map, an object or a set of strings, and this is a %s.", ty.FriendlyName())
	}
	if n := v.LengthInt(); n > maxInstances {
		return fail("Too many instances", "for_each has %d keys, and a block has at most %d instances.", n, maxInstances)
	}
	keys = make([]address.Key, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if ty.IsSetType() {
			k = e
		}
		k, _ = k.Unmark()
		if k.IsNull() {
			return fail("Invalid for_each", "A set for for_each must not hold null.")
		}
		keys = append(keys, address.StringKey(k.AsString()))
	}
	slices.SortFunc(keys, address.Key.Compare)
	return keys, len(keys) == 0, nil
}

func countKeys(v cty.Value, fail func(string, string, ...any) ([]address.Key, bool, *hcl.Diagnostic)) ([]address.Key, bool, *hcl.Diagnostic) {
	if !v.IsKnown() {
		return nil, false, nil
	}
	if err := hclspec.ConvertibleNumber(v); err != nil {
		return fail("Invalid count", "count takes a whole number: %s.", err)
	}
	number, err := convert.Convert(v, cty.Number)
	if err != nil {
		return fail("Invalid count", "count takes a whole number, and this is a %s.", v.Type().FriendlyName())
	}
	f := number.AsBigFloat()
	n, accuracy := f.Int64()
	switch {
	case accuracy != 0 || n < 0:
		return fail("Invalid count", "count takes a whole number from 0 on, and this is %s.", f.Text('g', 20))
	case n > maxInstances:
		return fail("Too many instances", "count is %d, and a block has at most %d instances.", n, maxInstances)
	}
	keys := make([]address.Key, n)
	for i := range keys {
		keys[i] = address.IntKey(i)
	}
	return keys, n == 0, nil
}

// checkExpansion returns what is wrong with the value of for_each or count.
func (n *node) checkExpansion(v cty.Value) hcl.Diagnostics {
	keys, _, diag := keysOf(v, n.group.repeated)
	if diag == nil && keys == nil && n.group.fixed && len(n.sources)+len(n.sinks) > 0 {
		diag = &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Instances that follow data", Subject: n.expr.Range().Ptr(),
			Detail: fmt.Sprintf("Which instances %s has must be known without data: it says when to look at sources, or how often to deliver. Make its %s of variables and locals.", n.group.block, n.group.repeated.Word()),
		}
	}
	if diag != nil {
		return hcl.Diagnostics{diag}
	}
	return nil
}

// collection is all instances of a block as one value, or all outputs of a module: an object by
// key, or a tuple by number. It is not known while the keys are not.
func (p *program) collection(n *node, vals values) cty.Value {
	g := n.group
	if g == nil {
		return p.outputsOf(n, address.NoKey, vals)
	}
	if g.reason != "" {
		return cty.DynamicVal
	}
	member := func(key address.Key) cty.Value {
		if g.block.Type == address.ModuleCall {
			return p.outputsOf(n, key, vals)
		}
		return p.valueOf(g.member(key), vals)
	}
	if g.repeated.Count != nil {
		list := make([]cty.Value, len(g.keys))
		for i, key := range g.keys {
			list[i] = member(key)
		}
		return cty.TupleVal(list)
	}
	attrs := make(map[string]cty.Value, len(g.keys))
	for _, key := range g.keys {
		attrs[instanceName(key)] = member(key)
	}
	return cty.ObjectVal(attrs)
}

// outputsOf are the outputs of one instance of a module call as an object.
func (p *program) outputsOf(n *node, key address.Key, vals values) cty.Value {
	m := p.modules[n.addr.Module.Child(n.addr.Name, key)]
	if m == nil {
		return cty.DynamicVal
	}
	attrs := make(map[string]cty.Value, len(m.spec.Outputs))
	for name := range m.spec.Outputs {
		attrs[name] = p.valueOf(address.Address{Module: m.path, Type: address.Output, Name: name}, vals)
	}
	return cty.ObjectVal(attrs)
}

// member is the address under which others see one instance.
func (g *group) member(key address.Key) address.Address {
	a := g.block
	a.Key = key
	return a
}

// eachObject is what each or count is for one instance. all is the value of for_each.
func eachObject(root string, all cty.Value, key address.Key) cty.Value {
	if n, ok := key.Int(); root == "count" && ok {
		return cty.ObjectVal(map[string]cty.Value{"index": cty.NumberIntVal(int64(n))})
	}
	name, _ := key.Str()
	value := cty.DynamicVal
	ty := all.Type()
	switch {
	case !all.IsKnown() || all.IsNull() || all.IsMarked():
	case ty.IsSetType():
		value = cty.StringVal(name)
	case ty.IsObjectType() && ty.HasAttribute(name):
		value = all.GetAttr(name)
	case ty.IsMapType():
		if k := cty.StringVal(name); all.HasIndex(k).True() {
			value = all.Index(k)
		}
	}
	return cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(name), "value": value})
}

// members are the addresses of all instances.
func (g *group) members() []address.Address {
	out := make([]address.Address, len(g.keys))
	for i, key := range g.keys {
		out[i] = g.member(key)
	}
	return out
}

// linkCollection makes the edges of all instances as one value: to each of them, and to what says
// which ones there are.
func (p *program) linkCollection(n *node) {
	if g := n.group; g != nil {
		p.graph.Link(n.place, g.expansion.place)
		if g.block.Type != address.ModuleCall {
			for _, a := range g.members() {
				if target := p.nodes[a]; target != nil {
					p.graph.Link(n.place, target.place)
					if a.Type == address.Source && !slices.Contains(target.read, "*") {
						target.read = append(target.read, "*")
					}
				}
			}
			return
		}
	}
	for _, m := range p.collected(n) {
		for name := range m.spec.Outputs {
			if target := p.nodes[address.Address{Module: m.path, Type: address.Output, Name: name}]; target != nil {
				p.graph.Link(n.place, target.place)
			}
		}
	}
}

// collected returns the module instances whose outputs make up the value of a call.
func (p *program) collected(n *node) []*module {
	var out []*module
	keys := []address.Key{address.NoKey}
	if n.group != nil {
		keys = n.group.keys
	}
	for _, key := range keys {
		if m := p.modules[n.addr.Module.Child(n.addr.Name, key)]; m != nil {
			out = append(out, m)
		}
	}
	return out
}

// resolve finds what a reference stands for from where the node's expressions are evaluated.
func (p *program) resolve(n *node, r *hclspec.Reference, rules scopeRules) hcl.Diagnostics {
	fail := func(summary, format string, args ...any) hcl.Diagnostics {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &r.Range}}
	}
	if d := n.scope.spec.Resolve(r); d != nil {
		return hcl.Diagnostics{d}
	}
	if r.Own != "" {
		if diags := n.ownKeyword(r.Own, r.Range); diags != nil {
			return diags
		}
		r.Key = n.key
	}
	a := r.Target
	a.Module = n.scope.path
	block := a
	if r.Target.Module != address.Root { // an output of a module
		block = address.Address{Module: a.Module, Type: address.ModuleCall, Name: r.Target.Module.Steps()[0].Name}
	}
	if block.Type == address.ModuleCall && n.scope.spec.Called(block.Name) == nil {
		return fail("Unknown module", "What %s declares could not be read.", block.Name)
	}
	g := p.groups[block]
	switch {
	case g == nil && r.Key != address.NoKey:
		return fail("Not repeated", "%s has neither for_each nor count, so it has no instance %s. Refer to it as %s.", block, r.Key, block)
	case g == nil && a.Type == address.Output && block.Type == address.ModuleCall:
		a.Module = a.Module.Child(block.Name, address.NoKey)
		r.Node = a
		return nil
	case g == nil && block.Type == address.ModuleCall:
		r.Node = block.Instances()
		return nil
	case g == nil:
		r.Node = a
		return nil
	case r.Key == address.NoKey && a.Type == address.Output,
		r.Key == address.NoKey && len(r.Rest) > 0 && isAttribute(r.Rest[0]):
		example := "[0]"
		if g.repeated.ForEach != nil {
			example = "[each.key]"
			if len(g.keys) > 0 {
				example = g.keys[0].String()
			}
		}
		return fail("Missing instance key", "%s has %s, so an attribute is that of one instance: write %s%s, or take all of them with a splat or a for expression.", block, g.repeated.Word(), block, example)
	case r.Key == address.NoKey:
		r.Node = block.Instances()
		return nil
	case !g.has(r.Key) && (g.data || g.reason != "" || r.Own != "" && n.each.data):
		n.members = append(n.members, block)
		r.Node = block.Instances() // it may come, and is not known until then
		return nil
	case !g.has(r.Key):
		return fail("No such instance", "%s has no instance %s.%s", block, r.Key, g.nearest(r.Key))
	case a.Type == address.Output:
		a.Module = a.Module.Child(block.Name, r.Key)
		r.Node = a
		return nil
	case block.Type == address.ModuleCall: // one instance as a whole
		r.Node = block.Instances()
		return nil
	}
	a.Key = r.Key
	r.Node = a
	return nil
}

func isAttribute(step hcl.Traverser) bool {
	_, ok := step.(hcl.TraverseAttr)
	return ok
}

// nearest names the key that was most likely meant.
func (g *group) nearest(key address.Key) string {
	word, isText := key.Str()
	var words []string
	for _, k := range g.keys {
		if s, ok := k.Str(); ok {
			words = append(words, s)
		}
	}
	near := hclspec.Nearest(word, words)
	switch {
	case len(g.keys) == 0:
		return fmt.Sprintf(" Its %s gives no instances.", g.repeated.Word())
	case near != "":
		return fmt.Sprintf(" Did you mean %s?", address.StringKey(near))
	case isText == (g.repeated.ForEach != nil) && len(g.keys) <= 8:
		var list string
		for i, k := range g.keys {
			if i > 0 {
				list += ", "
			}
			list += k.String()
		}
		return fmt.Sprintf(" Its instances are %s.", list)
	case g.repeated.Count != nil:
		return fmt.Sprintf(" Its instances are numbered from [0] to [%d].", len(g.keys)-1)
	}
	if len(g.keys) == 1 {
		return fmt.Sprintf(" Its only instance is %s.", g.keys[0])
	}
	return fmt.Sprintf(" It has %d instances, such as %s.", len(g.keys), g.keys[0])
}

// resolveEach finds what each or count is of.
func (p *program) resolveEach(n *node, r *hclspec.Reference) hcl.Diagnostics {
	if diags := n.ownKeyword(r.Root, r.Range); diags != nil {
		return diags
	}
	r.Node, r.Key = n.each.expansion.addr, n.key
	return nil
}

// ownKeyword says why each or count mean nothing where a node stands, nil if they do.
func (n *node) ownKeyword(root string, at hcl.Range) hcl.Diagnostics {
	word := map[string]string{"each": "for_each", "count": "count"}[root]
	var detail string
	switch {
	case n.each == nil:
		detail = fmt.Sprintf("%s is known only in a block or module call with %s.", root, word)
	case n.each.repeated.Word() != word:
		detail = fmt.Sprintf("%s is known only where there is %s, and %s has %s.", root, word, n.each.block, n.each.repeated.Word())
	default:
		return nil
	}
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unknown name", Detail: detail, Subject: &at}}
}
