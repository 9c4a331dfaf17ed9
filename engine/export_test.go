package engine

import "context"

// Circuits returns for how many hosts a daemon keeps a circuit.
func (d *Daemon) Circuits(ctx context.Context) (n int, err error) {
	err = d.call(ctx, func() { n = len(d.circuits) })
	return n, err
}

// Digests gives every block of a loaded configuration its identity.
func Digests(e *Engine) { e.prog.digests() }
