package httpclient

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"
	"unique"

	"tidegate/providers"
)

// Options are what a client is made of.
type Options struct {
	TLS     *TLS               // nil for the default
	Timeout providers.Duration // of a whole exchange: from the name lookup to the last byte of the body
	Pool    *Pool              // nil for the one all clients share
}

// Client sends requests. It is safe for use by several goroutines. It is small: most of many
// clients are made of the same.
type Client struct{ of unique.Handle[parts] }

type parts struct {
	pool      *Pool
	tls       TLS
	timeout   time.Duration
	userAgent string
}

// New makes a client. It touches nothing but its arguments; a TLS file that cannot be read
// shows at the first request. Mistakes are attribute errors of the block tls.
func New(o Options, env providers.Env) (*Client, error) {
	c := parts{pool: o.Pool, timeout: o.Timeout.Value(), userAgent: env.UserAgent}
	if c.pool == nil {
		c.pool = &shared
	}
	if c.userAgent == "" {
		c.userAgent = "tidegate"
	}
	block := *DefaultTLS()
	if o.TLS != nil {
		block = *o.TLS
	}
	var err error
	c.tls, err = block.resolve(env)
	return &Client{unique.Make(c)}, err
}

// Begin starts an exchange: one deadline for everything until cancel is called. Both must
// be handed to every step of it.
func (c *Client) Begin(ctx context.Context) (context.Context, *Progress, context.CancelFunc) {
	ctx, giveUp := context.WithCancelCause(ctx)
	of := c.of.Value()
	p := &Progress{timeout: of.timeout, giveUp: giveUp, crowd: &of.pool.crowd}
	var timer *time.Timer
	if of.timeout > 0 {
		timer = time.AfterFunc(of.timeout, func() { giveUp(errTimeout) })
	}
	return httptrace.WithClientTrace(ctx, p.trace(ctx)), p, func() {
		p.leave(ctx)
		if timer != nil {
			timer.Stop()
		}
		giveUp(nil)
	}
}

// SetBody gives a request a body that can be sent again.
func SetBody(req *http.Request, body string) {
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	req.Body, _ = req.GetBody()
}

// Do sends one request and returns as soon as the headers of the answer are there; it
// follows no redirect. name is the request as errors may show it, as in
// "GET https://host/path". The caller closes the body.
func (c *Client) Do(ctx context.Context, p *Progress, name string, req *http.Request) (*http.Response, error) {
	if err := providers.CheckHost(ctx, req.URL.Host); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	of := c.of.Value()
	t, err := of.pool.transport(of.tls)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", of.userAgent)
	}
	// The transport itself and not an http.Client: redirects are the caller's policy, and
	// errors come without the URL, whose query may hold a credential.
	if req.Context() != ctx {
		req = req.WithContext(ctx)
	}
	resp, err := roundTrip(ctx, p, t, req)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, p.explain(ctx, err))
		if isRefusal(err) && isAddress(req.URL) {
			return nil, providers.Permanent(err)
		}
		return nil, err
	}
	p.reading()
	return resp, nil
}

// roundTrip sends the request once more where nothing of it could leave, because the transport
// took a connection for it that another exchange had just closed.
func roundTrip(ctx context.Context, p *Progress, t http.RoundTripper, req *http.Request) (*http.Response, error) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		p.start()
		resp, err := t.RoundTrip(req)
		if err == nil || !p.closed.Load() || ctx.Err() != nil {
			return resp, err
		}
		if req.Body != nil {
			if req.GetBody == nil {
				return nil, err
			}
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}
