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
	ln       *net.TCPListener // nil while it is only reserved
	reserved *reservation     // nil where it was open from the start
	mutex    sync.Mutex
	last     *lease
}

// Open opens an address.
func Open(ctx context.Context, address string) (*Socket, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &Socket{ln: ln.(*net.TCPListener)}, nil
}

// OpenBeside opens an address while another one of ours is open, which may exclude it: both are the
// same port, and one of them is all addresses of the machine. It is then reserved, and nothing is
// accepted at it, nor taken away from the other, before Listen.
func OpenBeside(ctx context.Context, address string, other *Socket) (*Socket, error) {
	s, err := Open(ctx, address)
	if err == nil || !other.mayExclude(address) {
		return s, err
	}
	r, reserving := reserve(address, other.ln)
	if reserving != nil {
		return nil, reserving
	}
	return &Socket{reserved: r}, nil
}

// Is reports whether an address is the one that is open, however it is written.
func (s *Socket) Is(address string) bool {
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil || s.ln == nil {
		return false
	}
	open := s.ln.Addr().(*net.TCPAddr)
	return at.Port == open.Port && at.Zone == open.Zone && (everywhere(at) && everywhere(open) || at.IP.Equal(open.IP))
}

// mayExclude reports whether nothing but this socket may keep an address from being opened.
func (s *Socket) mayExclude(address string) bool {
	at, err := net.ResolveTCPAddr("tcp", address)
	return err == nil && s.ln != nil && at.Port == s.ln.Addr().(*net.TCPAddr).Port
}

// everywhere reports whether an address stands for all of the machine.
func everywhere(a *net.TCPAddr) bool { return len(a.IP) == 0 || a.IP.IsUnspecified() }

// Listen opens an address that was only reserved. It comes before Lease.
func (s *Socket) Listen() (err error) {
	if s.ln == nil {
		s.ln, err = s.reserved.listen()
	}
	return err
}

// Addr is the address that it was opened at, nil before Listen.
func (s *Socket) Addr() net.Addr {
	if s.ln == nil {
		return nil
	}
	return s.ln.Addr()
}

// Close closes the address, whoever accepts from it.
func (s *Socket) Close() error {
	if s.ln == nil {
		return s.reserved.close()
	}
	return s.ln.Close()
}

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
