//go:build unix

package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"tidegate/providers"
	"tidegate/providers/providertest/host"
)

func TestFaultS1DiskFull(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	dir := t.TempDir()
	host.Mount(t, "-t", "tmpfs", "-o", "size=256k", "tmpfs", dir)
	path := filepath.Join(dir, "app")
	put(t, path, "old", 0o644)
	free := host.FillDisk(t, filepath.Join(dir, "ballast"))
	s := newSink(t, dir, "path = \"app\"\ncontent = %q", strings.Repeat("new ", 10_000))
	for range 100 { // nothing piles up
		err := write(t, s)
		if err == nil || !strings.Contains(err.Error(), "no space left on the device") || !strings.Contains(err.Error(), path) {
			t.Fatalf("got %v", err)
		}
	}
	holds(t, path, "old")
	only(t, dir, "app", "ballast")
	// B14: space returns, and nothing else has to.
	free()
	mustWrite(t, s)
	holds(t, path, strings.Repeat("new ", 10_000))
}

func TestFaultS2ReadOnlyDisk(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	dir := t.TempDir()
	host.Mount(t, "-t", "tmpfs", "tmpfs", dir)
	put(t, filepath.Join(dir, "app"), "old", 0o644)
	host.Mount(t, "-o", "remount,bind,ro", dir)
	s := newSink(t, dir, "path = \"app\"\ncontent = \"new\"")
	err := write(t, s)
	if err == nil || !strings.Contains(err.Error(), "mounted read-only") {
		t.Errorf("got %v", err)
	}
	if class, _ := providers.Classify(err); class != providers.ClassTemporary {
		t.Errorf("class %v", class)
	}
	err = write(t, newSink(t, dir, "path = \"new/app\"\ncontent = \"new\"\ncreate_dirs = true"))
	if err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("got %v", err)
	}
	holds(t, filepath.Join(dir, "app"), "old")
	host.Mount(t, "-o", "remount,bind,rw", dir)
	mustWrite(t, s)
	holds(t, filepath.Join(dir, "app"), "new")
}

// Also bug B3: the error has to name the right that is missing, and on what.
func TestFaultS2DirectoryNotWritable(t *testing.T) {
	if !host.AsNobody(t) {
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "app")
	put(t, path, "old", 0o666)
	os.Chmod(dir, 0o555)
	defer os.Chmod(dir, 0o755)
	s := newSink(t, dir, "path = \"app\"\ncontent = \"new\"")
	err := write(t, s)
	if err == nil || !strings.Contains(err.Error(), "needs the right to write and search the directory "+dir+", because a file is replaced by rename") {
		t.Errorf("got %v", err)
	}
	holds(t, path, "old")
	if err := s.Delete(t.Context()); err == nil || !strings.Contains(err.Error(), "directory "+dir) {
		t.Errorf("Delete: %v", err)
	}
	os.Chmod(dir, 0o755)
	os.Chmod(path, 0)
	if _, err := s.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "needs the right to read it") {
		t.Errorf("Read: %v", err)
	}
}

