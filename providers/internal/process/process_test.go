//go:build unix

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegate/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sh(script string) Command {
	return Command{Args: []string{"/bin/sh", "-c", script}, Dir: "/", Env: Environment(nil), Timeout: time.Minute}
}

// running reports whether the process whose number stands in a file still exists. A zombie
// counts as gone when it is not ours: whoever adopted it reaps it in his own time.
func running(t *testing.T, pidFile string) bool {
	t.Helper()
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, after, _ := strings.Cut(string(stat), ") ")
		return after[0] != 'Z' && after[0] != 'X'
	}
	return syscall.Kill(pid, 0) == nil
}

// gone waits until a process has left, which a SIGKILL brings about without our help.
func gone(t *testing.T, pidFile string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); running(t, pidFile); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("the process in %s still runs", filepath.Base(pidFile))
			return
		}
	}
}

func TestRunHandsOverStreamsAndStatus(t *testing.T) {
	c := sh(`cat; echo problem >&2; exit 7`)
	c.Stdin = bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // far more than a pipe holds
	c.MaxStdout = 4 << 20
	res, err := Run(t.Context(), c)
	if err != nil || res.ExitCode != 7 || !bytes.Equal(res.Stdout, c.Stdin) || string(res.Stderr) != "problem\n" {
		t.Errorf("%d, %d bytes, %q, %v", res.ExitCode, len(res.Stdout), res.Stderr, err)
	}
}

func TestFaultX1IgnoresSIGTERM(t *testing.T) {
	dir := t.TempDir()
	c := sh(`trap '' TERM; sleep 300 & echo $! >child; echo $$ >self; echo waiting >&2; while :; do sleep 300; done`)
	c.Dir, c.Grace = dir, 200*time.Millisecond
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	go func() {
		for {
			if b, err := os.ReadFile(filepath.Join(dir, "self")); err == nil && len(b) > 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		cancel(errors.New("shutting down"))
	}()
	start := time.Now()
	_, err := Run(ctx, c)
	if d := time.Since(start); d < c.Grace || d > 20*time.Second {
		t.Errorf("took %v", d)
	}
	if err == nil || !strings.Contains(err.Error(), "was stopped: shutting down") {
		t.Errorf("got %v", err)
	}
	gone(t, filepath.Join(dir, "self"))
	gone(t, filepath.Join(dir, "child"))
}

func TestFaultX1TimesOutAndSaysSo(t *testing.T) {
	c := sh(`echo "still here" >&2; sleep 300`)
	c.Timeout = 300 * time.Millisecond
	_, err := Run(t.Context(), c)
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrTimeout) || e.Stderr != "still here" || !strings.Contains(err.Error(), "did not end within 300ms") {
		t.Errorf("got %v", err)
	}
}

func TestSIGTERMLetsTheProgramCleanUp(t *testing.T) {
	dir := t.TempDir()
	c := sh(`trap 'echo cleaned >out; exit 0' TERM; sleep 300 & wait`)
	c.Dir, c.Timeout = dir, 300*time.Millisecond
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "out")); string(b) != "cleaned\n" {
		t.Errorf("its trap wrote %q", b)
	}
}

// TestFaultX2GrandchildKeepsThePipe is also bug B11: 36 minutes of hanging in the field.
func TestFaultX2GrandchildKeepsThePipe(t *testing.T) {
	dir := t.TempDir()
	c := sh(`sleep 300 & echo $! >child; echo done`)
	c.Dir = dir
	start := time.Now()
	res, err := Run(t.Context(), c)
	if err != nil || string(res.Stdout) != "done\n" {
		t.Errorf("%q, %v", res.Stdout, err)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
	gone(t, filepath.Join(dir, "child"))
}

func TestFaultX2GrandchildInASessionOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	for name, timeout := range map[string]time.Duration{"exits": time.Minute, "times out": 500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			script := `setsid sh -c 'echo $$ >escaped.tmp; mv escaped.tmp escaped; exec sleep 300' & until [ -s escaped ]; do :; done; echo done`
			if name == "times out" {
				script += "; sleep 300"
			}
			c := sh(script)
			c.Dir, c.Timeout, c.Grace = dir, timeout, 100*time.Millisecond
			start := time.Now()
			res, err := Run(t.Context(), c)
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("took %v", d)
			}
			if string(res.Stdout) != "done\n" || errors.Is(err, ErrTimeout) != (name == "times out") {
				t.Errorf("%q, %v", res.Stdout, err)
			}
			pid, _ := os.ReadFile(filepath.Join(dir, "escaped"))
			if n, err := strconv.Atoi(strings.TrimSpace(string(pid))); err == nil {
				syscall.Kill(n, syscall.SIGKILL) // it is out of Run's reach, as documented
			}
			os.Remove(filepath.Join(dir, "escaped"))
		})
	}
}

