package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/providers"
	"tidegate/providers/internal/httpclient/httpfault"
	"tidegate/providers/providertest/certs"
)

// get does one GET with a pool of its own unless o names one.
func get(t *testing.T, o Options, url string) (string, error) {
	t.Helper()
	if o.Timeout == "" {
		o.Timeout = "5s"
	}
	if o.Pool == nil {
		o.Pool = &Pool{}
		t.Cleanup(o.Pool.CloseIdle)
	}
	c, err := New(o, providers.Env{UserAgent: "tidegate/test"})
	if err != nil {
		t.Fatal(err)
	}
	return getWith(t.Context(), c, url)
}

func getWith(ctx context.Context, c *Client, url string) (string, error) {
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return "", err
	}
	ctx, p, cancel := c.Begin(ctx)
	defer cancel()
	resp, err := c.Do(ctx, p, "GET "+Display(req.URL, false), req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := ReadBody(ctx, p, resp, 1<<20)
	return string(body), err
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestFaultH1ConnectionRefused(t *testing.T) {
	_, err := get(t, Options{}, httpfault.Closed(t)+"/c.json?token=hunter2")
	wantError(t, err, "GET http://127.0.0.1:", "/c.json?token=***", "connection refused")
	if class, _ := providers.Classify(err); class != providers.ClassTemporary {
		t.Errorf("class = %v, want temporary", class)
	}
}

func TestFaultH2NamesThatDoNotResolve(t *testing.T) {
	before := runtime.NumGoroutine()
	for name, test := range map[string]struct {
		answer httpfault.Answer
		want   string
	}{
		"NXDOMAIN": {httpfault.Answer{Code: 3}, "no such host"},
		"SERVFAIL": {httpfault.Answer{Code: 2}, "server misbehaving"},
		"silence":  {httpfault.Answer{Silent: true}, "timeout after 300ms while looking up the host name"},
	} {
		t.Run(name, func(t *testing.T) {
			resolver := httpfault.DNS(t, func(int) httpfault.Answer { return test.answer })
			started := time.Now()
			_, err := get(t, Options{Timeout: "300ms", Pool: &Pool{Resolver: resolver}}, "http://config.invalid.test./x")
			wantError(t, err, "GET http://config.invalid.test./x: ", test.want)
			if took := time.Since(started); took > 3*time.Second {
				t.Errorf("took %s although the timeout is 300ms", took)
			}
		})
	}
	for n := 0; runtime.NumGoroutine() > before+2 && n < 200; n++ {
		time.Sleep(10 * time.Millisecond)
	}
	if now := runtime.NumGoroutine(); now > before+2 {
		t.Errorf("%d goroutines, %d before", now, before)
	}
}

func TestFaultH3NameFlipsToMetadataAddress(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	resolver := httpfault.DNS(t, func(n int) httpfault.Answer {
		if n == 1 {
			return httpfault.Answer{Address: "127.0.0.1"}
		}
		return httpfault.Answer{Address: "169.254.169.254"}
	})
	pool := &Pool{Resolver: resolver}
	url := "http://flip.test.:" + port + "/"
	if body, err := get(t, Options{Pool: pool}, url); err != nil || body != "ok" {
		t.Fatalf("loopback is allowed, got %q, %v", body, err)
	}
	pool.CloseIdle()
	_, err := get(t, Options{Pool: pool}, url)
	wantError(t, err, "169.254.169.254 is a link-local or metadata address")
	if class, _ := providers.Classify(err); class != providers.ClassTemporary {
		t.Error("a name may flip back: the error must be temporary")
	}
}

func TestFaultH3RefusedAtDial(t *testing.T) {
	for address, refused := range map[string]bool{
		"169.254.169.254:80": true, "[::ffff:169.254.1.1]:80": true, "[fe80::1%eth0]:80": true, "[fd00:ec2::254]:80": true,
		"[fd20:ce::254]:80": true, "100.100.100.200:80": true, "[64:ff9b::a9fe:a9fe]:80": true,
		"127.0.0.1:80": false, "[::1]:80": false, "10.0.0.1:80": false, "192.168.1.1:80": false, "[fd12::1]:80": false, "93.184.216.34:443": false,
	} {
		if err := control("tcp", address, nil); (err != nil) != refused {
			t.Errorf("%s: got %v, want refused = %v", address, err, refused)
		}
	}
	_, err := get(t, Options{}, "http://169.254.169.254/latest/meta-data/")
	wantError(t, err, "never dialled")
	if class, _ := providers.Classify(err); class != providers.ClassPermanent {
		t.Error("an address that is written down stays refused: the error must be permanent")
	}
}

func TestFaultH4Certificates(t *testing.T) {
	ca, other := certs.NewCA(t), certs.NewCA(t)
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	hour := time.Now().Add(time.Hour)
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	for name, test := range map[string]struct {
		conf *tls.Config
		tls  TLS
		want string
	}{
		"good":              {with(ca.Leaf("127.0.0.1", hour)), TLS{CAFile: ca.File()}, ""},
		"good 1.3":          {with(ca.Leaf("127.0.0.1", hour)), TLS{CAFile: ca.File(), MinVersion: "1.3"}, ""},
		"expired":           {with(ca.Leaf("127.0.0.1", time.Now().Add(-time.Hour))), TLS{CAFile: ca.File()}, "has expired or is not yet valid"},
		"wrong host":        {with(ca.Leaf("other.example", hour)), TLS{CAFile: ca.File()}, "is for another host"},
		"unknown authority": {with(ca.Leaf("127.0.0.1", hour)), TLS{CAFile: other.File()}, "unknown authority"},
		"system's roots":    {with(ca.Leaf("127.0.0.1", hour)), TLS{}, "unknown authority"},
		"TLS 1.0":           {&tls.Config{MaxVersion: tls.VersionTLS10, MinVersion: tls.VersionTLS10}, TLS{CAFile: ca.File()}, "protocol version"},
		"1.3 wanted":        {&tls.Config{MaxVersion: tls.VersionTLS12}, TLS{CAFile: ca.File(), MinVersion: "1.3"}, "protocol version"},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := get(t, Options{TLS: &test.tls}, ca.ServeTLS(test.conf, ok))
			if test.want == "" {
				if err != nil || body != "ok" {
					t.Fatalf("got %q, %v", body, err)
				}
				return
			}
			wantError(t, err, test.want)
			if class, _ := providers.Classify(err); class != providers.ClassTemporary {
				t.Error("a certificate is renewed by others: the error must be temporary")
			}
		})
	}
	t.Run("plain server", func(t *testing.T) {
		server := httptest.NewServer(ok)
		defer server.Close()
		_, err := get(t, Options{}, strings.Replace(server.URL, "http://", "https://", 1))
		wantError(t, err, "does not speak TLS")
	})
}

