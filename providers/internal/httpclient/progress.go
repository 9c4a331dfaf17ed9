package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// errTimeout is the cause of a context that ended by a client's own timeout.
var errTimeout = errors.New("timeout")

// Progress knows how far an exchange came, so that an error can name the step and a sink
// can tell whether the server may have acted. Its methods may be called from the
// goroutines of the transport.
type Progress struct {
	timeout time.Duration
	step    atomic.Pointer[string]
	sent    atomic.Bool
	closed  atomic.Bool // the connection of the last attempt was closed before it began

	attempts atomic.Int32
	giveUp   context.CancelCauseFunc
	crowd    *crowd
	mu       sync.Mutex
	conns    []*tls.Conn
}

var (
	stepConnection = "waiting for a connection"
	stepLookup     = "looking up the host name"
	stepConnect    = "connecting"
	stepHandshake  = "the TLS handshake"
	stepRequest    = "sending the request"
	stepHeaders    = "waiting for the response headers"
	stepBody       = "reading the body"
)

// Sent reports whether any of the last request reached the connection, which means that
// the server may have acted on it.
func (p *Progress) Sent() bool { return p.sent.Load() }

func (p *Progress) start() {
	p.sent.Store(false)
	p.closed.Store(false)
	p.step.Store(&stepConnection)
}

func (p *Progress) reading() { p.step.Store(&stepBody) }

func (p *Progress) trace(ctx context.Context) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:           p.attempt,
		DNSStart:          func(httptrace.DNSStartInfo) { p.step.Store(&stepLookup) },
		ConnectStart:      func(string, string) { p.step.Store(&stepConnect) },
		TLSHandshakeStart: func() { p.step.Store(&stepHandshake) },
		TLSHandshakeDone:  func(tls.ConnectionState, error) { p.step.Store(&stepConnection) },
		GotConn: func(info httptrace.GotConnInfo) {
			open := p.got(ctx, info)
			p.closed.Store(!open)
			// From here on bytes may leave, even if writing them is never reported.
			p.sent.Store(open)
			p.step.Store(&stepRequest)
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { p.step.Store(&stepHeaders) },
	}
}

// explain turns the error of a step into one that can be read. When the context is over,
// that is the reason, whatever way it showed.
func (p *Progress) explain(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return clean(reason(err))
	case errors.Is(cause, errTimeout):
		return fmt.Errorf("timeout after %s while %s", p.timeout, p.where())
	case errors.Is(cause, errBrokenOff):
		return cause
	default:
		return fmt.Errorf("interrupted while %s: %w", p.where(), cause)
	}
}

func (p *Progress) where() string {
	if s := p.step.Load(); s != nil {
		return *s
	}
	return stepConnection
}

// isTimeout reports whether the network gave up waiting, as after connectTimeout.
func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