// An ordinary user cannot keep the owner of somebody else's file. Where everybody may read
// it that does no harm; where it would shut out a reader it is an error.
func TestKeepsReadersOfAForeignFile(t *testing.T) {
	if os.Geteuid() == 0 {
		dir, err := os.MkdirTemp("/tmp", "tidegate-test-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		os.Chmod(dir, 0o777)
		put(t, filepath.Join(dir, "open"), "old", 0o644)
		put(t, filepath.Join(dir, "closed"), "old", 0o640)
		os.Chown(filepath.Join(dir, "open"), 12345, 65534)
		os.Chown(filepath.Join(dir, "closed"), 12345, 65534)
		t.Setenv("FILE_TEST_DIR", dir)
	}
	if !host.AsNobody(t) {
		return
	}
	dir := os.Getenv("FILE_TEST_DIR")
	if dir == "" {
		t.Skip("only root can make a file of somebody else")
	}
	mustWrite(t, newSink(t, dir, "path = \"open\"\ncontent = \"new\""))
	err := write(t, newSink(t, dir, "path = \"closed\"\ncontent = \"new\""))
	if err == nil || !strings.Contains(err.Error(), "would shut out who reads it now") {
		t.Errorf("got %v", err)
	}
	holds(t, filepath.Join(dir, "closed"), "old")
	// The way out that the message names.
	mustWrite(t, newSink(t, dir, "path = \"closed\"\ncontent = \"new\"\nowner = \"65534\""))
	holds(t, filepath.Join(dir, "closed"), "new")
}

func TestFaultS8BoundFile(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	dir := t.TempDir()
	path, other := filepath.Join(dir, "app"), filepath.Join(t.TempDir(), "other")
	put(t, path, "below", 0o644)
	put(t, other, "bound", 0o644)
	host.Mount(t, "--bind", other, path)
	err := write(t, newSink(t, dir, "path = \"app\"\ncontent = \"new\""))
	if err == nil || !strings.Contains(err.Error(), "mount point") || !strings.Contains(err.Error(), "mount its directory instead") {
		t.Errorf("got %v", err)
	}
	if class, _ := providers.Classify(err); class != providers.ClassPermanent {
		t.Errorf("class %v", class)
	}
	holds(t, path, "bound")
	only(t, dir, "app")
}

func TestFaultS9PlantedTargets(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	put(t, victim, "precious", 0o600)
	os.Symlink(victim, filepath.Join(dir, "link"))
	os.Mkdir(filepath.Join(dir, "dir"), 0o755)
	syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644)
	for name, want := range map[string]string{"link": "symbolic link", "dir": "is a directory", "fifo": "named pipe"} {
		s := newSink(t, dir, "path = %q\ncontent = \"new\"", name)
		_, readErr := s.Read(t.Context())
		for what, err := range map[string]error{"Read": readErr, "Write": write(t, s), "Delete": s.Delete(t.Context())} {
			if class, _ := providers.Classify(err); err == nil || !strings.Contains(err.Error(), want) || class != providers.ClassPermanent {
				t.Errorf("%s of %s: %v", what, name, err)
			}
		}
	}
	holds(t, victim, "precious")
	only(t, dir, "dir", "fifo", "link", "victim")
}

func TestConfinedByPathsWrite(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	os.Mkdir(in, 0o755)
	os.Mkdir(out, 0o755)
	os.Symlink("../out", filepath.Join(in, "away"))
	for _, path := range []string{"../out/x", "away/x", out + "/x"} {
		s := newSink(t, in, "path = %q\ncontent = \"x\"", path)
		s.options.Roots = []string{in}
		_, readErr := s.Read(t.Context())
		for _, err := range []error{readErr, write(t, s), s.Delete(t.Context())} {
			if err == nil || !strings.Contains(err.Error(), "outside of paths.write = ["+in+"]") {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	only(t, out)
	s := newSink(t, in, "path = \"x\"\ncontent = \"x\"")
	s.options.Roots = []string{in}
	mustWrite(t, s)
	holds(t, filepath.Join(in, "x"), "x")
}

// Under the widest umask a poller looks at everything in the directory all the time. It may
// never see more rights than were asked for, nor the group's rights with another group.
func TestFaultS13NeverWiderThanAsked(t *testing.T) {
	dir := t.TempDir()
	defer syscall.Umask(syscall.Umask(0))
	group, owner := os.Getegid(), ""
	if os.Geteuid() == 0 {
		group, owner = 54321, "owner = \"12345\"\ngroup = \"54321\""
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	var looks atomic.Int64
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				info, err := os.Lstat(filepath.Join(dir, e.Name()))
				if err != nil {
					continue
				}
				looks.Add(1)
				mode, gid := info.Mode().Perm(), int(info.Sys().(*syscall.Stat_t).Gid)
				if mode&^0o640 != 0 || mode&0o040 != 0 && gid != group {
					t.Errorf("%s was seen with mode %04o and group %d", e.Name(), mode, gid)
				}
			}
		}
	}()
	for i := 0; i < 300 || looks.Load() < 1000; i++ {
		s := newSink(t, dir, "path = \"app\"\ncontent = %q\nmode = \"0640\"\n%s", fmt.Sprint(i), owner)
		mustWrite(t, s)
	}
	stop()
	<-done
}
