package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/state"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
)

// Which instances a block has may follow data that moves while the daemon runs. When something
// moves that its for_each is made of, a worker evaluates it, and where it gives other keys the
// goroutine that reads configurations makes the program that has them. That is installed like
// one that was reloaded: equal nodes go on as they are.
//
// Sinks that depend on such a block wait meanwhile, so that nothing is delivered that was made of
// the old keys and the new values.

// instances is what the loop knows of blocks whose instances follow data.
type instances struct {
	made  map[address.Address][]address.Address // blocks by what their for_each is made of
	stale map[address.Address]bool              // blocks whose for_each is to be evaluated
	busy  bool                                  // it is being evaluated, or the program is being made
	// values are those of for_each when they were evaluated last, by block.
	values map[address.Address]cty.Value
	// refused are the instances that could not be made the last time, nil for none: the same are not
	// tried again with the same configuration.
	refused map[address.Address]keyset
	// evaluated are the for_each whose keys are on their way into the program, installed those whose
	// keys it has, both of sources that were looked at as they are declared now; settled is what the
	// state keeps.
	evaluated, installed, settled settledExpansions
	edited                        bool // there are blocks that are not settled under the for_each that runs
}

// otherInstances asks for the program that has other instances.
type otherInstances struct {
	keys map[address.Address]keyset
	// stay is what to fall back to where such instances cannot be made: those that there are.
	stay map[address.Address]keyset
	// known are the instances of the ledger, for repeated blocks within those that are new.
	known remembered
}

// installInstances has every block whose instances follow data evaluated anew.
func (d *Daemon) installInstances() {
	d.instances.made, d.instances.stale = map[address.Address][]address.Address{}, map[address.Address]bool{}
	maps.DeleteFunc(d.instances.values, func(block address.Address, _ cty.Value) bool { return d.engine.prog.groups[block] == nil })
	installed := settledExpansions{}
	for block, g := range d.engine.prog.groups {
		if !g.data {
			continue
		}
		d.instances.stale[block] = true
		if name := block.String(); d.instances.installed[name] != "" {
			installed[name] = d.instances.installed[name]
		}
		for _, list := range [][]address.Address{g.expansion.sources, g.expansion.sinks} {
			for _, a := range list {
				d.instances.made[a] = append(d.instances.made[a], block)
			}
		}
	}
	d.instances.installed = installed
	d.settleExpansions() // what does not follow data any more is not settled by data
}

// unsettled reports whether it is not known yet which instances a node's blocks have.
func (d *Daemon) unsettled(n *node) bool {
	return n.follows && (d.instances.busy || len(d.instances.stale) > 0) && !d.stopping
}

// findInstances lets a worker evaluate what moved.
func (d *Daemon) findInstances() {
	if d.instances.busy || len(d.instances.stale) == 0 || d.stopping {
		return
	}
	type job struct {
		group *group
		scene *scene
		value cty.Value
		why   string
	}
	var jobs []*job
	d.instances.evaluated = settledExpansions{}
	for _, block := range sortedKeys(d.instances.stale) {
		if g := d.engine.prog.groups[block]; g != nil {
			if d.lookedAt(g) {
				d.instances.evaluated[block.String()] = d.engine.prog.expansionDigest(g)
			}
			jobs = append(jobs, &job{group: g, scene: d.sceneOf(g.expansion)})
		}
	}
	clear(d.instances.stale)
	d.instances.busy = true
	d.worker(func() {
		ctx, cancel := context.WithTimeout(d.lookCtx, longestRead)
		defer cancel()
		for _, j := range jobs {
			j.value = j.scene.expansionValue(ctx, j.group.expansion)
			j.why = j.scene.unknownReason(j.group.expansion)
		}
		d.post(func() {
			next := otherInstances{keys: maps.Clone(d.engine.prog.keysets), stay: map[address.Address]keyset{}}
			known := sync.OnceValue(func() remembered { return rememberedIn(d.ledger) })
			for _, j := range jobs {
				block := j.group.block
				if d.engine.prog.groups[block] != j.group {
					d.instances.stale[block] = true // of a configuration that was reloaded meanwhile
					continue
				}
				k, problem := j.group.keysetOf(j.value, known, j.why)
				if before, ok := d.engine.prog.keysets[block]; problem != "" && !(ok && before.equal(k)) {
					d.engine.emit(InstancesChanged{Block: block, Err: problem})
				}
				next.keys[block] = k
				d.wakeChanged(j.group, j.value)
			}
			if sameKeysets(next.keys, d.engine.prog.keysets) || d.instances.refused != nil && sameKeysets(next.keys, d.instances.refused) {
				d.instancesSettled()
				return
			}
			next.known = known()
			for _, j := range jobs {
				next.stay[j.group.block] = keyset{keys: j.group.remembered(next.known)}
			}
			d.others <- next // there is never a second one: busy is set
		})
	})
}

