package http

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	for name, headers := range map[string]map[string]string{
		"etag":          {"ETag": `"v1"`},
		"last modified": {"Last-Modified": "Tue, 05 May 2026 12:00:00 GMT"},
		"no validator":  {},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(conditional(headers))
			t.Cleanup(server.Close)
			source := func(path string) func(*testing.T) providers.Source {
				return func(t *testing.T) providers.Source {
					return providertest.NewSource(t, Kind(), `url = "`+server.URL+path+`"`)
				}
			}
			providertest.Source(t, providertest.SourceOptions{New: source("/app.json"), Missing: source("/missing.json")})
		})
	}
}

// conditional answers one document, and 304 to a request that holds its validator.
func conditional(headers map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/app.json" {
			http.NotFound(w, r)
			return
		}
		for k, v := range headers {
			w.Header().Set(k, v)
		}
		w.Header().Set("Content-Type", "application/json")
		etag, modified := headers["ETag"], headers["Last-Modified"]
		if etag != "" && r.Header.Get("If-None-Match") == etag || modified != "" && r.Header.Get("If-Modified-Since") == modified {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte(`{"replicas": 3}`))
	}
}
