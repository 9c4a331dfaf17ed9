package state

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// daemonLoop commits documents 500 times a second, or as often as it can, until the context
// ends, and tells how often it did and how large the log became.
func daemonLoop(ctx context.Context, t testing.TB, s *Local, documents, round int) (commits int, log int64) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		commits++
		if err := s.Commit(context.WithoutCancel(ctx), documentBatch(documents, round+commits, commits%2 == 0)); err != nil {
			t.Error(err)
		}
		log = max(log, logSize(t, s))
		<-tick.C
	}
	return commits, log
}

func logSize(t testing.TB, s *Local) int64 {
	info, err := os.Stat(s.files.wal())
	if err != nil {
		t.Error(err)
		return 0
	}
	return info.Size()
}

// Whoever reads a copy neither waits for the daemon nor makes its log grow.
func TestReadersBesideADaemon(t *testing.T) {
	rows := 5000
	if testing.Short() || raceEnabled {
		rows = 500
	}
	inMemory(t)
	path := testPath(t)
	s := mustOpen(t, path)
	// In parts, since the log that the largest commit needed is part of what is measured.
	for i := 0; i < rows; i += 500 {
		mustCommit(t, s, partOf(bigBatch(rows, rows, 0), i, i+500))
	}
	ctx, cancel := context.WithTimeout(t.Context(), busyTime())
	defer cancel()
	var commits int
	var log int64
	var writer sync.WaitGroup
	writer.Go(func() { commits, log = daemonLoop(ctx, t, s, 64, 0) })
	reads, worst := 0, time.Duration(0)
	for ctx.Err() == nil {
		began := time.Now()
		r, err := OpenReader(t.Context(), Options{Path: path})
		if err != nil {
			t.Error(err)
			break
		}
		mustDocuments(t, r, "push/")
		worst, reads = max(worst, time.Since(began)), reads+1
		r.Close()
	}
	writer.Wait()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commits, the log had at most %d KB beside %d KB; %d reads, the longest %v", commits, log>>10, info.Size()>>10, reads, worst)
	// One commit is on top, and what it takes until SQLite looks.
	if bound := max(minLogPages*pageSize, info.Size()/logShare*2) + 2<<20; log > bound {
		t.Errorf("the log had %d bytes, more than %d", log, bound)
	}
	if worst > time.Minute {
		t.Errorf("a reader took %v", worst)
	}
}

// partOf is a range of the rows of a batch with all its contents.
func partOf(b *Batch, from, to int) *Batch {
	return &Batch{Sources: b.Sources[from:to], Sinks: b.Sinks[from:to], Blobs: b.Blobs}
}

// Readers of the same process that overlap all the time would keep the log from ever
// starting again.
func TestOverlappingReadersDoNotFeedTheLog(t *testing.T) {
	inMemory(t)
	s := mustOpen(t, testPath(t))
	mustCommit(t, s, bigBatch(10, 10, 0))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if err := readSlowly(t.Context(), s); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var log int64
	const commits = 120
	for i := range commits {
		// Each page has other bytes than before: SQLite does not write what is the same.
		mustCommit(t, s, &Batch{Documents: []*Document{document("big", strings.Repeat(string(rune('a'+i%26)), 1<<20))}})
		log = max(log, logSize(t, s))
	}
	cancel()
	readers.Wait()
	t.Logf("the log had at most %d KB", log>>10)
	if bound := int64(minLogPages*pageSize + logExcess + 4<<20); log > bound {
		t.Errorf("the log had %d bytes, more than %d", log, bound)
	}
}

// readSlowly is a Load of a ledger that is much larger.
func readSlowly(ctx context.Context, s *Local) error {
	s.reading.RLock()
	defer s.reading.RUnlock()
	tx, err := s.readDB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = readMeta(ctx, tx)
	time.Sleep(50 * time.Millisecond)
	return err
}

// A log that grew with the database shrinks with it.
func TestTheLogIsInProportion(t *testing.T) {
	s := mustOpen(t, testPath(t))
	ask := func() (pages int64) {
		t.Helper()
		if err := s.conn.QueryRowContext(t.Context(), "PRAGMA wal_autocheckpoint").Scan(&pages); err != nil {
			t.Fatal(err)
		}
		return pages
	}
	if got := ask(); got != minLogPages {
		t.Errorf("a new state has %d pages", got)
	}
	for size, want := range map[int64]int64{1 << 30: 1 << 16, 16 << 20: minLogPages} {
		s.boundLog(t.Context(), size)
		if got := ask(); got != want || s.logPages != want {
			t.Errorf("%d MB have %d pages, want %d", size>>20, got, want)
		}
		s.boundLog(t.Context(), 0)
	}
}

// BenchmarkOpenReaderBesideADaemon is on the disk, beside 500 commits of 64 documents a second.
func BenchmarkOpenReaderBesideADaemon(b *testing.B) {
	path := testPath(b)
	s := mustOpen(b, path)
	mustCommit(b, s, bigBatch(10_000, 10_000, 0))
	ctx, cancel := context.WithCancel(b.Context())
	var writer sync.WaitGroup
	var commits int
	writer.Go(func() { commits, _ = daemonLoop(ctx, b, s, 64, 0) })
	var worst time.Duration
	for b.Loop() {
		began := time.Now()
		r, err := OpenReader(b.Context(), Options{Path: path})
		if err != nil {
			b.Fatal(err)
		}
		r.Close()
		worst = max(worst, time.Since(began))
	}
	elapsed := b.Elapsed()
	cancel()
	writer.Wait()
	b.ReportMetric(float64(worst.Milliseconds()), "worst-ms")
	b.ReportMetric(float64(commits)/elapsed.Seconds(), "commits/s")
}
