package state

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// corrupt makes an ErrCorrupt that says what does not fit.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// explain wraps an error of SQLite with what was being done and what to do next.
func explain(doing, path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrCorrupt):
		return fmt.Errorf("%s %s: %w (restore a copy of it; nothing was changed)", doing, path, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s %s: %w", doing, path, err)
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s %s: %w", doing, path, err)
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_FORMAT:
		return fmt.Errorf("%s %s: %w: %w (restore a copy of it; nothing was changed)", doing, path, ErrCorrupt, err)
	case lib.SQLITE_FULL:
		return fmt.Errorf("%s %s: %w: nothing was changed; free space on its disk, then it works again", doing, path, err)
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_CANTOPEN:
		return fmt.Errorf("%s %s: %w: nothing was changed; its directory must be writable for this user", doing, path, err)
	case lib.SQLITE_IOERR:
		return fmt.Errorf("%s %s: %w: nothing was changed; look at the disk (full, read-only or failing)", doing, path, err)
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return fmt.Errorf("%s %s: %w: nothing was changed; another program, such as the sqlite3 shell, holds it", doing, path, err)
	case lib.SQLITE_ERROR, lib.SQLITE_MISMATCH:
		// Our statements are fixed, so only tables that are not ours make them fail.
		return fmt.Errorf("%s %s: %w: %w (restore a copy of it; nothing was changed)", doing, path, ErrCorrupt, err)
	}
	return fmt.Errorf("%s %s: %w", doing, path, err)
}