func TestFaultX3NoZombiesAndNoDescriptorsStay(t *testing.T) {
	fds := func() int { e, _ := os.ReadDir("/proc/self/fd"); return len(e) }
	if _, err := Run(t.Context(), sh(`true`)); err != nil {
		t.Fatal(err)
	}
	before := fds()
	for i := range 30 {
		c := sh([]string{`exit 3`, `kill -9 $$`, `(sleep 0.01 &) & exit 0`, `nonsense`}[i%4])
		Run(t.Context(), c)
	}
	if after := fds(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid > 0 {
		t.Errorf("a zombie was left: %d, %v", pid, err)
	}
}

func TestFaultX4EndlessOutput(t *testing.T) {
	c := sh(`exec yes`)
	c.MaxStdout = 100_000
	res, err := Run(t.Context(), c)
	if !errors.Is(err, ErrOutput) || len(res.Stdout) != 0 {
		t.Errorf("%d bytes, %v", len(res.Stdout), err)
	}
	// At the limit is not beyond it.
	c = sh(`head -c 100000 /dev/zero`)
	c.MaxStdout = 100_000
	if res, err := Run(t.Context(), c); err != nil || len(res.Stdout) != 100_000 {
		t.Errorf("%d bytes, %v", len(res.Stdout), err)
	}
	c = sh(`head -c 100001 /dev/zero`)
	c.MaxStdout = 100_000
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrOutput) {
		t.Error(err)
	}
}

func TestFaultX4KeepsTheEndOfManyMessages(t *testing.T) {
	c := sh(`head -c 5000000 /dev/zero | tr '\0' x >&2; echo; echo 'the reason' >&2; exit 1`)
	res, err := Run(t.Context(), c)
	if err != nil || len(res.Stderr) > TailSize || !bytes.HasSuffix(res.Stderr, []byte("the reason\n")) {
		t.Errorf("%d bytes, %v", len(res.Stderr), err)
	}
	if msg := c.Failed(res).Error(); len(msg) > 3<<10 || !strings.HasSuffix(msg, "the reason") {
		t.Errorf("%d bytes of message: %s", len(msg), msg)
	}
}

func TestFaultX4OutputIsSafeToShow(t *testing.T) {
	c := sh(`printf 'a\033[31mred\r\n\377\376 hunter2 \342\200\256evil' >&2; exit 1`)
	c.Redact = func(s string) string { return strings.ReplaceAll(s, "hunter2", "(sensitive value)") }
	res, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	want := `the program "/bin/sh" exited with status 1; it said: a\x1b[31mred\r\n` + "\uFFFD (sensitive value) " + `\u202eevil`
	if got := c.Failed(res).Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// A secret across the place of the cut is still found.
	long := strings.Repeat("x", 5000) + "hunter2" + strings.Repeat("y", tailShown-3)
	if got := Tail([]byte(long), c.Redact); strings.Contains(got, "ter2") {
		t.Error("half a secret is shown")
	}
}

func TestFaultX5ExitStatusAndSignals(t *testing.T) {
	for _, code := range []int{0, 1, 2, 126, 127, 128, 255} {
		if res, err := Run(t.Context(), sh(fmt.Sprintf("exit %d", code))); err != nil || res.ExitCode != code {
			t.Errorf("exit %d: %d, %v", code, res.ExitCode, err)
		}
	}
	for sig, want := range map[string]string{"KILL": "signal 9 (killed)", "SEGV": "signal 11 (segmentation fault)", "TERM": "signal 15 (terminated)"} {
		_, err := Run(t.Context(), sh("kill -"+sig+" $$"))
		if err == nil || !strings.Contains(err.Error(), "was killed by "+want) {
			t.Errorf("%s: %v", sig, err)
		}
	}
}

