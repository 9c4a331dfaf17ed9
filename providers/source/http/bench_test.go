package http

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func unchanged(b *testing.B) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, `{"a":1}`)
	}))
	b.Cleanup(server.Close)
	return server
}

// BenchmarkPollNotModified is what a look costs when nothing changed; beside it the same
// exchange by a bare http.Client, which is the floor.
func BenchmarkPollNotModified(b *testing.B) {
	b.Run("source", func(b *testing.B) {
		s := newSource(b, unchanged(b).URL)
		first, err := s.Fetch(b.Context(), "")
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if snap, err := s.Fetch(b.Context(), first.Validator); err != nil || !snap.NotModified {
				b.Fatal(snap, err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		url := unchanged(b).URL
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		b.ReportAllocs()
		for b.Loop() {
			req, _ := http.NewRequestWithContext(b.Context(), "GET", url, nil)
			req.Header.Set("If-None-Match", `"v1"`)
			resp, err := client.Do(req)
			if err != nil || resp.StatusCode != http.StatusNotModified {
				b.Fatal(resp, err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
}
