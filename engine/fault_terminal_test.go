//go:build linux

package engine_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// onTerminal runs the tool on a terminal so many columns wide and returns what is on it.
func (m *module) onTerminal(columns uint16, environ []string, args ...string) (screen string, code int) {
	m.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		m.t.Skip("this platform has no terminals")
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		m.t.Skip("this platform has no terminals")
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		m.t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := m.command(args...)
	cmd.Env = append(cmd.Env, environ...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	slave.Close()
	var out bytes.Buffer
	_, _ = io.Copy(&out, master) // ends with an error when nobody has the other side any more
	_ = cmd.Wait()
	return out.String(), cmd.ProcessState.ExitCode()
}

// E19: whatever the terminal is, or where there is none, a command says the same and exits
// with the same code; colours and lines that are drawn over are for terminals that want them.
func TestFaultE19Terminals(t *testing.T) {
	for what, c := range map[string]struct {
		columns uint16
		environ []string
		colours bool
	}{
		"wide":      {120, []string{"TERM=xterm-256color"}, true},
		"narrow":    {20, []string{"TERM=xterm-256color"}, true},
		"one":       {1, []string{"TERM=xterm-256color"}, true},
		"no width":  {0, []string{"TERM=xterm-256color"}, true},
		"NO_COLOR":  {80, []string{"TERM=xterm-256color", "NO_COLOR=1"}, false},
		"dumb":      {80, []string{"TERM=dumb"}, false},
		"no TERM":   {80, nil, true},
		"narrow NO": {20, []string{"TERM=xterm", "NO_COLOR=1"}, false},
	} {
		t.Run(what, func(t *testing.T) {
			m := newModule(t, "app.json", `{"v":1}`, "main.hcl", copyOfFile)
			screen, code := m.onTerminal(c.columns, c.environ, "plan", "--detailed-exitcode")
			if code != 2 || !strings.Contains(screen, "sink.file.out") {
				t.Errorf("plan exits with %d\n%q", code, screen)
			}
			if coloured := strings.Contains(screen, "\x1b["); coloured != c.colours {
				t.Errorf("colours: %t, want %t\n%q", coloured, c.colours, screen)
			}
			if screen, code = m.onTerminal(c.columns, c.environ, "apply", "--auto-approve"); code != 0 {
				t.Errorf("apply exits with %d\n%q", code, screen)
			}
			m.wantFile("out.json", `{"v":1}`)
			m.write("main.hcl", "sink \"fiel\" \"x\" {}\n")
			if screen, code = m.onTerminal(c.columns, c.environ, "validate"); code != 1 || !strings.Contains(words(screen), "file") {
				t.Errorf("validate exits with %d\n%q", code, screen)
			}
		})
	}
}

// E19: who reads the output goes away, as head does. The command ends, is no crash, and leaves the
// state to the next one.
func TestFaultE19ReaderGoesAway(t *testing.T) {
	m := newModule(t, "main.hcl", `
sink "file" "s" {
  path    = "out.txt"
  content = join("\n", [for i in range(1000) : "line ${i} of many ${path.module}"])
}`)
	for _, command := range []string{"plan", "plan --json", "apply --auto-approve", "apply --auto-approve --json", "state list", "history"} {
		for _, reader := range []string{"head -c 1", "true"} {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			sh := exec.CommandContext(t.Context(), "/bin/sh", "-c", fmt.Sprintf(`{ "$0" %s; echo $? >code; } | %s >/dev/null`, command, reader), exe)
			sh.Dir, sh.Env = m.dir, m.command().Env
			var stderr bytes.Buffer
			sh.Stderr = &stderr
			if err := sh.Run(); err != nil {
				t.Errorf("%s | %s: %v\n%s", command, reader, err, stderr.String())
			}
			if text := stderr.String(); strings.Contains(text, "goroutine ") || strings.Contains(text, "panic") {
				t.Errorf("%s | %s crashed:\n%s", command, reader, text)
			}
			code, ok := m.read("code")
			if code = strings.TrimSpace(code); !ok || code != "0" && code != "1" && code != "141" {
				t.Errorf("%s | %s exits with %q", command, reader, code)
			}
		}
	}
	m.tool("apply", "--auto-approve").want(t, 0)
	m.tool("plan").want(t, 0, "No changes.")
}
