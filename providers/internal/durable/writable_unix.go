//go:build unix

package durable

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// writable asks whether this process may put entries into a directory, by its effective
// user, its capabilities and the mount.
func writable(dir string) error {
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "access", Path: dir, Err: err}
	}
	return nil
}
