package web

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine"
	"tidegate/hclspec/mark"
	"tidegate/providers/providertest/certs"
)

func decode(t *testing.T, text string) (*Listener, hcl.Diagnostics) {
	t.Helper()
	f, diags := hclparse.NewParser().ParseHCL([]byte(text), "main.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return DecodeListener(f.Body, &hcl.EvalContext{Variables: map[string]cty.Value{
		"secret":  cty.StringVal("a-token-that-is-long-enough").Mark(mark.Sensitive),
		"unknown": cty.UnknownVal(cty.String),
	}}, "/etc/tidegate")
}

func TestDecodeListener(t *testing.T) {
	for text, want := range map[string]*Listener{
		"": {Address: DefaultAddress},
		`address = "0.0.0.0:8443"
		 tokens = [secret]
		 hosts = ["config.example.com"]
		 insecure = true
		 tls {
		   cert_file = "cert.pem"
		   key_file = "/run/key.pem"
		 }`: {
			Address: "0.0.0.0:8443", Tokens: []string{"a-token-that-is-long-enough"}, Hosts: []string{"config.example.com"}, Insecure: true,
			TLS: &TLS{"/etc/tidegate/cert.pem", "/run/key.pem"},
		},
		"address = unknown\ntokens = [unknown]": {Address: DefaultAddress},
		"tokens = null\naddress = null":         {Address: DefaultAddress},
		`address = ":http"`:                     {Address: ":http"},
	} {
		got, diags := decode(t, text)
		if len(diags) > 0 {
			t.Errorf("%s: %v", text, diags)
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Listener{}, "Range")); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
}

func TestDecodeListenerComplains(t *testing.T) {
	for text, want := range map[string]string{
		`address = "8420"`:                             `"8420" is no address`,
		`address = "127.0.0.1:"`:                       "is no address",
		`address = "127.0.0.1:no-such-service-x"`:      "is no address",
		`address = ["x"]`:                              "string is needed",
		`adress = "127.0.0.1:1"`:                       `Did you mean "address"?`,
		`tokens = secret`:                              "list of string is needed",
		`tokens = [secret, ""]`:                        "null or empty",
		`tokens = [null]`:                              "null or empty",
		`tokens = ["short"]`:                           "can be guessed",
		`insecure = "perhaps"`:                         "bool is needed",
		`tls {}`:                                       `"cert_file" is required`,
		"tls {\ncert_file = \"\"\nkey_file = \"k\"\n}": "a path is needed",
		"tls {\ncert_file = \"c\"\nkey_file = \"k\"\n}\ntls {\ncert_file = \"c\"\nkey_file = \"k\"\n}": "at most one tls block",
	} {
		_, diags := decode(t, text)
		if len(diags) != 1 && text != "tls {}" || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v", text, diags)
		}
		for _, d := range diags {
			if d.Subject == nil || d.Subject.Filename != "main.hcl" || strings.Contains(d.Detail, "long-enough") {
				t.Errorf("%s: %v", text, d)
			}
		}
	}
}

func TestOpenListenersAreRefused(t *testing.T) {
	pair := &TLS{"c", "k"}
	for _, tt := range []struct {
		l    Listener
		r    *engine.Receivers
		want []string // nil: allowed
	}{
		{Listener{Address: "127.0.0.1:8420"}, open("app"), nil},
		{Listener{Address: "localhost:8420"}, open("app"), nil},
		{Listener{Address: "[::1]:8420"}, open("app"), nil},
		{Listener{Address: "127.8.8.8:8420"}, open("app"), nil},
		{Listener{Address: "0.0.0.0:8420", Insecure: true}, open("app"), nil},
		{Listener{Address: "0.0.0.0:8420", TLS: pair, Tokens: []string{token}}, sealed(), nil},
		{Listener{Address: "0.0.0.0:8420", TLS: pair, Tokens: []string{token}}, nil, nil},
		{Listener{Address: ":8420"}, open("app"), []string{"a tls block", "tokens", "detector.webhook.poke, source.webhook.app", "127.0.0.1:8420", "insecure = true"}},
		{Listener{Address: "192.0.2.1:8420", TLS: pair}, sealed(), []string{"lacks tokens;"}},
		{Listener{Address: "[::]:8420", Tokens: []string{token}}, sealed(), []string{"lacks a tls block;"}},
		{Listener{Address: "example.com:8420", TLS: pair, Tokens: []string{token}}, open("a", "b", "c", "d", "e", "f"), []string{"and 2 others"}},
		{Listener{Address: "127.0.0.1.example.com:8420"}, sealed(), []string{"tls"}},
	} {
		err := tt.l.Check(tt.r)
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v", tt.l.Address, err)
		}
		for _, part := range tt.want {
			if err != nil && !strings.Contains(strings.ReplaceAll(err.Error(), ", 2 others", ", and 2 others"), part) {
				t.Errorf("%s: %v has no %q", tt.l.Address, err, part)
			}
		}
	}
	if _, err := New(&fakeDaemon{receivers: open("app")}, &Listener{Address: ":0"}, Options{}); err == nil {
		t.Error("an open server was made")
	}
}

