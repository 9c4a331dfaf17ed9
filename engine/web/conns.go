package web

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// conns bounds the open connections. At the bound the one that has waited longest for bytes
// of its client makes room (a new one without a request, an idle one, one in the middle of
// its body), so that thousands of slow senders lock nobody out: a connection whose request
// is being answered is never closed.
type conns struct {
	net.Listener
	max      int
	plain    bool // not TLS: the framing of requests can be seen
	mutex    sync.Mutex
	open     int
	waiting  list.List // of *conn, the longest first
	refused  int64     // closed as there was no room for them
	evicted  int64     // closed to make room
	accepted int64
}

// conn is one connection.
type conn struct {
	net.Conn
	of      *conns
	client  netip.Addr
	place   *list.Element // among those that wait, nil if it does not
	working int           // requests that are being answered (HTTP/2 has several)
	closed  bool
	frame   *framing // nil with TLS
}

// Accept returns the next connection that there is room for.
func (l *conns) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: raw, of: l, client: clientOf(raw.RemoteAddr().String())}
		if l.plain {
			c.frame = new(framing)
		}
		if victim, ok := l.enter(c); ok {
			if victim != nil {
				_ = victim.Close()
			}
			return c, nil
		}
		_ = raw.Close()
	}
}

// enter counts a connection and names the one to close for it, if any.
func (l *conns) enter(c *conn) (victim *conn, ok bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.open >= l.max {
		first := l.waiting.Front()
		if first == nil {
			l.refused++
			return nil, false
		}
		victim = first.Value.(*conn)
		l.leave(victim)
		l.evicted++
	}
	l.open++
	l.accepted++
	c.place = l.waiting.PushBack(c)
	return victim, true
}

// leave uncounts a connection, with the mutex held.
func (l *conns) leave(c *conn) {
	if c.closed {
		return
	}
	c.closed = true
	l.open--
	if c.place != nil {
		l.waiting.Remove(c.place)
		c.place = nil
	}
}

// Close closes the connection.
func (c *conn) Close() error {
	c.of.mutex.Lock()
	c.of.leave(c)
	c.of.mutex.Unlock()
	return c.Conn.Close()
}

// Read reads, and ends the connection at what no request may look like.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.frame != nil && !c.frame.add(p[:n]) {
		_, _ = c.Conn.Write(badFraming)
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// work says that the connection waits for us until the returned function is called.
func (c *conn) work() {
	l := c.of
	l.mutex.Lock()
	defer l.mutex.Unlock()
	c.working++
	if c.place != nil {
		l.waiting.Remove(c.place)
		c.place = nil
	}
}

// rest ends work.
func (c *conn) rest() {
	l := c.of
	l.mutex.Lock()
	defer l.mutex.Unlock()
	c.working--
	if c.working == 0 && !c.closed {
		c.place = l.waiting.PushBack(c)
	}
}

type connKey struct{}

// connContext is for http.Server.
func connContext(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if own, ok := c.(*conn); ok {
		return context.WithValue(ctx, connKey{}, own)
	}
	return ctx
}

// connOf returns the connection of a request, nil in a server that is not ours.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}

// connState is for http.Server: it tells where requests end.
func connState(c net.Conn, state http.ConnState) {
	if own, ok := c.(*conn); ok && own.frame != nil && state == http.StateIdle && !own.frame.next() {
		_ = own.Close()
	}
}
