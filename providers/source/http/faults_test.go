package http

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegate/providers"
	"tidegate/providers/internal/httpclient/httpfault"
	"tidegate/providers/providertest"
)

func TestFaultH1ConnectionRefused(t *testing.T) {
	_, err := fetch(t, httpfault.Closed(t)+"/c.json?token=hunter2")
	providertest.WantError(t, err, providers.ClassTemporary, "GET http://127.0.0.1:", "connection refused")
	if !errors.Is(err, syscall.ECONNREFUSED) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error = %v", err)
	}
}

// A listener that nobody accepts from and whose backlog is full drops what knocks.
func TestFaultH1ConnectTimeout(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for full := false; !full; {
		c, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if full = err != nil; !full {
			defer c.Close()
		}
	}
	_, err = fetch(t, "http://"+address, `timeout = "200ms"`)
	providertest.WantError(t, err, providers.ClassTemporary, "timeout after 200ms while connecting")
}

func TestFaultH3MetadataAddress(t *testing.T) {
	_, err := fetch(t, "http://169.254.169.254/latest/meta-data/")
	providertest.WantError(t, err, providers.ClassPermanent, "never dialled")
	r := record(t, http.RedirectHandler("http://169.254.169.254/latest/meta-data/", http.StatusFound).ServeHTTP)
	_, err = fetch(t, r.URL, `follow_redirects = true`)
	providertest.WantError(t, err, providers.ClassPermanent, "GET http://169.254.169.254/latest/meta-data/: ", "never dialled")
}

func TestFaultH4UntrustedCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(say("x"))
	server.Config.ErrorLog = httpfault.Quiet()
	server.StartTLS()
	defer server.Close()
	_, err := fetch(t, server.URL)
	providertest.WantError(t, err, providers.ClassTemporary, "GET https://127.0.0.1:", "unknown authority")
}

func TestFaultH6SlowHeaders(t *testing.T) {
	url := httpfault.Serve(t, func(_ int, c net.Conn, _ *http.Request) { httpfault.Hang(c) })
	_, err := fetch(t, url, `timeout = "150ms"`)
	providertest.WantError(t, err, providers.ClassTemporary, "timeout after 150ms while waiting for the response headers")
}

func TestFaultH7SlowBody(t *testing.T) {
	url := httpfault.Serve(t, func(_ int, c net.Conn, _ *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
		for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
			if _, err := io.WriteString(c, "x"); err != nil {
				return
			}
		}
	})
	_, err := fetch(t, url, `timeout = "200ms"`)
	providertest.WantError(t, err, providers.ClassTemporary, "timeout after 200ms while reading the body")
}

func TestFaultH8CutBody(t *testing.T) {
	for name, url := range map[string]string{
		"length":  httpfault.Say(t, "HTTP/1.1 200 OK\nContent-Length: 100", `{"a":`),
		"chunked": httpfault.Say(t, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked", "5\r\n{\"a\":\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fetch(t, url)
			providertest.WantError(t, err, providers.ClassTemporary, "cut off", "unexpected EOF")
		})
	}
}

// Without a length HTTP/1 cannot tell an end from a cut: the bytes come as they are, and
// the decoder must prove that they are whole.
func TestFaultH9CloseDelimitedBody(t *testing.T) {
	snap, err := fetch(t, httpfault.Say(t, "HTTP/1.1 200 OK", `{"a":`))
	wantData(t, snap, err, `{"a":`)
	_, err = fetch(t, httpfault.Say(t, "HTTP/1.1 200 OK\nContent-Encoding: gzip", string(zip(t, "text"))[:15]))
	providertest.WantError(t, err, providers.ClassTemporary, "cut off")
}

func TestFaultH10BodyBeyondItsLength(t *testing.T) {
	answer := "HTTP/1.1 200 OK\nContent-Length: 2"
	url := httpfault.Say(t, answer, "okHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
	s := newSource(t, url)
	// What is left must not be taken for the answer to the next request, nor to one that waits.
	for i := range 4 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			for range 100 {
				snap, err := s.Fetch(t.Context(), "")
				wantData(t, snap, err, "ok")
			}
		})
	}
}

// allocated returns how many bytes f allocates in all, freed ones counted.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const limit = 1 << 20

func fetchLimited(t *testing.T, url string) error {
	t.Helper()
	s := newSource(t, url, `timeout = "30s"`)
	var err error
	if n := allocated(func() { _, err = s.Fetch(providers.WithFetchLimit(t.Context(), limit), "") }); n > 12*limit {
		t.Errorf("%d MiB allocated for a limit of 1 MiB", n>>20)
	}
	return err
}

