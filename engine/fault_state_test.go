//go:build unix

package engine_test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tidegate/engine"
	"tidegate/engine/plan"

	_ "modernc.org/sqlite" // the driver named "sqlite"
	"tidegate/providers/providertest/host"
)

// sql changes the module's state behind everybody's back.
func (m *module) sql(statements ...string) {
	m.t.Helper()
	db, err := sql.Open("sqlite", "file:"+m.path(engine.DefaultState)+"?_pragma=busy_timeout(10000)")
	if err != nil {
		m.t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(m.t.Context(), s); err != nil {
			m.t.Fatalf("%s: %v", s, err)
		}
	}
}

// stateModule was applied once, and its source has a newer value since.
func stateModule(t *testing.T) *module {
	m := newModule(t, "v.txt", "one", "main.hcl", `
source "file" "v" { path = "v.txt" }
sink "file" "c" {
  path       = "out.txt"
  content    = source.file.v.text
  on_destroy = "delete"
}
sink "exec" "c" { command = ["/bin/sh", "-c", "echo $1 >> ran.log", "sh", source.file.v.text] }
`)
	m.mustApply()
	m.write("v.txt", "two")
	return m
}

// ledgerCommands cannot do without the ledger.
var ledgerCommands = []string{
	"plan", "plan --json", "apply --auto-approve", "apply --auto-approve --json", "destroy --auto-approve",
	"show", "state list", "state pull", "state rm sink.file.c",
}

// wantRefused runs every command that needs the ledger and wants each to fail, to say why, and
// to touch nothing at all.
func (m *module) wantRefused(parts ...string) {
	m.t.Helper()
	before := tree(m.t, m.dir)
	for _, command := range ledgerCommands {
		r := m.tool(strings.Fields(command)...)
		r.want(m.t, 1, parts...)
		after := tree(m.t, m.dir)
		for _, name := range []string{".tidegate", ".tidegate/state.lock"} { // whoever tries to lock signs there
			delete(before, name)
			delete(after, name)
		}
		wantTree(m.t, command, before, after)
	}
}

func (m *module) statePath() string { return m.path(engine.DefaultState) }

// T4: a state of a newer version is refused and stays as it is, byte for byte.
func TestFaultStateFromANewerVersion(t *testing.T) {
	m := stateModule(t)
	m.sql("PRAGMA user_version = 99")
	m.wantRefused("newer version")
	m.tool("history").want(t, 1, "newer version")
}

