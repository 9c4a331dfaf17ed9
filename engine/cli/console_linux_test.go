package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const consoleConfig = `
variable "region" { default = "eu" }
locals {
  greeting = "hello"
  limits   = { low = 1, high = 9 }
  secret   = sensitive({ hidden_name = 1 })
}
source "static" "only" { value = "x" }
`

// typist is a console on a terminal of its own.
type typist struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	read   chan struct{} // closed when the terminal is gone
	mutex  sync.Mutex
	out    bytes.Buffer
	seen   int // how much of out was waited for
}

// sit starts a console on a new terminal of 80 columns.
func sit(t *testing.T, home, dir string, args ...string) *typist {
	t.Helper()
	master, slave := terminal(t)
	c := &typist{t: t, master: master, read: make(chan struct{})}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd = exec.CommandContext(t.Context(), self)
	c.cmd.Args = append([]string{"tidegate", "console"}, args...)
	c.cmd.Dir = dir
	c.cmd.Env = append(os.Environ(), "HOME="+home, "XDG_STATE_HOME=", "TERM=xterm", "NO_COLOR=1")
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = slave, slave, slave
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	go func() {
		defer close(c.read)
		p := make([]byte, 4096)
		for {
			n, err := master.Read(p)
			c.mutex.Lock()
			c.out.Write(p[:n])
			c.mutex.Unlock()
			if err != nil {
				return // EIO when the process ends
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		<-c.read
		master.Close()
	})
	c.until("> ")
	return c
}

// terminal returns both ends of a new terminal.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
		t.Skip(err)
	}
	return master, slave
}

func (c *typist) keys(s string) {
	c.t.Helper()
	if _, err := c.master.WriteString(s); err != nil {
		c.t.Fatal(err)
	}
}

// until waits for a text after what was waited for before.
func (c *typist) until(want string) {
	c.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c.mutex.Lock()
		all := c.out.String()
		at := strings.Index(all[c.seen:], want)
		if at >= 0 {
			c.seen += at + len(want)
		}
		c.mutex.Unlock()
		if at >= 0 {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%q never came; the terminal has\n%q", want, all)
		}
	}
}

// asks types a line and waits for its answer and the next prompt.
func (c *typist) asks(line, answer string) {
	c.t.Helper()
	c.keys(line + "\r")
	c.until("\r\n" + answer + "\r\n")
	c.until("> ")
}

func (c *typist) ends() {
	c.t.Helper()
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("the console ends with %v", err)
	}
	<-c.read
}

// shown is everything that was on the terminal.
func (c *typist) shown() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.out.String()
}

const (
	tab  = "\t"
	up   = "\x1b[A"
	home = "\x01" // Ctrl-A
)

func TestConsoleOnATerminal(t *testing.T) {
	user, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(consoleConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(user, ".local", "state", "tidegate", "console_history")

	c := sit(t, user, dir)
	if !strings.Contains(c.shown(), "console_history") {
		t.Errorf("nobody is told of the history: %q", c.shown())
	}
	c.asks("1 + 2", "3")
	c.keys("1 +\r")
	c.until("Missing expression")
	c.until("> ")
	c.asks(" upper(\"forgotten\")", `"FORGOTTEN"`)
	// What is typed is edited, completed and listed.
	c.asks("+ 3"+home+"4 ", "7")
	c.asks("local.gr"+tab, `"hello"`)
	c.asks("local.limits.h"+tab, "9")
	c.asks("sou"+tab+".val"+tab, "(known after apply)")
	c.keys("local." + tab)
	c.until("local.greeting")
	c.until("local.limits")
	c.until("local.secret")
	c.until("> local.")
	c.asks("limits.low", "1")
	c.asks("base6"+tab+"e"+tab+"\"a\")", `"YQ=="`)
	c.keys("local.secret.h" + tab)
	c.asks("\x15\"after\"", `"after"`) // Ctrl-U; attributes of what is secret are not shown
	// The newest comes first, without what began with a blank.
	c.asks(up, `"after"`)
	c.asks(up+up, `"YQ=="`)
	c.keys("exit\r")
	c.ends()
	if text := c.shown(); strings.Contains(text, "hidden_name") {
		t.Errorf("the names within a secret are shown: %q", text)
	}

	want := "1 + 2\n1 +\n4 + 3\nlocal.greeting\nlocal.limits.high\nsource.static.only.value\nlocal.limits.low\n" +
		"base64encode(\"a\")\n\"after\"\nbase64encode(\"a\")\nexit\n"
	if got := readText(t, kept); got != want {
		t.Errorf("kept:\n%swant:\n%s", got, want)
	}
	for path, mode := range map[string]os.FileMode{kept: 0o600, filepath.Dir(kept): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want mode %o", path, info, err, mode)
		}
	}

	// The next one has it, follows a narrower terminal, and one with --history=false adds nothing.
	c = sit(t, user, dir)
	c.asks(up+up, `"YQ=="`)
	c.keys("\x04") // Ctrl-D
	c.ends()
	before := readText(t, kept)
	c = sit(t, user, dir, "--history=false")
	c.asks("6 * 7", "42")
	c.asks(up, "42")
	c.keys("\x03") // Ctrl-C
	c.ends()
	if got := readText(t, kept); got != before {
		t.Errorf("--history=false kept %q", strings.TrimPrefix(got, before))
	}
}

