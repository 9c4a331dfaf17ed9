//go:build !linux

package web

import (
	"errors"
	"net"
)

// reservation is of Linux, where two sockets of one user can have a port together.
type reservation struct{}

func reserve(string, *net.TCPListener) (*reservation, error) {
	return nil, errors.New("the address at which the listener is open excludes it on this system; stop the daemon and start it again, or name another port")
}

func (*reservation) listen() (*net.TCPListener, error) { return nil, net.ErrClosed }

func (*reservation) close() error { return nil }
