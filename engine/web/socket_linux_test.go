package web

import (
	"context"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// shares reports whether others of the same user may open what a socket has.
func shares(t *testing.T, ln *net.TCPListener) bool {
	t.Helper()
	raw, err := ln.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	on := 0
	if more := raw.Control(func(fd uintptr) { on, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT) }); more != nil || err != nil {
		t.Fatal(more, err)
	}
	return on != 0
}

// connects reports whether a connection to an address reaches this listener.
func connects(t *testing.T, ln net.Listener, address string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if in.RemoteAddr().String() != c.LocalAddr().String() {
		t.Errorf("somebody else came: %s, not %s", in.RemoteAddr(), c.LocalAddr())
	}
}

// What is reserved beside an open address takes nothing from it, and may be given up. When it is
// opened it takes its place. Neither lets others in.
func TestSocketBeside(t *testing.T) {
	ctx := context.Background()
	for name, addresses := range map[string][2]string{"to all": {"127.0.0.1:0", ":"}, "to one": {":0", "127.0.0.1:"}, "to one of IPv6": {":0", "[::1]:"}} {
		t.Run(name, func(t *testing.T) {
			old, err := Open(ctx, addresses[0])
			if err != nil {
				t.Fatal(err)
			}
			defer old.Close()
			_, port, err := net.SplitHostPort(old.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			there := net.JoinHostPort("127.0.0.1", port)
			next := addresses[1] + port
			if s, err := Open(ctx, next); err == nil {
				_ = s.Close()
				t.Skip("they do not exclude each other here")
			}
			given, err := OpenBeside(ctx, next, old)
			if err != nil {
				t.Fatal(err)
			}
			connects(t, old.ln, there)
			if shares(t, old.ln) {
				t.Error("others may open the old address")
			}
			if err := given.Close(); err != nil {
				t.Fatal(err)
			}
			connects(t, old.ln, there)

			s, err := OpenBeside(ctx, next, old)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Listen(); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
			connects(t, s.ln, s.Addr().String())
			if shares(t, s.ln) {
				t.Error("others may open the new address")
			}
			if more, err := Open(ctx, next); err == nil {
				_ = more.Close()
				t.Error("somebody else gets in beside it")
			}
		})
	}
}

// One address may be written in several ways.
func TestSocketIs(t *testing.T) {
	s, err := Open(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, port, err := net.SplitHostPort(s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"127.0.0.1:" + port: true, "localhost:" + port: true, ":" + port: false, "127.0.0.2:" + port: false, "127.0.0.1:1": false, "nowhere.invalid:" + port: false,
	} {
		if got := s.Is(address); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}