func TestFaultH11EndlessBody(t *testing.T) {
	chunk := make([]byte, 64<<10)
	url := httpfault.Serve(t, func(_ int, c net.Conn, _ *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		for {
			if _, err := c.Write(chunk); err != nil {
				return
			}
		}
	})
	providertest.WantError(t, fetchLimited(t, url), providers.ClassPermanent, "larger than max_bytes = 1048576")
}

func TestFaultH12GzipBomb(t *testing.T) {
	// 100 MiB in 100 KiB: a gzip stream is made of as many members as one likes.
	bomb := bytes.Repeat(zip(t, strings.Repeat("\x00", 1<<20)), 100)
	r := record(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb)
	})
	providertest.WantError(t, fetchLimited(t, r.URL), providers.ClassPermanent, "larger than max_bytes = 1048576")
}

func zip(t testing.TB, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = io.WriteString(z, text)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestFaultH13Encodings(t *testing.T) {
	good := zip(t, `{"a":1}`)
	serve := func(encoding string, body []byte) string {
		return record(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", encoding)
			_, _ = w.Write(body)
		}).URL
	}
	snap, err := fetch(t, serve("gzip", good))
	wantData(t, snap, err, `{"a":1}`)
	_, err = fetch(t, serve("gzip", good[:len(good)-4]))
	providertest.WantError(t, err, providers.ClassTemporary, "decode gzip")
	_, err = fetch(t, serve("gzip", []byte("this was never compressed")))
	providertest.WantError(t, err, providers.ClassTemporary, "decode gzip")
	for _, encoding := range []string{"br", "zstd", "deflate", "gzip, gzip"} {
		_, err = fetch(t, serve(encoding, good))
		providertest.WantError(t, err, providers.ClassPermanent, "Content-Encoding "+encoding)
	}
}

