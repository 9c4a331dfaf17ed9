package httpclient

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// refused are the networks that are never dialled: link-local ones, where the metadata
// services of clouds hand out credentials to whoever asks, and metadata services that live
// elsewhere.
var refused = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),     // link-local: AWS, Azure, Google, Oracle
	netip.MustParsePrefix("fe80::/10"),          // link-local
	netip.MustParsePrefix("fd00:ec2::/32"),      // AWS
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba
}

// nat64 carries an IPv4 address in its last four bytes (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// RefusedError says that an address is never dialled.
type RefusedError struct{ Address netip.Addr }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s is a link-local or metadata address, which is never dialled", e.Address)
}

// control judges the address after the name was resolved, right before the connection is
// made: a check any earlier could be fooled by a name that resolves differently later.
func control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %s: %w", address, err)
	}
	addr := at.Addr().WithZone("").Unmap()
	if nat64.Contains(addr) {
		b := addr.As16()
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, network := range refused {
		if network.Contains(addr) {
			return &RefusedError{addr}
		}
	}
	return nil
}

func (p *Pool) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: connectTimeout, Control: control, Resolver: p.Resolver}
	c, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &askedConn{Conn: c}, nil
}
