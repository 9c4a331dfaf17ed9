package web

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tidegate/engine"
	"tidegate/engine/graph"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// fakeDaemon keeps what it is given. Nothing of it is durable.
type fakeDaemon struct {
	mutex                sync.Mutex
	receivers            *engine.Receivers
	pushes               []engine.Pushed
	notified             []address.Address
	answer               func(context.Context, engine.Pushed) engine.PushResult // nil: accepted
	status               *engine.Status
	graph                *engine.BlockGraph
	asked                int // for its status
	statusErr            error
	history              []state.Entry
	historyOf            address.Address
	limit                int
	ready                bool
	readers              map[chan engine.Event]bool
	paused               []engine.Pause
	approved             []address.Address
	rolledBack, released []address.Address
	reloads              int
	saved                []byte // a plan to apply
	apply                func(ctx context.Context, events func(engine.Event)) (engine.Result, hcl.Diagnostics, error)
	refuse               error // of what steers
}

func (f *fakeDaemon) Status(context.Context) (*engine.Status, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.asked++
	if f.status == nil {
		return &engine.Status{Version: "test", Time: time.Now(), Started: time.Now()}, f.statusErr
	}
	return f.status, f.statusErr
}

func (f *fakeDaemon) History(_ context.Context, of address.Address, limit int) ([]state.Entry, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.historyOf, f.limit = of, limit
	return f.history, f.statusErr
}

func (f *fakeDaemon) Graph(context.Context) (*engine.BlockGraph, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.graph == nil {
		return graph.New(address.Address.Compare), f.statusErr
	}
	return f.graph, f.statusErr
}

func (f *fakeDaemon) Receivers() *engine.Receivers {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.receivers
}

func (f *fakeDaemon) Push(ctx context.Context, p engine.Pushed) engine.PushResult {
	f.mutex.Lock()
	answer := f.answer
	f.mutex.Unlock()
	if answer != nil {
		if r := answer(ctx, p); r.Outcome != engine.PushAccepted {
			return r
		}
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.pushes = append(f.pushes, p)
	return engine.PushResult{}
}

func (f *fakeDaemon) Notify(detector address.Address) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.notified = append(f.notified, detector)
}

func (f *fakeDaemon) Ready() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.ready
}

func (f *fakeDaemon) Subscribe(buffer int) (<-chan engine.Event, func()) {
	ch := make(chan engine.Event, buffer)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.readers == nil {
		f.readers = map[chan engine.Event]bool{}
	}
	f.readers[ch] = true
	return ch, func() {
		f.mutex.Lock()
		defer f.mutex.Unlock()
		delete(f.readers, ch)
	}
}

// emit passes an event on, and cuts off who does not keep up.
func (f *fakeDaemon) emit(e engine.Event) (readers int) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for ch := range f.readers {
		select {
		case ch <- e:
		default:
			close(ch)
			delete(f.readers, ch)
		}
	}
	return len(f.readers)
}

func (f *fakeDaemon) Pause(_ context.Context, p engine.Pause) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.paused = append(f.paused, p)
	return f.refuse
}

func (f *fakeDaemon) Resume(_ context.Context, pattern string) (int, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	n := 0
	for _, p := range f.paused {
		if p.Pattern == pattern {
			n++
		}
	}
	return n, f.refuse
}

func (f *fakeDaemon) Rollback(_ context.Context, a address.Address, to int64) (int64, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.rolledBack = append(f.rolledBack, a)
	return to + 10, f.refuse
}

func (f *fakeDaemon) Release(_ context.Context, a address.Address) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.released = append(f.released, a)
	return f.refuse
}

func (f *fakeDaemon) Approve(_ context.Context, a address.Address) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.approved = append(f.approved, a)
	return f.refuse
}

func (f *fakeDaemon) Reload(context.Context) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.reloads++
	return f.refuse
}

// set changes the daemon while it is being used.
func (f *fakeDaemon) set(change func(*fakeDaemon)) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	change(f)
}

func (f *fakeDaemon) pushed() []engine.Pushed {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return append([]engine.Pushed(nil), f.pushes...)
}

const (
	whsec  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	second = "whsec_C2FVsBQIhrscChlQIMVkZXBlbmRzIG9u"
	hubKey = "It's a Secret to Everybody, and long"
	token  = "a-token-of-some-length"
)

func sourceAddress(name string) address.Address { return address.Of(address.Source, "webhook", name) }

