//go:build unix

package engine_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/providers/providertest/certs"
)

// certificate makes a certificate for 127.0.0.1, and the file to trust it by.
func certificate(t *testing.T, lasts time.Duration) (cert tls.Certificate, caFile string) {
	t.Helper()
	ca := certs.NewCA(t)
	return ca.Leaf("127.0.0.1", time.Now().Add(lasts)), ca.File()
}

// H5: a certificate that ends soon works, and is a warning, once for each source, at every
// look; also where the server answers that nothing changed.
func TestFaultHTTPCertificateEndsSoon(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		lasts time.Duration
		warn  string
	}{
		{15 * day, ""},
		{14*day - time.Hour, "in 13 days"},
		{30 * time.Hour, "in 29 hours"},
		{time.Minute, "in less than an hour"},
	} {
		cert, ca := certificate(t, c.lasts)
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"v1"`)
			if r.Header.Get("If-None-Match") != "" {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			_, _ = w.Write([]byte(`{"a":1}`))
		}))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		s.StartTLS()
		m := httpModule(t, s.URL, `tls { ca_file = "`+ca+`" }`)
		m.wantFile("out.json", `{"a":1}`)
		for range 2 {
			_, diags := m.plan()
			var warnings []string
			for _, d := range diags {
				if d.Severity == hcl.DiagWarning {
					warnings = append(warnings, d.Summary+" "+d.Detail)
				}
			}
			all := strings.Join(warnings, "\n")
			switch {
			case diags.HasErrors() || c.warn == "" && all != "":
				t.Errorf("%v: %s", c.lasts, texts(diags))
			case c.warn != "" && (len(warnings) != 1 || !strings.Contains(all, c.warn) || !strings.Contains(all, "source.http.c")):
				t.Errorf("%v: warnings %q, want one with %q", c.lasts, warnings, c.warn)
			}
		}
		r := m.tool("plan")
		r.want(t, 0)
		if got := strings.Count(r.stdout+r.stderr, "Certificate ends soon"); got != min(len(c.warn), 1) {
			t.Errorf("%v: plan says it %d times\n%s%s", c.lasts, got, r.stdout, r.stderr)
		}
		s.Close()
	}
}
