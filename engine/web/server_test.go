package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"tidegate/engine"
)

// W9: senders that open connections and send nothing, or slowly, by the thousand, lock
// nobody out: each new connection finds room, and memory stays bounded.
func TestW9SlowSenders(t *testing.T) {
	const slow = 3000
	d := &fakeDaemon{receivers: sealed()}
	s := start(t, d, nil, Options{MaxConns: 128, Burst: 1 << 20, Header: 5 * time.Minute, Read: 5 * time.Minute})
	body := config("app", `1`)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	starts := []string{
		"", "POST /webhook/config HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
		"POST /webhook/config HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
	}
	dialed := make(chan struct{}, slow)
	for worker := range 50 {
		wg.Go(func() {
			var mine []net.Conn
			defer func() {
				for _, c := range mine {
					c.Close()
				}
			}()
			for i := range slow / 50 {
				c, err := net.Dial("tcp", s.addr)
				if err == nil {
					mine = append(mine, c)
					_, _ = io.WriteString(c, starts[(worker+i)%len(starts)])
				}
				dialed <- struct{}{}
			}
			<-ctx.Done()
		})
	}
	took := make([]time.Duration, 0, 300)
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	failed := 0
	for len(took)+failed < 300 {
		begin := time.Now()
		resp, err := fresh.Do(s.request("POST", "/webhook/config", body, signed(whsec, fmt.Sprint("m", len(took)), time.Now(), body)...))
		if err != nil {
			failed++ // its connection waited longest: it is tried again by its sender
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		took = append(took, time.Since(begin))
	}
	for range slow {
		<-dialed
	}
	slices.Sort(took)
	if p99 := took[len(took)*99/100]; p99 > time.Minute || failed > 30 {
		t.Errorf("p99 of good senders %s, %d of 300 failed", p99, failed)
	}
	l := s.conns.Load()
	l.mutex.Lock()
	open, evicted := l.open, l.evicted
	l.mutex.Unlock()
	if open > 128 || evicted == 0 {
		t.Errorf("%d connections are open, %d were closed to make room", open, evicted)
	}
	t.Logf("p99 %s, %d failed, %d evicted", took[len(took)*99/100], failed, evicted)
}

// A connection whose request is under way is never closed to make room.
func TestBusyConnectionsStay(t *testing.T) {
	entered, finish := make(chan struct{}), make(chan struct{})
	d := &fakeDaemon{receivers: open("app"), answer: func(context.Context, engine.Pushed) engine.PushResult {
		entered <- struct{}{}
		<-finish
		return engine.PushResult{}
	}}
	s := start(t, d, nil, Options{MaxConns: 2})
	answers := make(chan reply, 2)
	for range 2 {
		go func() { answers <- s.post("/webhook/config", config("app", `1`)) }()
		<-entered
	}
	for range 5 {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Error("a third connection was held open")
		}
		c.Close()
	}
	close(finish)
	for range 2 {
		want(t, "busy", <-answers, 200)
	}
}

// W10: many senders at once are all answered: taken, or told when to try again.
func TestW10ManySenders(t *testing.T) {
	var most, now atomic.Int64
	d := &fakeDaemon{receivers: sealed(), answer: func(context.Context, engine.Pushed) engine.PushResult {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		runtime.Gosched()
		return engine.PushResult{}
	}}
	s := start(t, d, nil, Options{MaxPushes: 16})
	body := config("app", `{"a":1}`)
	headers := signed(whsec, "m", time.Now(), body)
	var codes [600]atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			for range 10 {
				got := s.post("/webhook/config", body, headers...)
				codes[got.code].Add(1)
				if got.code != 200 && got.header.Get("Retry-After") == "" {
					t.Errorf("status %d without Retry-After", got.code)
				}
			}
		})
	}
	wg.Wait()
	if codes[200].Load()+codes[503].Load() != 2000 || codes[200].Load() == 0 || int(codes[200].Load()) != len(d.pushed()) {
		t.Errorf("%d taken, %d refused, %d arrived", codes[200].Load(), codes[503].Load(), len(d.pushed()))
	}
	if most.Load() > 16 {
		t.Errorf("%d pushes were under way at once", most.Load())
	}
}

