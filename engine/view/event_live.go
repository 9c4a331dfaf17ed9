package view

import (
	"fmt"
	"io"
	"sync"
	"time"

	"tidegate/engine"
	"tidegate/hclspec/address"
)

// Live writes events to a terminal: finished items as lines, and below them, once a phase
// has taken longer than a second, one line with counts that is drawn over and over.
type Live struct {
	mutex sync.Mutex
	w     io.Writer
	style Style

	phase   engine.Phase
	total   int
	done    int
	running map[address.Address]time.Time
	since   time.Time
	drawn   bool
	stop    chan struct{}
	stopped sync.WaitGroup
}

// NewLive returns a live view. Close must be called before anything else is written.
func NewLive(w io.Writer, s Style) *Live {
	l := &Live{w: w, style: s, running: map[address.Address]time.Time{}, stop: make(chan struct{})}
	l.stopped.Add(1)
	go l.redraw()
	return l
}

func (l *Live) redraw() {
	defer l.stopped.Done()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case now := <-tick.C:
			l.mutex.Lock()
			l.draw(now)
			l.mutex.Unlock()
		}
	}
}

// Event takes one event.
func (l *Live) Event(e engine.Event) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	switch e := e.(type) {
	case engine.PhaseStarted:
		l.phase, l.total, l.done, l.since = e.Phase, e.Total, 0, time.Now()
		clear(l.running)
	case engine.LookStarted:
		l.running[e.Address] = time.Now()
	case engine.LookFinished:
		l.finish(e.Address)
	case engine.DeliveryStarted:
		l.running[e.Address] = time.Now()
		return // the live line shows it
	case engine.DeliveryFinished:
		l.finish(e.Address)
	case engine.DeliverySkipped:
		l.finish(e.Address)
	}
	if text := ProgressLine(e); text != "" {
		l.erase()
		fmt.Fprintln(l.w, text)
	}
}

func (l *Live) finish(a address.Address) {
	delete(l.running, a)
	l.done++
}

// draw writes the live line. The longest running item is named, as it is the one to wonder about.
func (l *Live) draw(now time.Time) {
	if l.phase == "" || l.done >= l.total || now.Sub(l.since) < slow {
		l.erase()
		return
	}
	l.erase()
	text := fmt.Sprintf("%s: %d of %d", map[engine.Phase]string{engine.Observing: "Looking", engine.Applying: "Applying"}[l.phase], l.done, l.total)
	var oldest address.Address
	for a, t := range l.running {
		if oldest.IsZero() || t.Before(l.running[oldest]) || t.Equal(l.running[oldest]) && a.Less(oldest) {
			oldest = a
		}
	}
	if !oldest.IsZero() {
		text += fmt.Sprintf(", %d under way, %s for %s", len(l.running), Escape(oldest.String()), now.Sub(l.running[oldest]).Round(time.Second))
	}
	fmt.Fprint(l.w, cut(text, max(l.style.Width-1, 0)))
	l.drawn = true
}

func (l *Live) erase() {
	if l.drawn {
		fmt.Fprint(l.w, "\r\x1b[K")
		l.drawn = false
	}
}

// Close stops drawing and clears the live line.
func (l *Live) Close() {
	close(l.stop)
	l.stopped.Wait()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.erase()
}
