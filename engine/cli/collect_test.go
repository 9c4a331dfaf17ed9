package cli

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestPercentageLeavesRoomForGarbage(t *testing.T) {
	for _, c := range []struct {
		held  uint64
		least int
		want  int
	}{
		{0, 20, muchGarbage},
		{1 << 20, 20, muchGarbage},
		{10 << 20, 20, 160},
		{32 << 20, 20, 50},
		{200 << 20, 20, 20},
		{32 << 20, 70, 70},
	} {
		if got := percentage(c.held, c.least); got != c.want {
			t.Errorf("%d bytes at least %d %%: %d %%, want %d %%", c.held, c.least, got, c.want)
		}
	}
}

// What is held is looked at after every collection: when it grows, the percentage falls.
func TestCollectorFollowsWhatIsHeld(t *testing.T) {
	before := debug.SetGCPercent(100)
	debug.SetGCPercent(before)
	var c collector
	t.Cleanup(func() {
		c.percent.Store(int64(before)) // its finalizer stays
		debug.SetGCPercent(before)
	})
	c.at(20)
	runtime.GC()
	held := make([]byte, 200<<20)
	deadline := time.Now().Add(time.Minute)
	for c.now.Load() != 20 {
		if time.Now().After(deadline) {
			t.Fatalf("garbage is collected at %d %% of %d bytes", c.now.Load(), heldBytes())
		}
		runtime.GC()
		runtime.Gosched() // the finalizer follows the collection
	}
	runtime.KeepAlive(held)
}
