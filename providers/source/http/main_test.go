package http

import (
	"fmt"
	"strings"
	"testing"

	"tidegate/providers"
	"tidegate/providers/internal/httpclient"
	"tidegate/providers/internal/httpclient/httpfault"
	"tidegate/providers/providertest"
)

func TestMain(m *testing.M) { httpfault.Main(m, httpclient.CloseIdle) }

// newSource makes a source of url and further lines.
func newSource(t testing.TB, url string, lines ...string) providers.Source {
	t.Helper()
	return providertest.NewSource(t, Kind(), fmt.Sprintf("url = %q\n", url)+strings.Join(lines, "\n"), providers.Env{ModuleDir: "/srv/config", UserAgent: "tidegate/test"})
}

// fetch looks once, without a validator.
func fetch(t *testing.T, url string, lines ...string) (providers.Snapshot, error) {
	t.Helper()
	return newSource(t, url, lines...).Fetch(t.Context(), "")
}

func wantData(t *testing.T, snap providers.Snapshot, err error, want string) {
	t.Helper()
	if err != nil || snap.NotModified || string(snap.Data) != want {
		t.Fatalf("got %q (not modified: %v), %v; want %q", snap.Data, snap.NotModified, err, want)
	}
}
