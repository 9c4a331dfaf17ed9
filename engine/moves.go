package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
)

// What is called otherwise now keeps what the ledger knows of it: nothing is delivered again. The
// rows are moved in the first commit of an apply, or when a daemon takes the configuration over.

// mover knows the moved blocks of a configuration, those of modules once for each instance.
type mover struct {
	prog  *program
	moves []hclspec.Moved // as seen from the root
}

func (p *program) mover() *mover {
	m := &mover{prog: p}
	paths := make([]address.Module, 0, len(p.modules))
	for path := range p.modules {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		for _, mv := range p.modules[path].spec.Moved {
			m.moves = append(m.moves, hclspec.Moved{From: mv.From.In(path), To: mv.To.In(path), DefRange: mv.DefRange})
		}
	}
	return m
}

// check finds moves of what is still declared, and moves in a circle.
func (m *mover) check() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i := range m.moves {
		mv := &m.moves[i]
		if m.declares(mv.From) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Moved, and still there", Subject: mv.From.Range.Ptr(),
				Detail: fmt.Sprintf("%s is said to be called %s now, and it is still declared. Remove the one or the other.", mv.From, mv.To),
			})
		}
		for j := range m.moves[:i] {
			if m.moves[j].From.String() == mv.From.String() && m.moves[j].To.String() != mv.To.String() {
				diags = append(diags, &hcl.Diagnostic{
					Severity: hcl.DiagError, Summary: "Moved twice", Subject: mv.From.Range.Ptr(),
					Detail: fmt.Sprintf("%s cannot become %s: it becomes %s already, as the block at %s says.", mv.From, mv.To, m.moves[j].To, m.moves[j].DefRange),
				})
			}
		}
		seen := []string{mv.From.String()}
		for at := mv.To.String(); ; {
			if slices.Contains(seen, at) {
				if at == seen[0] && slices.Min(seen) == at { // each circle once
					diags = append(diags, &hcl.Diagnostic{
						Severity: hcl.DiagError, Summary: "Moves in a circle", Subject: mv.DefRange.Ptr(),
						Detail: fmt.Sprintf("These moves lead back to where they began: %s.", strings.Join(append(seen, at), " -> ")),
					})
				}
				break
			}
			seen = append(seen, at)
			k := slices.IndexFunc(m.moves, func(o hclspec.Moved) bool { return o.From.String() == at })
			if k < 0 {
				break
			}
			at = m.moves[k].To.String()
		}
	}
	return diags
}

// declares reports whether something is there for certain: instances that follow data may be gone.
func (m *mover) declares(e hclspec.Endpoint) bool {
	p := m.prog
	if e.Address.IsZero() {
		parent, last, ok := e.Module.Parent()
		if !ok {
			return false
		}
		if g := p.groups[address.Address{Module: parent, Type: address.ModuleCall, Name: last.Name}]; g != nil && g.data {
			return false
		}
		return p.modules[e.Module] != nil
	}
	if g := p.groups[e.Address.Block()]; g != nil {
		return e.Address.Key != address.NoKey && !g.data && g.has(e.Address.Key)
	}
	return p.nodes[e.Address] != nil
}

// target returns what an address is called now.
func (m *mover) target(a address.Address) address.Address {
	for range len(m.moves) + 1 { // no circle is longer
		next := m.step(a)
		if next == a {
			break
		}
		a = next
	}
	return m.implied(a)
}

func (m *mover) step(a address.Address) address.Address {
	for i := range m.moves {
		from, to := m.moves[i].From, m.moves[i].To
		if from.Address.IsZero() {
			if rest, ok := a.Module.Within(from.Module); ok {
				a.Module = to.Module.Join(rest)
				return a
			}
			if moved, ok := withKeys(a.Module, from.Module, to.Module); ok {
				a.Module = moved
				return a
			}
			continue
		}
		switch {
		case a == from.Address:
			return to.Address
		case from.Address.Key == address.NoKey && to.Address.Key == address.NoKey && a.Block() == from.Address:
			moved := to.Address
			moved.Key = a.Key
			return moved
		}
	}
	return a
}

