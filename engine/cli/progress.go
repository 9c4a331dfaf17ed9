package cli

import (
	"bytes"
	"io"
	"sync"
	"time"

	"tidegate/engine"
	"tidegate/engine/view"
)

// progress shows events on stderr, or as JSON on stdout. It never makes the engine wait.
type progress struct {
	mutex sync.Mutex
	show  func(engine.Event)
	stop  func()
}

// Event takes one event of the engine; between two phases nobody listens.
func (p *progress) Event(e engine.Event) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.show != nil {
		p.show(e)
	}
}

// start begins to show; end must be called before anything else is written to the same place.
func (p *progress) start(a *app, stream *view.Stream) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	switch {
	case stream != nil:
		p.show, p.stop = stream.Event, func() {}
	case isTerminal(a.Stderr):
		w := newPatient(a.Stderr)
		live := view.NewLive(w, a.style(a.Stderr))
		p.show, p.stop = live.Event, func() { live.Close(); w.close() }
	default:
		w := newPatient(a.Stderr)
		p.show, p.stop = view.NewLines(w).Event, w.close
	}
}

func (p *progress) end() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.stop != nil {
		p.stop()
	}
	p.show, p.stop = nil, nil
}

// patient writes in the background, so that a pipe that nobody reads blocks nothing. What
// does not fit its memory is dropped.
type patient struct {
	lines chan []byte
	done  chan struct{}
}

const (
	patientLines = 1 << 14
	patientClose = 2 * time.Second // how long close waits for a slow reader
)

func newPatient(w io.Writer) *patient {
	p := &patient{lines: make(chan []byte, patientLines), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for line := range p.lines {
			_, _ = w.Write(line)
		}
	}()
	return p
}

func (p *patient) Write(line []byte) (int, error) {
	select {
	case p.lines <- bytes.Clone(line):
	default:
	}
	return len(line), nil
}

func (p *patient) close() {
	close(p.lines)
	timeout := time.NewTimer(patientClose)
	defer timeout.Stop()
	select {
	case <-p.done:
	case <-timeout.C:
	}
}
