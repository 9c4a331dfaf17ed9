//go:build !unix

package cli

import (
	"context"
	"io"
	"os"
)

// interruptible reads from a terminal. An interrupt is noticed at the next key.
func interruptible(_ context.Context, in *os.File) (io.Reader, func()) { return in, func() {} }
