//go:build unix

package engine_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runModule has more to deliver than the default parallelism, so that something is left to do
// when a run is disturbed.
func runModule(t *testing.T, programs int) *module {
	var b strings.Builder
	b.WriteString("source \"file\" \"v\" { path = \"v.txt\" }\n")
	for i := range programs {
		fmt.Fprintf(&b, `
sink "exec" "e%02[1]d" {
  command = ["/bin/sh", "-c", "touch started; echo $1 >> e%02[1]d.log; while [ ! -e go ] && [ -e started ]; do sleep 0.01; done; echo done >> e%02[1]d.log", "sh", source.file.v.text]
  timeout = "60s"
}
`, i)
	}
	return newModule(t, "v.txt", "one", "main.hcl", b.String())
}

// E1: the first interrupt lets deliveries under way come to their end, starts no others, and
// leaves a ledger from which the next apply delivers the rest, each once.
func TestFaultRunInterrupted(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			m := runModule(t, 25)
			cmd, said := m.start("apply", "--auto-approve")
			eventually(t, "ten programs start", func() bool { return len(m.logs(25)) == 10 })
			interrupt(t, cmd, said, sig)
			m.write("go", "")
			_, _ = io.Copy(io.Discard, said)
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			first := len(m.logs(25))
			m.tool("apply", "--auto-approve").want(t, 0)
			logs := m.logs(25)
			if len(logs) != 25 {
				t.Errorf("%d of 25 programs ran", len(logs))
			}
			for name, text := range logs {
				if text != "one\ndone\n" {
					t.Errorf("%s: %q, want one whole run", name, text)
				}
			}
			m.tool("apply", "--auto-approve").want(t, 0, "No changes.")
			if first != 10 {
				t.Errorf("%d programs had run when the interrupted apply ended, want the 10 under way", first)
			}
		})
	}
}

// start starts the tool and returns what it says on stderr.
func (m *module) start(args ...string) (*exec.Cmd, io.Reader) {
	m.t.Helper()
	cmd := m.command(args...)
	said, err := cmd.StderrPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	return cmd, said
}

// interrupt sends a signal and returns when the tool says that it took it.
func interrupt(t *testing.T, cmd *exec.Cmd, said io.Reader, sig os.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	for text, buf := "", make([]byte, 1024); !strings.Contains(text, "Interrupt"); {
		n, err := said.Read(buf)
		if err != nil {
			t.Fatalf("the interrupt is not acknowledged: %q", text)
		}
		text += string(buf[:n])
	}
}

func (m *module) logs(n int) map[string]string {
	m.t.Helper()
	out := map[string]string{}
	for i := range n {
		name := fmt.Sprintf("e%02d.log", i)
		if text, ok := m.read(name); ok {
			out[name] = text
		}
	}
	return out
}

// E1: the second interrupt ends the run at once, and the next apply repeats what was open.
func TestFaultRunInterruptedTwice(t *testing.T) {
	m := runModule(t, 3)
	cmd, said := m.start("apply", "--auto-approve")
	eventually(t, "the programs start", func() bool { return len(m.logs(3)) == 3 })
	interrupt(t, cmd, said, syscall.SIGINT)
	begun := time.Now()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if d := time.Since(begun); d > time.Minute || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended after %v with %d", d, cmd.ProcessState.ExitCode())
	}
	m.write("go", "") // the programs that outlived it end now
	m.tool("apply", "--auto-approve").want(t, 0)
	for name, text := range m.logs(3) {
		if n := len(strings.Fields(text)); n > 4 || !strings.HasSuffix(text, "\ndone\n") {
			t.Errorf("%s: %q, want at most two runs and a whole one last", name, text)
		}
	}
	m.tool("apply", "--auto-approve").want(t, 0, "No changes.")
}

