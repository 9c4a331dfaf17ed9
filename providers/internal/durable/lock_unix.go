//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package durable

import (
	"errors"
	"os"
	"syscall"
)

// hold locks a new temporary file until it is closed, so that Sweep lets it live. It reports
// false when a sweep was faster and the file is gone or about to go. On a file
// system without locks nothing is ever taken as abandoned.
func hold(f *os.File) bool {
	err := flock(f)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false
	}
	var st syscall.Stat_t
	return syscall.Fstat(int(f.Fd()), &st) != nil || st.Nlink > 0
}

// abandoned reports whether no process holds the temporary file any more.
func abandoned(f *os.File) bool { return flock(f) == nil }

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