// wakeChanged lets those instances look again whose own part of for_each is another one now.
func (d *Daemon) wakeChanged(g *group, now cty.Value) {
	before, known := d.instances.values[g.block]
	if d.instances.values == nil {
		d.instances.values = map[address.Address]cty.Value{}
	}
	d.instances.values[g.block] = now
	if known && before.RawEquals(now) || g.block.Type == address.ModuleCall {
		return // what is in a module is made from the data on a way of its own
	}
	for _, a := range g.members() {
		if known && eachObject("each", before, a.Key).RawEquals(eachObject("each", now, a.Key)) {
			continue
		}
		if it := d.sinks[a]; it != nil && it.node != nil {
			d.touch(it, causeInput)
		} else if it := d.sources[a]; it != nil {
			it.judged, it.moved = "", it.queued
			d.ask(it)
		}
	}
}

// instancesSettled lets the sinks go on that waited for it.
func (d *Daemon) instancesSettled() {
	d.instances.busy = false
	maps.Copy(d.instances.installed, d.instances.evaluated)
	d.settleExpansions()
	if len(d.instances.stale) > 0 {
		return
	}
	for _, it := range d.sinks {
		if it.dirty && it.node != nil && it.node.follows {
			d.consider(it)
		}
	}
}

// expansionValue evaluates a for_each over what a scene shows. It is not known where it is wrong.
func (s *scene) expansionValue(ctx context.Context, n *node) (v cty.Value) {
	defer func() {
		if r := recover(); r != nil {
			_ = s.engine.opts.panicked(n.addr, r, s.redactor(n)) // in the log
			v = cty.DynamicVal
		}
	}()
	s.prepareValue(ctx, n.addr)
	return s.values[n.addr]
}

// others makes the program with other instances and hands it to the loop.
func (w *configWatch) others(next otherInstances) {
	c := &candidateConfig{start: time.Now(), instances: true, done: make(chan struct{})}
	before := w.engine
	prog, diags := before.prog.with(next.keys, next.known)
	if diags.HasErrors() {
		c.diags, c.refused = diags, maps.Clone(next.keys)
		for block, k := range next.stay {
			k.reason = "its instances cannot be made: " + placed(diags)
			next.keys[block] = k
		}
		if prog, diags = before.prog.with(next.keys, next.known); diags.HasErrors() {
			prog = before.prog
		}
	}
	if prog != before.prog {
		prog.slim()
		c.engine = &Engine{opts: before.opts, spec: before.spec, prog: before.prog, written: before.written, statePath: before.statePath, clock: before.clock}
		c.engine.goOver(prog)
		if prog.files.Stored == nil && readsMore(before.prog, prog) {
			c.document = w.d.keepable(c.engine, nil) // a start with a broken one has such instances, too
		}
		w.engine = c.engine
	}
	select {
	case w.out <- c:
		<-c.done
	case <-w.ctx.Done():
	}
}

