package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/providers"
)

// look starts a worker that looks at a source.
func (d *Daemon) look(it *sourceItem) {
	if it.gone { // while it waited
		d.looks.Done(it.lane)
		return
	}
	it.looking, it.again, it.outdated = true, false, false
	// One that was spared already is no probe, although one may be due by now: it does not ask.
	if c := d.circuits[it.group]; c != nil && !it.spared && it.pushed == nil && c.probe != it && !c.allow(it, time.Now()) {
		it.spared = true // the circuit opened while it waited for its turn
	}
	if it.spared {
		// It fails like the others of its host, and knows it without asking.
		d.lookFully(it, &fetched{err: providers.Temporary(fmt.Errorf("%s was not asked: it fails for its other sources, one of which tries it again soon", it.group))})
		return
	}
	if validator, ok := d.glances(it); ok {
		d.glance(it, validator)
		return
	}
	d.lookFully(it, nil)
}

// glances reports whether a source is first only asked whether anything changed since: it
// depends on nothing that moves, and what was accepted need not be judged again.
func (d *Daemon) glances(it *sourceItem) (validator string, ok bool) {
	row := d.ledger.Sources[it.addr()]
	if it.judged == "" || it.lost || it.pushed != nil || it.problem != plan.NoProblem || row.Current() == nil || row.Judged != it.judged || row.Validator == "" || row.Failures > 0 {
		return "", false
	}
	s, ok := settingsOf(it.node)
	if !ok || s.Push != nil || !d.engine.prog.simple(it.node) {
		return "", false
	}
	if _, receives := it.node.static.source.(providers.Receiver); receives {
		return "", false
	}
	return row.Validator, true
}

// glance asks an origin whether anything changed since. Mostly nothing did: then nothing is
// decoded, judged, made or written, and the loop hears of it with others.
func (d *Daemon) glance(it *sourceItem, validator string) {
	n, prog, group := it.node, d.engine.prog, it.lane
	limit := n.static.settings.(*providers.SourceSettings).MaxBytes
	crowded := d.looks.Waiting() > 0
	d.worker(func() {
		ctx, cancel := d.lookCtx, func() {}
		if group == "" { // what has a host has its own deadline
			ctx, cancel = context.WithTimeout(ctx, longestLook)
		}
		if limit != providers.DefaultMaxBytes {
			ctx = providers.WithFetchLimit(ctx, limit)
		}
		snapshot, err := prog.fetchSafely(ctx, n, validator)
		cancel()
		if err != nil || !snapshot.NotModified || snapshot.Validator != "" && snapshot.Validator != validator {
			d.post(func() {
				if it.node == n && !it.outdated {
					d.lookFully(it, &fetched{snapshot, err})
				} else { // reconfigured meanwhile: this is of another origin
					it.outdated = false
					d.lookFully(it, nil)
				}
			})
			return
		}
		post := d.postLater // nothing to do but to wait for the next one
		if crowded {
			post = d.post
		}
		post(func() {
			d.looks.Done(group)
			d.glanced(it, n, group)
		})
	})
}

// fetchSafely keeps a panic of a kind with its source.
func (prog *program) fetchSafely(ctx context.Context, n *node, validator string) (snapshot providers.Snapshot, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = prog.opts.panicked(n.addr, r, prog.redactor(prog.valuesOf(n, n.static)))
		}
	}()
	return n.static.source.Fetch(ctx, validator)
}

// glanced takes in that nothing changed.
func (d *Daemon) glanced(it *sourceItem, n *node, group string) {
	it.queued, it.looking = false, false
	if c := d.circuits[group]; c != nil && c.failures > 0 {
		d.heal(c)
	}
	if it.gone || d.stopping {
		return
	}
	it.looks++
	it.lastLook = time.Now()
	it.lastSuccess = it.lastLook
	if it.pace.broken != "" {
		d.well(it)
	}
	if !equalNodes(it.node, n) || it.outdated { // reconfigured meanwhile
		d.ask(it)
		return
	}
	d.afterLook(it, 0)
}

// lookFully fetches, decodes and judges. What a glance has fetched is not fetched again.
func (d *Daemon) lookFully(it *sourceItem, got *fetched) {
	s := d.sceneOf(it.node)
	s.judged, s.flap, s.fetched = it.judged, it.pace.window, got
	s.lost = it.lost
	s.poll = it.poll && it.pushed == nil
	s.pushed = it.pushed
	it.poll = false
	job := &looked{item: it, node: it.node, push: it.pushed, group: it.lane}
	d.worker(func() {
		ctx, cancel := context.WithTimeout(d.lookCtx, longestLook)
		defer cancel()
		job.look = s.lookAt(ctx, job.node)
		d.post(func() {
			d.looks.Done(job.group)
			d.sawSource(job)
		})
	})
}

// worker runs a job in a goroutine that is used again: the stack that a request needs is
// grown once. The gates bound how many there are.
func (d *Daemon) worker(job func()) {
	select {
	case d.jobs <- job:
		return
	default:
	}
	d.work.Go(func() {
		idle := time.NewTimer(workerIdle)
		defer idle.Stop()
		for {
			job()
			job = nil // it knows a whole configuration, which a reload may have ended
			idle.Reset(workerIdle)
			select {
			case job = <-d.jobs:
			case <-idle.C:
				return
			case <-d.lookCtx.Done():
				return
			}
		}
	})
}

