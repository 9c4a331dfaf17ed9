package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

var errUnasked = errors.New("the server sent bytes that nobody asked for")

// askedConn is a connection that passes no bytes on which came before they were asked for.
//
// A server that sends more than it announced leaves bytes behind an answer. net/http notices them
// once it reads from the connection again, but it offers the connection for the next request a
// moment before that: then they would be taken for the answer to a request that the server has
// not seen yet.
type askedConn struct {
	net.Conn

	mu      sync.Mutex
	reading bool          // a Read waits for bytes, so everything that came before was looked at
	closed  bool          // nobody reads any more
	taken   bool          // by a request that was not written yet, before which nothing may come
	moved   chan struct{} // is closed when one of the above moves, nil if nobody waits
}

// awaitNothingLeft waits until nothing is left of the answer before on a connection that a
// request is about to have. If something is left, the transport closes the connection and takes
// another one. Answers of HTTP/2 name what they answer and need none of this.
func awaitNothingLeft(ctx context.Context, c net.Conn) {
	t, encrypted := c.(*tls.Conn)
	if encrypted {
		if t.ConnectionState().NegotiatedProtocol == "h2" {
			return
		}
		c = t.NetConn()
	}
	if c, ok := c.(*askedConn); ok {
		// TLS itself sends unasked: tickets for a next session.
		c.take(ctx, !encrypted)
	}
}

func (c *askedConn) take(ctx context.Context, strictly bool) {
	c.mu.Lock()
	c.taken = strictly
	for !c.reading && !c.closed {
		if c.moved == nil {
			c.moved = make(chan struct{})
		}
		moved := c.moved
		c.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return
		}
		c.mu.Lock()
	}
	c.mu.Unlock()
}

// set changes a field of c and tells who waits.
func (c *askedConn) set(field *bool, to bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*field = to
	if c.moved != nil {
		close(c.moved)
		c.moved = nil
	}
}

func (c *askedConn) Read(b []byte) (int, error) {
	c.set(&c.reading, true)
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if c.taken && n > 0 {
		return 0, errUnasked
	}
	return n, err
}

func (c *askedConn) Write(b []byte) (int, error) {
	c.set(&c.taken, false)
	return c.Conn.Write(b)
}

func (c *askedConn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *askedConn) Close() error {
	c.set(&c.closed, true)
	return c.Conn.Close()
}