// E16: nobody reads stdout and stderr, or they are closed: what was approved is delivered.
func TestFaultRunNobodyReadsTheOutput(t *testing.T) {
	module := func() *module {
		var b strings.Builder
		for i := range 300 { // more lines than a pipe holds
			fmt.Fprintf(&b, "sink \"file\" \"s%03[1]d\" {\n  path = \"out/%[1]d\"\n  content = %[2]q\n}\n", i, strings.Repeat("line\n", 50))
		}
		return newModule(t, "out/keep", "", "main.hcl", b.String())
	}
	t.Run("closed", func(t *testing.T) {
		m := module()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		cmd := m.command("apply", "--auto-approve")
		cmd.Stdout, cmd.Stderr = w, w
		_ = cmd.Run()
		w.Close()
		if n := len(regular(t, m.path("out"))); n != 301 {
			t.Errorf("%d of 301 files were delivered", n)
		}
		m.wantNoChanges()
	})
	t.Run("stderr blocked", func(t *testing.T) {
		m := module()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		cmd := m.command("apply", "--auto-approve")
		cmd.Stderr = w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		eventually(t, "everything is delivered", func() bool { return len(regular(t, m.path("out"))) == 301 })
		r.Close()
		_ = cmd.Wait()
		m.tool("apply", "--auto-approve").want(t, 0, "No changes.")
	})
}

// E20: nothing in the environment, no home, another time zone and locale, another directory.
func TestFaultRunBareEnvironment(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "static" "v" { value = { a = "ä" } }
sink "file" "c" {
  path    = "out.json"
  content = jsonencode(source.static.v.value)
}
`)
	m.environ = nil
	m.tool("apply", "--auto-approve").want(t, 0)
	for _, environ := range [][]string{{"TZ=Pacific/Kiritimati"}, {"LC_ALL=tr_TR.UTF-8", "HOME=/nonexistent"}, {"HOME="}} {
		m.environ = environ
		m.tool("apply", "--auto-approve").want(t, 0, "No changes.")
	}
	cmd := m.command("plan", m.dir)
	cmd.Dir = "/"
	finish(t, cmd).want(t, 0, "No changes.")
	m.wantFile("out.json", `{"a":"ä"}`)

	// The current directory is gone; the configuration is named by its path.
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	gone := t.TempDir() + "/gone"
	sh := exec.CommandContext(t.Context(), "/bin/sh", "-c", `mkdir "$1" && cd "$1" && rmdir "$1" && exec "$2" apply --auto-approve "$3"`, "sh", gone, exe, m.dir)
	sh.Env = []string{asTool + "=1", "PATH=" + os.Getenv("PATH")}
	finish(t, sh).want(t, 0, "No changes.")
}

// E18, B6, B7: fifty applies of which each fails leave no descriptor, no child and no file.
func TestFaultRunLeavesNothingBehind(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "http" "c" {
  url = "http://127.0.0.1:1/c.json"
  retry { attempts = 1 }
}
sink "file" "c" {
  path    = "missing/out.json"
  content = "x"
  retry { attempts = 1 }
}
sink "exec" "c" {
  command = ["/bin/sh", "-c", "exit 1"]
  retry { attempts = 1 }
}
`)
	fds := func() int {
		entries, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	size := func() int64 {
		info, err := os.Stat(m.statePath())
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	_, _, _ = m.apply()
	before, files, small := fds(), regular(t, m.dir), size()
	for range 50 {
		_, result, diags := m.apply()
		if !diags.HasErrors() || result.Failed != 1 { // the file is refused by the plan
			t.Fatalf("%+v %s", result, texts(diags))
		}
	}
	if after := fds(); after > before+2 {
		t.Errorf("%d descriptors became %d", before, after)
	}
	if after := regular(t, m.dir); len(after) != len(files) {
		t.Errorf("files %q became %q", files, after)
	}
	if after := size(); after > small+200_000 {
		t.Errorf("the state grew from %d to %d bytes", small, after)
	}
}
