package process

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// awaitEnd waits until the program ended and leaves it unreaped: as long as it is, no other
// process or group can get its number, and signals to its group reach nobody else.
func awaitEnd(p *os.Process) (*os.ProcessState, error) {
	for {
		err := unix.Waitid(unix.P_PID, p.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return nil, nil
		}
	}
}