// readsMore reports whether functions and rules of a program look at files at which those of the one
// before did not.
func readsMore(before, now *program) bool {
	known := map[hclspec.Read]bool{}
	for _, f := range before.fileReads() {
		for r := range f.all() {
			known[r] = true
		}
	}
	for _, f := range now.fileReads() {
		for r := range f.all() {
			if !known[r] {
				return true
			}
		}
	}
	return false
}

// reinstance lets the program with other instances run.
func (d *Daemon) reinstance(next *candidateConfig) {
	if d.instances.refused = next.refused; next.diags.HasErrors() {
		d.engine.emit(InstancesChanged{Err: placed(next.diags)})
	}
	if next.engine == nil {
		d.instancesSettled()
		return
	}
	before := d.engine.prog
	ev := d.runs(next)
	for block, g := range d.engine.prog.groups {
		if old := before.groups[block]; g.data && old != nil && old.reason != g.reason {
			d.wakeInstances(g)
		}
	}
	d.engine.emit(InstancesChanged{Added: ev.Added, Changed: ev.Changed, Removed: ev.Removed, Elapsed: time.Since(next.start)})
	d.checkReady()
	d.instancesSettled()
}

// wakeInstances lets the instances look again, of a module what is in them, and whoever uses all of
// them as one value: it is another question whether their keys are to be trusted.
func (d *Daemon) wakeInstances(g *group) {
	users := d.engine.prog.graph.Affected([]address.Address{g.block.Instances()})
	concerned := func(a address.Address, n *node) bool {
		_, within := g.keyIn(a)
		_, uses := users[a]
		return within || uses || n.isOf(g)
	}
	for _, it := range d.sinks {
		if it.node != nil && concerned(it.addr, it.node) {
			d.touch(it, causeInput)
		}
	}
	for _, it := range d.sources {
		if concerned(it.addr(), it.node) {
			it.judged, it.moved = "", it.queued
			d.ask(it)
		}
	}
}

// isOf reports whether a node is an instance of a block, or names instances of it.
func (n *node) isOf(g *group) bool { return n.each == g || slices.Contains(n.members, g.block) }

// lacksKey reports whether the data say that there is no such instance of a block or of a module.
func (p *program) lacksKey(a address.Address) bool {
	for _, g := range p.groups {
		if g.lacks(a) {
			return true
		}
	}
	return false
}

// lacks reports whether an address is in an instance that the data do not have.
func (g *group) lacks(a address.Address) bool {
	key, ok := g.keyIn(a)
	return ok && g.data && !g.unsure() && !g.has(key)
}

// mayCome reports whether an address may be that of an instance which is not known yet.
func (p *program) mayCome(a address.Address) bool {
	for _, g := range p.groups {
		if _, ok := g.keyIn(a); ok && g.data && g.unsure() {
			return true
		}
	}
	return false
}

// rememberInstances is remember for a daemon that starts, over what its ledger will be: an instance
// that cannot be made is a mistake of the configuration like any other.
func (d *Daemon) rememberInstances(e *Engine, ledger *state.Ledger) hcl.Diagnostics {
	moves, _ := e.prog.moves(ledger)
	ledger, _ = renamed(ledger, moves, nil)
	return e.remember(ledger)
}

// recallInstances gives the blocks of a configuration that was read again, and whose instances did
// not follow data before, those that the ledger knows: else they would be taken for removed ones
// until the data was looked at.
func (w *configWatch) recallInstances(e *Engine) hcl.Diagnostics {
	keys := maps.Clone(e.prog.keysets)
	maps.DeleteFunc(keys, func(block address.Address, k keyset) bool {
		_, before := w.engine.prog.keysets[block]
		return !before && k.reason != ""
	})
	if len(keys) == len(e.prog.keysets) {
		return nil
	}
	var known remembered
	if stopped := w.d.call(w.ctx, func() { known = rememberedIn(w.d.ledger) }); stopped != nil {
		return nil
	}
	prog, diags := e.prog.with(keys, known)
	if diags.HasErrors() {
		return diags
	}
	prog.slim()
	e.goOver(prog)
	return nil
}
