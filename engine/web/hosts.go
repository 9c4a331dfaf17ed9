package web

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// hosts are the names that requests may be addressed to. A page of another site can have
// its own name lead to this machine (DNS rebinding), and then is of one origin with us; it
// cannot have a name of ours, nor an IP address, in the Host header.
type hosts struct {
	any   bool
	names map[string]bool // lower case
	cert  *certificate    // its names count too
}

func newHosts(l *Listener) *hosts {
	h := &hosts{names: map[string]bool{"localhost": true}}
	if name, err := os.Hostname(); err == nil {
		h.names[strings.ToLower(name)] = true
	}
	if host, _, err := net.SplitHostPort(l.Address); err == nil && host != "" {
		h.names[strings.ToLower(host)] = true
	}
	for _, name := range l.Hosts {
		h.any = h.any || name == "*"
		h.names[strings.ToLower(name)] = true
	}
	return h
}

func (h *hosts) allow(r *http.Request) bool {
	host := r.Host
	if h.any || host == "" && r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		return true // browsers always send it
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	if len(host) > 0 && (host[0] >= '0' && host[0] <= '9' || strings.IndexByte(host, ':') >= 0) {
		if _, err := netip.ParseAddr(host); err == nil {
			return true
		}
	}
	return h.names[host] || h.names[strings.ToLower(host)] || h.cert != nil && h.cert.names(host)
}
