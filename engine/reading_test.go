//go:build unix

package engine_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readingCommands only look, each with a word that shows it found something.
var readingCommands = []struct {
	args []string
	says string
}{
	{[]string{"validate"}, "Success!"},
	{[]string{"plan"}, "No changes."},
	{[]string{"plan", "--json"}, "format_version"},
	{[]string{"show"}, "sink.file.app"},
	{[]string{"show", "--json"}, "sink.file.app"},
	{[]string{"history"}, "sink.file.app"},
	{[]string{"state", "list"}, "sink.file.app"},
	{[]string{"state", "show", "sink.file.app"}, "app.json"},
	{[]string{"state", "pull"}, "sink.file.app"},
	{[]string{"graph"}, "sink.file.app"},
}

func readingModule(t *testing.T) *module {
	m := newModule(t, "v.json", `{"port":1}`, "main.hcl", `
source "file" "app" { path = "v.json" }
sink "file" "app" {
  path    = "app.json"
  content = jsonencode(source.file.app.value)
}
`)
	m.openToOthers()
	return m
}

// openState lets others read the state, whatever mode its directory was made with.
func (m *module) openState() {
	m.t.Helper()
	if err := os.Chmod(m.path(".tidegate"), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

// closeForWriting makes every directory of the module 0555 until the test ends.
func (m *module) closeForWriting() {
	m.t.Helper()
	for _, dir := range []string{m.dir, m.path(".tidegate")} {
		info, err := os.Stat(dir)
		if err != nil {
			m.t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o555); err != nil {
			m.t.Fatal(err)
		}
		m.t.Cleanup(func() { _ = os.Chmod(dir, info.Mode().Perm()) })
	}
}

// wantReadable runs every reading command and wants each to work and to change nothing.
func (m *module) wantReadable(command func(...string) *exec.Cmd, planned string) {
	m.t.Helper()
	before := tree(m.t, m.dir)
	for _, c := range readingCommands {
		r := finish(m.t, command(c.args...))
		says := c.says
		if slices.Equal(c.args, []string{"plan"}) {
			says = planned
		}
		r.want(m.t, 0, says)
		wantTree(m.t, fmt.Sprint(c.args), before, tree(m.t, m.dir))
	}
}

func TestReadingWorksInAReadOnlyDirectory(t *testing.T) {
	m := readingModule(t)
	m.mustApply()
	m.closeForWriting()
	temporary := t.TempDir()
	m.environ = append(m.environ, "TMPDIR="+temporary)
	m.wantReadable(m.command, "No changes.")
	if left := regular(t, temporary); len(left) > 0 {
		t.Errorf("reading left %q in the temporary directory", left)
	}
}

// The default layout: what root applied, anybody who may read the directory may look at.
func TestReadingWorksAsAnotherUser(t *testing.T) {
	m := readingModule(t)
	m.tool("apply", "--auto-approve").want(t, 0)
	m.wantReadable(m.nobody, "No changes.")
}

func TestReadingWorksAsAnotherUserInAReadOnlyDirectory(t *testing.T) {
	m := readingModule(t)
	m.tool("apply", "--auto-approve").want(t, 0)
	m.closeForWriting()
	m.wantReadable(m.nobody, "No changes.")
}

func TestReadingWorksBeforeAnythingWasApplied(t *testing.T) {
	m := readingModule(t)
	if err := os.Chmod(m.dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(m.dir, 0o755)
	before := tree(t, m.dir)
	for _, c := range []struct{ command, says string }{
		{"plan", "1 to add"}, {"validate", "Success!"}, {"history", ""}, {"state list", ""}, {"graph", "sink.file.app"},
	} {
		finish(t, m.nobody(strings.Fields(c.command)...)).want(t, 0, c.says)
		wantTree(t, c.command, before, tree(t, m.dir))
	}
}

// slowApply starts an apply whose program waits, and returns when it does: the state is held
// and its intent is durable. The returned function lets it end and waits for that.
func (m *module) slowApply() (cmd *exec.Cmd, letGo func()) {
	m.t.Helper()
	cmd = m.command("apply", "--auto-approve")
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	letGo = func() {
		m.write("go", "")
		if err := <-ended; err != nil && cmd.ProcessState.ExitCode() != -1 {
			m.t.Errorf("the slow apply: %v", err)
		}
	}
	eventually(m.t, "the program starts", func() bool { return exists(m.path("started")) })
	return cmd, letGo
}

// slowSink is a program that waits until the file go exists.
const slowSink = `
sink "exec" "slow" {
  command  = ["/bin/sh", "-c", ": > started; while [ ! -e go ] && [ -e started ]; do sleep 0.02; done"]
  timeout  = "60s"
  triggers = [sink.file.app]
}
`

// While an apply runs, its write-ahead log grows; reading leaves even that alone.
func TestReadingWorksBesideARunningApply(t *testing.T) {
	m := readingModule(t)
	m.mustApply()
	text, _ := m.read("main.hcl")
	m.write("main.hcl", text+slowSink)
	m.write("v.json", `{"port":2}`)
	m.openState()
	cmd, letGo := m.slowApply()
	m.wantReadable(m.command, "1 to add")
	m.wantReadable(m.nobody, "1 to add")

	before := tree(t, m.dir)
	for _, args := range [][]string{{"apply", "--auto-approve"}, {"destroy", "--auto-approve"}, {"state", "rm", "sink.file.app"}, {"state", "unlock"}} {
		m.tool(args...).want(t, 1, "The state is locked", fmt.Sprintf("process %d", cmd.Process.Pid))
		wantTree(t, fmt.Sprint(args), before, tree(t, m.dir))
	}
	letGo()
	m.tool("apply", "--auto-approve").want(t, 0, "No changes.")
	m.wantFile("app.json", `{"port":2}`)
}

// T5: whoever is killed holds nothing, and what it wrote last is in the log that stays behind.
func TestReadingWorksAfterAKill(t *testing.T) {
	m := readingModule(t)
	m.mustApply()
	text, _ := m.read("main.hcl")
	m.write("main.hcl", text+slowSink)
	m.write("v.json", `{"port":2}`)
	cmd, letGo := m.slowApply()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	letGo() // the program outlives its parent; it ends now
	if info, err := os.Stat(m.path(".tidegate/state.db-wal")); err != nil || info.Size() == 0 {
		t.Fatalf("no log was left: %v", err)
	}
	m.closeForWriting()
	m.wantReadable(m.command, "1 to add")
	m.wantReadable(m.nobody, "1 to add")
	m.tool("state", "unlock").want(t, 0, "not locked")
	if err := os.Chmod(m.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m.openState()
	m.tool("apply", "--auto-approve").want(t, 0, "1 added")
	m.tool("apply", "--auto-approve").want(t, 0, "No changes.")
}

// Reading asks the kernel for no lock: an apply that starts meanwhile is never refused.
func TestReadingTakesNoLock(t *testing.T) {
	strace := needStrace(t)
	m := readingModule(t)
	m.mustApply()
	for _, c := range readingCommands {
		log := filepath.Join(t.TempDir(), "trace")
		finish(t, m.traced(strace, []string{"-y", "-e", "trace=flock,fcntl", "-o", log}, c.args...)).want(t, 0, c.says)
		trace, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(trace)) {
			locks := strings.Contains(line, "flock(") || strings.Contains(line, "LK")
			if locks && strings.Contains(line, m.dir) {
				t.Errorf("%v takes a lock: %s", c.args, line)
			}
		}
	}
}
