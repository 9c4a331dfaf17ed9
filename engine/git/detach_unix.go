//go:build unix

package git

import (
	"os/exec"
	"syscall"
)

// detach takes the terminal from git and whatever it starts, so that nothing can ask there, and
// ends all of them together.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
