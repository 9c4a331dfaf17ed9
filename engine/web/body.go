package web

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

const (
	// MaxBody is the largest body of a webhook.
	MaxBody = 1 << 20
	// smallBody is free of charge; what is larger is counted against maxBodies.
	smallBody = 16 << 10
	// maxBodies is how much memory large bodies have together.
	maxBodies = 64 << 20
)

// bodies lends the buffers that bodies are read into. They grow with what arrives and not
// with what was announced.
type bodies struct {
	used atomic.Int64
	pool sync.Pool // of *buffer
}

type buffer struct {
	b       []byte
	charged int64
}

func (p *bodies) put(b *buffer) {
	p.used.Add(-b.charged)
	b.charged = 0
	if cap(b.b) <= smallBody {
		p.pool.Put(b)
	}
}

// grow makes room for more, up to limit bytes.
func (p *bodies) grow(b *buffer, limit int) bool {
	size := max(min(2*cap(b.b), limit), 4096)
	if size > smallBody {
		more := int64(size) - b.charged
		if p.used.Add(more) > maxBodies {
			p.used.Add(-more)
			return false
		}
		b.charged += more
	}
	next := make([]byte, len(b.b), size)
	copy(next, b.b)
	b.b = next
	return true
}

// read reads the body of a request; the answer says why it could not be. The buffer is to
// be put back if it is not nil.
func (p *bodies) read(r *http.Request) (*buffer, *answer) {
	if r.ContentLength > MaxBody {
		return nil, large
	}
	limit := MaxBody + 1
	if r.ContentLength >= 0 {
		limit = int(r.ContentLength) + 1
	}
	b, ok := p.pool.Get().(*buffer)
	if !ok {
		b = new(buffer)
	}
	b.b = b.b[:0]
	for {
		if len(b.b) == cap(b.b) && !p.grow(b, limit) {
			p.put(b)
			return nil, noRoom
		}
		n, err := r.Body.Read(b.b[len(b.b):min(cap(b.b), limit)])
		b.b = b.b[:len(b.b)+n]
		switch {
		case len(b.b) > MaxBody:
			p.put(b)
			return nil, large
		case err == io.EOF:
			return b, nil
		case err != nil:
			p.put(b)
			return nil, unreadable(err)
		}
	}
}

func unreadable(err error) *answer {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return slow
	}
	return cut
}
