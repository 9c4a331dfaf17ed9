//go:build !linux

package process

import "os"

// awaitEnd waits and reaps: there is no portable way to wait without it. The number of the
// program's group could in theory be given to another one before we signal it; systems hand
// out numbers in turn, so that it would take a whole round within microseconds.
func awaitEnd(p *os.Process) (*os.ProcessState, error) { return p.Wait() }