// W16: pages of other sites cannot send, and cannot read under a name of their own.
func TestW16OtherSites(t *testing.T) {
	d := &fakeDaemon{receivers: open("app")}
	s := start(t, d, &Listener{Address: "127.0.0.1:0", Hosts: []string{"config.example.com"}}, Options{})
	body := config("app", `1`)
	for what, headers := range map[string][]string{
		"Origin":     {"Origin", "https://evil.example"},
		"null":       {"Origin", "null"},
		"Sec-Fetch":  {"Sec-Fetch-Site", "cross-site"},
		"same site":  {"Sec-Fetch-Site", "same-site"},
		"form":       {"Origin", "https://evil.example", "Content-Type", "", "Content-Type", "application/x-www-form-urlencoded"},
		"other port": {"Origin", "http://localhost:1"},
	} {
		want(t, what, s.post("/webhook/config", body, headers...), 403, "cross-origin")
		want(t, what, s.post("/webhook/notify/poke", "", headers...), 403)
	}
	for _, host := range []string{"evil.example", "evil.example:8420", "localhost.evil.example", "127.0.0.1.evil.example", "1.evil.example", "[evil]"} {
		want(t, host, s.get("/api/v1/status", "Host", host), 421, "hosts")
		want(t, host, s.post("/webhook/config", body, "Host", host, "Origin", "http://"+host), 421)
	}
	for _, host := range []string{"localhost", "LOCALHOST:8420", "127.0.0.1", "[::1]:8420", "[::1]", "192.168.1.5:80", "config.example.com", "Config.Example.Com:443"} {
		want(t, host, s.get("/api/v1/status", "Host", host), 200)
		want(t, host, s.post("/webhook/config", body, "Host", host), 200)
	}
	if n := len(d.pushed()); n != 8 {
		t.Errorf("%d pushes were taken", n)
	}
	got := s.get("/healthz")
	for name, value := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Access-Control-Allow-Origin": "",
	} {
		if got.header.Get(name) != value {
			t.Errorf("%s: %q", name, got.header.Get(name))
		}
	}
}

// W17: requests whose end is in doubt are refused and the connection with them.
func TestW17Smuggling(t *testing.T) {
	d := &fakeDaemon{receivers: open("app", "smuggled")}
	s := start(t, d, nil, Options{})
	body := config("app", `1`)
	inner := config("smuggled", `1`)
	head := "POST /webhook/config HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	hidden := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(inner), inner)
	for what, raw := range map[string]string{
		"TE and CL":             head + length + "Transfer-Encoding: chunked\r\n\r\n" + chunk,
		"CL and TE, any case":   head + "transfer-encoding: chunked\r\nCONTENT-LENGTH: 4\r\n\r\n" + chunk,
		"two CL":                head + length + "Content-Length: 5\r\n\r\n" + body,
		"two equal CL":          head + length + length + "\r\n" + body,
		"two TE":                head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk,
		"list of CL":            head + "Content-Length: 5, 5\r\n\r\n" + body,
		"negative CL":           head + "Content-Length: -1\r\n\r\n" + body,
		"signed CL":             head + fmt.Sprintf("Content-Length: +%d\r\n\r\n", len(body)) + body,
		"bare LF":               strings.ReplaceAll(head+length+"\r\n", "\r\n", "\n") + body,
		"one bare LF":           head + "X-A: b\n" + length + "\r\n" + body,
		"bare LF at the end":    head + length + "\n" + body,
		"space before colon":    head + "Content-Length : 5\r\n\r\n" + body,
		"empty line first":      "\r\n" + head + length + "\r\n" + body,
		"HTTP/0.9":              "GET /healthz\r\n\r\n",
		"no Host":               "GET /healthz HTTP/1.1\r\n\r\n",
		"two Hosts":             "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
		"bad header":            "GET /healthz HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n",
		"NUL":                   "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n",
		"no HTTP":               "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\n\n",
		"CL of a tunnelled one": head + "Content-Length: 0\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + hidden,
	} {
		if got := s.raw(raw); !strings.HasPrefix(got, "HTTP/1.1 400 ") || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("%s: %q", what, got)
		}
	}
	for what, raw := range map[string]string{
		"other TE":      head + "Transfer-Encoding: gzip\r\n\r\n" + body,
		"HTTP/3.7":      "GET /healthz HTTP/3.7\r\nHost: localhost\r\n\r\n",
		"TE list":       head + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk,
		"TE with space": head + "Transfer-Encoding: x chunked\r\n\r\n" + chunk,
	} {
		if got := s.raw(raw); !strings.HasPrefix(got, "HTTP/1.1 50") && !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("%s: %q", what, got)
		}
	}
	if n := len(d.pushed()); n != 0 {
		t.Fatalf("%d pushes were taken", n)
	}
	for what, raw := range map[string]string{
		"two in one piece":     head + length + "\r\n" + body + hidden,
		"chunked and another":  head + "Transfer-Encoding: chunked\r\n\r\n" + chunk + hidden,
		"GET and another":      "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + hidden,
		"extra bytes":          head + length + "\r\n" + body + "GET",
		"chunk size and lines": head + "Transfer-Encoding: chunked\r\n\r\n" + chunk + "\r\n",
	} {
		if got := s.raw(raw); !strings.HasPrefix(got, "HTTP/1.1 200 ") || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("%s: %q", what, got)
		}
	}
	for _, p := range d.pushed() {
		if p.Name == "smuggled" {
			t.Error("a request inside another was answered")
		}
	}
}

