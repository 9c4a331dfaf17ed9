//go:build linux

package engine_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// asFirst is the tool as the first process of a container.
func (m *module) asFirst(args ...string) *exec.Cmd {
	m.t.Helper()
	if out, err := exec.Command("unshare", "-Urpf", "--mount-proc", "true").CombinedOutput(); err != nil {
		m.t.Skipf("this platform has no user and process name spaces: %v %s", err, out)
	}
	cmd := m.command(args...)
	exe, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		m.t.Fatal(err)
	}
	cmd.Path = unshare
	cmd.Args = append([]string{"unshare", "-Urpf", "--mount-proc", "--kill-child", exe}, args...)
	return cmd
}

// orphans has programs whose children lose their parent, in sessions of their own, and then
// end: thirty of them, by a source and a sink.
const orphans = `
source "exec" "s" {
  decode  = "text"
  command = ["/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do (setsid sleep 0.1 </dev/null >/dev/null 2>&1 &); done; echo 1"]
}
sink "exec" "e" {
  command = ["/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do (setsid sh -c 'sleep 0.1 & sleep 0.1' </dev/null >/dev/null 2>&1 &); done; echo $1", "sh", source.exec.s.text]
}
`

// look lists the processes of its container, when the orphans have ended.
const lookAtProcesses = `
sink "exec" "look" {
  command    = ["/bin/sh", "-c", "sleep 1; cat /proc/[0-9]*/stat > processes.txt 2>/dev/null; true"]
  depends_on = [sink.exec.e]
}
`

// X3: nothing that a program left behind stays as a zombie, also where the tool is the first
// process and everything that loses its parent becomes its child.
func TestFaultRunReapsOrphans(t *testing.T) {
	m := newModule(t, "main.hcl", orphans+lookAtProcesses)
	finish(t, m.asFirst("apply", "--auto-approve")).want(t, 0)
	text, _ := m.read("processes.txt")
	if lines := strings.Count(text, "\n"); lines < 3 {
		t.Fatalf("too few processes were seen: %q", text)
	}
	for line := range strings.Lines(text) {
		if rest := line[strings.LastIndex(line, ")")+1:]; strings.HasPrefix(rest, " Z") {
			t.Errorf("a zombie: %s", line)
		}
	}
}

// X3: elsewhere the tool waits for its own children, and has none when it is done.
func TestFaultRunHasNoChildrenLeft(t *testing.T) {
	m := newModule(t, "main.hcl", orphans)
	m.mustApply()
	if left := children(t, os.Getpid()); len(left) > 0 {
		t.Errorf("children are left: %v", left)
	}
}

// children lists the processes whose parent is pid, zombies too, but for those of tests.
func children(t *testing.T, pid int) []string {
	t.Helper()
	var out []string
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		rest := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		if len(rest) > 1 && rest[1] == strconv.Itoa(pid) {
			out = append(out, string(data))
		}
	}
	return out
}

// The first process passes on what it is told and given, and ends as its child does.
func TestFaultRunAsFirstProcess(t *testing.T) {
	t.Run("exit code", func(t *testing.T) {
		m := newModule(t, "main.hcl", "output \"x\" { value = 1 }\n")
		finish(t, m.asFirst("validate")).want(t, 0)
		finish(t, m.asFirst("plan", "--no-such-flag")).want(t, 1, "no-such-flag")
	})
	t.Run("stdin", func(t *testing.T) {
		m := newModule(t, "main.hcl", "locals {\n  x = 20\n}\n")
		cmd := m.asFirst("console")
		cmd.Stdin = strings.NewReader("local.x + 1\n")
		finish(t, cmd).want(t, 0, "21")
	})
	t.Run("killed", func(t *testing.T) {
		m := newModule(t, "main.hcl", `
sink "exec" "e" { command = ["/bin/sh", "-c", "kill -9 $PPID; sleep 5"] }
`)
		finish(t, m.asFirst("apply", "--auto-approve")).want(t, 128+9)
	})
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			m := runModule(t, 12)
			cmd := m.asFirst("apply", "--auto-approve")
			said, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "ten programs start", func() bool { return len(m.logs(12)) == 10 })
			first := children(t, cmd.Process.Pid)
			if len(first) != 1 {
				t.Fatalf("unshare has these children: %v", first)
			}
			var pid int
			if _, err := fmt.Sscan(first[0], &pid); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, sig); err != nil {
				t.Fatal(err)
			}
			heard := make([]byte, 1<<16)
			all := ""
			for !strings.Contains(all, "Interrupted") {
				n, err := said.Read(heard)
				if all += string(heard[:n]); err != nil {
					t.Fatalf("it does not say that it was interrupted: %q", all)
				}
			}
			m.write("go", "")
			_, _ = io.Copy(io.Discard, said)
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			if n := len(m.logs(12)); n != 10 {
				t.Errorf("%d programs ran, want the 10 that were under way", n)
			}
		})
	}
}
