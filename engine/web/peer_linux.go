package web

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// private gives the socket its mode before it gets its name.
func private(_, _ string, raw syscall.RawConn) error {
	var err error
	if more := raw.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }); more != nil {
		return more
	}
	return err
}

// checkPeer asks the kernel who is at the other end.
func checkPeer(c net.Conn) error {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return errors.New("the connection is no Unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	if more := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); more != nil {
		return more
	}
	if err != nil {
		return fmt.Errorf("ask for the peer: %w", err)
	}
	return allowPeer(cred.Uid, os.Geteuid())
}

func allowPeer(uid uint32, own int) error {
	if uid != 0 && int(uid) != own {
		return fmt.Errorf("the peer runs as user %d", uid)
	}
	return nil
}
