package httpclient

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

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
