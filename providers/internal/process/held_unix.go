//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process

import (
	"errors"
	"os"
	"syscall"
)

// Hold locks a file that is handed to a program as Command.Keep: Held answers true from now on
// until we have closed it and the program, with all that it started, has ended. The kernel sees
// to that, also when we are killed.
func Hold(f *os.File) { _ = flock(f) }

// Held reports whether a file that we made is held by somebody. One of another user never is:
// anybody may make files in the directory for temporary ones.
func Held(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return false
	}
	return errors.Is(flock(f), syscall.EWOULDBLOCK)
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func keep(f *os.File) []*os.File {
	if f == nil {
		return nil
	}
	return []*os.File{f}
}
