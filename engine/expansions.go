package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// A key that goes out of the data is a change of a value: what becomes of its sinks was decided by
// whoever wrote their on_destroy. A key that goes because somebody edited the for_each is an edit
// like any other, and what it takes away waits for approval. Which of both it is cannot be told from
// the keys. So the state keeps under which for_each a block's instances were settled last: only
// while that is the one that runs are keys taken away by the data.

// expansionsDocument holds the digests of those for_each, in hexadecimal by block.
const expansionsDocument = "expansions"

// settledExpansions maps blocks to those digests.
type settledExpansions map[string]string

func recallExpansions(ctx context.Context, store state.Reader) (out settledExpansions, err error) {
	docs, err := store.Documents(ctx, expansionsDocument)
	if err != nil {
		return nil, fmt.Errorf("read what instances were made of: %w", err)
	}
	for _, doc := range docs {
		if doc.Name == expansionsDocument {
			if err := json.Unmarshal(doc.Data, &out); err != nil {
				return nil, fmt.Errorf("read what instances were made of: %w", err)
			}
		}
	}
	return out, nil
}

func (s settledExpansions) document() *state.Document {
	data, err := json.Marshal(s)
	if err != nil {
		panic("a map of texts does not marshal: " + err.Error())
	}
	// A digest is made of variables, too, which may be secrets that can be guessed.
	return &state.Document{Name: expansionsDocument, Data: data, Sealed: true}
}

// settle says under which for_each the instances of all blocks are settled now, and whether there are
// blocks for which that is not the one that is declared.
func (p *program) settle(before settledExpansions, settled func(*group) bool) (now settledExpansions, edited bool) {
	now = settledExpansions{}
	for block, g := range p.groups {
		if !g.data {
			continue
		}
		name, is := block.String(), p.expansionDigest(g)
		if is != before[name] && !settled(g) {
			edited, is = true, before[name]
		}
		if is != "" {
			now[name] = is
		}
	}
	return now, edited
}

// settledBy returns what an apply of a plan writes down of that, nil for nothing: everything that
// its instances take away was seen by whoever approved it.
func (e *Engine) settledBy(ctx context.Context, p *plan.Plan, ledger *state.Ledger) (*state.Document, error) {
	if !e.prog.followsData() {
		return nil, nil
	}
	before, err := recallExpansions(ctx, e.store)
	if err != nil {
		return nil, err
	}
	seen := map[address.Address]bool{}
	for _, c := range p.Sinks {
		seen[c.Address] = true
	}
	e.prog.digests()
	now, _ := e.prog.settle(before, func(g *group) bool {
		if g.unsure() {
			return false
		}
		for a := range ledger.Sinks {
			if !seen[a] && g.lacks(a) {
				return false
			}
		}
		return true
	})
	if maps.Equal(now, before) {
		return nil, nil
	}
	return now.document(), nil
}

// followsData reports whether instances of a block follow data. A saved plan is applied without a
// program, whose for_each nobody reads then.
func (p *program) followsData() bool {
	if p == nil {
		return false
	}
	for _, g := range p.groups {
		if g.data {
			return true
		}
	}
	return false
}

// expansionDigest identifies the for_each of a block with all that it is made of, beside the data.
func (p *program) expansionDigest(g *group) string {
	sum := slices.Clone(g.expansion.digest[:])
	for _, a := range g.expansion.sources {
		if n := p.nodes[a]; n != nil {
			sum = append(sum, n.digest[:]...)
		}
	}
	of := sha256.Sum256(sum)
	return hex.EncodeToString(of[:])
}

// vanished reports whether a sink is no longer there because its key went out of the data. One that
// is taken out of the files of a module whose instance is still there is not meant.
func (d *Daemon) vanished(a address.Address) bool {
	p := d.engine.prog
	for block, g := range p.groups {
		if g.lacks(a) && d.instances.settled[block.String()] == p.expansionDigest(g) {
			return true
		}
	}
	return false
}

// settleExpansions notes that the instances are those which the for_each of their blocks give, and
// that nothing waits which another one had.
func (d *Daemon) settleExpansions() {
	if d.stopping {
		return
	}
	now, edited := d.engine.prog.settle(d.instances.settled, d.settledAs)
	d.instances.edited = edited
	if !maps.Equal(now, d.instances.settled) {
		d.instances.settled = now
		d.record(&state.Batch{Documents: []*state.Document{now.document()}})
	}
}

// settledAs reports whether the instances of a block are those which its for_each gives, and nothing
// is left of others.
func (d *Daemon) settledAs(g *group) bool {
	if d.instances.installed[g.block.String()] != d.engine.prog.expansionDigest(g) {
		if d.lookedAt(g) {
			d.instances.stale[g.block] = true // nothing may have moved, and nobody else asks for it
		}
		return false
	}
	if g.unsure() {
		return false
	}
	for a, it := range d.sinks {
		if it.removed && g.lacks(a) {
			return false
		}
	}
	return true
}

// lookedAt reports whether all sources that a for_each is made of were looked at as they are declared
// now, and answered.
func (d *Daemon) lookedAt(g *group) bool {
	return !slices.ContainsFunc(g.expansion.sources, func(a address.Address) bool {
		it := d.sources[a]
		return it != nil && (it.judged == "" || it.problem != plan.NoProblem)
	})
}
