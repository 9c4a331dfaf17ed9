package cli

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// forwarded are the signals that somebody may send to a container.
var forwarded = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
}

// serveAsInit makes a process that is the first of its container the parent of everything that
// loses its parent there: programs may leave children behind, and what nobody waits for stays
// as a zombie until the container ends. The tool itself runs as a child, and its end is the
// end of this process. In any other process, and where no child can be started, it returns.
func serveAsInit() {
	if os.Getpid() != 1 {
		return
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	child, err := startAgain()
	if err != nil {
		signal.Reset(forwarded...)
		return
	}
	go func() {
		for s := range signals {
			_ = syscall.Kill(child, s.(syscall.Signal))
		}
	}()
	os.Exit(reap(child))
}

// startAgain starts this program with everything it was given. The child has a process group
// of its own, in the foreground of a terminal, so that an interrupt from the keyboard reaches
// it once and not again through us.
func startAgain() (pid int, err error) {
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setpgid: true}}
	if term.IsTerminal(0) {
		attr.Sys.Foreground, attr.Sys.Ctty = true, 0
	}
	const self = "/proc/self/exe"
	if pid, err = syscall.ForkExec(self, os.Args, attr); err == nil {
		return pid, nil
	}
	// No /proc, or a terminal that does not belong to us.
	path, err := os.Executable()
	if err != nil {
		path = self
	}
	attr.Sys.Foreground = false
	return syscall.ForkExec(path, os.Args, attr)
}

// reap waits for everything that ends and returns how the child did: its exit code, or 128 and
// the number of the signal that ended it.
func reap(child int) int {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 1
		case pid != child:
		case status.Exited():
			return status.ExitStatus()
		case status.Signaled():
			return 128 + int(status.Signal())
		}
	}
}
