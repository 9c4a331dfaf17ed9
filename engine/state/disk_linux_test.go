package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func init() { helpers["disk"] = diskHelper }

// TestAFullOrReadOnlyDiskChangesNothing runs in a mount namespace of its own.
func TestAFullOrReadOnlyDiskChangesNothing(t *testing.T) {
	cmd := helper(t, "disk", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "no namespace") || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("no namespaces here: %v %s", err, out)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}

func diskHelper(args []string) error {
	dir := args[0]
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		return fmt.Errorf("no namespace: %w", err)
	}
	ctx := context.Background()
	path := filepath.Join(dir, "s", "state.db")
	opened, err := Open(ctx, Options{Path: path})
	if err != nil {
		return err
	}
	s := opened.(*Local)
	if err := s.Commit(ctx, bigBatch(5, 5, 0)); err != nil {
		return err
	}
	fill := filepath.Join(dir, "fill")
	if err := fillDisk(fill); err != nil {
		return err
	}
	if err := refused(s, "full disk", bigBatch(300, 300, 1)); err != nil {
		return err
	}
	// The state cannot be made or given a key on a full disk either, and leaves nothing.
	if _, err := Open(ctx, Options{Path: filepath.Join(dir, "t", "state.db")}); err == nil {
		return errors.New("a state was made on a full disk")
	}
	name := s.Keyed("x")
	if err := s.Commit(ctx, bigBatch(1, 1, 2)); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("rows were committed with a key that does not exist: %v", err)
	}
	if err := os.Remove(fill); err != nil {
		return err
	}
	if s.Keyed("x") == name {
		return errors.New("the stand-in for the key was kept")
	}
	if err := s.Commit(ctx, bigBatch(6, 6, 3)); err != nil {
		return fmt.Errorf("space has returned: %w", err)
	}
	return readOnly(s, dir)
}

// readOnly remounts the disk under an open state and back.
func readOnly(s *Local, dir string) error {
	ctx := context.Background()
	if err := s.Close(); err != nil {
		return err
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("remount: %w", err)
	}
	if _, err := Open(ctx, Options{Path: s.files.db}); !errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("open on a read-only disk: %v", err)
	} else {
		fmt.Println(err)
	}
	r, err := OpenReader(ctx, Options{Path: s.files.db})
	if err != nil {
		return err
	}
	defer r.Close()
	l, err := r.Load(ctx)
	if err != nil || len(l.Sinks) != 6 {
		return fmt.Errorf("%v, %w", l, err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""); err != nil {
		return fmt.Errorf("remount: %w", err)
	}
	again, err := Open(ctx, Options{Path: s.files.db})
	if err != nil {
		return err
	}
	return errors.Join(again.Commit(ctx, bigBatch(7, 7, 4)), again.Close())
}

// fillDisk writes until nothing more fits.
func fillDisk(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, size := range []int{1 << 16, 1 << 12, 1} {
		for err = nil; err == nil; {
			_, err = file.Write(make([]byte, size))
		}
	}
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return err
}

// refused expects a commit to fail and to change nothing.
func refused(s *Local, why string, b *Batch) error {
	before, err := s.Load(context.Background())
	if err != nil {
		return err
	}
	err = s.Commit(context.Background(), b)
	if err == nil {
		return fmt.Errorf("%s: committed", why)
	}
	fmt.Println(err)
	after, err := s.Load(context.Background())
	if err != nil {
		return err
	}
	if diff := diffOf(before, after); diff != "" {
		return fmt.Errorf("%s: a failed commit changed the ledger: %s", why, diff)
	}
	return nil
}