// A connection that is used properly serves request after request, however they are cut.
func TestKeepAlive(t *testing.T) {
	d := &fakeDaemon{receivers: open("app")}
	s := start(t, d, nil, Options{})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	body := config("app", `"x\ny"`)
	whole := fmt.Sprintf("POST /webhook/config HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	get := "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for i, pieces := range [][]string{{whole}, {whole[:7], whole[7:60], whole[60:]}, {get}, strings.SplitAfter(whole, ""), {get[:1], get[1:]}, {whole}} {
		for _, piece := range pieces {
			if _, err := io.WriteString(conn, piece); err != nil {
				t.Fatal(i, err)
			}
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(i, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("request %d: status %d", i, resp.StatusCode)
		}
	}
}

// W19: a flood without credentials is answered with 429 before its bodies are read, and a
// signed request is served beside it, from the same address.
func TestW19UnsignedFlood(t *testing.T) {
	d := &fakeDaemon{receivers: sealed()}
	s := start(t, d, nil, Options{Rate: 1, Burst: 20})
	body := config("app", `1`)
	codes := map[int]int{}
	for range 100 {
		codes[s.post("/webhook/config", body).code]++
	}
	if codes[401]+codes[429] != 100 || codes[401] > 25 {
		t.Errorf("%v", codes)
	}
	got := s.post("/webhook/config", body)
	want(t, "flood", got, 429, "sign")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	for range 50 {
		want(t, "signed", s.post("/webhook/config", body, signed(whsec, "m", time.Now(), body)...), 200)
	}
	want(t, "signed badly", s.post("/webhook/config", body, signed(second, "m", time.Now(), body)...), 429)
	big := config("app", `"`+strings.Repeat("x", 100<<10)+`"`)
	want(t, "signed and large", s.post("/webhook/config", big, signed(whsec, "m", time.Now(), big)...), 429)
	if got := s.raw("POST /webhook/config HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500000\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 429 ") {
		t.Errorf("the answer waits for the body: %q", got)
	}
	want(t, "reads", s.get("/metrics"), 429)
	want(t, "health", s.get("/healthz"), 200)
}

// Signed requests alone are not limited, and cost nothing of what others have.
func TestSignedRequestsAreNotLimited(t *testing.T) {
	d := &fakeDaemon{receivers: sealed()}
	s := start(t, d, nil, Options{Rate: 1, Burst: 3})
	body := config("app", `"`+strings.Repeat("x", 200<<10)+`"`)
	headers := signed(whsec, "m", time.Now(), body)
	for range 50 {
		want(t, "signed", s.post("/webhook/config", body, headers...), 200)
	}
}

// W20: a panic is 500, tells nothing of the body to the log, and ends nothing else.
func TestW20Panic(t *testing.T) {
	var logged bytes.Buffer
	d := &fakeDaemon{receivers: open("app"), answer: func(_ context.Context, p engine.Pushed) engine.PushResult {
		panic("no way to take " + string(p.Data))
	}}
	s := start(t, d, nil, Options{Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &logged})})
	for range 3 {
		want(t, "panic", s.post("/webhook/config", config("app", `"canary-51cc"`)), 500, "internal error")
	}
	d.set(func(f *fakeDaemon) { f.answer = nil })
	want(t, "after it", s.post("/webhook/config", config("app", `1`)), 200)
	want(t, "counted", s.get("/metrics"), 200, `tidegate_webhook_requests_total{code="500"} 3`, `tidegate_webhook_requests_total{code="200"} 1`)
	if len(s.pushes) != 0 || s.bodies.used.Load() != 0 {
		t.Error("something is still taken for under way")
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if text := logged.String(); strings.Contains(text, "canary") || !strings.Contains(text, "a handler panicked") {
		t.Errorf("logged: %s", text)
	}
}

// Large bodies share what memory they have; small ones go on.
func TestBodiesAreBounded(t *testing.T) {
	d := &fakeDaemon{receivers: open("app")}
	s := start(t, d, nil, Options{})
	s.bodies.used.Store(maxBodies - 1000)
	got := s.post("/webhook/config", config("app", `"`+strings.Repeat("x", 100<<10)+`"`))
	want(t, "large", got, 503)
	if got.header.Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
	want(t, "small", s.post("/webhook/config", config("app", `"`+strings.Repeat("x", 10<<10)+`"`)), 200)
	if left := s.bodies.used.Load(); left != maxBodies-1000 {
		t.Errorf("%d bytes are not given back", left-maxBodies+1000)
	}
}

func TestReceiversAreFollowed(t *testing.T) {
	d := &fakeDaemon{receivers: open("app")}
	s := start(t, d, nil, Options{})
	want(t, "before", s.post("/webhook/config", config("other", `1`)), 404)
	d.set(func(f *fakeDaemon) { f.receivers = open("other") })
	want(t, "after", s.post("/webhook/config", config("other", `1`)), 200)
	want(t, "gone", s.post("/webhook/config", config("app", `1`)), 404)
	d.set(func(f *fakeDaemon) { f.receivers = nil })
	want(t, "none", s.post("/webhook/config", config("app", `1`)), 404)
}

// What is under way when the server stops is answered within the grace period.
func TestGracefulStop(t *testing.T) {
	entered, finish := make(chan struct{}), make(chan struct{})
	d := &fakeDaemon{receivers: open("app"), answer: func(context.Context, engine.Pushed) engine.PushResult {
		close(entered)
		<-finish
		return engine.PushResult{}
	}}
	s := start(t, d, nil, Options{})
	answered := make(chan reply, 1)
	go func() { answered <- s.post("/webhook/config", config("app", `1`)) }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	<-s.stopping
	close(finish)
	want(t, "under way", <-answered, 200)
	if err := <-stopped; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("it still listens")
	}
}

