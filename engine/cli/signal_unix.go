//go:build unix

package cli

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// reloadSignals ask a daemon to read its configuration again.
var reloadSignals = []os.Signal{syscall.SIGHUP}

// monotonic is the system's monotonic clock in microseconds, as a reloading service sends it.
func monotonic() string {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return "0"
	}
	return strconv.FormatInt(t.Nano()/1000, 10)
}
