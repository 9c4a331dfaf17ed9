package cli

import (
	"sync"

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
		p.show, p.stop = live.Event, func() { live.Close(); w.close(patience) }
	default:
		w := newPatient(a.Stderr)
		p.show, p.stop = view.NewLines(w).Event, func() { w.close(patience) }
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
