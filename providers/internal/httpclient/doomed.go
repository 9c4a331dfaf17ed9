package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http/httptrace"
	"sync"
	"time"
)

// maxAttempts bounds how often the transport takes a connection for one exchange. It asks
// again by itself where a server goes away before it has begun, and one that always does so
// would be dialled without a pause until the timeout.
const maxAttempts = 20

var errBrokenOff = errors.New("the server broke off again and again before it answered")

// A crowd counts the exchanges on each HTTP/2 connection. A connection on which one timed out
// may be dead or flooded, and the transport would use it for the next request, and the one
// after that. So it is closed, once nobody else is on it.
type crowd struct {
	mu sync.Mutex
	on map[*tls.Conn]*occupied
}

// An exchange that was given a closed connection waits for firstPause before it asks for
// another, then twice as long, up to longestPause. The transport drops the closed one as soon
// as the goroutine that reads from it has run.
const (
	firstPause   = time.Millisecond
	longestPause = 100 * time.Millisecond
)

type occupied struct {
	exchanges int
	doomed    bool
}

// enter reports whether the connection is still open. The transport hands out one that was
// closed a moment ago until it has noticed.
func (c *crowd) enter(conn *tls.Conn) (open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.on == nil {
		c.on = make(map[*tls.Conn]*occupied)
	}
	if c.on[conn] == nil {
		c.on[conn] = &occupied{}
	}
	c.on[conn].exchanges++
	return !conn.NetConn().(*askedConn).isClosed()
}

func (c *crowd) leave(conn *tls.Conn, doomed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.on[conn]
	o.doomed = o.doomed || doomed
	if o.exchanges--; o.exchanges > 0 {
		return
	}
	delete(c.on, conn)
	if o.doomed {
		_ = conn.NetConn().Close() // without a farewell, which nobody may read
	}
}

// got notes the connection of an exchange, and reports whether bytes can leave on it.
func (p *Progress) got(ctx context.Context, info httptrace.GotConnInfo) (open bool) {
	awaitNothingLeft(ctx, info.Conn)
	conn, ok := info.Conn.(*tls.Conn)
	if !ok || conn.ConnectionState().NegotiatedProtocol != "h2" {
		return true // it belongs to one exchange at a time, and ends with it
	}
	open = p.crowd.enter(conn)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conn)
	return open
}

// leave ends an exchange.
func (p *Progress) leave(ctx context.Context) {
	doomed := errors.Is(context.Cause(ctx), errTimeout)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		p.crowd.leave(conn, doomed)
	}
	p.conns = nil
}

// attempt counts, and ends the exchange where it only goes round in circles.
func (p *Progress) attempt(string) {
	if p.attempts.Add(1) > maxAttempts {
		p.giveUp(errBrokenOff)
	}
}
