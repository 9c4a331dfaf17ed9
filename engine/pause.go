package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// pausesDocument holds the pauses, so that they outlive a restart.
const pausesDocument = "pauses"

func (d *Daemon) recallPauses(ctx context.Context) error {
	docs, err := d.store.Documents(ctx, pausesDocument)
	if err != nil {
		return fmt.Errorf("read the pauses: %w", err)
	}
	for _, doc := range docs {
		if doc.Name == pausesDocument {
			if err := json.Unmarshal(doc.Data, &d.pauses); err != nil {
				return fmt.Errorf("read the pauses: %w", err)
			}
		}
	}
	d.armPauses()
	return nil
}

// Matches reports whether the pause covers an address.
func (p *Pause) Matches(a address.Address) bool {
	return address.Matches(p.Pattern, a) && !slices.Contains(p.Except, a.String()) && !slices.Contains(p.Except, a.Block().String())
}

// isPaused returns the pause that an address is under, nil if there is none.
func (d *Daemon) isPaused(a address.Address) *Pause {
	for _, p := range d.pauses {
		if (p.Until.IsZero() || time.Now().Before(p.Until)) && p.Matches(a) {
			return p
		}
	}
	return nil
}

func pauseReason(p *Pause) string {
	text := "paused"
	if !p.Until.IsZero() {
		text += " until " + p.Until.UTC().Format(time.RFC3339)
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

// Pause stops looking at the sources, or delivering to the sinks, that match. It outlives a
// restart. A pattern that matches nothing is an error.
func (d *Daemon) Pause(ctx context.Context, p Pause) error {
	if !address.IsPattern(p.Pattern) {
		return fmt.Errorf("%q is neither an address nor a glob over addresses", p.Pattern)
	}
	p.Since = time.Now()
	if !p.Until.IsZero() && !p.Until.After(p.Since) {
		return errors.New("the pause would end before it begins")
	}
	durable := make(chan struct{})
	matched := 0
	if err := d.call(ctx, func() {
		d.eachMatch(&p, func(src *sourceItem, snk *sinkItem) { matched++ })
		if matched == 0 {
			return
		}
		d.pauses = append(slices.DeleteFunc(d.pauses, func(q *Pause) bool { return q.Pattern == p.Pattern }), &p)
		d.eachMatch(&p, func(src *sourceItem, snk *sinkItem) {
			if src != nil {
				d.unwatch(src)
				d.ask(src)
			} else {
				d.touch(snk, causeTimer)
			}
		})
		d.savePauses(durable)
		d.engine.emit(PauseChanged{Pause: p})
	}); err != nil {
		return err
	}
	if matched == 0 {
		return fmt.Errorf("no source or sink matches %q; see: tidegate status", p.Pattern)
	}
	return d.wait(ctx, durable)
}

// Resume ends the pauses with the pattern, and takes the address, if it is one, out of those that
// cover others too, which stay paused. It returns how many pauses it found.
func (d *Daemon) Resume(ctx context.Context, pattern string) (int, error) {
	durable := make(chan struct{})
	found := 0
	if err := d.call(ctx, func() {
		named, _ := address.Parse(pattern)
		var ended, rest []*Pause
		for _, p := range d.pauses {
			switch {
			case p.Pattern == pattern:
				ended = append(ended, p)
			case !named.IsZero() && p.Matches(named):
				found++
				narrower := *p // who asked for the status may still read the other
				narrower.Except = append(slices.Clone(p.Except), named.String())
				rest = append(rest, &narrower)
			default:
				rest = append(rest, p)
			}
		}
		if found > 0 && len(ended) == 0 {
			ended = []*Pause{{Pattern: pattern}}
		} else {
			found += len(ended)
		}
		if found == 0 {
			return
		}
		d.pauses = rest
		d.resume(ended)
		d.savePauses(durable)
	}); err != nil {
		return 0, err
	}
	if found == 0 {
		return 0, fmt.Errorf("nothing is paused as %q; see: tidegate status", pattern)
	}
	return found, d.wait(ctx, durable)
}

func (d *Daemon) resume(ended []*Pause) {
	for _, p := range ended {
		d.eachMatch(p, func(src *sourceItem, snk *sinkItem) {
			switch {
			case src != nil && d.isPaused(src.addr()) == nil:
				if inst := d.engine.prog.static(src.node); inst != nil {
					d.meet(src, inst)
				}
				src.poll = true
				d.sourceState(src, StateWaiting, "")
				d.ask(src)
			case snk != nil && d.isPaused(snk.addr) != nil:
			case snk != nil && snk.removed && snk.phase == idle:
				d.decideRemoval(snk)
			case snk != nil:
				d.touch(snk, causeTimer)
			}
		})
		d.engine.emit(PauseChanged{Pause: *p, Resumed: true})
	}
	d.armPauses()
}

func (d *Daemon) eachMatch(p *Pause, f func(*sourceItem, *sinkItem)) {
	for _, a := range sortedKeys(d.sources) {
		if p.Matches(a) {
			f(d.sources[a], nil)
		}
	}
	for _, a := range sortedKeys(d.sinks) {
		if p.Matches(a) {
			f(nil, d.sinks[a])
		}
	}
}

// endPauses ends those whose time has come.
func (d *Daemon) endPauses() {
	now := time.Now()
	var ended []*Pause
	d.pauses = slices.DeleteFunc(d.pauses, func(p *Pause) bool {
		if !p.Until.IsZero() && !now.Before(p.Until) {
			ended = append(ended, p)
			return true
		}
		return false
	})
	if len(ended) > 0 {
		d.resume(ended)
		d.savePauses(make(chan struct{}))
	}
	d.armPauses()
}

func (d *Daemon) armPauses() {
	var next time.Time
	for _, p := range d.pauses {
		if !p.Until.IsZero() {
			next = earlier(next, p.Until)
		}
	}
	if next.IsZero() {
		d.timers.Stop(pauseTimer)
		return
	}
	d.timers.Set(pauseTimer, min(time.Until(next), pauseLook))
}

// pauseLook is between two looks at whether a pause has ended. It ends by the wall clock, which
// goes on while the machine sleeps and may be set; timers do neither.
const pauseLook = 5 * time.Second

func (d *Daemon) savePauses(durable chan struct{}) {
	d.armPauses()
	d.recordUrgent(d.pausesNow(), func() { close(durable) }, func() {
		// They hold all the same, and are written as soon as that can be done.
		d.record(&state.Batch{Documents: []*state.Document{d.pausesNow()}})
		d.afterCommit(func() { close(durable) })
	})
}

func (d *Daemon) pausesNow() *state.Document {
	data, err := json.Marshal(d.pauses)
	if err != nil {
		panic("engine: pauses do not marshal: " + err.Error())
	}
	return &state.Document{Name: pausesDocument, Data: data}
}

// wait waits until something is durable.
func (d *Daemon) wait(ctx context.Context, durable <-chan struct{}) error {
	select {
	case <-durable:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("it holds, but it is not written to the state yet: %w", ctx.Err())
	case <-d.done:
		return errors.New("the daemon has stopped")
	}
}
