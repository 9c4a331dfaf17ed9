package engine

import (
	"time"

	"tidegate/engine/state"
)

// Rehearse returns an engine over the same configuration that plans and applies with another
// state and at the times that now tells. What it shares with e is never changed, so one
// configuration that was loaded once serves many rehearsals. It holds nothing that would have
// to be closed; the store stays the caller's.
//
// Only the state and the clock are other ones: sources are asked and sinks written as ever,
// unless the kinds of the registry are stand-ins.
func (e *Engine) Rehearse(store state.Store, now func() time.Time) *Engine {
	return &Engine{opts: e.opts, spec: e.spec, prog: e.prog, written: e.written, statePath: e.statePath, store: store, clock: now}
}
