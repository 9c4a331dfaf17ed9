package state

import (
	"context"
	"fmt"
	"os"
)

// The write-ahead log starts again from its beginning whenever all of it was moved into the
// database, and whoever copies the state must be done before that (see copyState). SQLite
// does so after 1000 pages, which a busy daemon writes in a tenth of a second. So the log
// may grow with the database: copying takes time in proportion to that, and stays a
// fraction of the time between two beginnings however large the state is.
const (
	pageSize    = 4096
	minLogPages = 1000
	logShare    = 4 // of the database's size
	// logExcess is how far the log may outgrow that while readers of this process overlap:
	// the log starts again only at an instant at which nobody reads from it.
	logExcess = 32 << 20
)

// boundLog keeps the log in proportion to a database of that size. It is called between
// transactions. What it cannot do now it tries again after some more commits; nothing
// depends on it but the size of the log, so a failure is none of the commit's.
func (s *Local) boundLog(ctx context.Context, size int64) {
	pages := max(minLogPages, size/pageSize/logShare)
	if pages > 2*s.logPages || pages < s.logPages/2 {
		if execute(ctx, s.conn, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", pages)) == nil {
			s.logPages = pages
		}
	}
	info, err := os.Stat(s.files.wal())
	if err != nil {
		return
	}
	bound := s.logPages*pageSize + logExcess
	if info.Size() < bound {
		s.logTried = 0
		return
	}
	// Another process that reads (a shell) is not waited for, and not asked at every commit.
	if info.Size() < s.logTried+logExcess {
		return
	}
	s.logTried = info.Size()
	s.reading.Lock()
	defer s.reading.Unlock()
	_ = execute(ctx, s.conn, "PRAGMA wal_checkpoint(PASSIVE)")
}
