package web

import (
	"bytes"
	"net/http"
	"time"

	"tidegate/engine"
	"tidegate/engine/view"
)

const (
	// eventBuffer is how many events may wait for a reader before it is cut off.
	eventBuffer = 256
	// eventWrite is how long a reader may take to accept what is written to it.
	eventWrite = 10 * time.Second
)

var typeEvents = []string{"text/event-stream"}

// eventsPage streams events as they happen, as server-sent events. A reader that does not
// keep up is cut off and connects again; nothing is repeated to it, so it asks for the
// status first.
func (s *Server) eventsPage(w http.ResponseWriter, r *http.Request) *answer {
	if r.Method == http.MethodHead {
		w.Header()["Content-Type"] = typeEvents
		return nil
	}
	select {
	case <-s.stopping:
		return stopping
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		return noRoom
	}
	events, cancel := s.daemon.Subscribe(eventBuffer)
	defer cancel()
	w.Header()["Content-Type"] = typeEvents
	out := &eventWriter{w: w, control: http.NewResponseController(w)}
	_ = out.control.SetReadDeadline(time.Time{}) // its end would end the request
	out.b.WriteString(": tidegate\nretry: 2000\n\n")
	if !out.flush() {
		return nil
	}
	s.stream(r, out, events)
	return nil
}

func (s *Server) stream(r *http.Request, out *eventWriter, events <-chan engine.Event) {
	alive := time.NewTicker(s.opts.KeepAlive)
	defer alive.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-s.stopping:
			out.b.WriteString(": shutting down\n\n")
			out.flush()
			return
		case <-alive.C:
			out.b.WriteString(": alive\n\n")
		case e, ok := <-events:
			if ok = out.take(e, ok, events); !ok {
				out.b.WriteString(": cut off\n\n")
				out.flush()
				return
			}
		}
		if !out.flush() {
			return
		}
	}
}

// eventWriter collects events and writes them in one piece.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	b       bytes.Buffer
}

// take adds an event and those that already wait behind it; false at the end of events.
func (o *eventWriter) take(e engine.Event, ok bool, events <-chan engine.Event) bool {
	for n := 1; ok; n++ {
		o.b.WriteString("data: ")
		o.b.Write(view.EventJSON(e, time.Now()))
		o.b.WriteString("\n\n")
		if n == eventBuffer {
			return true
		}
		select {
		case e, ok = <-events:
		default:
			return true
		}
	}
	return false
}

// flush writes what was collected, and gives up on a reader that does not take it.
func (o *eventWriter) flush() bool {
	defer o.b.Reset()
	_ = o.control.SetWriteDeadline(time.Now().Add(eventWrite))
	if _, err := o.w.Write(o.b.Bytes()); err != nil {
		return false
	}
	return o.control.Flush() == nil
}