// withKeys moves all instances of a module call, where neither end names one.
func withKeys(path, from, to address.Module) (address.Module, bool) {
	parent, last, ok := from.Parent()
	toParent, toLast, _ := to.Parent()
	if !ok || last.Key != address.NoKey || toLast.Key != address.NoKey {
		return path, false
	}
	rest, inside := path.Within(parent)
	steps := rest.Steps()
	if !inside || len(steps) == 0 || steps[0].Name != last.Name || steps[0].Key == address.NoKey {
		return path, false
	}
	out := toParent.Child(toLast.Name, steps[0].Key)
	for _, s := range steps[1:] {
		out = out.Child(s.Name, s.Key)
	}
	return out, true
}

// implied is what needs no moved block: a block that gets a count is its first instance, and the
// first instance is the block when the count goes.
func (m *mover) implied(a address.Address) address.Address {
	if m.prog.nodes[a] != nil {
		return a
	}
	other := a
	first := address.IntKey(0)
	switch a.Key {
	case address.NoKey:
		other.Key = first
	case first:
		other.Key = address.NoKey
	default:
		return a
	}
	if m.prog.nodes[other] == nil {
		return a
	}
	return other
}

// moves returns which rows of a ledger are called otherwise now, and warns of those whose new name
// is taken.
func (p *program) moves(ledger *state.Ledger) ([]plan.Move, hcl.Diagnostics) {
	m := p.mover()
	var out []plan.Move
	var diags hcl.Diagnostics
	taken := map[address.Address]address.Address{}
	look := func(a address.Address, there bool) {
		if p.nodes[a] != nil {
			return // most
		}
		to := m.target(a)
		if to == a {
			return
		}
		if first, twice := taken[to]; twice || there {
			if !twice {
				first = to
			}
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: "Cannot be moved",
				Detail: fmt.Sprintf("%s would be called %s now, and the state knows %s already. What it knows of %s is treated as what is no longer declared.", a, to, first, a),
			})
			return
		}
		taken[to] = a
		out = append(out, plan.Move{From: a, To: to})
	}
	for _, a := range sortedKeys(ledger.Sources) {
		look(a, ledger.Sources[m.target(a)] != nil && m.target(a) != a)
	}
	for _, a := range sortedKeys(ledger.Sinks) {
		look(a, ledger.Sinks[m.target(a)] != nil && m.target(a) != a)
	}
	return out, diags
}

// renamed returns a ledger in which rows are called otherwise, and what is to be committed so that the
// state says the same. The rows of the given ledger stay as they are.
func renamed(ledger *state.Ledger, moves []plan.Move, p *plan.Plan) (*state.Ledger, *state.Batch) {
	b := &state.Batch{}
	if len(moves) == 0 {
		return ledger, b
	}
	out := *ledger
	out.Sources, out.Sinks = make(map[address.Address]*state.Source, len(ledger.Sources)), make(map[address.Address]*state.Sink, len(ledger.Sinks))
	names := make(map[address.Address]address.Address, len(moves))
	for _, mv := range moves {
		names[mv.From] = mv.To
	}
	for a, row := range ledger.Sources {
		if to, ok := names[a]; ok {
			row = row.Clone()
			row.Address = to
			b.DeleteSources, b.Sources = append(b.DeleteSources, a), append(b.Sources, row)
			a = to
		}
		out.Sources[a] = row
	}
	for a, row := range ledger.Sinks {
		to, ok := names[a]
		if ok || causedBy(row, names) {
			row = row.Clone()
			rename(row.Acknowledged, names)
			rename(row.Pending, names)
			if ok {
				row.Address = to
				b.DeleteSinks = append(b.DeleteSinks, a)
				a = to
			}
			b.Sinks = append(b.Sinks, row)
		}
		out.Sinks[a] = row
	}
	if p != nil {
		for _, mv := range moves {
			b.History = append(b.History, state.MoveEntry(mv.From, mv.To, p.Time))
		}
	}
	return &out, b
}

