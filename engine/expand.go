package engine

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// Which instances a block has may follow data. What is found out about that makes another program
// of the same configuration, in which everything else is taken over as it is, so that the cost is
// that of a reload in which little changed.
//
// Until that is known, and where the data cannot be had or is not to be trusted, the instances
// are those that the ledger knows. They exist and wait, as what is made of an unknown value does:
// nothing is forgotten or deleted for want of an answer.

// follows reports whether some block's instances follow data.
func (p *program) follows() bool {
	for _, g := range p.groups {
		if g.data {
			return true
		}
	}
	return false
}

// keysetOf is what a value of for_each says of which instances there are, over what the ledger
// knows of. problem is what is wrong with it, "" for nothing; why is for what is not known.
func (g *group) keysetOf(v cty.Value, known func() remembered, why string) (k keyset, problem string) {
	stay := func(reason string) keyset { return keyset{keys: g.remembered(known()), reason: reason} }
	keys, empty, diag := keysOf(v, g.repeated)
	switch {
	case diag != nil:
		return stay("its " + g.repeated.Word() + " is wrong"), diag.Detail
	case keys == nil:
		return stay(fmt.Sprintf("its %s is not known: %s", g.repeated.Word(), why)), ""
	case empty && !g.allowsEmpty() && len(g.remembered(known())) > 0:
		return stay("its " + g.repeated.Word() + " is empty all of a sudden"),
			fmt.Sprintf("%s is empty, which would remove all %d instances. They stay as they are. If they are to go, set allow_empty = true on the block.", g.repeated.Word(), len(g.remembered(known())))
	}
	return keyset{keys: keys}, ""
}

func (g *group) allowsEmpty() bool {
	if g.repeated.AllowEmpty == nil {
		return false
	}
	v, diags := g.repeated.AllowEmpty.Value(nil)
	return !diags.HasErrors() && v.IsKnown() && !v.IsNull() && v.Type() == cty.Bool && v.True()
}

// remembered are the instances that the ledger knows, by the block or the module call.
type remembered map[address.Address]map[address.Key]bool

// rememberedIn takes them out of a ledger.
func rememberedIn(ledger *state.Ledger) remembered {
	out := remembered{}
	note := func(block address.Address, key address.Key) {
		if key == address.NoKey {
			return
		}
		if out[block] == nil {
			out[block] = map[address.Key]bool{}
		}
		out[block][key] = true
	}
	paths := map[address.Module]bool{}
	add := func(a address.Address) {
		note(a.Block(), a.Key)
		if a.Module == address.Root || paths[a.Module] {
			return
		}
		paths[a.Module] = true
		parent := address.Root
		for _, step := range a.Module.Steps() {
			note(address.Address{Module: parent, Type: address.ModuleCall, Name: step.Name}, step.Key)
			parent = parent.Child(step.Name, step.Key)
		}
	}
	for a := range ledger.Sources {
		add(a)
	}
	for a := range ledger.Sinks {
		add(a)
	}
	return out
}

// remembered are the keys of the instances that the ledger knows, sorted.
func (g *group) remembered(known remembered) []address.Key {
	var keys []address.Key
	for key := range known[g.block] {
		if g.fits(key) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, address.Key.Compare)
	return keys
}

// remember gives blocks whose instances follow data those that the ledger knows, for whoever does
// not look at the data, or did not yet.
func (e *Engine) remember(ledger *state.Ledger) hcl.Diagnostics {
	if !e.prog.follows() {
		return nil
	}
	keys := maps.Clone(e.prog.keysets)
	maps.DeleteFunc(keys, func(_ address.Address, k keyset) bool { return k.reason != "" })
	prog, diags := e.prog.with(keys, rememberedIn(ledger))
	if diags.HasErrors() {
		return diags
	}
	e.goOver(prog)
	return nil
}

// Remember gives blocks whose instances follow data those that the ledger knows, so that Graph shows
// them. Where they cannot be made they are left out.
func (e *Engine) Remember(ledger *state.Ledger) {
	if e.prog != nil {
		_ = e.remember(ledger)
	}
}

// tryInstances checks one instance of each block whose instances follow data, in a program that is
// only made for that: what is wrong with all of them comes out before there is any.
func (p *program) tryInstances() hcl.Diagnostics {
	next := p
	for range maxModuleRounds { // there may be others within
		keys := maps.Clone(next.keysets)
		tried := false
		for block, k := range keys {
			if k.reason == "" || len(k.keys) > 0 {
				continue
			}
			key := trialKey
			if next.groups[block].repeated.Count != nil {
				key = address.IntKey(0)
			}
			k.keys, tried = []address.Key{key}, true
			keys[block] = k
		}
		if !tried {
			break
		}
		var diags hcl.Diagnostics
		if next, diags = next.with(keys, nil); diags.HasErrors() {
			return diags
		}
	}
	return nil
}

