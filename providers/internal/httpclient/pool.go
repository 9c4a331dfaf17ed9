package httpclient

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	connectTimeout   = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	idleTimeout      = 90 * time.Second
	maxIdle          = 64
	maxIdlePerHost   = 8
	maxHeaderBytes   = 64 << 10
)

// Pool holds the connections. Clients of one pool whose TLS blocks are equal share them.
// The zero value is ready for use.
type Pool struct {
	Resolver *net.Resolver // nil for the system's

	mu         sync.Mutex
	transports map[TLS]stamped

	crowd crowd
}

type stamped struct {
	*http.Transport
	stamp string
}

var shared Pool

// CloseIdle closes the kept connections of the pool that clients use unless they are
// given one of their own.
func CloseIdle() { shared.CloseIdle() }

// CloseIdle closes the connections that no request is using.
func (p *Pool) CloseIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.transports {
		t.CloseIdleConnections()
	}
}

// transport returns the transport for a TLS block, a new one when the block's files
// changed. Files are read outside of the lock: a slow disk under one block must not hold
// up the others.
func (p *Pool) transport(block TLS) (*http.Transport, error) {
	stamp, err := block.stamp()
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	p.mu.Lock()
	known, ok := p.transports[block]
	p.mu.Unlock()
	if ok && known.stamp == stamp {
		return known.Transport, nil
	}
	fresh, err := p.newTransport(block)
	if err != nil {
		return nil, err
	}
	return p.keep(block, stamped{fresh, stamp}), nil
}

// keep stores a transport unless another request was faster.
func (p *Pool) keep(block TLS, fresh stamped) *http.Transport {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.transports[block]
	if ok && known.stamp == fresh.stamp {
		return known.Transport
	}
	if ok {
		known.CloseIdleConnections()
	}
	if p.transports == nil {
		p.transports = make(map[TLS]stamped)
	}
	p.transports[block] = fresh
	return fresh.Transport
}

func (p *Pool) newTransport(block TLS) (*http.Transport, error) {
	conf, err := block.load()
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                  nil, // never from the environment
		DialContext:            p.dial,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // we decode ourselves, with a cap on what comes out
		ForceAttemptHTTP2:      true,
		// Without pings a dead HTTP/2 connection is used again for every request until the
		// kernel gives up on it, some 15 minutes later (golang/go#59690).
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}, nil
}
