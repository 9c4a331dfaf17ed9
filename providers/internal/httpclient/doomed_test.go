package httpclient

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"tidegate/providers"
	"tidegate/providers/providertest/certs"
)

// An exchange that times out dooms its HTTP/2 connection, and disturbs nobody who shares it.
func TestTimeoutDoomsTheSharedConnection(t *testing.T) {
	ca := certs.NewCA(t)
	going, finish := make(chan bool), make(chan bool)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-r.Context().Done()
		case "/long":
			going <- true
			<-finish
		}
		_, _ = io.WriteString(w, r.RemoteAddr)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Leaf("127.0.0.1", time.Now().Add(time.Hour))}}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := &Pool{}
	t.Cleanup(pool.CloseIdle)
	block := DefaultTLS()
	block.CAFile = ca.File()
	o := Options{Pool: pool, TLS: block}

	first, err := get(t, o, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	long := make(chan string)
	go func() {
		body, err := get(t, o, server.URL+"/long")
		if err != nil {
			t.Error(err)
		}
		long <- body
	}()
	<-going
	short := o
	short.Timeout = "100ms"
	_, err = get(t, short, server.URL+"/slow")
	wantError(t, err, "timeout after 100ms")
	finish <- true
	if body := <-long; body != first {
		t.Errorf("the long exchange was on %q and not on %q", body, first)
	}
	again, err := get(t, o, server.URL)
	if err != nil || again == first {
		t.Errorf("after the timeout the same connection is used: %q, %v", again, err)
	}
	if len(pool.crowd.on) != 0 {
		t.Errorf("%d connections are still counted", len(pool.crowd.on))
	}
}

// A connection that was closed for a timeout is handed out by the transport until its reader has
// noticed. Whoever gets it has sent nothing yet and takes another.
func TestConnectionClosedAMomentAgoFailsNobody(t *testing.T) {
	ca := certs.NewCA(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); len(body) > 0 {
			_, _ = w.Write(body)
			return
		}
		<-r.Context().Done()
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Leaf("127.0.0.1", time.Now().Add(time.Hour))}}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := &Pool{}
	t.Cleanup(pool.CloseIdle)
	block := DefaultTLS()
	block.CAFile = ca.File()
	short, err := New(Options{Pool: pool, TLS: block, Timeout: "20ms"}, providers.Env{})
	if err != nil {
		t.Fatal(err)
	}
	patient, err := New(Options{Pool: pool, TLS: block, Timeout: "10s"}, providers.Env{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		_, err := getWith(t.Context(), short, server.URL)
		wantError(t, err, "timeout after 20ms")
		req, err := http.NewRequest("POST", server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		SetBody(req, "said once")
		ctx, p, cancel := patient.Begin(t.Context())
		resp, err := patient.Do(ctx, p, "POST", req)
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		body, err := ReadBody(ctx, p, resp, 1<<10)
		if err != nil || string(body) != "said once" || !p.Sent() {
			t.Fatalf("round %d: %q, %v, sent %t", i, body, err, p.Sent())
		}
		_ = resp.Body.Close()
		cancel()
	}
}
