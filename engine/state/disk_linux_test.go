package state

import (
	"bytes"
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
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
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
	if err := fullAgain(s, fill); err != nil {
		return err
	}
	return readOnly(s, dir)
}

// fullAgain fills the disk under one open state again and again, as it happens to a daemon:
// many commits fail, in the middle or at their end, readers go on reading, and the first
// commit after the cause is gone works.
func fullAgain(s *Local, fill string) error {
	ctx := context.Background()
	failures, successes, kept := 0, 0, []*Document{document("a", "0")}
	if err := s.Commit(ctx, &Batch{Documents: kept}); err != nil {
		return err
	}
	for round := range 8 {
		if round%2 == 1 {
			// The log starts again, and what it had is room for small commits.
			if err := checkpoint(ctx, s.conn); err != nil {
				return err
			}
			kept = manyDocuments(round, -2, 300)
			if err := s.Commit(ctx, &Batch{Documents: kept}); err != nil {
				return err
			}
			if err := execute(ctx, s.conn, "PRAGMA wal_checkpoint(RESTART)"); err != nil {
				return err
			}
		}
		if err := fillDisk(fill); err != nil {
			return err
		}
		serial := s.Serial()
		for try := range 25 {
			// Of many sizes: small ones fit into what the log already has.
			docs := manyDocuments(round, try, 1+try*try)
			err := s.Commit(ctx, &Batch{Documents: docs})
			switch {
			case err == nil:
				successes, kept, serial = successes+1, docs, serial+1
			case !strings.Contains(err.Error(), "nothing was changed"):
				return fmt.Errorf("round %d, commit %d: %w", round, try, err)
			default:
				failures++
			}
			if err := same(s, serial, kept); err != nil {
				return fmt.Errorf("round %d after commit %d: %w", round, try, err)
			}
		}
		if err := os.Remove(fill); err != nil {
			return err
		}
		kept = manyDocuments(round, -1, 300)
		b := bigBatch(6, 6, 10+round)
		b.Documents = kept
		if err := s.Commit(ctx, b); err != nil {
			return fmt.Errorf("space has returned in round %d: %w", round, err)
		}
		if err := same(s, serial+1, kept); err != nil {
			return fmt.Errorf("round %d, space has returned: %w", round, err)
		}
	}
	if failures < 50 || successes < 10 {
		return fmt.Errorf("%d commits failed on a full disk, %d found room", failures, successes)
	}
	fmt.Println(failures, "commits failed on a full disk,", successes, "found room")
	return nil
}

func manyDocuments(round, try, n int) []*Document {
	var out []*Document
	for i := range n {
		out = append(out, document(fmt.Sprintf("replay/%03d", i), fmt.Sprintf("%d %d %01000d", round, try, i)))
	}
	return out
}

// same expects all documents of the newest commit that worked
// and no byte of one that failed.
func same(s *Local, serial int64, want []*Document) error {
	got, err := s.Documents(context.Background(), want[0].Name[:1])
	if err != nil {
		return err
	}
	if len(got) < len(want) || s.Serial() != serial {
		return fmt.Errorf("%d documents, want %d; serial %d, want %d", len(got), len(want), s.Serial(), serial)
	}
	for i, d := range want {
		if d.Name != got[i].Name || !bytes.Equal(d.Data, got[i].Data) {
			return fmt.Errorf("document %s is %.20q, want %.20q", d.Name, got[i].Data, d.Data)
		}
	}
	l, err := s.Load(context.Background())
	if err == nil && l.Serial != serial {
		err = fmt.Errorf("stored serial %d, want %d", l.Serial, serial)
	}
	return err
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
