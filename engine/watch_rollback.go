package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// Rollback puts a revision of a sink back, RevisionBefore or one of those that are kept, and
// holds it there. It returns its number when that is durable; the delivery follows, unless a
// rule, a limit or a pause speaks against it.
func (d *Daemon) Rollback(ctx context.Context, a address.Address, to int64) (int64, error) {
	for {
		var row *state.Sink
		if err := d.call(ctx, func() { row = d.declaredRow(a) }); err != nil {
			return 0, err
		}
		if row == nil {
			return 0, fmt.Errorf("no sink %s is declared and delivered", a)
		}
		hold, blob, err := newHold(ctx, d.reader, row, a, to, time.Now())
		if err != nil {
			return 0, err
		}
		var again bool
		done := make(chan error, 1)
		if err := d.call(ctx, func() {
			now := d.declaredRow(a)
			if again = now == nil || !sameDelivery(now.Acknowledged, row.Acknowledged) || !sameDelivery(now.Pending, row.Pending); again {
				return // it was delivered to meanwhile
			}
			b := &state.Batch{History: []state.Entry{rollbackEntry(a, now, hold)}}
			if blob != nil {
				b.Blobs = []state.Blob{*blob}
			}
			now.Hold = hold
			d.rewrite(now, b, done)
		}); err != nil {
			return 0, err
		}
		if again {
			continue
		}
		return hold.Revision, d.written(ctx, done)
	}
}

// Release ends the hold of a rollback: what the configuration says is delivered.
func (d *Daemon) Release(ctx context.Context, a address.Address) error {
	done := make(chan error, 1)
	if err := d.call(ctx, func() {
		b, err := released(d.ledger.Sinks[a], a, time.Now())
		if err != nil {
			done <- err
			return
		}
		row := b.Sinks[0]
		b.Sinks = nil
		d.rewrite(row, b, done)
	}); err != nil {
		return err
	}
	return d.written(ctx, done)
}

// declaredRow returns a copy of the row of a sink that is declared, nil if there is none.
func (d *Daemon) declaredRow(a address.Address) *state.Sink {
	if it := d.sinks[a]; it == nil || it.removed || it.node == nil {
		return nil
	}
	return d.ledger.Sinks[a].Clone()
}

// rewrite records a row that somebody asked for, tells when it is durable, and has its sink
// looked at.
func (d *Daemon) rewrite(row *state.Sink, b *state.Batch, done chan<- error) {
	if d.trouble != nil {
		done <- fmt.Errorf("the state cannot be written: %w", d.trouble)
		return
	}
	rec := recorder{ledger: d.ledger}
	rec.save(b, row)
	d.record(b)
	d.afterCommit(func() { done <- nil })
	if it := d.sinks[row.Address]; it != nil && it.node != nil {
		d.touch(it, causeStart)
	}
}

func sameDelivery(a, b *state.Delivery) bool {
	return a == nil && b == nil || a != nil && b != nil && a.ID == b.ID
}

// written waits for something to be durable.
func (d *Daemon) written(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-d.done:
		return errors.New("the daemon has stopped, and nobody knows whether it was written down")
	case <-ctx.Done():
		return errors.Join(ctx.Err(), errors.New("nobody knows whether it was written down"))
	}
}
