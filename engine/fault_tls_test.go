//go:build unix

package engine_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// certificate makes a self-signed certificate for 127.0.0.1, and the file to trust it by.
func certificate(t *testing.T, lasts time.Duration) (cert tls.Certificate, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lasts),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caFile
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