// A history that cannot be kept is told of and keeps nobody from working; one that others could
// read becomes its owner's alone.
func TestConsoleHistoryIsItsOwners(t *testing.T) {
	user, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(consoleConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(user, ".local", "state", "tidegate", "console_history")
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept, []byte(strings.Repeat("1\n2\n", 1200)), 0o644); err != nil {
		t.Fatal(err)
	}
	c := sit(t, user, dir)
	c.asks(up, "2")
	c.keys("\x04")
	c.ends()
	info, err := os.Stat(kept)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if n := strings.Count(readText(t, kept), "\n"); n < 1000 || n > 1001 {
		t.Errorf("%d lines are kept of a long history", n)
	}

	theirs := filepath.Join(user, "theirs")
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(theirs, kept); err != nil {
		t.Fatal(err)
	}
	c = sit(t, user, dir)
	if !strings.Contains(c.shown(), "Lines are not kept") {
		t.Errorf("nothing is said of the link: %q", c.shown())
	}
	c.asks("1 + 1", "2")
	c.keys("\x04")
	c.ends()
	if _, err := os.Stat(theirs); err == nil {
		t.Error("a planted link was followed")
	}
}

// An interrupt from outside ends it while it waits for a key, and the terminal is as before.
func TestConsoleIsInterrupted(t *testing.T) {
	user, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(consoleConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	c := sit(t, user, dir)
	if c.cooked() {
		t.Error("the terminal does not hand over each key")
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait()
	if code := c.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("it ends with %v", c.cmd.ProcessState)
	}
	if !c.cooked() {
		t.Error("the terminal is left raw")
	}
}

// cooked reports whether the terminal hands over lines, as it does for a shell.
func (c *typist) cooked() bool {
	c.t.Helper()
	state, err := unix.IoctlGetTermios(int(c.master.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	return state.Lflag&unix.ICANON != 0
}

// Instances, modules, their outputs and what those hold are completed, too.
func TestConsoleCompletesInstancesAndModules(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.hcl": `
module "one" { source = "./m" }
module "many" {
  source   = "./m"
  for_each = { web = 1 }
}
source "static" "each" {
  for_each = { low = { port = 80 } }
  value    = each.value
}
`,
		"m/main.hcl": "output \"limits\" { value = { high = 9 } }\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := sit(t, t.TempDir(), dir)
	c.asks("module.one.l"+tab+".h"+tab, "9")
	c.asks("module.many[\"w"+tab+"."+tab+".h"+tab, "9")
	c.asks("source.static.each[\""+tab+".ver"+tab, "(known after apply)")
	c.asks("1 + source.static.each[\"low\"].val"+tab+" == 2", "(known after apply)")
	c.keys("\x04")
	c.ends()
}
