package providers

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
)

type hostsKey struct{}

// WithHosts returns a context whose requests go to the named hosts alone: "example.com", a
// name with a port, or "*.example.com" for all below one. None at all allows no request.
func WithHosts(ctx context.Context, hosts []string) context.Context {
	return context.WithValue(ctx, hostsKey{}, slices.Clone(hosts))
}

// CheckHost is the Permanent error of a request to a host ("name" or "name:port") that WithHosts
// does not allow, nil where there is no such limit.
func CheckHost(ctx context.Context, host string) error {
	allowed, limited := ctx.Value(hostsKey{}).([]string)
	if !limited {
		return nil
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name, host = strings.ToLower(strings.Trim(name, "[]")), strings.ToLower(host)
	for _, a := range allowed {
		a = strings.ToLower(a)
		if below, is := strings.CutPrefix(a, "*"); a == name || a == host || is && strings.HasPrefix(below, ".") && strings.HasSuffix(name, below) {
			return nil
		}
	}
	return Permanent(fmt.Errorf("no request to %s is allowed here; allow it with --allow-host %s", host, name))
}
