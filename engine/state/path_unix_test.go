//go:build unix

package state

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestTheDirectoryOfTheState(t *testing.T) {
	old := syscall.Umask(0o022)
	defer syscall.Umask(old)
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	for name, make := range map[string]func(dir string) error{
		"not a directory": func(dir string) error { return os.WriteFile(dir, nil, 0o644) },
		"chmod o-w":       func(dir string) error { return os.Mkdir(dir, 0o777) },
		"loop":            func(dir string) error { return os.Symlink(dir, dir) },
	} {
		dir := at(strings.ReplaceAll(name, " ", "-"))
		if err := make(dir); err != nil {
			t.Fatal(err)
		}
		os.Chmod(dir, 0o777)
		if _, err := Open(t.Context(), Options{Path: filepath.Join(dir, "state.db")}); err == nil {
			t.Errorf("%s: opened", name)
		} else if name != "loop" && !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}

	path := filepath.Join(at("made"), "deep", "state.db")
	s := mustOpen(t, path)
	for name, want := range map[string]os.FileMode{filepath.Dir(path): 0o755, path: 0o644, path + "-wal": 0o644, s.files.lock: 0o644} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}

	// Two names of one state are one state, with one lock.
	if err := os.Symlink(filepath.Dir(path), at("link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, at("other.db")); err != nil {
		t.Fatal(err)
	}
	for _, alias := range []string{filepath.Join(at("link"), "state.db"), at("other.db")} {
		if _, err := Open(t.Context(), Options{Path: alias}); err == nil {
			t.Errorf("%s was opened beside %s", alias, path)
		}
		if l := mustLoad(t, mustRead(t, alias)); l.Lineage != s.lineage {
			t.Errorf("%s is another state", alias)
		}
	}

	sticky := at("sticky")
	if err := os.Mkdir(sticky, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(sticky, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, filepath.Join(sticky, "state.db"))
	mustOpen(t, filepath.Join(root, "odd ?#%41&;name", "state.db"))
}

func TestSQLiteShellReadsTheHistory(t *testing.T) {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("needs sqlite3")
	}
	path, _, _, history := damaged(t)
	mustOpen(t, path)
	out, err := exec.CommandContext(t.Context(), shell, "-readonly", path,
		"SELECT count(*) FROM history; SELECT json_extract(data, '$.kind') FROM sinks LIMIT 1; PRAGMA integrity_check").CombinedOutput()
	if err != nil || string(out) != "6\nfile\nok\n" {
		t.Errorf("%s %v (%d entries)", out, err, len(history))
	}
}

// strace counts what reaches the disk: nothing that a setting claims is worth as much.
func TestEachCommitReachesTheDisk(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	log := filepath.Join(t.TempDir(), "trace")
	cmd := helper(t, "commit", testPath(t))
	cmd.Args = append([]string{strace, "-f", "-y", "-e", "trace=fsync,fdatasync,write", "-o", log}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
	cmd.Path = strace
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	lines := start(t, cmd)
	for range 30 {
		if !lines.Scan() {
			t.Skip("cannot trace here")
		}
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	cmd.Wait()
	trace, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	synced, promised := false, 0
	for line := range strings.Lines(string(trace)) {
		switch {
		case strings.Contains(line, "sync(") && strings.Contains(line, "state.db-wal"):
			synced = true
		case strings.Contains(line, "write(1<"):
			promised++
			if !synced {
				t.Fatalf("promise %d without a sync before it: %s", promised, line)
			}
			synced = false
		}
	}
	if promised < 30 {
		t.Errorf("saw %d promises", promised)
	}
}
