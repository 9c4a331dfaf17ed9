package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidegate/providers"
	"tidegate/providers/internal/httpclient/httpfault"
	"tidegate/providers/providertest"
)

func TestFaultP1OneKeyForAllAttempts(t *testing.T) {
	r := record(t, func(n int, w http.ResponseWriter) {
		if n < 3 {
			w.WriteHeader(500)
		}
	})
	s := newSink(t, r.URL, `body = "b"`)
	for attempt := 1; attempt <= 3; attempt++ {
		d := delivery
		d.Attempt = attempt
		err := s.Write(t.Context(), d)
		if attempt < 3 {
			providertest.WantError(t, err, providers.ClassTemporary, "status 500")
		} else if err != nil {
			t.Error(err)
		}
	}
	requests, bodies := r.all()
	if len(requests) != 3 {
		t.Fatalf("%d requests: Write must not repeat by itself", len(requests))
	}
	for i, req := range requests {
		if req.Header.Get("Idempotency-Key") != "d-1" || bodies[i] != "b" {
			t.Errorf("request %d: key %q, body %q", i, req.Header.Get("Idempotency-Key"), bodies[i])
		}
	}
}

func TestFaultP2TimeoutAfterTheServerActed(t *testing.T) {
	committed := make(chan string, 1)
	url := httpfault.Serve(t, func(_ int, c net.Conn, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		committed <- string(body)
		httpfault.Hang(c)
	})
	err := newSink(t, url, `body = "b"`, `timeout = "200ms"`).Write(t.Context(), delivery)
	if got := <-committed; got != "b" {
		t.Errorf("the server got %q", got)
	}
	providertest.WantError(t, err, providers.ClassTemporary, "timeout after 200ms while waiting for the response headers", "outcome is unknown", "same Idempotency-Key d-1")
	var unknown *UnknownError
	if !errors.As(err, &unknown) {
		t.Error("the error is no UnknownError")
	}
}

func TestFaultP2ConnectionCutAfterSending(t *testing.T) {
	url := httpfault.Serve(t, func(_ int, c net.Conn, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		httpfault.Reset(c)
	})
	err := newSink(t, url, `body = "b"`).Write(t.Context(), delivery)
	providertest.WantError(t, err, providers.ClassTemporary, "outcome is unknown")
}

func TestFaultP2NothingWasSent(t *testing.T) {
	err := newSink(t, httpfault.Closed(t), `body = "b"`).Write(t.Context(), delivery)
	providertest.WantError(t, err, providers.ClassTemporary, "connection refused")
	if strings.Contains(err.Error(), "unknown") {
		t.Errorf("nothing was sent, so nothing is unknown: %v", err)
	}
}

func TestInterruptedDeliveryIsUnknown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := httpfault.Serve(t, func(_ int, c net.Conn, _ *http.Request) {
		cancel()
		httpfault.Hang(c)
	})
	err := newSink(t, url).Write(ctx, delivery)
	providertest.WantError(t, err, providers.ClassTemporary, "interrupted", "outcome is unknown")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
}

func TestFaultP3Conflict(t *testing.T) {
	for _, code := range []int{409, 412} {
		err := newSink(t, record(t, status(code)).URL).Write(t.Context(), delivery)
		providertest.WantError(t, err, providers.ClassPermanent, fmt.Sprintf("status %d", code), "conflict")
	}
}

func TestFaultP4ContentRefused(t *testing.T) {
	for _, code := range []int{400, 404, 405, 413, 422} {
		err := newSink(t, record(t, status(code)).URL).Write(t.Context(), delivery)
		providertest.WantError(t, err, providers.ClassPermanent, fmt.Sprintf("status %d %s", code, http.StatusText(code)))
	}
	for _, code := range []int{401, 403} {
		err := newSink(t, record(t, status(code)).URL).Write(t.Context(), delivery)
		providertest.WantError(t, err, providers.ClassPermanent, "check bearer_token")
	}
}

func TestFaultP5WaitAndGone(t *testing.T) {
	for _, code := range []int{408, 425, 429, 500, 502, 503, 504} {
		for text, want := range map[string]time.Duration{"": 0, "9": 9 * time.Second, "-1": 0, "999999999": time.Hour} {
			r := record(t, func(_ int, w http.ResponseWriter) {
				w.Header().Set("Retry-After", text)
				w.WriteHeader(code)
			})
			err := newSink(t, r.URL).Write(t.Context(), delivery)
			providertest.WantError(t, err, providers.ClassTemporary, fmt.Sprintf("status %d", code))
			if _, after := providers.Classify(err); after != want {
				t.Errorf("%d with Retry-After: %q waits %s, want %s", code, text, after, want)
			}
		}
	}
	gone := newSink(t, record(t, status(410)).URL).Write(t.Context(), delivery)
	providertest.WantError(t, gone, providers.ClassPermanent, "status 410 Gone", "gone for good")
	if !errors.Is(gone, providers.ErrGone) || errors.Is(newSink(t, record(t, status(404)).URL).Write(t.Context(), delivery), providers.ErrGone) {
		t.Error("410 alone says that a delivery is never taken")
	}
}

func TestFaultP6RedirectsAreNotFollowed(t *testing.T) {
	other := record(t, status(200))
	for _, code := range []int{300, 301, 302, 303, 304, 307, 308} {
		r := record(t, func(_ int, w http.ResponseWriter) {
			w.Header().Set("Location", other.URL+"/x?k=hunter2")
			w.WriteHeader(code)
		})
		err := newSink(t, r.URL, `body = "b"`).Write(t.Context(), delivery)
		providertest.WantError(t, err, providers.ClassPermanent, fmt.Sprintf("status %d", code), "redirect to "+other.URL+"/x?k=*** is not followed")
	}
	if requests, _ := other.all(); len(requests) != 0 {
		t.Errorf("the other host got %d requests", len(requests))
	}
}

func TestFaultP9EndlessAnswer(t *testing.T) {
	chunk := []byte(strings.Repeat("x", 4096))
	for name, pause := range map[string]time.Duration{"flood": 0, "trickle": 20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			closed := make(chan struct{})
			url := httpfault.Serve(t, func(_ int, c net.Conn, _ *http.Request) {
				defer close(closed)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
				if pause > 0 {
					chunk = chunk[:1]
				}
				for tick := time.NewTicker(max(pause, time.Microsecond)); ; <-tick.C {
					if _, err := c.Write(chunk); err != nil {
						return
					}
				}
			})
			started := time.Now()
			if err := newSink(t, url, `timeout = "20s"`).Write(t.Context(), delivery); err != nil {
				t.Errorf("200 acknowledges whatever follows: %v", err)
			}
			if took := time.Since(started); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
			<-closed // the server noticed: the connection was not kept
		})
	}
}

func TestFaultP9EndlessRefusal(t *testing.T) {
	url := httpfault.Serve(t, func(_ int, c net.Conn, _ *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 500 Oops\r\n\r\nwhy")
		httpfault.Hang(c)
	})
	started := time.Now()
	err := newSink(t, url, `timeout = "20s"`).Write(t.Context(), delivery)
	providertest.WantError(t, err, providers.ClassTemporary, "status 500 Internal Server Error: why")
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestFaultH3MetadataAddress(t *testing.T) {
	err := newSink(t, "http://169.254.169.254/").Write(t.Context(), delivery)
	providertest.WantError(t, err, providers.ClassPermanent, "never dialled")
}
