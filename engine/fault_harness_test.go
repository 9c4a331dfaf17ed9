//go:build unix

package engine_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegate/engine/cli"
	"tidegate/providers/all"
	"tidegate/providers/providertest/host"
)

// asTool turns this test binary into the tool: main.go's one line, in a process of its own
// that can be killed, traced and run as somebody else.
const asTool = "TIDEGATE_TEST_AS_TOOL"

func init() {
	if os.Getenv(asTool) != "" {
		if os.Getpid() != 1 { // the first process of a container starts itself again
			os.Unsetenv(asTool)
		}
		cli.Main(all.Kinds())
	}
}

// toolResult is what one run of the tool left.
type toolResult struct {
	code           int
	stdout, stderr string
}

// traced is the tool run by strace with the given options.
func (m *module) traced(strace string, options []string, args ...string) *exec.Cmd {
	m.t.Helper()
	cmd := m.command(args...)
	exe, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	cmd.Path = strace
	cmd.Args = append(append(append([]string{strace, "-f"}, options...), "--", exe), args...)
	return cmd
}

// needStrace returns the path of strace where it may trace.
func needStrace(t *testing.T) string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil || exec.Command(strace, "-f", "-o", "/dev/null", "true").Run() != nil {
		t.Skip("this platform cannot trace")
	}
	return strace
}

// command is the tool, to be run in the module's directory.
func (m *module) command(args ...string) *exec.Cmd {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), host.Self(), args...)
	cmd.Dir = m.dir
	cmd.Env = append(slices.Clone(m.environ), asTool+"=1", "TZ=UTC")
	for _, name := range []string{guardRemoved, "GORACE"} {
		if value := os.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// nobody is the tool run by an ordinary user, whoever runs the tests.
func (m *module) nobody(args ...string) *exec.Cmd {
	m.t.Helper()
	cmd := m.command(args...)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return cmd
}

// tool runs the tool to its end.
func (m *module) tool(args ...string) toolResult {
	m.t.Helper()
	return finish(m.t, m.command(args...))
}

func finish(t *testing.T, cmd *exec.Cmd) toolResult {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	r := toolResult{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if strings.Contains(r.stderr, "goroutine ") || strings.Contains(r.stderr, "panic:") {
		t.Fatalf("%v crashed:\n%s", cmd.Args, r.stderr)
	}
	return r
}

// want checks the exit code and that stdout or stderr has every part.
func (r toolResult) want(t *testing.T, code int, parts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", r.code, code, r.stdout, r.stderr)
	}
	// Diagnostics are wrapped: compare words, not lines.
	all := words(r.stdout + " " + r.stderr)
	for _, part := range parts {
		if !strings.Contains(all, words(part)) {
			t.Errorf("nothing says %q\nstdout:\n%s\nstderr:\n%s", part, r.stdout, r.stderr)
		}
	}
}

// words is a text with its line breaks and the frames of diagnostics taken out.
func words(s string) string {
	s = strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(s)
	return strings.Join(strings.Fields(s), " ")
}

// openToOthers lets other users into the module's directory, which testing made private.
func (m *module) openToOthers() {
	m.t.Helper()
	for _, dir := range []string{m.dir, filepath.Dir(m.dir)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			m.t.Fatal(err)
		}
	}
}

// tree describes everything below a directory: kinds, modes, times and bytes.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		sum := ""
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum = fmt.Sprintf("%d %x", len(data), sha256.Sum256(data))
		}
		out[name] = fmt.Sprintf("%v %v %s", info.Mode(), info.ModTime().UnixNano(), sum)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wantTree compares two descriptions of a directory.
func wantTree(t *testing.T, what string, before, after map[string]string) {
	t.Helper()
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before[name] != after[name] {
			t.Errorf("%s changed %s: %q -> %q", what, name, before[name], after[name])
		}
	}
}

// regular lists the regular files below a directory, by relative name.
func regular(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			name, _ := filepath.Rel(dir, path)
			out = append(out, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// eventually waits for the world to become so, within a bounded time.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !so() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
