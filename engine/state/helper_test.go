//go:build unix

package state

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func init() {
	helpers["hold"] = holdHelper
	helpers["commit"] = commitHelper
	helpers["nobody"] = nobodyHelper
}

// holdHelper holds the state of its argument until it is killed.
func holdHelper(args []string) error {
	s, err := Open(context.Background(), Options{Path: args[0], Command: "apply --watch"})
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// commitHelper commits until it is killed, printing each serial that it was told is durable.
func commitHelper(args []string) error {
	s, err := Open(context.Background(), Options{Path: args[0], Command: "commit loop"})
	if err != nil {
		return err
	}
	start := s.Serial()
	for n := start + 1; ; n++ {
		b := blobOf(fmt.Sprintf("content %d", n))
		row := source(fmt.Sprintf("s%d", n%7), b.Hash)
		row.Validator = strconv.FormatInt(n, 10)
		if err := s.Commit(context.Background(), &Batch{Sources: []*Source{row}, Blobs: []Blob{b}}); err != nil {
			return err
		}
		fmt.Println(row.Revision)
	}
}

// nobodyHelper gives up root for good and tries to read a state, then to see its holder.
func nobodyHelper(args []string) error {
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := errors.Join(syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
		return err
	}
	r, err := OpenReader(context.Background(), Options{Path: args[0]})
	if err != nil {
		return err
	}
	defer r.Close()
	l, err := r.Load(context.Background())
	if err != nil {
		return err
	}
	for _, hash := range args[2:] {
		if _, err := r.Blob(context.Background(), hash); !errors.Is(err, ErrSealed) {
			return fmt.Errorf("sealed content of another user: %v", err)
		}
	}
	h, err := LockHolder(args[0])
	if err != nil {
		return err
	}
	if held := h != nil; held != (args[1] == "held") {
		return fmt.Errorf("the holder is %v", h)
	}
	if _, err := Open(context.Background(), Options{Path: args[0]}); err == nil {
		return errors.New("opened for writing")
	}
	fmt.Println(l.Serial)
	return nil
}

// start starts a helper and returns it with its lines once it has printed one.
func start(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the helper said nothing")
	}
	return lines
}

func TestASecondProcessIsRefusedByName(t *testing.T) {
	path := testPath(t)
	cmd := helper(t, "hold", path)
	start(t, cmd)

	_, err := Open(t.Context(), Options{Path: path})
	var locked *LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("got %v", err)
	}
	host, _ := os.Hostname()
	if h := locked.Holder; h.PID != cmd.Process.Pid || h.Host != host || h.Command != "apply --watch" || time.Since(h.Since) > time.Minute {
		t.Errorf("the holder is %+v", h)
	}
	if err := Unlock(path); !errors.As(err, &locked) {
		t.Errorf("Unlock of a living holder: %v", err)
	}
	if h, err := LockHolder(path); err != nil || h == nil || h.PID != cmd.Process.Pid {
		t.Errorf("LockHolder gives %v, %v", h, err)
	}
	mustLoad(t, mustRead(t, path))

	// Whoever is killed holds nothing from that instant.
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if h, err := LockHolder(path); err != nil || h != nil {
		t.Errorf("LockHolder after a kill gives %v, %v", h, err)
	}
	left := path + tempMark + "left"
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Unlock(path); err != nil {
		t.Errorf("Unlock after a kill: %v", err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Unlock left %s: %v", left, err)
	}
	mustOpen(t, path)
}

func TestOnlookersNeverShutOutAWriter(t *testing.T) {
	path := testPath(t)
	mustOpen(t, path).Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 300 {
			if _, err := LockHolder(path); err != nil {
				t.Error(err)
			}
		}
	}()
	for range 20 {
		mustOpen(t, path).Close()
	}
	<-done
}

func TestAReplacedStateIsNoticed(t *testing.T) {
	for name, meddle := range map[string]func(f files) error{
		"lock removed": func(f files) error { return os.Remove(f.lock) },
		"state removed": func(f files) error {
			return errors.Join(os.Remove(f.db), os.Remove(f.wal()), os.Remove(f.lock))
		},
		"state restored": func(f files) error {
			if err := copyFile(f.db, f.db+".copy"); err != nil {
				return err
			}
			return os.Rename(f.db+".copy", f.db)
		},
	} {
		t.Run(name, func(t *testing.T) {
			first := mustOpen(t, testPath(t))
			if err := meddle(first.files); err != nil {
				t.Fatal(err)
			}
			row := source("b")
			if err := first.Commit(t.Context(), &Batch{Sources: []*Source{row}}); err == nil {
				t.Error("committed")
			}
			if row.Revision != 0 {
				t.Errorf("a failed commit left revision %d", row.Revision)
			}
		})
	}
}