func receiver(name string, secrets ...string) *engine.Receiver {
	return &engine.Receiver{Name: name, Address: sourceAddress(name), Secrets: secrets}
}

// sealed are receivers of all sorts, none of them open.
func sealed() *engine.Receivers {
	return &engine.Receivers{
		Sources: map[string]*engine.Receiver{
			"app":    receiver("app", whsec),
			"hub":    receiver("hub", hubKey),
			"bearer": {Name: "bearer", Address: sourceAddress("bearer"), Token: token},
		},
		Detectors: map[string]*engine.Receiver{
			"poke": {Name: "poke", Address: address.Of(address.Detector, "webhook", "poke"), Secrets: []string{whsec}},
		},
	}
}

func open(names ...string) *engine.Receivers {
	out := &engine.Receivers{
		Sources:   map[string]*engine.Receiver{},
		Detectors: map[string]*engine.Receiver{"poke": {Name: "poke", Address: address.Of(address.Detector, "webhook", "poke")}},
	}
	for _, name := range names {
		out.Sources[name] = receiver(name)
	}
	return out
}

type running struct {
	*Server
	t    testing.TB
	url  string
	addr string
	http *http.Client
	stop func() error
}

// start runs a server on a loopback port until the test ends.
func start(t testing.TB, d Daemon, l *Listener, opts Options) *running {
	t.Helper()
	if l == nil {
		l = &Listener{Address: "127.0.0.1:0"}
	}
	s, err := New(d, l, opts)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 2048}
	r := &running{Server: s, t: t, addr: ln.Addr().String(), url: "http://" + ln.Addr().String(), http: &http.Client{Transport: transport}}
	r.stop = sync.OnceValue(func() error {
		cancel()
		err := <-served
		transport.CloseIdleConnections()
		return err
	})
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := r.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

type reply struct {
	code   int
	body   string
	header http.Header
}

func (r *running) do(req *http.Request) reply {
	r.t.Helper()
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply{resp.StatusCode, string(body), resp.Header}
}

func (r *running) get(path string, header ...string) reply {
	r.t.Helper()
	return r.do(r.request(http.MethodGet, path, "", header...))
}

// post sends a body as JSON; headers come in pairs, "" removes one.
func (r *running) post(path, body string, header ...string) reply {
	r.t.Helper()
	return r.do(r.request(http.MethodPost, path, body, header...))
}

func (r *running) request(method, path, body string, header ...string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		switch {
		case header[i] == "Host":
			req.Host = header[i+1]
		case header[i+1] == "":
			req.Header.Del(header[i])
		default:
			req.Header.Add(header[i], header[i+1])
		}
	}
	return req
}

// config is the body of a push.
func config(name, data string) string {
	return fmt.Sprintf(`{"config_name":%q,"config_data":%s}`, name, data)
}

// signed are the headers of a message after the specification's own library.
func signed(secret, id string, at time.Time, body string) []string {
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		panic(err)
	}
	signature, err := w.Sign(id, at, []byte(body))
	if err != nil {
		panic(err)
	}
	return []string{"webhook-id", id, "webhook-timestamp", fmt.Sprint(at.Unix()), "webhook-signature", signature}
}

func want(t testing.TB, what string, got reply, code int, parts ...string) {
	t.Helper()
	if got.code != code {
		t.Errorf("%s: status %d %s, want %d", what, got.code, got.body, code)
	}
	for _, part := range parts {
		if !strings.Contains(got.body, part) {
			t.Errorf("%s: the body has no %q: %s", what, part, got.body)
		}
	}
}

var errFake = errors.New("the disk is gone")

type readCloser struct{ io.Reader }

func (readCloser) Close() error { return nil }

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func (r *running) typed(body, contentType string) *http.Request {
	return r.request(http.MethodPost, "/webhook/config", body, "Content-Type", "", "Content-Type", contentType)
}

// raw sends bytes and returns all that comes back until the server closes the connection.
func (r *running) raw(bytes string) string {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, bytes); err != nil {
		r.t.Fatal(err)
	}
	out, err := io.ReadAll(conn)
	if err != nil && len(out) == 0 {
		r.t.Fatalf("%v", err)
	}
	return string(out)
}

func (f *fakeDaemon) ApplySaved(ctx context.Context, data []byte, events func(engine.Event)) (engine.Result, hcl.Diagnostics, error) {
	f.mutex.Lock()
	f.saved = data
	apply := f.apply
	f.mutex.Unlock()
	return apply(ctx, events)
}
