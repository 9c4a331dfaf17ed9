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

// newSink makes a sink of url and further lines.
func newSink(t testing.TB, url string, lines ...string) providers.Sink {
	t.Helper()
	return providertest.NewSink(t, Kind(), fmt.Sprintf("url = %q\n", url)+strings.Join(lines, "\n"), providers.Env{ModuleDir: "/srv/config", UserAgent: "tidegate/test"})
}
