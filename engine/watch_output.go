package engine

import (
	"context"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// installOutputs lets all outputs of the running configuration be stored anew and all checks be
// judged, and forgets those that are no longer declared.
func (d *Daemon) installOutputs() {
	prog := d.engine.prog
	d.outputs, d.staleOutputs = map[address.Address][]address.Address{}, map[address.Address]bool{}
	for _, n := range prog.sorted {
		a := n.addr
		if !n.isOutput() && n.check == nil {
			continue
		}
		d.staleOutputs[a] = true
		for _, list := range [][]address.Address{n.sources, n.sinks} {
			for _, from := range list {
				d.outputs[from] = append(d.outputs[from], a)
			}
		}
	}
	checks := map[address.Address]*CheckStatus{}
	for a, c := range d.checks {
		if prog.nodes[a] != nil {
			checks[a] = c
		}
	}
	d.checks = checks
	for _, a := range sortedKeys(d.ledger.Outputs) {
		if prog.nodes[a] == nil {
			delete(d.ledger.Outputs, a)
			d.record(&state.Batch{DeleteOutputs: []address.Address{a}})
		}
	}
}

// storeOutputs evaluates the outputs and checks of which something moved, one after the other in one
// worker: they wait for everything that somebody else waits for.
func (d *Daemon) storeOutputs() {
	if d.evaluating || len(d.staleOutputs) == 0 || d.stopping || d.trouble != nil || d.renders.Running()+d.renders.Waiting() > 0 {
		return
	}
	type job struct {
		node  *node
		scene *scene
	}
	var jobs []job
	for _, a := range sortedKeys(d.staleOutputs) {
		n := d.engine.prog.nodes[a]
		if n.check != nil && !d.triedAll(n.sources) {
			continue // it would warn of what nobody knows yet
		}
		delete(d.staleOutputs, a)
		s := d.sceneOf(n)
		s.quiet = false // its result is wanted; it tells of nothing
		s.ledger.Outputs = map[address.Address]*state.Output{}
		if row := d.ledger.Outputs[a]; row != nil {
			s.ledger.Outputs[a] = row
		}
		jobs = append(jobs, job{n, s})
	}
	if len(jobs) == 0 {
		return
	}
	d.evaluating = true
	d.worker(func() {
		ctx, cancel := context.WithTimeout(d.lookCtx, longestRead)
		defer cancel()
		var changes []*plan.OutputChange
		for _, j := range jobs {
			if j.node.check != nil {
				if c := j.scene.checkResult(ctx, j.node); c != nil {
					d.post(func() { d.checkEvaluated(c) })
				}
				continue
			}
			changes = append(changes, j.scene.outputChange(ctx, j.node)...)
		}
		d.post(func() { d.outputsEvaluated(changes) })
	})
}

// triedAll reports whether each of some sources was tried since the start.
func (d *Daemon) triedAll(list []address.Address) bool {
	for _, a := range list {
		if it := d.sources[a]; it != nil && !it.tried {
			return false
		}
	}
	return true
}

// outputChange evaluates one output, and returns nothing where it cannot be had.
func (s *scene) outputChange(ctx context.Context, n *node) (out []*plan.OutputChange) {
	defer func() {
		if r := recover(); r != nil {
			_ = s.engine.opts.panicked(n.addr, r, s.redactor(n)) // in the log
			out = nil                                            // it keeps the value it had
		}
	}()
	s.prepareNode(ctx, n)
	v, diags := s.prog.valueNode(n, s.values)
	if diags.HasErrors() {
		return nil
	}
	s.output(ctx, n, v)
	return s.outputs
}

func (d *Daemon) outputsEvaluated(changes []*plan.OutputChange) {
	d.evaluating = false
	b := &state.Batch{}
	for _, c := range changes {
		if c.Action != plan.Create && c.Action != plan.Update || d.engine.prog.nodes[c.Row.Address] == nil {
			continue
		}
		b.Outputs, b.Blobs = append(b.Outputs, c.Row), append(b.Blobs, c.Blobs...)
		d.ledger.Outputs[c.Row.Address] = c.Row
	}
	d.record(b)
}