func TestAnotherWriterIsNoticed(t *testing.T) {
	s := mustOpen(t, testPath(t))
	m, err := readMeta(t.Context(), s.conn)
	if err != nil {
		t.Fatal(err)
	}
	m.serial++
	if err := m.write(t.Context(), s.conn); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), &Batch{Sources: []*Source{source("a")}}); err == nil {
		t.Error("committed on top of what somebody else wrote")
	}
}

// Whatever instant a process is killed at, what it was told is durable is there afterwards.
func TestKilledWritersLoseNothing(t *testing.T) {
	rounds := 20
	if testing.Short() || raceEnabled {
		rounds = 4
	}
	path := testPath(t)
	for round := range rounds {
		cmd := helper(t, "commit", path)
		lines := start(t, cmd)
		last := lines.Text()
		for range round * 37 % 101 {
			if !lines.Scan() {
				t.Fatal("the helper ended")
			}
			last = lines.Text()
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // printed before the kill reached it
			last = lines.Text()
		}
		cmd.Wait()
		promised, err := strconv.ParseInt(last, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		// First as a reader finds it, with the log of the dead.
		read := mustLoad(t, mustRead(t, path))
		checkPromise(t, read, promised)
		s := mustOpen(t, path)
		checkPromise(t, mustLoad(t, s), promised)
		checkRefs(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func checkPromise(t *testing.T, l *Ledger, promised int64) {
	t.Helper()
	if l.Serial < promised || l.Serial > promised+1 {
		t.Fatalf("serial %d after %d was promised", l.Serial, promised)
	}
	newest := source(fmt.Sprintf("s%d", l.Serial%7)).Address
	if row := l.Sources[newest]; row == nil || row.Validator != strconv.FormatInt(l.Serial, 10) {
		t.Fatalf("the row of serial %d is %+v", l.Serial, row)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user")
	}
}

// openDir is a directory that other users may enter, unlike those of the testing package.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tidegate-state-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		os.Chmod(dir, 0o700)
		os.RemoveAll(dir)
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAnotherUserReads(t *testing.T) {
	needRoot(t)
	path := filepath.Join(openDir(t), "state.db")
	s := mustOpen(t, path)
	secret := s.Keyed(HashOf([]byte("secret")))
	mustCommit(t, s, &Batch{Sources: []*Source{source("a", secret)}, Blobs: []Blob{{Hash: secret, Data: []byte("secret"), Sealed: true}}})
	asNobody(t, path, "held", secret)
	s.Close()
	if err := os.Chmod(filepath.Dir(path), 0o555); err != nil {
		t.Fatal(err)
	}
	before := fingerprints(t, filepath.Dir(path))
	asNobody(t, path, "free", secret)
	if diff := diffOf(before, fingerprints(t, filepath.Dir(path))); diff != "" {
		t.Errorf("reading changed the directory: %s", diff)
	}
}

func TestAnotherUserReadsWhatAKilledWriterLeft(t *testing.T) {
	needRoot(t)
	path := filepath.Join(openDir(t), "state.db")
	cmd := helper(t, "commit", path)
	start(t, cmd)
	cmd.Process.Kill()
	cmd.Wait()
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		t.Fatalf("no log was left: %v", err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o555); err != nil {
		t.Fatal(err)
	}
	before := fingerprints(t, filepath.Dir(path))
	asNobody(t, path, "free")
	if diff := diffOf(before, fingerprints(t, filepath.Dir(path))); diff != "" {
		t.Errorf("reading changed the directory: %s", diff)
	}
}

func asNobody(t *testing.T, path, held string, sealed ...string) {
	t.Helper()
	cmd := helper(t, "nobody", append([]string{path, held}, sealed...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if n, err := strconv.Atoi(string(out[:len(out)-1])); err != nil || n == 0 {
		t.Errorf("another user read serial %q", out)
	}
}
