package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"
)

// Readers load whole ledgers while a writer commits and checkpoints as fast as it can, and
// at times closes and opens the state, which removes the log. A torn copy would fail its
// digests, and a stale one would go back in time.
func TestReadersBesideABusyWriter(t *testing.T) {
	for name, reopen := range map[string]bool{"one writer": false, "writers that come and go": true} {
		t.Run(name, func(t *testing.T) {
			inMemory(t)
			path := testPath(t)
			s := mustOpen(t, path)
			mustCommit(t, s, bigBatch(50, 50, 0))
			ctx, cancel := context.WithTimeout(t.Context(), busyTime())
			defer cancel()
			var readers sync.WaitGroup
			loads := make([]int, 2)
			for i := range loads {
				readers.Go(func() { loads[i] = readLoop(ctx, t, path) })
			}
			commits := writeLoop(ctx, t, path, s, reopen)
			readers.Wait()
			t.Logf("%d commits, %v loads", commits, loads)
			if loads[0] == 0 || loads[1] == 0 {
				t.Error("a reader never came to read")
			}
		})
	}
}

func busyTime() time.Duration {
	if testing.Short() {
		return 300 * time.Millisecond
	}
	return 3 * time.Second
}

func readLoop(ctx context.Context, t *testing.T, path string) (loads int) {
	last := int64(0)
	for ctx.Err() == nil {
		r, err := OpenReader(context.WithoutCancel(ctx), Options{Path: path})
		if err != nil {
			t.Error(err)
			return loads
		}
		l, err := r.Load(context.WithoutCancel(ctx))
		if err != nil {
			t.Error(err)
		} else if l.Serial < last {
			t.Errorf("serial %d after %d", l.Serial, last)
		} else {
			last = l.Serial
			loads++
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	return loads
}

func writeLoop(ctx context.Context, t *testing.T, path string, s *Local, reopen bool) (commits int) {
	for ctx.Err() == nil {
		commits++
		mustCommit(t, s, bigBatch(commits%7+1, commits%23, commits))
		if commits%5 == 0 {
			if _, err := s.conn.ExecContext(t.Context(), "PRAGMA wal_checkpoint(RESTART)"); err != nil {
				t.Error(err)
			}
		}
		if reopen && commits%11 == 0 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			s = mustOpen(t, path)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return commits
}

// A rollback journal is left when somebody else changed the journal mode and was killed.
func TestAReaderRollsBackWhatAJournalSays(t *testing.T) {
	path := testPath(t)
	s := mustOpen(t, path)
	mustCommit(t, s, bigBatch(30, 30, 0))
	want := mustLoad(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	torn := tornCopy(t, path)
	if diff := diffOf(want, mustLoad(t, mustRead(t, torn))); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(torn + "-journal"); err != nil {
		t.Errorf("the reader touched the journal: %v", err)
	}
	if diff := diffOf(want, mustLoad(t, mustOpen(t, torn))); diff != "" {
		t.Error(diff)
	}
}

// tornCopy returns a copy of a state in the middle of a transaction that was spilled to
// the file, with its journal.
func tornCopy(t *testing.T, path string) string {
	t.Helper()
	db, err := openDB(path, "mode=rw&_journal_mode=DELETE&_pragma=cache_size(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, query := range []string{"BEGIN EXCLUSIVE", "UPDATE sinks SET data = zeroblob(3000)", "UPDATE sources SET data = zeroblob(3000)"} {
		if _, err := db.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	torn := filepath.Join(t.TempDir(), "state.db")
	for _, suffix := range []string{"", "-journal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		aged(t, torn+suffix, data)
	}
	return torn
}

func TestCopiesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	path := filepath.Join(t.TempDir(), "state.db")
	mustOpen(t, path)
	r := mustRead(t, path)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("SQLite format 3\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(t.Context(), Options{Path: path}); err == nil {
		t.Error("a cut state was read")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestACommitIsSynced(t *testing.T) {
	s := mustOpen(t, testPath(t))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "10000"} {
		var got string
		if err := s.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, want %s (%v)", pragma, got, want, err)
		}
	}
}

// A small limit of pages stands in for a full disk where none can be mounted.
func TestAFullDatabaseChangesNothing(t *testing.T) {
	s := mustOpen(t, testPath(t))
	mustCommit(t, s, bigBatch(2, 2, 0))
	var pages int
	if err := s.conn.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit := func(n int) {
		if err := s.conn.QueryRowContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", n)).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages + 2)
	checkRefusal(t, s, bigBatch(40, 40, 1))
	limit(1 << 30)
	mustCommit(t, s, bigBatch(40, 40, 1))
	checkRefs(t, s)
}

// checkRefusal expects a commit to fail for want of space and to leave all as it was.
func checkRefusal(t *testing.T, s *Local, b *Batch) {
	t.Helper()
	before := mustLoad(t, s)
	err := s.Commit(t.Context(), b)
	var e *sqlite.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
	if b.Sources[0].Revision != 0 {
		t.Error("a failed commit set revisions")
	}
	if diff := diffOf(before, mustLoad(t, s)); diff != "" {
		t.Errorf("a failed commit changed the ledger: %s", diff)
	}
	checkRefs(t, s)
}

// Without a log only the time of change tells that a writer came and went.
func TestWhatTearsACopy(t *testing.T) {
	path := testPath(t)
	f := files{db: path}
	s := mustOpen(t, path)
	look := func() generation {
		t.Helper()
		g, err := generationOf(f)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	mustCommit(t, s, bigBatch(1, 1, 0))
	withLog := look()
	mustCommit(t, s, bigBatch(1, 1, 1))
	if !withLog.equal(look()) {
		t.Error("a commit that appends to the log tears no copy")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if young := look(); withLog.equal(young) || young.equal(young) {
		t.Error("the log is gone and the database just written")
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	quiet := look()
	if !quiet.equal(look()) {
		t.Error("a quiet state is consistent")
	}
	mustOpen(t, path).Close()
	s = mustOpen(t, path)
	mustCommit(t, s, bigBatch(1, 1, 2))
	s.Close()
	if quiet.equal(look()) {
		t.Error("a writer came and went unnoticed")
	}
}

func TestOpenSweepsWhatACrashLeft(t *testing.T) {
	path := testPath(t)
	mustOpen(t, path).Close()
	left := []string{path + tempMark + "ab12", path + tempMark + "ab12-wal", keyOf(path) + tempMark + "1"}
	for _, name := range left {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustOpen(t, path)
	for _, name := range left {
		if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}