// T2, T4: what is no state, or a damaged one, is refused and stays as it is.
func TestFaultStateGarbage(t *testing.T) {
	for name, damage := range map[string]func(data []byte) []byte{
		"T3 empty":       func([]byte) []byte { return nil },
		"text":           func([]byte) []byte { return []byte("this is no database\n") },
		"noise":          func(data []byte) []byte { _, _ = rand.Read(data); return data },
		"zeros":          func(data []byte) []byte { return make([]byte, len(data)) },
		"T1 cut in half": func(data []byte) []byte { return data[:len(data)/2/4096*4096] },
		"T2 bits flipped": func(data []byte) []byte {
			return []byte(strings.ReplaceAll(string(data), "acknowledged", "acknowledgeD"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := stateModule(t)
			data, err := os.ReadFile(m.statePath())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(m.statePath(), damage(data), 0o644); err != nil {
				t.Fatal(err)
			}
			m.wantRefused("state.db")
			m.wantFile("out.txt", "one")
		})
	}
	m := stateModule(t)
	m.sql("DROP TABLE sinks")
	m.wantRefused("state.db")
	m = stateModule(t)
	m.sql("DELETE FROM sinks")
	m.wantRefused("damaged")
}

// T3: a directory where the state should be.
func TestFaultStateIsADirectory(t *testing.T) {
	m := stateModule(t)
	if err := os.Remove(m.statePath()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(m.statePath(), 0o755); err != nil {
		t.Fatal(err)
	}
	m.wantRefused("state.db")
}

// T3: a state that is gone is not "delete everything": targets are adopted as they are, and
// what was there is kept as revision 0.
func TestFaultStateMissing(t *testing.T) {
	m := stateModule(t)
	m.write("v.txt", "one")
	if err := os.RemoveAll(m.path(".tidegate")); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(m.path("out.txt"))
	p, result := m.mustApply()
	if c := sinkChange(t, p, "sink.file.c"); c.Action != plan.Adopt || result.Destroyed > 0 {
		t.Errorf("%s %+v", c.Action, result)
	}
	if after, _ := os.Stat(m.path("out.txt")); !os.SameFile(before, after) {
		t.Error("the target was written")
	}
	m.wantNoChanges()
	// Also where nothing is declared any more: what nobody remembers is not deleted.
	if err := os.RemoveAll(m.path(".tidegate")); err != nil {
		t.Fatal(err)
	}
	m.write("main.hcl", "locals { nothing = 1 }")
	m.mustApply()
	m.wantFile("out.txt", "one")
}

// T5: the lock is the kernel's. A second apply is refused with the holder's name, touches
// nothing, and is served as soon as the holder is gone, however it went.
func TestFaultStateLocked(t *testing.T) {
	m := stateModule(t)
	e, diags := m.load()
	defer e.Close()
	if diags.HasErrors() {
		t.Fatal(texts(diags))
	}
	if err := e.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := m.tool("apply", "--auto-approve")
	r.want(t, 1, "The state is locked", fmt.Sprintf("process %d", os.Getpid()))
	m.wantFile("out.txt", "one")
	m.tool("plan").want(t, 0, "sink.file.c")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	m.tool("apply", "--auto-approve").want(t, 0)
	m.wantFile("out.txt", "two")
}

// T6, T8: a state directory that cannot be written or trusted. No sink is touched.
func TestFaultStateDirectoryNotWritable(t *testing.T) {
	if !host.AsNobody(t) {
		return
	}
	m := stateModule(t)
	for _, c := range []struct {
		mode os.FileMode
		part string
	}{{0o555, "state"}, {0o777, "chmod o-w"}} {
		if err := os.Chmod(m.path(".tidegate"), c.mode); err != nil {
			t.Fatal(err)
		}
		if c.mode == 0o555 {
			for _, name := range []string{"state.db", "state.lock"} {
				if err := os.Chmod(m.path(".tidegate/"+name), 0o444); err != nil {
					t.Fatal(err)
				}
			}
		}
		m.tool("apply", "--auto-approve").want(t, 1, c.part)
		m.tool("plan").want(t, 0, "sink.file.c")
		m.wantFile("out.txt", "one")
		m.wantFile("ran.log", "one\n")
	}
	if err := os.Chmod(m.path(".tidegate"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state.db", "state.lock"} {
		if err := os.Chmod(m.path(".tidegate/"+name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m.tool("apply", "--auto-approve").want(t, 0)
	m.wantFile("out.txt", "two")
}

// T6: a state that cannot be made in the first place.
func TestFaultStateCannotBeMade(t *testing.T) {
	if !host.AsNobody(t) {
		return
	}
	m := newModule(t, "main.hcl", "sink \"file\" \"c\" {\n  path = \"out/c\"\n  content = \"x\"\n}\n", "out/keep", "")
	if err := os.Chmod(m.dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(m.dir, 0o755)
	m.tool("apply", "--auto-approve").want(t, 1, "permission denied", filepath.Join(m.dir, ".tidegate"))
	if exists(m.path("out/c")) {
		t.Error("a sink was written without a ledger")
	}
	m.tool("plan").want(t, 0, "1 to add")
}

// T6, S16: the disk of the state is full. Nothing is delivered that could not be written
// down, and when space returns it goes on.
func TestFaultStateDiskFull(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	m := stateModule(t)
	if err := os.Rename(m.path(".tidegate"), m.path("away")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(m.path(".tidegate"), 0o755); err != nil {
		t.Fatal(err)
	}
	host.Mount(t, "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", m.path(".tidegate"))
	for _, name := range []string{"state.db", "state.lock"} {
		data, err := os.ReadFile(m.path("away/" + name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(m.path(".tidegate/"+name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m.tool("apply", "--auto-approve").want(t, 0)
	big := strings.Repeat("three ", 20_000)
	m.write("v.txt", big)
	m.write("main.hcl", `
source "file" "v" { path = "v.txt" }
sink "file" "c" {
  path    = "out.txt"
  content = source.file.v.text
}
sink "exec" "c" { command = ["/bin/sh", "-c", "echo $1 >> ran.log", "sh", substr(source.file.v.text, 0, 5)] }
`)
	free := host.FillDisk(t, m.path(".tidegate/ballast"))
	for range 3 {
		m.tool("apply", "--auto-approve").want(t, 1, "state")
		m.wantFile("out.txt", "two")
		m.wantFile("ran.log", "one\ntwo\n")
	}
	m.tool("plan").want(t, 0, "sink.file.c")
	free()
	m.tool("apply", "--auto-approve").want(t, 0)
	m.wantFile("out.txt", big)
	m.wantFile("ran.log", "one\ntwo\nthree\n")
	m.tool("apply", "--auto-approve").want(t, 0, "No changes.")
}

// T8: a symbolic link at the state leads to one state with one lock.
func TestFaultStateBehindALink(t *testing.T) {
	m := stateModule(t)
	if err := os.Symlink(".tidegate", m.path("link")); err != nil {
		t.Fatal(err)
	}
	e, _ := m.load()
	defer e.Close()
	if err := e.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.tool("apply", "--auto-approve", "--state", "link/state.db").want(t, 1, "The state is locked")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	m.tool("apply", "--auto-approve", "--state", "link/state.db").want(t, 0)
	m.tool("plan").want(t, 0, "No changes.")
}

// B8: whatever fails, the ledger claims no more than the disk holds: after each failure the
// bytes at the target are those of the newest acknowledged revision.
func TestFaultStateClaimsNoMoreThanTheDiskHolds(t *testing.T) {
	m := stateModule(t)
	if err := os.Remove(m.path("out.txt")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(m.path("out.txt"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, diags := m.apply()
	wantError(t, diags, "sink.file.c", "named pipe")
	if r := m.revisions("sink.file.c"); !strings.Contains(r[0].content, `"content":"one"`) {
		t.Errorf("the newest revision is %+v", r[0])
	}
	m.tool("history").want(t, 0, "sink.file.c")
	if r := m.tool("history", "sink.file.c", "--json"); strings.Count(r.stdout, `"address"`) != 1 {
		t.Errorf("the history claims more than one delivery:\n%s", r.stdout)
	}
}
