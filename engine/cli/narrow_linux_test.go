package cli_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A daemon's status and its history read as records on a terminal of 20 columns, and as tables on
// a wide one.
func TestStatusOnANarrowTerminal(t *testing.T) {
	dir := t.TempDir()
	writeText(t, dir+"/in.json", `{"a":1}`)
	writeText(t, dir+"/main.hcl", `
source "file" "app" { path = "in.json" }
sink "file" "app" {
  path    = "out"
  content = source.file.app.text
}
sink "exec" "fails" {
  command = ["false"]
  retry { attempts = 1 }
}
`)
	daemon := start(t, dir, nil, "apply", "--watch")
	daemon.says(t, "delivery failed")
	for _, columns := range []uint16{20, 120} {
		for command, parts := range map[string][]string{
			"status":  {"sink.exec.fails", "state: ok", "last success:", "source.file.app"},
			"history": {"address: source.file.app", "action: accept"},
		} {
			screen := onTerminal(t, dir, columns, command)
			if table := strings.Contains(screen, "LAST SUCCESS") || strings.Contains(screen, "ADDRESS "); table != (columns > 100) {
				t.Errorf("%s on %d columns is a table: %t\n%s", command, columns, table, screen)
			}
			for _, part := range parts {
				if columns == 20 && !strings.Contains(strings.Join(strings.Fields(screen), " "), part) {
					t.Errorf("%s does not say %q\n%s", command, part, screen)
				}
			}
		}
	}
	daemon.stops(t)
}

// onTerminal returns what a command writes to a terminal of so many columns.
func onTerminal(t *testing.T, dir string, columns uint16, args ...string) string {
	t.Helper()
	master, slave := terminal(t)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "tidegate", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TERM=xterm", "NO_COLOR=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	var out bytes.Buffer
	_, _ = io.Copy(&out, master) // ends with an error when nobody has the other side any more
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %v", args, err)
	}
	return strings.ReplaceAll(out.String(), "\r", "")
}
