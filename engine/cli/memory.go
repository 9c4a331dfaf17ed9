package cli

import (
	"os"
	"runtime/debug"

	"tidegate/engine"
)

// Up to manyBlocks a command is over before collecting garbage often would save anything;
// above, its memory matters more than a few hundred milliseconds.
const (
	manyBlocks = 4000
	fewGarbage = 30
)

// economise trades processor time for memory where a configuration is large. GOGC in the
// environment has the last word.
func economise(e *engine.Engine) {
	if os.Getenv("GOGC") == "" && e.Spec() != nil && len(e.Spec().Blocks) > manyBlocks {
		debug.SetGCPercent(fewGarbage)
	}
}