// goOver makes a program with other instances the engine's.
func (e *Engine) goOver(prog *program) {
	if e.written == "" {
		e.written = e.prog.hash()
	}
	e.prog = prog
}

// keyIn returns by which instance of the group an address is there, if it is.
func (g *group) keyIn(a address.Address) (address.Key, bool) {
	key := a.Key
	if g.block.Type == address.ModuleCall {
		if len(a.Module) <= len(g.block.Module) { // most
			return key, false
		}
		parent := address.Root
		for _, step := range a.Module.Steps() {
			if parent == g.block.Module && step.Name == g.block.Name {
				return step.Key, g.fits(step.Key)
			}
			parent = parent.Child(step.Name, step.Key)
		}
		return key, false
	}
	return key, a.Block() == g.block && g.fits(key)
}

// fits reports whether for_each or count may give such a key.
func (g *group) fits(key address.Key) bool {
	_, number := key.Int()
	return key != address.NoKey && number == (g.repeated.Count != nil)
}

// constantKeysets are the keys that turned out to be known without data when the nodes were
// checked: those that come out of a module, say.
func (p *program) constantKeysets() map[address.Address]keyset {
	out := maps.Clone(p.keysets)
	for block, g := range p.groups {
		if !g.data || g.expansion.constant == cty.NilVal {
			continue
		}
		if keys, _, diag := keysOf(g.expansion.constant, g.repeated); diag == nil && keys != nil {
			if out == nil {
				out = map[address.Address]keyset{}
			}
			out[block] = keyset{keys: keys}
		}
	}
	return out
}

// sameKeysets reports whether two programs have the same instances.
func sameKeysets(a, b map[address.Address]keyset) bool { return maps.EqualFunc(a, b, keyset.equal) }

// with makes the program that has the given instances of what follows data. Where they cannot be
// made it returns what is wrong, and the caller goes on with p.
//
// Instances may have repeated blocks of their own. Those that keys says nothing of, since they were
// not there before, have the instances that the ledger knows.
func (p *program) with(keys map[address.Address]keyset, known remembered) (*program, hcl.Diagnostics) {
	p.digests() // it is the one before from now on
	next, diags := compile(p.spec, p.opts, compileOptions{
		validate: p.validate, whole: true, before: p, stored: p.files.Stored, find: p.files.Find, keys: keys, remembered: known,
	})
	if diags.HasErrors() {
		next.forget()
		return p, fold(diags)
	}
	next.sound = true
	next.digests()
	return next, diags
}

// expand looks at the expansions that were just evaluated, and goes over to the program that has
// the instances they give. It reports whether there is another one.
func (o *observer) expand(seen []*node) bool {
	seen = slices.DeleteFunc(slices.Clone(seen), func(n *node) bool { return n.addr.Type != address.Expansion || !n.group.data })
	if len(seen) == 0 {
		return false
	}
	keys := maps.Clone(o.prog.keysets)
	known := sync.OnceValue(func() remembered { return rememberedIn(o.ledger) })
	for _, n := range seen {
		k, problem := n.group.keysetOf(o.values[n.addr], known, o.unknownReason(n))
		keys[n.group.block] = k
		if problem != "" {
			o.complain(n, "Instances stay as they are", fmt.Sprintf("%s: %s", n.group.block, problem))
		} else if k.reason != "" && len(k.keys) == 0 && !o.quiet {
			o.diags = append(o.diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: "Instances are not known", Subject: n.rng().Ptr(),
				Detail: fmt.Sprintf("%s: %s. Nothing can be said of its instances.", n.group.block, k.reason),
			})
		}
	}
	if sameKeysets(keys, o.prog.keysets) {
		return false
	}
	next, diags := o.prog.with(keys, known())
	if diags.HasErrors() {
		o.diags = append(o.diags, diags...)
		for _, n := range seen {
			keys[n.group.block] = keyset{keys: n.group.remembered(known()), reason: "its instances cannot be made"}
		}
		if next, diags = o.prog.with(keys, known()); diags.HasErrors() {
			return false
		}
	}
	e := o.engine
	if e.prog == o.prog {
		e.goOver(next)
	}
	o.prog = next
	o.reselect()
	return true
}

// hash identifies the configuration, whatever instances follow from data.
func (e *Engine) hash() string {
	if e.written != "" {
		return e.written
	}
	return e.prog.hash()
}
