package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// heldConfig is a configuration that waits until what it calls otherwise has nothing under way.
type heldConfig struct {
	next  *candidateConfig
	moves []plan.Move
}

// rememberMoves lets the state say what the configuration calls otherwise now, at a start.
func (d *Daemon) rememberMoves(ctx context.Context) error {
	moves, _ := d.engine.prog.moves(d.ledger)
	if len(moves) == 0 {
		return nil
	}
	ledger, b := renamed(d.ledger, moves, &plan.Plan{Time: time.Now()})
	if err := movedPushed(ctx, d.store, moves, b); err != nil {
		return err
	}
	if err := d.store.Commit(ctx, b); err != nil {
		return fmt.Errorf("write down what is called otherwise now: %w", err)
	}
	d.ledger, d.moved = ledger, len(moves)
	return nil
}

// waitsForMoves keeps a configuration back while something that it calls otherwise is being delivered or
// written down, and reports whether it does.
func (d *Daemon) waitsForMoves(next *candidateConfig) bool {
	moves, _ := next.engine.prog.moves(d.ledger)
	if !d.underWay(moves) {
		return false
	}
	d.held = &heldConfig{next, moves}
	return true
}

// underWay reports whether anything is being done under a name that is given up.
func (d *Daemon) underWay(moves []plan.Move) bool {
	for _, mv := range moves {
		if it := d.sinks[mv.From]; it != nil && it.phase != idle {
			return true
		}
		if it := d.sources[mv.From]; it != nil && (it.accepting > 0 || it.looking) {
			return true
		}
	}
	return false
}

// givesUp reports whether nothing is begun under a name any more.
func (d *Daemon) givesUp(a address.Address) bool {
	if d.held == nil {
		return false
	}
	for _, mv := range d.held.moves {
		if mv.From == a {
			return true
		}
	}
	return false
}

// takeHeld goes on with a configuration that was held back.
func (d *Daemon) takeHeld() {
	if d.held == nil || d.underWay(d.held.moves) || d.stopping {
		return
	}
	next := d.held.next
	d.held = nil
	d.reconfigure(next)
}

// dropHeld refuses a configuration that was held back when the daemon stops.
func (d *Daemon) dropHeld() {
	if d.held != nil {
		d.held.next.reply(errors.New("the daemon has stopped"))
		close(d.held.next.done)
		d.held = nil
	}
}

// move lets the ledger say what the configuration calls otherwise now, in one commit. Nothing is
// under way under the old names. It returns how many have moved; the returned function lets go on
// under the new names what was sent meanwhile.
func (d *Daemon) move(prog *program) (moved int, carryOn func(), err error) {
	moves, _ := prog.moves(d.ledger)
	if len(moves) == 0 {
		return 0, func() {}, nil
	}
	ledger, b := renamed(d.ledger, moves, &plan.Plan{Time: time.Now()})
	if err := movedPushed(d.hardCtx, d.store, moves, b); err != nil {
		return 0, nil, err
	}
	if err := d.store.Commit(d.hardCtx, b); err != nil {
		return 0, nil, fmt.Errorf("write down what is called otherwise now: %w", err)
	}
	d.ledger = ledger
	b.History = nil // that is written
	d.record(b)     // also over what is gathered under the old names
	pushed := map[address.Address]*sourceItem{}
	for _, mv := range moves {
		if it := d.sources[mv.From]; it != nil {
			pushed[mv.To] = it
			d.forgetSource(it)
		}
		if it := d.sinks[mv.From]; it != nil {
			d.claim(it, "")
			d.unwatchSink(it)
			d.timers.Stop(it)
			delete(d.approvals, mv.From)
			delete(d.sinks, mv.From)
		}
	}
	return len(moves), func() {
		for a, old := range pushed {
			if it := d.sources[a]; it != nil && old.pushed != nil {
				it.pushed, it.sent = old.pushed, old.sent
				d.askPushed(it)
			}
		}
	}, nil
}