func TestClientCertificate(t *testing.T) {
	ca := certs.NewCA(t)
	conf := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
	url := ca.ServeTLS(conf, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.TLS.PeerCertificates[0].Subject.CommonName))
	}))
	cert, key := ca.LeafFiles(t.TempDir(), "agent", time.Now().Add(time.Hour))
	body, err := get(t, Options{TLS: &TLS{CAFile: ca.File(), CertFile: cert, KeyFile: key}}, url)
	if err != nil || body != "agent" {
		t.Errorf("got %q, %v", body, err)
	}
	// The refusal comes after the handshake, and whether it is read before the connection
	// breaks is a race that the server decides.
	if _, err = get(t, Options{TLS: &TLS{CAFile: ca.File()}}, url); err == nil {
		t.Error("a client without a certificate was let in")
	}
}

func TestTLSFilesAreReadAtFirstUseAndAgainWhenChanged(t *testing.T) {
	ca := certs.NewCA(t)
	url := ca.ServeTLS(&tls.Config{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	dir := t.TempDir()
	pool := &Pool{}
	t.Cleanup(pool.CloseIdle)
	c, err := New(Options{TLS: &TLS{CAFile: "ca.pem"}, Timeout: "5s", Pool: pool}, providers.Env{ModuleDir: dir})
	if err != nil {
		t.Fatalf("building touched the world: %v", err)
	}
	_, err = getWith(t.Context(), c, url)
	wantError(t, err, "ca.pem", "no such file")
	write := func(data []byte) {
		if err := os.WriteFile(dir+"/ca.pem", data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write([]byte("not a certificate"))
	_, err = getWith(t.Context(), c, url)
	wantError(t, err, "tls.ca_file", "holds no certificate")
	pem, err := os.ReadFile(ca.File())
	if err != nil {
		t.Fatal(err)
	}
	write(pem)
	if body, err := getWith(t.Context(), c, url); err != nil || body != "ok" {
		t.Errorf("after the file was mended: %q, %v", body, err)
	}
}

func TestTLSMistakesPointAtTheirAttribute(t *testing.T) {
	env := providers.Env{ModuleDir: "/srv/config", ReadPaths: []string{"/srv/config"}}
	for attribute, block := range map[string]TLS{
		"tls.cert_file": {CertFile: "a.pem"},
		"tls.key_file":  {KeyFile: "a.pem"},
		"tls.ca_file":   {CAFile: "../other/ca.pem"},
	} {
		_, err := New(Options{TLS: &block}, env)
		var at *providers.AttributeError
		if !errors.As(err, &at) || at.Attribute != attribute {
			t.Errorf("%+v: got %v, want an error at %s", block, err, attribute)
		}
	}
	if _, err := New(Options{TLS: &TLS{CAFile: "certs/ca.pem"}}, env); err != nil {
		t.Errorf("a file inside paths.read: %v", err)
	}
}

func TestFaultH6HeadersThatNeverCome(t *testing.T) {
	url := httpfault.Serve(t, func(_ int, c net.Conn, _ *http.Request) {
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nX-Slow: "))
		httpfault.Hang(c)
	})
	_, err := get(t, Options{Timeout: "200ms"}, url)
	wantError(t, err, "timeout after 200ms while waiting for the response headers")
}

func TestInterruptNamesItsReason(t *testing.T) {
	arrived := make(chan struct{})
	url := httpfault.Serve(t, func(_ int, c net.Conn, _ *http.Request) {
		close(arrived)
		httpfault.Hang(c)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-arrived
		cancel()
	}()
	pool := &Pool{}
	c, err := New(Options{Timeout: "1m", Pool: pool}, providers.Env{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = getWith(ctx, c, url)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want one that is context.Canceled", err)
	}
	wantError(t, err, "interrupted while waiting for the response headers")
}

func TestFaultH21HeadersBeyondTheCap(t *testing.T) {
	url := httpfault.Say(t, "HTTP/1.1 200 OK\nContent-Length: 2\nX-Big: "+strings.Repeat("a", 80<<10), "ok")
	_, err := get(t, Options{}, url)
	wantError(t, err, "headers exceeded")
}

func TestFaultH30ProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	var asked atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	// net/http never asks a proxy for loopback, so the name must be another one.
	resolver := httpfault.DNS(t, func(int) httpfault.Answer { return httpfault.Answer{Address: "127.0.0.1"} })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("direct")) }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	pool := &Pool{Resolver: resolver}
	defer pool.CloseIdle()
	body, err := get(t, Options{Pool: pool}, "http://config.test.:"+port)
	if err != nil || body != "direct" || asked.Load() {
		t.Errorf("got %q, %v, proxy asked: %v", body, err, asked.Load())
	}
	transport, err := pool.transport(*DefaultTLS())
	if err != nil || transport.Proxy != nil {
		t.Errorf("the transport has a proxy function (%v)", err)
	}
}

func TestClientsShareConnections(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	pool := &Pool{}
	defer pool.CloseIdle()
	for range 5 {
		if _, err := get(t, Options{Pool: pool}, server.URL); err != nil {
			t.Fatal(err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("5 clients made %d connections, want 1", n)
	}
}

func TestHTTP2IsSpoken(t *testing.T) {
	ca := certs.NewCA(t)
	url := ca.ServeTLS(&tls.Config{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.Proto)) }))
	if body, err := get(t, Options{TLS: &TLS{CAFile: ca.File()}}, url); err != nil || body != "HTTP/2.0" {
		t.Errorf("got %q, %v", body, err)
	}
}