// lookAt looks at one source.
func (s *scene) lookAt(ctx context.Context, n *node) (l *look) {
	defer func() {
		// A panic in a kind or decoder stays with its source.
		if r := recover(); r != nil {
			l = &look{SourceObservation: &plan.SourceObservation{
				Address: n.addr, Kind: n.addr.Kind, Err: s.engine.opts.panicked(n.addr, r, s.redactor(n)).Error(),
			}}
		}
	}()
	if s.values != nil {
		s.prepareNode(ctx, n)
	}
	l = s.observer.lookAt(ctx, n)
	if !l.Pushed {
		l.FlapWindow = s.flap // replicas disagree; who sends a value means it
	}
	if l.Fresh != nil && l.Value != cty.NilVal {
		s.cache.put(l.Fresh, l.Value)
	}
	return l
}

// sawSource takes in what a look brought.
func (d *Daemon) sawSource(r *looked) {
	it := r.item
	it.queued, it.looking = false, false
	d.tellCircuit(r)
	if it.gone || d.stopping {
		return
	}
	now := time.Now()
	it.looks++
	it.lastLook = now
	if !equalNodes(it.node, r.node) || it.outdated { // reconfigured meanwhile
		d.ask(it)
		return
	}
	if r.look.source != nil && it.node.static == nil {
		d.meetAgain(it, r.look)
	}
	defer d.triedOnce(it)
	d.restoreSource(it, r.look)
	if d.unchanged(it, r.look) {
		it.lastSuccess = now
		d.well(it) // it may have been paused
		d.afterLook(it, 0)
		return
	}
	d.decideSource(it, r)
}

// triedOnce notes that a source was tried since the start.
func (d *Daemon) triedOnce(it *sourceItem) {
	if !it.tried {
		it.tried = true
		d.untried--
		d.checkReady()
	}
}

// unchanged is the quick way for what polling mostly finds: nothing.
func (d *Daemon) unchanged(it *sourceItem, l *look) bool {
	row := d.ledger.Sources[it.addr()]
	return l.Same && l.Err == "" && !l.Rejected && l.Blocked == "" && !l.Waiting && row != nil && row.Failures == 0 && row.Flap == nil &&
		row.Validator == l.Validator && row.Judged == l.Judged && (l.Polled == "" || l.Polled == row.Polled) &&
		it.problem == plan.NoProblem && it.standing == plan.Accepted && !l.Pushed
}

// decideSource chooses the value in use and writes the choice down.
func (d *Daemon) decideSource(it *sourceItem, r *looked) {
	now := time.Now()
	row := d.ledger.Sources[it.addr()]
	comp := plan.NewComputation(d.ledger, plan.NewLimits(d.limitsOf(it.addr(), it.node.limits), d.ledger, now), now, false)
	known := row != nil && r.look.Fresh != nil && wasRejected(row, r.look.Fresh.Blob)
	d.texts.one(&r.look.Judged)
	if fresh := r.look.Fresh; fresh != nil {
		d.texts.one(&fresh.Format)
		d.texts.one(&fresh.ContentType)
	}
	choice := comp.Source(r.look.SourceObservation)
	p := comp.Plan(nil)
	change := p.Sources[0]
	if d.trouble != nil && choice.Read {
		it.held, it.lastSuccess = true, now // it cannot be accepted: looked at again then
		d.reschedule(it, r.look.after)
		return
	}

	b := &state.Batch{}
	used := change.Pushed
	if r.push != nil && !r.look.Pushed && r.look.source != nil && !d.takesPushes(r) {
		used = true // it takes no values any more, and what was sent waits in vain
	}
	if change.Row != nil {
		b.Sources, b.Blobs = append(b.Sources, change.Row), change.Blobs
		d.ledger.Sources[it.addr()] = change.Row
	}
	b.Shared = p.Shared
	for name, counter := range p.Shared {
		d.ledger.Shared[name] = counter
	}
	if it.had().lostPush != "" && (choice.Read || r.push != nil && used && choice.Problem == plan.NoProblem) {
		it.trouble.lostPush = "" // something newer is there
	}
	if r.push != nil && it.pushed == r.push && used {
		it.pushed = nil
	}
	if r.push != nil && it.sent == r.push && used {
		it.sent = nil
		b.DeleteDocuments = append(b.DeleteDocuments, pushDocument(it.addr()))
	}
	if choice.Read {
		it.lost = false
		snapshot := change.Row.Current()
		b.History = append(b.History, state.Entry{
			Address: it.addr(), Time: now, Action: "accept", Cause: change.Version,
			Revision: change.Row.Accepted, Size: snapshot.Size, Hash: snapshot.Blob,
		})
		it.changes++
		version := change.Version
		d.record(b)
		it.accepting++
		d.afterCommit(func() {
			d.engine.emit(Accepted{Address: it.addr(), Version: version})
			it.accepting--
			d.askPushed(it)
		})
	} else {
		d.record(b)
	}
	d.noteSource(it, r.look, choice, known)
	d.newStanding(it, choice, choice.Read)
	d.afterLook(it, r.look.after)
}

// takesPushes reports whether values are sent to a source that was looked at.
func (d *Daemon) takesPushes(r *looked) (takes bool) {
	_ = d.opts.contain(r.item.addr(), func() { _, takes = pushOf(r.node, r.look.source, r.look.settings) })
	return takes
}

func wasRejected(row *state.Source, hash string) bool {
	for _, r := range row.Rejected {
		if r.Hash == hash {
			return true
		}
	}
	return false
}