func TestStopHasAnEnd(t *testing.T) {
	entered := make(chan struct{})
	d := &fakeDaemon{receivers: open("app"), answer: func(ctx context.Context, _ engine.Pushed) engine.PushResult {
		close(entered)
		<-ctx.Done()
		return engine.PushResult{Outcome: engine.PushBusy}
	}}
	s := start(t, d, nil, Options{Grace: 20 * time.Millisecond})
	failed := make(chan error, 1)
	go func() {
		resp, err := s.http.Do(s.request("POST", "/webhook/config", config("app", `1`)))
		if err == nil {
			resp.Body.Close()
		}
		failed <- err
	}()
	<-entered
	if err := s.stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("the request was answered")
	}
}

func TestBrokenListenerIsReported(t *testing.T) {
	s, err := New(&fakeDaemon{receivers: open()}, &Listener{Address: DefaultAddress}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := s.Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

func TestClientsAreBounded(t *testing.T) {
	c := newClients(10, 20)
	now := time.Now()
	for i := range 3 * maxClients {
		addr := clientOf(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
		if !c.take(addr, 1, now) {
			t.Fatal("a new client has nothing")
		}
	}
	if len(c.byAddr) != maxClients || c.recent.Len() != maxClients {
		t.Errorf("%d and %d clients", len(c.byAddr), c.recent.Len())
	}
	one, other := clientOf("192.0.2.1:1"), clientOf("192.0.2.2:1")
	n := 0
	for c.take(one, 1, now) {
		n++
	}
	if n != 20 || !c.take(other, 1, now) {
		t.Errorf("a burst of %d", n)
	}
	if wait := c.wait(one, now); wait != 1 {
		t.Errorf("wait %d", wait)
	}
	if !c.take(one, 100, now.Add(time.Second)) || c.take(one, 1, now.Add(2*time.Second)) || c.wait(one, now.Add(2*time.Second)) < 8 {
		t.Error("something dear does not cost more")
	}
	if clientOf("[2001:db8::1]:1") != clientOf("[2001:db8::ffff:1]:9") || clientOf("[2001:db8::1]:1") == clientOf("[2001:db8:0:1::1]:1") {
		t.Error("IPv6 clients are not networks of 64 bits")
	}
	if clientOf("[::ffff:192.0.2.1]:1") != one || clientOf("nonsense").IsValid() {
		t.Error("addresses")
	}
}
