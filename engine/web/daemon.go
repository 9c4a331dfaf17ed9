package web

import (
	"context"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// Daemon is the running reconciler as its listener and control socket need it. All methods
// may be called from any goroutine at any time between start and stop.
type Daemon interface {
	// Status says how everything is. The answer is nobody's to change: several readers may
	// share it. It is asked once for all who wait for it, never side by side.
	Status(ctx context.Context) (*engine.Status, error)
	// Graph is the graph of the configuration that runs, nobody's to change.
	Graph(ctx context.Context) (*engine.BlockGraph, error)
	// History lists what happened to an address, or (zero) to all, the newest first.
	History(ctx context.Context, of address.Address, limit int) ([]state.Entry, error)
	// Receivers are the names that are taken in now. A reload makes another value, so that
	// its address tells whether anything changed. It is called for every request.
	Receivers() *engine.Receivers
	// Push takes in a value whose sender is authenticated and returns when it is durable, or
	// why it is not taken. p.Data belongs to the daemon. A context that ends means that
	// nobody waits any more; whether the value was taken is then the daemon's to say, and an
	// outcome other than PushAccepted and PushUnchanged promises that it was not.
	Push(ctx context.Context, p engine.Pushed) engine.PushResult
	// Notify wakes the sources of a detector and does not wait for them.
	Notify(detector address.Address)
	// Ready reports whether every source was tried once.
	Ready() bool
	// Subscribe passes on events from now on, until cancel is called. Who does not keep up is
	// cut off: when buffer events wait, the channel is closed and nothing follows, so that a
	// gap is never mistaken for silence. The daemon never waits for a subscriber.
	Subscribe(buffer int) (events <-chan engine.Event, cancel func())

	Pause(ctx context.Context, p engine.Pause) error
	// Resume ends the pauses whose pattern is the given one, takes an address out of those that
	// cover others too, and says how many it found.
	Resume(ctx context.Context, pattern string) (int, error)
	// Approve lets the target of a removed sink be deleted.
	Approve(ctx context.Context, sink address.Address) error
	// Rollback puts a revision of a sink back and holds it, engine.RevisionBefore for the one
	// before, and returns its number.
	Rollback(ctx context.Context, sink address.Address, to int64) (int64, error)
	// Release ends the hold of a rollback.
	Release(ctx context.Context, sink address.Address) error
	// ApplySaved carries a saved plan out, given as it was written, or refuses it with an
	// *engine.PlanRefusal. events hears of what is done for it and must not block.
	ApplySaved(ctx context.Context, data []byte, events func(engine.Event)) (engine.Result, hcl.Diagnostics, error)
	// Reload loads the configuration now; an error means that the old one goes on.
	Reload(ctx context.Context) error
}