func TestFaultX5CannotBeStarted(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file("plain", "#!/bin/sh\n", 0o644)
	for name, c := range map[string]struct {
		args []string
		dir  string
		want string
	}{
		"not in PATH":    {[]string{"tidegate-no-such-program"}, "/", "was not found: not found: no directory of PATH has it: " + DefaultPath},
		"no such file":   {[]string{"/nowhere/prog"}, "/", "was not found"},
		"directory":      {[]string{dir}, "/", "is a directory"},
		"not executable": {[]string{filepath.Join(dir, "plain")}, "/", "lacks the right to execute it"},
		"relative":       {[]string{"./plain"}, dir, "lacks the right to execute it"},
		"no interpreter": {[]string{file("lost", "#!/nowhere/sh\n", 0o755)}, "/", "the interpreter named in its first line is not"},
		"no script":      {[]string{file("text", "hello\n", 0o755)}, "/", `has no line "#!/..."`},
		"no dir":         {[]string{"/bin/sh"}, "/nowhere", "in its directory /nowhere: "},
		"too long":       {[]string{"/bin/echo", strings.Repeat("x", 4<<20)}, "/", "too long; hand large data over by stdin"},
	} {
		_, err := Run(t.Context(), Command{Args: c.args, Dir: c.dir, Env: Environment(nil)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		var e *Error
		if !errors.As(err, &e) || e.ExitCode != -1 {
			t.Errorf("%s: not typed: %#v", name, err)
		}
	}
}

func TestFaultX5TextFileBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "busy")
	true_, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	f.Write(true_)
	_, err = Run(t.Context(), Command{Args: []string{path}, Dir: "/"})
	class, _ := providers.Classify(err)
	if err == nil || !errors.Is(err, syscall.ETXTBSY) || class != providers.ClassTemporary {
		t.Errorf("got %v", err)
	}
	f.Close()
	// Another test's fork may hold our descriptor for an instant, so this may need more
	// than one go; that is what temporary means.
	for end := time.Now().Add(10 * time.Second); ; {
		if _, err = Run(t.Context(), Command{Args: []string{path}, Dir: "/"}); err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		t.Errorf("after it was closed: %v", err)
	}
}

func TestFaultX6NoInputAndNoTerminal(t *testing.T) {
	res, err := Run(t.Context(), sh(`cat; (: </dev/tty) 2>/dev/null && echo "has a terminal"; true`))
	if err != nil || len(res.Stdout) != 0 {
		t.Errorf("%q, %v", res.Stdout, err)
	}
	// A program that reads nothing does not mind its input, nor we.
	c := sh(`exit 0`)
	c.Stdin = make([]byte, 1<<20)
	if res, err := Run(t.Context(), c); err != nil || res.ExitCode != 0 {
		t.Errorf("%d, %v", res.ExitCode, err)
	}
}

func TestFaultX7ArgumentsAreNoShell(t *testing.T) {
	dir := t.TempDir()
	args := []string{"; touch pwned", "$(touch pwned)", "`touch pwned`", "a\nb", "-rf", "--", "", " x ", "*", "| cat", "ä"}
	c := Command{Args: append([]string{"printf", `%s\0`}, args...), Dir: dir, Env: Environment(nil)}
	res, err := Run(t.Context(), c)
	if want := strings.Join(args, "\x00") + "\x00"; err != nil || string(res.Stdout) != want {
		t.Errorf("%q, %v", res.Stdout, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("something was executed: %v", left)
	}
}

func TestFaultX8OnlyAllowedEnvironment(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary")
	environ := append(os.Environ(), "PATH=/usr/bin:/bin", "HOME=/home/x", "LANG=C", "TZ=UTC", "LD_PRELOAD=/evil.so", "GITHUB_TOKEN=canary")
	c := Command{Args: []string{"env"}, Dir: "/", Env: Environment(environ, map[string]string{"APP": "a=b", "TZ": "Asia/Tokyo"})}
	res, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	got := string(res.Stdout)
	for _, want := range []string{"PATH=/usr/bin:/bin\n", "HOME=/home/x\n", "LANG=C\n", "TZ=Asia/Tokyo\n", "APP=a=b\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "canary") || strings.Contains(got, "LD_PRELOAD") {
		t.Errorf("too much was handed on:\n%s", got)
	}
	// No environment at all means none, and not ours.
	res, err = Run(t.Context(), Command{Args: []string{"/usr/bin/env"}, Dir: "/"})
	if err != nil || len(res.Stdout) != 0 {
		t.Errorf("%q, %v", res.Stdout, err)
	}
}

func TestCancelledBeforeTheStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	marker := filepath.Join(t.TempDir(), "ran")
	if _, err := Run(ctx, sh("touch "+marker)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("it ran")
	}
}

func TestDisplayIsCut(t *testing.T) {
	long := strings.Repeat("ä", 1000)
	if got := Display([]string{"a", long, "b"}); len(got) > 210 || !strings.HasSuffix(got, "...") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	if got := Display([]string{"/bin/x", "", "a\nb", "--flag=v", "{candidate}"}); got != `/bin/x "" "a\nb" --flag=v {candidate}` {
		t.Errorf("got %s", got)
	}
}

// BenchmarkRun is dominated by fork and exec: compare it with the rate of a bare os/exec.
func BenchmarkRun(b *testing.B) {
	c := Command{Args: []string{"/bin/true"}, Dir: "/", Env: Environment(nil)}
	for b.Loop() {
		if _, err := Run(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
