//go:build unix

package cli

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// interruptible reads from a terminal until ctx is done, which a read that waits for a key
// would not notice. The function ends it and releases what it holds.
func interruptible(ctx context.Context, in *os.File) (io.Reader, func()) {
	r, w, err := os.Pipe()
	if err != nil {
		return in, func() {}
	}
	stop := context.AfterFunc(ctx, func() { w.Close() })
	return &keys{in: in, wake: r}, func() {
		stop()
		w.Close()
		r.Close()
	}
}

// keys is a terminal to read from, beside a pipe whose end ends it.
type keys struct{ in, wake *os.File }

func (k *keys) Read(p []byte) (int, error) {
	for {
		fds := []unix.PollFd{{Fd: int32(k.in.Fd()), Events: unix.POLLIN}, {Fd: int32(k.wake.Fd()), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, err
		case fds[1].Revents != 0:
			return 0, io.EOF
		}
		return k.in.Read(p)
	}
}