// A 304 that names another ETag than the one it was asked about is asked again without.
func TestFaultH14ContradictingNotModified(t *testing.T) {
	r := record(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("If-None-Match") != "" {
			w.Header().Set("ETag", `"v2"`)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"v1"`)
		_, _ = io.WriteString(w, "value")
	})
	s := newSource(t, r.URL)
	first, err := s.Fetch(t.Context(), "")
	wantData(t, first, err, "value")
	second, err := s.Fetch(t.Context(), first.Validator)
	wantData(t, second, err, "value")
	if r.count() != 3 {
		t.Errorf("%d requests, want 3", r.count())
	}
}

func TestFaultH15AnswersThatAreNoUpdate(t *testing.T) {
	for code, want := range map[int]string{
		201: "not an update", 202: "not an update", 203: "not an update", 204: "not an update", 205: "not an update",
		206: "not an update", 299: "not an update", 304: "nothing was asked",
	} {
		r := record(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		snap, err := fetch(t, r.URL)
		providertest.WantError(t, err, providers.ClassTemporary, fmt.Sprintf("GET %s: status %d", r.URL, code), want)
		if snap.Data != nil || snap.NotModified {
			t.Errorf("%d: snapshot %+v beside the error", code, snap)
		}
	}
	// An empty body is the engine's to judge.
	snap, err := fetch(t, record(t, say("")).URL)
	wantData(t, snap, err, "")
}

func TestFaultH16CaptivePortal(t *testing.T) {
	snap, err := fetch(t, record(t, say("<!DOCTYPE html><html><body>Please log in")).URL+"/c.json")
	if err != nil || snap.ContentType != "text/html" {
		t.Errorf("content type %q, %v: the engine needs it to refuse the page", snap.ContentType, err)
	}
}

func TestFaultH17WeakAgainstStrong(t *testing.T) {
	r := record(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("ETag", `W/"x"`)
		if req.Header.Get("If-None-Match") != "" {
			w.Header().Set("ETag", `"x"`) // as a proxy has it that compresses sometimes
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, "value")
	})
	s := newSource(t, r.URL)
	first, err := s.Fetch(t.Context(), "")
	wantData(t, first, err, "value")
	second, err := s.Fetch(t.Context(), first.Validator)
	if err != nil || !second.NotModified || second.Validator == "" {
		t.Errorf("second look: %+v, %v", second, err)
	}
	if req, _ := r.last(); req.Header.Get("If-None-Match") != `W/"x"` {
		t.Errorf("sent %q", req.Header.Get("If-None-Match"))
	}
}

func TestFaultH18ETagFlapsOverEqualBytes(t *testing.T) {
	n := 0
	r := record(t, func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.Header().Set("ETag", fmt.Sprintf(`"replica-%d"`, n%2))
		_, _ = io.WriteString(w, "same")
	})
	s := newSource(t, r.URL)
	last := ""
	for range 4 {
		snap, err := s.Fetch(t.Context(), last)
		wantData(t, snap, err, "same")
		if snap.Validator == last {
			t.Error("the validator did not move with the ETag")
		}
		last = snap.Validator
	}
}

func TestFaultH21HostileETag(t *testing.T) {
	for name, etag := range map[string]string{
		"huge":    `"` + strings.Repeat("a", 9<<10) + `"`,
		"control": "\"a\x01b\"",
		"folded":  "\"a\r\n X-Injected: b\"",
		"bytes":   "\"a\xff\"",
	} {
		t.Run(name, func(t *testing.T) {
			url := httpfault.Serve(t, func(_ int, c net.Conn, r *http.Request) {
				body := "value"
				if r.Header.Get("X-Injected") != "" {
					body = "injected"
				}
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nETag: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", etag, len(body), body)
			})
			s := newSource(t, url)
			first, err := s.Fetch(t.Context(), "")
			if err != nil {
				return // refused as a whole is as good
			}
			again, err := s.Fetch(t.Context(), first.Validator)
			wantData(t, again, err, "value")
			if name != "folded" && first.Validator != "" {
				t.Errorf("validator %q was kept", first.Validator)
			}
		})
	}
}

func TestFaultH24RetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"7": 7 * time.Second, "-7": 0, "": 0, "315360000": time.Hour, "nonsense": 0,
		time.Now().Add(10 * 365 * 24 * time.Hour).UTC().Format(http.TimeFormat): time.Hour,
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat):                0,
	} {
		for _, code := range []int{429, 503} {
			r := record(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", text)
				w.WriteHeader(code)
			})
			_, err := fetch(t, r.URL)
			providertest.WantError(t, err, providers.ClassTemporary, fmt.Sprintf("status %d", code))
			if _, after := providers.Classify(err); after != want {
				t.Errorf("%d with Retry-After: %q waits %s, want %s", code, text, after, want)
			}
		}
	}
}

func TestFaultH25TokenExpired(t *testing.T) {
	for _, code := range []int{401, 403} {
		r := record(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		_, err := fetch(t, r.URL+"/?k=hunter2", `bearer_token = "hunter2"`)
		providertest.WantError(t, err, providers.ClassPermanent, fmt.Sprintf("status %d", code), "check the token")
		if r.count() != 1 || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%d requests, error %q", r.count(), err)
		}
	}
}

func TestFaultH26ConfigurationThatExisted(t *testing.T) {
	for code, want := range map[int]string{404: "not the same as an empty value", 410: "gone for good"} {
		r := record(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		snap, err := newSource(t, r.URL).Fetch(t.Context(), `{"for":"x","etag":"y"}`)
		providertest.WantError(t, err, providers.ClassTemporary, want)
		if snap.Data != nil {
			t.Errorf("%d brought %q", code, snap.Data)
		}
	}
}

func TestFaultH28ResetAndHalfOpen(t *testing.T) {
	reset := httpfault.Serve(t, func(_ int, c net.Conn, _ *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
		httpfault.Reset(c)
	})
	_, err := fetch(t, reset)
	providertest.WantError(t, err, providers.ClassTemporary, "GET "+reset)
	// A peer that vanished without a word: the connection stays open and says nothing.
	half := httpfault.Serve(t, func(_ int, c net.Conn, _ *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
		httpfault.Hang(c)
	})
	_, err = fetch(t, half, `timeout = "150ms"`)
	providertest.WantError(t, err, providers.ClassTemporary, "timeout after 150ms while reading the body")
}

func TestFaultH30ProxyVariables(t *testing.T) {
	// The transport is made without a proxy function; the proof with a name that is not
	// loopback stands in package httpclient. Here: nothing of the kind reads the variables.
	proxy := record(t, say("evil"))
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	snap, err := fetch(t, record(t, say("direct")).URL)
	wantData(t, snap, err, "direct")
	if proxy.count() != 0 {
		t.Error("the proxy was asked")
	}
}

func TestServerTextCannotForgeLogLines(t *testing.T) {
	_, err := fetch(t, httpfault.Say(t, "HTTP/1.1 200 OK\nContent-Encoding: \x1b[2Jbr\nContent-Length: 1", "x"))
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n\r") {
		t.Errorf("error = %q", err)
	}
}
