package state

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// LockFile takes the kernel's lock of the file at path, which is made if it is not there, and
// waits for another process that has it as long as ctx lets it. The lock is free again when
// release was called or the process ended, however it ended. The file stays.
func LockFile(ctx context.Context, path string) (release func() error, err error) {
	for {
		file, err := acquire(path)
		if err == nil {
			return func() error { return unlockAndClose(file) }, nil
		}
		if !errors.Is(err, errHeld) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s, which another process holds: %w", path, ctx.Err())
		case <-time.After(lockPause):
		}
	}
}
