package web

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// reservation is a socket that is bound and does not listen: whoever connects is served by the one
// that is open.
type reservation struct {
	fd     int
	beside *net.TCPListener
}

// reserve binds an address that one of our own sockets excludes. Linux lets two sockets of one user
// share a port while both say so. They say so in here and in listen, not in between: nobody else
// gets in beside them, and a socket of somebody else excludes the address as ever.
func reserve(address string, beside *net.TCPListener) (*reservation, error) {
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	r := &reservation{beside: beside}
	err = sharing(beside, func() error {
		if everywhere(at) { // of both families, as net.Listen does it
			if r.fd, err = bindSocket(unix.AF_INET6, &unix.SockaddrInet6{Port: at.Port}, 0); err == nil || !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return err
			}
			r.fd, err = bindSocket(unix.AF_INET, &unix.SockaddrInet4{Port: at.Port}, 0)
			return err
		}
		if ip := at.IP.To4(); ip != nil {
			r.fd, err = bindSocket(unix.AF_INET, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(ip)}, 0)
			return err
		}
		to := &unix.SockaddrInet6{Port: at.Port, Addr: [16]byte(at.IP.To16())}
		if at.Zone != "" {
			link, err := net.InterfaceByName(at.Zone)
			if err != nil {
				return err
			}
			to.ZoneId = uint32(link.Index)
		}
		r.fd, err = bindSocket(unix.AF_INET6, to, 1)
		return err
	})
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: at, Err: err}
	}
	return r, nil
}

// bindSocket makes a socket that is bound, and may share its port.
func bindSocket(family int, to unix.Sockaddr, only6 int) (fd int, err error) {
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only6)
	}
	err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	if err == nil {
		err = unix.Bind(fd, to)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

// sharing lets a socket share its port for as long as f runs.
func sharing(ln *net.TCPListener, f func() error) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	switch err := share(raw, 1); {
	case errors.Is(err, net.ErrClosed):
		return f() // it excludes nothing any more
	case err != nil:
		return err
	}
	err = f()
	if back := share(raw, 0); err == nil {
		err = back
	}
	return err
}

func share(raw syscall.RawConn, on int) error {
	var err error
	if more := raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, on))
	}); more != nil {
		return more
	}
	return err
}

// mostWaiting is how many connections may wait to be accepted. The system has a bound of its own.
const mostWaiting = 65535

// listen lets the socket accept connections, from now on in place of the one beside it.
func (r *reservation) listen() (*net.TCPListener, error) {
	if err := sharing(r.beside, func() error { return os.NewSyscallError("listen", unix.Listen(r.fd, mostWaiting)) }); err != nil {
		return nil, errors.Join(err, r.close())
	}
	file := os.NewFile(uintptr(r.fd), "listener")
	defer file.Close() // FileListener has its own copy
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("take over the listener: %w", err)
	}
	tcp := ln.(*net.TCPListener)
	raw, err := tcp.SyscallConn()
	if err == nil {
		err = share(raw, 0)
	}
	if err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	return tcp, nil
}

func (r *reservation) close() error { return unix.Close(r.fd) }