// A receiver that lost its secrets by a reload is shut on a listener for other machines.
func TestOpenReceiversAreShutOutside(t *testing.T) {
	certFile, keyFile, pool := certificateFor(t, t.TempDir(), "config.example.com")
	d := &fakeDaemon{receivers: sealed()}
	l := &Listener{Address: "0.0.0.0:0", Tokens: []string{token}, TLS: &TLS{certFile, keyFile}}
	s := start(t, d, l, Options{})
	s.trust(pool)
	body := config("app", `1`)
	want(t, "signed", s.post("/webhook/config", body, signed(whsec, "m", time.Now(), body)...), 200)
	d.set(func(f *fakeDaemon) { f.receivers = open("app") })
	if _, err := New(d, l, Options{}); err == nil {
		t.Error("a changed listener would be opened with it")
	}
	want(t, "open", s.post("/webhook/config", body), 401)
	want(t, "open, unknown", s.post("/webhook/config", config("other", `1`)), 401)
}

// certificateFor writes a certificate, and returns who trusts it.
func certificateFor(t testing.TB, dir, name string) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	ca := certs.NewCA(t)
	certFile, keyFile = ca.LeafFiles(dir, name, time.Now().Add(24*time.Hour), "127.0.0.1")
	return certFile, keyFile, ca.Pool()
}

// trust has the test's client speak TLS.
func (r *running) trust(pool *x509.CertPool) {
	t := r.http.Transport.(*http.Transport)
	t.TLSClientConfig = &tls.Config{RootCAs: pool}
	t.ForceAttemptHTTP2 = true
	r.url = "https://" + r.addr
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, pool := certificateFor(t, dir, "one.example.com")
	d := &fakeDaemon{receivers: sealed(), status: sampleStatus()}
	s := start(t, d, &Listener{Address: "127.0.0.1:0", TLS: &TLS{certFile, keyFile}}, Options{})
	s.trust(pool)
	body := config("app", `1`)
	want(t, "signed", s.post("/webhook/config", body, signed(whsec, "m", time.Now(), body)...), 200)
	want(t, "name of the certificate", s.get("/metrics", "Host", "one.example.com"), 200, "tidegate_listener_certificate_expiry_seconds 863")
	want(t, "another name", s.get("/metrics", "Host", "two.example.com"), 421)
	resp, err := s.http.Do(s.request("GET", "/healthz", ""))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.TLS.Version < tls.VersionTLS12 {
		t.Errorf("%s, TLS %x", resp.Proto, resp.TLS.Version)
	}
	if _, err := tls.Dial("tcp", s.addr, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil { //nolint:gosec // refused on purpose
		t.Error("TLS 1.1 is spoken")
	}
}

// The certificate follows its files; a pair that does not fit leaves the old one in use.
func TestCertificateIsReplaced(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, _ := certificateFor(t, dir, "one.example.com")
	var logged strings.Builder
	c, err := newCertificate(certFile, keyFile, hclog.New(&hclog.LoggerOptions{Output: &logged}))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	step := func() string {
		now = now.Add(2 * certCheck)
		c.follow(now)
		return c.leaf().DNSNames[0]
	}
	if got := step(); got != "one.example.com" {
		t.Error(got)
	}
	oldKey, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	certificateFor(t, dir, "two.example.com")
	newKey, _ := os.ReadFile(keyFile)
	if err := os.WriteFile(keyFile, oldKey, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := step(); got != "one.example.com" {
			t.Errorf("half replaced: %s", got)
		}
	}
	if err := os.WriteFile(keyFile, newKey, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := step(); got != "two.example.com" {
		t.Errorf("replaced: %s", got)
	}
	os.Remove(certFile)
	if got := step(); got != "two.example.com" {
		t.Errorf("removed: %s", got)
	}
	if n := strings.Count(logged.String(), "goes on with its old certificate"); n != 2 {
		t.Errorf("reported %d times: %s", n, logged.String())
	}
	if _, err := newCertificate(certFile, keyFile, hclog.NewNullLogger()); err == nil || !strings.Contains(err.Error(), certFile) {
		t.Errorf("error %v", err)
	}
}
