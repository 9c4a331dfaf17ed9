package git

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// RunOwn runs git for a repository that Tidegate makes for itself, in the directory given, and may
// reach other repositories over https, ssh and file, and nothing else. A repository around, and
// what the environment says of one, do not count, there is nobody to answer questions, and no
// submodule is followed. What is configured for the user (credential helpers, proxies, insteadOf)
// holds.
func RunOwn(ctx context.Context, repository string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", slices.Concat(safe, alone, args)...)
	cmd.Env = ownEnvironment(repository)
	cmd.WaitDelay = waitDelay
	detach(cmd)
	stdout, stderr := &limited{max: maxOutput}, &limited{max: maxComplaint, cut: true}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	if cause := context.Cause(ctx); cause != nil {
		return "", cause
	}
	if err != nil {
		if said := plain(stderr.String()); said != "" {
			return "", errors.New(said)
		}
		return "", err
	}
	return strings.TrimSuffix(stdout.String(), "\n"), nil
}

// OpenOwnBlobs is OpenBlobs for such a repository.
func OpenOwnBlobs(repository string) (*Blobs, error) {
	return openBlobs(ownEnvironment(repository), safe)
}

const (
	waitDelay    = 5 * time.Second // for pipes that a child of a killed git still holds
	maxOutput    = 64 << 20
	maxComplaint = 16 << 10
)

// alone are settings of a git that is to do what it was asked to and nothing else. A transfer
// that stands still for a minute is given up.
var alone = []string{
	"-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "submodule.recurse=false",
	"-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60",
}

// ofARepository are variables that point git to a repository, as it sets them for hooks.
var ofARepository = []string{
	"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_DIR", "GIT_GRAFT_FILE",
	"GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY",
	"GIT_PREFIX", "GIT_QUARANTINE_PATH", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE", "GIT_TEMPLATE_DIR", "GIT_WORK_TREE",
}

func ownEnvironment(repository string) []string {
	environ := os.Environ()
	out := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(ofARepository, name)
	})
	if abs, err := filepath.Abs(repository); err == nil {
		repository = abs
	}
	out = append(append(out, quiet...), "GIT_DIR="+repository)
	// Empty ones count as "there is none" and keep git from asking for another.
	out = append(out, "GIT_ALLOW_PROTOCOL=https:ssh:file", "GIT_ASKPASS=", "SSH_ASKPASS=")
	set := func(entry string) bool {
		return strings.HasPrefix(entry, "GIT_SSH_COMMAND=") || strings.HasPrefix(entry, "GIT_SSH=")
	}
	if !slices.ContainsFunc(environ, set) {
		out = append(out, "GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=30")
	}
	return out
}

var userOfURL = regexp.MustCompile(`://[^/@\s]+@`)

// plain makes one line of what git and the other side say, without credentials of addresses and
// without what a terminal would obey.
func plain(said string) string {
	said = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, said)), " ")
	return strings.TrimPrefix(userOfURL.ReplaceAllString(said, "://"), "fatal: ")
}

// limited keeps so much, and fails or drops the rest.
type limited struct {
	bytes.Buffer
	max int
	cut bool
}

var errTooMuch = errors.New("git writes more than is read")

func (l *limited) Write(p []byte) (int, error) {
	room := max(0, l.max-l.Len())
	if len(p) <= room {
		return l.Buffer.Write(p)
	}
	if !l.cut {
		return 0, errTooMuch
	}
	l.Buffer.Write(p[:room])
	return len(p), nil
}
