package web

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"tidegate/engine"
)

// Options are the limits of a server; the zero value has the documented ones.
type Options struct {
	Logger      hclog.Logger
	Version     string        // of tidegate, for tidegate_build_info
	MaxConns    int           // open connections, 2048
	MaxPushes   int           // values on their way through the daemon, 1024
	MaxStreams  int           // readers of /api/v1/events, 64
	MaxReads    int           // other answers that may be large, made or sent at once, 16
	Rate        int           // requests of one client each second, 1000
	Burst       int           // and at once, 2000
	Header      time.Duration // for the header of a request, 5s
	Read        time.Duration // for a request with its body, 15s
	Write       time.Duration // for an answer, 60s
	Idle        time.Duration // between requests, 2m
	PushTimeout time.Duration // until a value is durable, 20s
	KeepAlive   time.Duration // between signs of life of a stream, 15s
	Grace       time.Duration // for requests under way when Serve is told to stop, 5s
	// Receivers are what the server is to begin with, nil for what the daemon takes in now.
	Receivers *engine.Receivers
}

func orElse[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

func (o Options) complete() Options {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	orElse(&o.MaxConns, 2048)
	orElse(&o.MaxPushes, 1024)
	orElse(&o.MaxStreams, 64)
	orElse(&o.MaxReads, 16)
	orElse(&o.Rate, 1000)
	orElse(&o.Burst, 2*o.Rate)
	orElse(&o.Header, 5*time.Second)
	orElse(&o.Read, 15*time.Second)
	orElse(&o.Write, time.Minute)
	orElse(&o.Idle, 2*time.Minute)
	orElse(&o.PushTimeout, 20*time.Second)
	orElse(&o.KeepAlive, 15*time.Second)
	orElse(&o.Grace, 5*time.Second)
	return o
}

// Server is the listener of a daemon. It is an http.Handler, and Serve runs it with all its
// limits. One Server serves once.
type Server struct {
	daemon   Daemon
	listener *Listener
	opts     Options
	log      hclog.Logger
	hosts    *hosts
	tokens   []sum
	cert     *certificate // nil without TLS
	cross    *http.CrossOriginProtection

	keeper  doorkeeper
	clients *clients
	bodies  bodies
	pushes  chan struct{}
	streams chan struct{}
	reads   chan struct{} // large answers under way
	status  statusCache
	metrics *metrics
	conns   atomic.Pointer[conns] // nil until Serve

	stopping chan struct{} // no new streams, and an end to those there are
	stopOnce sync.Once
	retired  chan struct{} // another server takes the place of this one
	quiet    chan struct{} // it accepts no more
}

// New returns a server for a listener block. It fails if the listener is open to other
// machines without guard (see Listener.Check), or its certificate cannot be read.
func New(d Daemon, l *Listener, opts Options) (*Server, error) {
	opts = opts.complete()
	in := opts.Receivers
	if in == nil {
		in = d.Receivers()
	}
	if err := l.Check(in); err != nil {
		return nil, err
	}
	s := &Server{
		daemon: d, listener: l, opts: opts, log: opts.Logger, hosts: newHosts(l), cross: http.NewCrossOriginProtection(),
		keeper:  doorkeeper{strict: !l.Insecure && !IsLoopback(l.Address)},
		clients: newClients(opts.Rate, opts.Burst),
		pushes:  make(chan struct{}, opts.MaxPushes), streams: make(chan struct{}, opts.MaxStreams), reads: make(chan struct{}, opts.MaxReads),
		status: statusCache{daemon: d, turn: make(chan struct{}, 1)}, stopping: make(chan struct{}),
		retired: make(chan struct{}), quiet: make(chan struct{}),
	}
	for _, token := range l.Tokens {
		s.tokens = append(s.tokens, hashOf(token))
	}
	if l.TLS != nil {
		cert, err := newCertificate(l.TLS.CertFile, l.TLS.KeyFile, s.log)
		if err != nil {
			return nil, err
		}
		s.cert, s.hosts.cert = cert, cert
	}
	s.metrics = newMetrics(s)
	return s, nil
}

// Serve answers requests until ctx ends, then finishes those under way within the grace
// period and returns nil. It closes ln. It returns an error if the listener breaks. Once the
// server is retired those under way have as long as an answer may take.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	l := &conns{Listener: ln, max: s.opts.MaxConns, plain: s.cert == nil}
	s.conns.Store(l)
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.opts.Header,
		ReadTimeout:       s.opts.Read,
		WriteTimeout:      s.opts.Write,
		IdleTimeout:       s.opts.Idle,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       connContext,
		ConnState:         connState,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 128, MaxReceiveBufferPerConnection: MaxBody, MaxReceiveBufferPerStream: 256 << 10},
		ErrorLog:          log.New(debugWriter{s.log}, "", 0),
	}
	done := make(chan error, 1)
	go func() {
		defer close(s.quiet)
		if s.cert != nil {
			srv.TLSConfig = s.cert.config()
			done <- srv.ServeTLS(l, "", "")
			return
		}
		done <- srv.Serve(l)
	}()
	patience := s.opts.Grace
	select {
	case err := <-done:
		s.stop()
		_ = srv.Close()
		return err
	case <-s.retired:
		patience = s.opts.Write
	case <-ctx.Done():
	}
	s.stop()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	// The end of all is not put off for one that is retired.
	defer context.AfterFunc(ctx, func() {
		over := time.NewTimer(s.opts.Grace)
		defer over.Stop()
		select {
		case <-over.C:
			cancel()
		case <-grace.Done():
		}
	})()
	if err := srv.Shutdown(grace); err != nil {
		s.log.Warn("requests were cut off at shutdown", "grace", patience)
		_ = srv.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Retire lets Serve come to its end, since another server takes the place of this one. The
// channel is closed when nothing is accepted any more. It is called once, after Serve was.
func (s *Server) Retire() <-chan struct{} {
	close(s.retired)
	return s.quiet
}

func (s *Server) stop() { s.stopOnce.Do(func() { close(s.stopping) }) }

// debugWriter takes what net/http complains of: handshakes that failed, senders that vanished.
type debugWriter struct{ log hclog.Logger }

func (w debugWriter) Write(p []byte) (int, error) {
	if w.log.IsDebug() {
		w.log.Debug("connection trouble", "error", strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.recover(w, r)
	h := w.Header()
	h["X-Content-Type-Options"], h["Cache-Control"] = noSniff, noStore
	h["X-Frame-Options"], h["Content-Security-Policy"] = noFrames, noContent
	if c := connOf(r); c != nil && c.frame != nil {
		ok, more := c.frame.begin(r.ContentLength)
		if !ok {
			panic(http.ErrAbortHandler)
		}
		if !more {
			h["Connection"] = closing
		}
	} else if r.ContentLength < 0 && r.ProtoMajor == 1 {
		h["Connection"] = closing // where a chunked body ends others may see differently
	}
	if !s.hosts.allow(r) {
		misdirected.write(w)
		return
	}
	if s.cross.Check(r) != nil {
		crossOrigin.write(w)
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/webhook/"); ok {
		s.webhook(w, r, name)
		return
	}
	s.read(w, r)
}

func (s *Server) webhook(w http.ResponseWriter, r *http.Request, path string) {
	start := time.Now()
	a := broken
	defer func() { s.metrics.webhook(a.code, time.Since(start)) }()
	a = s.webhookAnswer(r, path)
	if a == noPost {
		w.Header()["Allow"] = allowPost
	}
	if a.code >= 400 && s.log.IsDebug() {
		s.log.Debug("webhook refused", "client", s.client(r).String(), "status", a.code)
	}
	a.write(w)
}

func (s *Server) webhookAnswer(r *http.Request, path string) *answer {
	if path == "config" {
		return s.config(r)
	}
	if name, ok := strings.CutPrefix(path, "notify/"); ok && name != "" {
		return s.notify(r, name)
	}
	return notFound
}

// read answers what only asks. Work is said to be under way from the start, as there is no
// body to wait for.
func (s *Server) read(w http.ResponseWriter, r *http.Request) {
	if c := connOf(r); c != nil {
		c.work()
		defer c.rest()
	}
	if a := s.readAnswer(w, r); a != nil {
		if a == noGet {
			w.Header()["Allow"] = allowRead
		}
		a.write(w)
	}
}

func (s *Server) readAnswer(w http.ResponseWriter, r *http.Request) *answer {
	var page func(http.ResponseWriter, *http.Request) *answer
	switch r.URL.Path {
	case "/":
		page = s.guarded(s.frontPage)
	case "/healthz":
		page = func(http.ResponseWriter, *http.Request) *answer { return okHealthy }
	case "/readyz":
		page = s.ready
	case "/metrics":
		page = s.guarded(s.metrics.page)
	case "/api/v1/status":
		page = s.guarded(s.statusPage)
	case "/api/v1/graph":
		page = s.guarded(s.graphPage)
	case "/api/v1/history":
		page = s.guarded(s.historyPage)
	case "/api/v1/events":
		page = s.guarded(s.eventsPage)
	default:
		return notFound
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return noGet
	}
	return page(w, r)
}

// guarded asks for a token where the listener has any, and for patience of busy clients.
func (s *Server) guarded(page func(http.ResponseWriter, *http.Request) *answer) func(http.ResponseWriter, *http.Request) *answer {
	return func(w http.ResponseWriter, r *http.Request) *answer {
		now := time.Now()
		if who := s.client(r); !s.clients.take(who, 1, now) {
			return s.limited(who, now)
		}
		if !s.hasToken(r) {
			w.Header()["Www-Authenticate"] = askToken
			return needToken
		}
		return page(w, r)
	}
}

// hasToken compares with all tokens, so that the time tells nothing.
func (s *Server) hasToken(r *http.Request) bool {
	given := hashOf(bearerToken(r.Header))
	if _, password, basic := r.BasicAuth(); basic && len(r.Header[headerBearer]) == 1 {
		given = hashOf(password) // as a browser sends it, under any name
	}
	ok := len(s.tokens) == 0 && !s.keeper.strict
	for i := range s.tokens {
		ok = equal(&s.tokens[i], &given) || ok
	}
	return ok
}

func (s *Server) client(r *http.Request) netip.Addr {
	if c := connOf(r); c != nil {
		return c.client
	}
	return clientOf(r.RemoteAddr)
}

// recover answers a panic. Its value may hold what was sent, so only its type is logged,
// and its text where the runtime wrote it.
func (s *Server) recover(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	logPanic(s.log, v)
	broken.write(w)
}

func logPanic(l hclog.Logger, v any) {
	args := []any{"stack", string(debug.Stack())}
	if err, ok := v.(runtime.Error); ok {
		args = append(args, "error", err.Error())
	}
	l.Error("a handler panicked; this is a bug", args...)
}