// outdated says which moves of a plan do not fit the ledger any more.
func outdated(ledger *state.Ledger, moves []plan.Move) []string {
	has := func(a address.Address) bool { return ledger.Sinks[a] != nil || ledger.Sources[a] != nil }
	var out []string
	for _, mv := range moves {
		switch {
		case !has(mv.From):
			out = append(out, fmt.Sprintf("the state does not know %s any more, which was to be called %s", mv.From, mv.To))
		case has(mv.To):
			out = append(out, fmt.Sprintf("the state knows %s by now, as which %s was to be called", mv.To, mv.From))
		}
	}
	return out
}

// canDelete reports whether a target of the kind can be deleted at all.
func canDelete(p *state.Payload) bool { return p.Kind == "file" }

// causedBy reports whether a delivery names a source that is called otherwise now.
func causedBy(row *state.Sink, names map[address.Address]address.Address) bool {
	return slices.ContainsFunc([]*state.Delivery{row.Acknowledged, row.Pending}, func(d *state.Delivery) bool {
		return d != nil && slices.ContainsFunc(d.Causes, func(c state.Cause) bool { _, ok := names[c.Source]; return ok })
	})
}

func rename(d *state.Delivery, names map[address.Address]address.Address) {
	if d == nil {
		return
	}
	d.Causes = slices.Clone(d.Causes)
	for i, c := range d.Causes {
		if to, ok := names[c.Source]; ok {
			d.Causes[i].Source = to
		}
	}
	triggers := make(map[string]string, len(d.Triggers))
	for name, token := range d.Triggers {
		for from, to := range names {
			if name == from.String() {
				name = to.String()
			}
		}
		triggers[name] = token
	}
	if len(triggers) > 0 {
		d.Triggers = triggers
	}
}

// movedPushed moves what was sent to a source and not looked at.
func movedPushed(ctx context.Context, store state.Store, moves []plan.Move, b *state.Batch) error {
	for _, mv := range moves {
		if mv.From.Type != address.Source {
			continue
		}
		docs, err := store.Documents(ctx, pushDocument(mv.From))
		if err != nil {
			return fmt.Errorf("read what was sent to %s: %w", mv.From, err)
		}
		for _, doc := range docs {
			if doc.Name == pushDocument(mv.From) {
				b.Documents = append(b.Documents, &state.Document{Name: pushDocument(mv.To), Data: doc.Data, Sealed: doc.Sealed})
				b.DeleteDocuments = append(b.DeleteDocuments, doc.Name)
			}
		}
	}
	return nil
}

// removedBy returns the removed block that speaks of an address, nil if none does.
func (p *program) removedBy(a address.Address) *hclspec.Removed {
	for path, m := range p.modules {
		for _, r := range m.spec.Removed {
			from := r.From.In(path)
			if from.Address.IsZero() {
				if within(a.Module, from.Module) {
					return r
				}
			} else if a.Block() == from.Address {
				return r
			}
		}
	}
	return nil
}

// within reports whether a module is another one or inside of it; where that names no instance, of
// any.
func within(path, outer address.Module) bool {
	if _, ok := path.Within(outer); ok {
		return true
	}
	_, ok := withKeys(path, outer, outer)
	return ok
}

// checkRemoved finds what is said to be removed and is still there.
func (p *program) checkRemoved() hcl.Diagnostics {
	var diags hcl.Diagnostics
	m := &mover{prog: p}
	for path, mod := range p.modules {
		for _, r := range mod.spec.Removed {
			from := r.From.In(path)
			if m.declares(from) || !from.Address.IsZero() && p.groups[from.Address] != nil || from.Address.IsZero() && p.callsModule(from.Module) {
				diags = append(diags, &hcl.Diagnostic{
					Severity: hcl.DiagError, Summary: "Removed, and still there", Subject: r.From.Range.Ptr(),
					Detail: fmt.Sprintf("%s is said to be removed, and it is still declared. Remove the one or the other.", from),
				})
			}
		}
	}
	return diags
}

func (p *program) callsModule(path address.Module) bool {
	parent, last, ok := path.Parent()
	return ok && p.modules[parent] != nil && p.modules[parent].spec.Modules[last.Name] != nil
}
