//go:build unix

package engine_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// service is the tool running as a daemon, in a process of its own.
type service struct {
	m     *module
	cmd   *exec.Cmd
	log   *logs
	ended chan struct{}
}

// logs collects what a process says.
type logs struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// serve starts apply --watch and waits until it runs.
func (m *module) serve(args ...string) *service {
	m.t.Helper()
	return m.serveAs(m.command(append([]string{"apply", "--watch"}, args...)...))
}

func (m *module) serveAs(cmd *exec.Cmd) *service {
	m.t.Helper()
	s := &service{m: m, cmd: cmd, log: &logs{}, ended: make(chan struct{})}
	if cmd.Stderr == nil {
		cmd.Stderr = s.log
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a tracer dies with who is traced
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() { _ = cmd.Wait(); close(s.ended) }()
	m.t.Cleanup(s.kill)
	return s
}

// says waits until the log has every part.
func (s *service) says(parts ...string) {
	s.m.t.Helper()
	eventually(s.m.t, fmt.Sprintf("the log says %q\n%s", parts, s.log), func() bool { return containsAll(s.log.String(), parts) })
}

// address waits for the listener.
func (s *service) address() string {
	s.m.t.Helper()
	var address string
	eventually(s.m.t, "the listener opens", func() bool {
		_, rest, ok := strings.Cut(s.log.String(), "listener is open: address=")
		if ok {
			address, _, ok = strings.Cut(rest, " ")
		}
		return ok || s.over()
	})
	if address == "" {
		s.m.t.Fatalf("there is no listener:\n%s", s.log)
	}
	return address
}

func (s *service) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func (s *service) kill() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.ended
}

// wait waits for the end and returns the exit code.
func (s *service) wait() int {
	s.m.t.Helper()
	eventually(s.m.t, "the daemon ends", s.over)
	return s.cmd.ProcessState.ExitCode()
}

// stop interrupts a daemon and wants an exit code. One that has only just begun to run knows
// nothing of signals yet.
func (s *service) stop(code int) {
	s.m.t.Helper()
	if s.cmd.Stderr == s.log {
		eventually(s.m.t, "the daemon has started", func() bool { return strings.Contains(s.log.String(), "daemon started") || s.over() })
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.m.t.Fatal(err)
	}
	if got := s.wait(); got != code {
		s.m.t.Errorf("exit code %d, want %d\n%s", got, code, s.log)
	}
}

func pushedToFileAt(path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(pushedToFile, "out.json", path), `"out"`, `"hook"`)
}
