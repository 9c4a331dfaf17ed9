package httpclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tidegate/providers"
)

// TLS is the block tls of the http kinds. It is comparable: clients with equal blocks share
// their connections.
type TLS struct {
	CAFile     string `hcl:"ca_file,optional" doc:"PEM file of the authorities that are trusted, instead of the system's. Read when first needed, and again when it changed."`
	CertFile   string `hcl:"cert_file,optional" doc:"PEM file of the client's certificate, with its chain. Needs key_file."`
	KeyFile    string `hcl:"key_file,optional" doc:"PEM file of the client's private key. Needs cert_file."`
	MinVersion string `hcl:"min_version,optional" doc:"Lowest version of TLS that is spoken." values:"1.2,1.3"`
}

// DefaultTLS returns the block of a configuration that says nothing.
func DefaultTLS() *TLS { return &TLS{MinVersion: "1.2"} }

// resolve returns the block with absolute paths, and all mistakes in it. It looks at names only; whether the files
// are there shows at the first request.
func (t TLS) resolve(env providers.Env) (TLS, error) {
	var wrong []error
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		wrong = append(wrong, providers.AttributesErrorf([]string{"tls.cert_file", "tls.key_file"}, "a client certificate needs its key: set key_file too"))
	case t.KeyFile != "" && t.CertFile == "":
		wrong = append(wrong, providers.AttributesErrorf([]string{"tls.key_file", "tls.cert_file"}, "a key needs its certificate: set cert_file too"))
	}
	for _, f := range []struct {
		name string
		path *string
	}{{"tls.ca_file", &t.CAFile}, {"tls.cert_file", &t.CertFile}, {"tls.key_file", &t.KeyFile}} {
		if *f.path == "" {
			continue
		}
		if !filepath.IsAbs(*f.path) {
			*f.path = filepath.Join(env.ModuleDir, *f.path)
		}
		*f.path = filepath.Clean(*f.path)
		if !within(*f.path, env.ReadPaths) {
			wrong = append(wrong, providers.AttributeErrorf(f.name, "%s lies outside of paths.read (%s)", *f.path, strings.Join(env.ReadPaths, ", ")))
		}
	}
	return t, errors.Join(wrong...)
}

func within(path string, roots []string) bool {
	for _, root := range roots {
		if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return len(roots) == 0
}

// stamp tells one state of the block's files from another, so that a renewed certificate
// is used without a restart.
func (t TLS) stamp() (string, error) {
	var out strings.Builder
	for _, path := range []string{t.CAFile, t.CertFile, t.KeyFile} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "%d %d;", info.Size(), info.ModTime().UnixNano())
	}
	return out.String(), nil
}

// load reads the files.
func (t TLS) load() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.MinVersion == "1.3" {
		conf.MinVersion = tls.VersionTLS13
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca_file: %s holds no certificate in PEM form", t.CAFile)
		}
	}
	if t.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls.cert_file %s with tls.key_file %s: %w", t.CertFile, t.KeyFile, err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return conf, nil
}

// tlsReason says in words why a TLS connection failed, nil if TLS was not the reason.
func tlsReason(err error) error {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("the server's certificate is signed by an unknown authority (name it in tls.ca_file if it is to be trusted): %w", authority)
	case errors.As(err, &host):
		return fmt.Errorf("the server's certificate is for another host: %w", host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the server's certificate has expired or is not yet valid (%s to %s): %w",
			invalid.Cert.NotBefore.UTC().Format("2006-01-02"), invalid.Cert.NotAfter.UTC().Format("2006-01-02"), invalid)
	case errors.As(err, &invalid):
		return fmt.Errorf("the server's certificate is invalid: %w", invalid)
	case errors.As(err, &record):
		return fmt.Errorf("the server does not speak TLS on this port: %w", record)
	case errors.As(err, &alert):
		return fmt.Errorf("TLS: the server refused the connection: %w", alert)
	}
	return nil
}
