package http

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestContract(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	providertest.Kind(t, Kind())
	providertest.Sink(t, providertest.SinkOptions{New: func(t *testing.T) providers.Sink {
		return providertest.NewSink(t, Kind(), "url = \""+server.URL+"/hook\"\nbody = jsonencode({ replicas = 3 })")
	}})
}
