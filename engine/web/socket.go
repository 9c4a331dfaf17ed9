package web

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Socket is an open address. One server after the other may accept from it, so that another
// configuration of the listener takes it over without a moment in which nobody listens.
type Socket struct {
	ln    *net.TCPListener
	mutex sync.Mutex
	last  *lease
}

// Open opens an address.
func Open(ctx context.Context, address string) (*Socket, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &Socket{ln: ln.(*net.TCPListener)}, nil
}

// Addr is the address that it was opened at.
func (s *Socket) Addr() net.Addr { return s.ln.Addr() }

// Close closes the address, whoever accepts from it.
func (s *Socket) Close() error { return s.ln.Close() }

// Lease returns a listener for the next server. The one before may go on until it is closed, which
// then leaves the address open; nothing may be accepted from the new one before that. Closing the
// newest closes the address.
func (s *Socket) Lease() net.Listener {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.last != nil {
		s.last.kept.Store(true)
	}
	s.last = &lease{socket: s}
	return s.last
}

type lease struct {
	socket *Socket
	begun  sync.Once
	kept   atomic.Bool // another one has the address
	ended  atomic.Bool
}

// Accept implements net.Listener.
func (l *lease) Accept() (net.Conn, error) {
	l.begun.Do(func() { _ = l.socket.ln.SetDeadline(time.Time{}) }) // set by who was before
	c, err := l.socket.ln.Accept()
	if err != nil && l.ended.Load() {
		return nil, net.ErrClosed
	}
	return c, err
}

// Close implements net.Listener.
func (l *lease) Close() error {
	if l.ended.Swap(true) {
		return nil
	}
	if l.kept.Load() {
		return l.socket.ln.SetDeadline(time.Unix(1, 0)) // who accepts wakes up
	}
	return l.socket.ln.Close()
}

// Addr implements net.Listener.
func (l *lease) Addr() net.Addr { return l.socket.ln.Addr() }
