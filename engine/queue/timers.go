// Package queue decides when work begins: a heap of deadlines instead of a timer for each
// thing that waits, and a gate that lets only so much work in at a time.
//
// Nothing here runs by itself: the owner of a queue asks what is due, in its own goroutine,
// and sleeps until Next. What fails is the caller's matter; here it can only be put in again.
package queue

import (
	"container/heap"
	"time"
)

// Timers holds one deadline for each key. It is not safe for concurrent use.
//
// Deadlines are kept on the monotonic clock: setting the wall clock moves none of them.
type Timers[K comparable] struct {
	base  time.Time
	step  time.Duration
	heap  entries[K]
	index map[K]*entry[K]
}

type entry[K comparable] struct {
	key   K
	at    time.Duration // since base
	place int           // in the heap
}

// NewTimers returns an empty set. Deadlines further away than some steps are put off to the
// next multiple of step, so that many fall together: waking up costs more than what is then
// done. A step of 0 keeps every deadline as it is.
func NewTimers[K comparable](step time.Duration) *Timers[K] {
	return &Timers[K]{base: time.Now(), step: step, index: map[K]*entry[K]{}}
}

// precise is the number of steps within which deadlines are kept as they are.
const precise = 4

// Set gives a key the deadline now + wait, in place of the one it had.
func (t *Timers[K]) Set(key K, wait time.Duration) {
	at := time.Since(t.base) + max(0, wait)
	if t.step > 0 && wait > precise*t.step {
		at = (at + t.step - 1) / t.step * t.step
	}
	if e := t.index[key]; e != nil {
		if e.at != at {
			e.at = at
			heap.Fix(&t.heap, e.place)
		}
		return
	}
	e := &entry[K]{key: key, at: at}
	t.index[key] = e
	heap.Push(&t.heap, e)
}

// SetEarlier is Set where the key has no deadline, or a later one.
func (t *Timers[K]) SetEarlier(key K, wait time.Duration) {
	if left, ok := t.Left(key); ok && left <= wait {
		return
	}
	t.Set(key, wait)
}

// Stop takes the deadline of a key away.
func (t *Timers[K]) Stop(key K) {
	if e := t.index[key]; e != nil {
		heap.Remove(&t.heap, e.place)
		delete(t.index, key)
	}
}

// Left returns the time until the deadline of a key, negative when it has passed.
func (t *Timers[K]) Left(key K) (time.Duration, bool) {
	e := t.index[key]
	if e == nil {
		return 0, false
	}
	return e.at - time.Since(t.base), true
}

// Len returns the number of deadlines.
func (t *Timers[K]) Len() int { return len(t.heap) }

// Next returns the time until the first deadline, 0 when it has passed.
func (t *Timers[K]) Next() (time.Duration, bool) {
	if len(t.heap) == 0 {
		return 0, false
	}
	return max(0, t.heap[0].at-time.Since(t.base)), true
}

// Due takes out the keys whose deadlines have passed, the earliest first.
func (t *Timers[K]) Due() []K {
	now := time.Since(t.base)
	var due []K
	for len(t.heap) > 0 && t.heap[0].at <= now {
		e := heap.Pop(&t.heap).(*entry[K])
		delete(t.index, e.key)
		due = append(due, e.key)
	}
	return due
}

// entries is the heap.
type entries[K comparable] []*entry[K]

func (h entries[K]) Len() int           { return len(h) }
func (h entries[K]) Less(i, j int) bool { return h[i].at < h[j].at }
func (h entries[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *entries[K]) Push(x any) {
	e := x.(*entry[K])
	e.place = len(*h)
	*h = append(*h, e)
}

func (h *entries[K]) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
