package cli

import (
	"bytes"
	"io"
	"time"
)

// patient writes in the background, so that a pipe that nobody reads blocks nothing. What
// does not fit its memory is dropped.
type patient struct {
	pieces chan *piece
	done   chan struct{}
	stuck  bool // a flush was in vain
}

// piece is something to write, or a mark that tells when it is reached.
type piece struct {
	data    []byte
	reached chan<- struct{}
}

const (
	patientPieces = 1 << 14
	patience      = 2 * time.Second // with a slow reader, while there is work to do
)

func newPatient(w io.Writer) *patient {
	p := &patient{pieces: make(chan *piece, patientPieces), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for piece := range p.pieces {
			if piece.reached != nil {
				close(piece.reached)
				continue
			}
			_, _ = w.Write(piece.data)
		}
	}()
	return p
}

// Write never waits and never fails.
func (p *patient) Write(data []byte) (int, error) {
	select {
	case p.pieces <- &piece{data: bytes.Clone(data)}:
	default:
	}
	return len(data), nil
}

// flush waits until what was written has been passed on, so that what follows elsewhere on
// the same terminal comes after it. A reader that was waited for in vain once is not again.
func (p *patient) flush() {
	if p.stuck {
		return
	}
	reached := make(chan struct{})
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case p.pieces <- &piece{reached: reached}:
	case <-timeout.C:
		p.stuck = true
		return
	}
	select {
	case <-reached:
	case <-timeout.C:
		p.stuck = true
	}
}

// close ends writing and waits that long for the reader.
func (p *patient) close(limit time.Duration) {
	close(p.pieces)
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-p.done:
	case <-timeout.C:
	}
}

// drain ends writing and waits for the reader until cancelled.
func (p *patient) drain(cancelled <-chan struct{}) {
	close(p.pieces)
	select {
	case <-p.done:
	case <-cancelled:
		select { // what takes no time is written all the same
		case <-p.done:
		case <-time.After(patience):
		}
	}
}
