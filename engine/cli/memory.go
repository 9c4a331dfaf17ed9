package cli

import (
	"os"
	"runtime/debug"

	"tidegate/engine"
)

// Up to manyBlocks a command is over before collecting garbage often would save anything;
// above, its memory matters more than a few hundred milliseconds.
const (
	manyBlocks   = 4000
	fewGarbage   = 30
	leastGarbage = 60 // of a daemon that has settled
	muchGarbage  = 200
)

// hurry trades memory for processor time, as long as it is not known how large the work is.
func hurry() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(muchGarbage)
	}
}

// economise trades processor time for memory where a configuration is large. GOGC in the
// environment has the last word.
func economise(e *engine.Engine) {
	if os.Getenv("GOGC") == "" && e.Spec() != nil && len(e.Spec().Blocks) > manyBlocks {
		debug.SetGCPercent(fewGarbage)
	}
}

// settleIn makes the process small for the long run: what starting took is given back, and once
// everything was looked at garbage is collected early, since a daemon makes little of it then.
// GOGC in the environment has the last word.
func settleIn(ready bool) {
	if os.Getenv("GOGC") == "" {
		if ready {
			collecting.at(leastGarbage)
		} else {
			collecting.at(fewGarbage)
		}
	}
	debug.FreeOSMemory()
}
