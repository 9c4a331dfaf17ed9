package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

func session() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// terminate kills: a program without a console cannot be asked to end.
func terminate(cmd *exec.Cmd) { cmd.Process.Kill() }

func kill(cmd *exec.Cmd) { cmd.Process.Kill() }

func signalOf(*os.ProcessState) string { return "" }

func look(name, dir string, _ []string) (string, error) {
	if strings.ContainsAny(name, `/\`) && !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", notFound(err.Error())
	}
	return path, nil
}
