package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
)

// roomForGarbage is how much a daemon may allocate between two collections however little it
// holds. A percentage of a small heap is next to nothing: a flood of webhooks would spend half of
// its time collecting. A large heap has more room by its percentage.
const roomForGarbage = 16 << 20

// collector sets how early garbage is collected: at a percentage of what is held, but not before
// there is roomForGarbage of it.
type collector struct {
	percent atomic.Int64 // 0 before the first time
	now     atomic.Int64 // as it was set last
	begin   sync.Once
}

var collecting collector

// at sets the percentage. What is held is looked at after every collection from then on.
func (c *collector) at(percent int) {
	c.percent.Store(int64(percent))
	c.adjust()
	c.begin.Do(func() { afterCollection(c.adjust) })
}

func (c *collector) adjust() {
	percent := percentage(heldBytes(), int(c.percent.Load()))
	// Setting it stops the world for a moment, which a small difference is not worth.
	if was := int(c.now.Load()); was == 0 || percent < was*9/10 || percent > was*10/9 {
		c.now.Store(int64(percent))
		debug.SetGCPercent(percent)
	}
}

// percentage of what is held that leaves room for garbage.
func percentage(held uint64, least int) int {
	if held == 0 {
		return max(least, muchGarbage)
	}
	return max(least, min(muchGarbage, int(roomForGarbage*100/held)))
}

// heldBytes is what the newest collection found in use.
func heldBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// afterCollection calls f after every collection of garbage.
func afterCollection(f func()) {
	type unused struct{ _ [16]byte }
	runtime.SetFinalizer(new(unused), func(*unused) {
		f()
		afterCollection(f)
	})
}
