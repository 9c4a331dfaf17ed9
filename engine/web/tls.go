package web

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// certCheck is how often, at most, the files of the certificate are looked at.
const certCheck = time.Second

// certificate is the pair of files of the tls block. It follows the files: a handshake
// looks at them, at most once in a second, and a pair that is broken or half replaced leaves
// the old one in use.
type certificate struct {
	certFile, keyFile string
	log               hclog.Logger
	now               atomic.Pointer[tls.Certificate]

	mutex   sync.Mutex
	checked time.Time
	seen    [2]fileMark
	failed  string // reported last
}

type fileMark struct {
	size int64
	time time.Time
}

func newCertificate(certFile, keyFile string, log hclog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, checked: time.Now()}
	c.seen = c.marks()
	cert, err := c.load()
	if err != nil {
		return nil, err
	}
	c.now.Store(cert)
	return c, nil
}

func (c *certificate) load() (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, fmt.Errorf("load the listener's certificate %s and key %s: %w", c.certFile, c.keyFile, err)
	}
	return &cert, nil
}

func (c *certificate) marks() (out [2]fileMark) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			out[i] = fileMark{info.Size(), info.ModTime()}
		}
	}
	return out
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.follow(time.Now())
	return c.now.Load(), nil
}

// follow loads the files again if they changed.
func (c *certificate) follow(now time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if now.Sub(c.checked) < certCheck {
		return
	}
	c.checked = now
	marks := c.marks()
	if marks == c.seen && c.failed == "" {
		return
	}
	cert, err := c.load()
	if err != nil {
		if c.failed != err.Error() {
			c.failed = err.Error()
			c.log.Warn("the listener goes on with its old certificate", "error", err)
		}
		return
	}
	c.seen, c.failed = marks, ""
	c.now.Store(cert)
	c.log.Info("the listener uses another certificate", "ends", cert.Leaf.NotAfter)
}

func (c *certificate) leaf() *x509.Certificate { return c.now.Load().Leaf }

// names reports whether the certificate is for a host.
func (c *certificate) names(host string) bool { return c.leaf().VerifyHostname(host) == nil }

func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}}
}

func hashOf(text string) sum { return sha256.Sum256([]byte(text)) }
