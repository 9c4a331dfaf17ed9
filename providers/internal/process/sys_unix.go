//go:build unix

package process

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// session gives the program a session of its own, and with it a process group that has the
// program's number and no terminal.
func session() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// terminate asks the whole group to end. SIGCONT lets stopped members hear it.
func terminate(cmd *exec.Cmd) {
	syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	syscall.Kill(-cmd.Process.Pid, syscall.SIGCONT)
}

func kill(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

func signalOf(s *os.ProcessState) string {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return fmt.Sprintf("%d (%s)", ws.Signal(), ws.Signal())
	}
	return ""
}

// look finds a program as execvp would, in the PATH of its own environment. Relative
// entries of PATH are passed over: what they mean would depend on where we were started.
func look(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, executable(name)
	}
	path := ""
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	var refused string
	var found error
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			continue
		}
		file := filepath.Join(d, name)
		err := executable(file)
		if err == nil {
			return file, nil
		}
		if found == nil && !isNotFound(err) {
			refused, found = file, err
		}
	}
	if found != nil {
		return refused, found
	}
	return "", notFound("no directory of PATH has it: " + path)
}

func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return notFound(err.Error())
	case info.IsDir():
		return notFound(file + " is a directory")
	case info.Mode()&0o111 == 0:
		return &fs.PathError{Op: "exec", Path: file, Err: syscall.EACCES}
	}
	return nil
}
