package engine

import "context"

// Circuits returns for how many hosts a daemon keeps a circuit.
func (d *Daemon) Circuits(ctx context.Context) (n int, err error) {
	err = d.call(ctx, func() { n = len(d.circuits) })
	return n, err
}

// Digests gives every block of a loaded configuration its identity.
func Digests(e *Engine) { e.prog.digests() }

// Sizes returns how many entries a daemon keeps of what comes and goes.
func (d *Daemon) Sizes(ctx context.Context) (out map[string]int, err error) {
	err = d.call(ctx, func() {
		out = map[string]int{
			"sources": len(d.sources), "sinks": len(d.sinks), "users": len(d.users), "circuits": len(d.circuits), "limited": len(d.limited),
			"limits": len(d.limits), "paces": len(d.paces), "hooks": len(d.hooks), "claims": len(d.claims), "approvals": len(d.approvals),
			"outputs": len(d.outputs), "checks": len(d.checks), "learned": len(d.learned), "clashes": len(d.clashes), "unclaimed": len(d.unclaimed),
			"made": len(d.instances.made), "values": len(d.instances.values), "nodes": len(d.engine.prog.nodes), "groups": len(d.engine.prog.groups),
			"keysets": len(d.engine.prog.keysets), "expansions": len(d.engine.prog.expansions.last), "compiled": len(d.engine.prog.compiled),
			"settings": len(d.engine.prog.settings), "lists": len(d.engine.prog.lists), "texts": len(d.texts), "replays": len(d.replays.known),
			"timers": d.timers.Len(), "overlay": len(d.reader.blobs), "shared": len(d.ledger.Shared), "warned": len(d.engine.prog.warned),
		}
	})
	return out, err
}
