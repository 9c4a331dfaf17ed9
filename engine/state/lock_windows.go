package state

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

func openLock(path string, hold bool) (*os.File, error) {
	if hold {
		return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	}
	return os.Open(path)
}

func lockExclusive(file *os.File) error {
	return lockRange(file, windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY)
}

func lockShared(file *os.File) error { return lockRange(file, windows.LOCKFILE_FAIL_IMMEDIATELY) }

func unlock(file *os.File) error {
	return windows.UnlockFileEx(windows.Handle(file.Fd()), 0, 1, 0, &windows.Overlapped{OffsetHigh: 1})
}

// lockRange locks one byte far behind the end: locks are mandatory there, and the holder's
// name at the beginning must stay readable.
func lockRange(file *os.File, flags uint32) error {
	where := &windows.Overlapped{OffsetHigh: 1}
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, where)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errHeld
	}
	return err
}
