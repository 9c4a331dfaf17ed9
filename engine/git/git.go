// Package git runs the git program, without a shell, hooks or questions.
//
// When git fails, what it says of the cause is the error. A git that is killed with its parent
// leaves at most a repository behind that nobody reads.
package git

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
)

// safe are settings that keep the configuration of a repository from running anything.
var safe = []string{"-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull}

// Found is nil if there is a git on this machine.
func Found() error {
	_, err := exec.LookPath("git")
	return err
}

// Run runs git in a directory, and returns what it writes without the last line break.
func Run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", arguments(dir, args)...)
	cmd.Env = append(os.Environ(), quiet...)
	return output(cmd)
}

func arguments(dir string, args []string) []string {
	out := append([]string{"-C", dir}, safe...)
	return append(out, args...)
}

// quiet are what every git is told.
var quiet = []string{"GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C"}

func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if said := strings.TrimSpace(stderr.String()); said != "" {
			return "", errors.New(strings.TrimPrefix(said, "fatal: "))
		}
		return "", err
	}
	return strings.TrimSuffix(stdout.String(), "\n"), nil
}
