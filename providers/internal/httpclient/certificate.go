package httpclient

import (
	"crypto/tls"
	"time"
)

// CertificateEnds returns when the peer of a connection stops being trusted, if nobody renews
// a certificate: a chain ends with the first of its certificates, and the longest chain
// counts. It is zero for a connection without TLS.
func CertificateEnds(state *tls.ConnectionState) time.Time {
	var last time.Time
	if state == nil {
		return last
	}
	for _, chain := range state.VerifiedChains {
		var first time.Time
		for _, c := range chain {
			if first.IsZero() || c.NotAfter.Before(first) {
				first = c.NotAfter
			}
		}
		if first.After(last) {
			last = first
		}
	}
	return last
}
