//go:build unix

package state

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openLock opens the lock file, to hold it (created where it is missing, readable for all
// so that everybody can see who holds it) or to look.
func openLock(path string, hold bool) (*os.File, error) {
	flags := os.O_RDONLY
	if hold {
		flags = os.O_RDWR | os.O_CREATE
	}
	return os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
}

func lockExclusive(file *os.File) error { return flock(file, unix.LOCK_EX) }

func lockShared(file *os.File) error { return flock(file, unix.LOCK_SH) }

// unlock frees a lock before its file is closed: a process that is being started has a copy of all
// open files for a moment, and would keep the lock until it is its own program.
func unlock(file *os.File) error { return flock(file, unix.LOCK_UN) }

func flock(file *os.File, how int) error {
	for {
		err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return errHeld
		default:
			return err
		}
	}
}
