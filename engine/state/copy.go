package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// privateCopy is a consistent copy of a state in a directory of its own.
type privateCopy struct {
	dir string
	db  string
}

func (c *privateCopy) remove() error { return os.RemoveAll(c.dir) }

const (
	copyPatience = 30 * time.Second
	copyPause    = 2 * time.Millisecond
	// mtimeStep is more than the step of a file system's clock.
	mtimeStep = 25 * time.Millisecond
)

// errMoved says that the state changed in a way that tears the copy.
var errMoved = errors.New("it was written while it was being copied")

// copyState copies a state that may be written at the same time, or was when its writer
// died. Opening it in place is no way: a reader of a write-ahead log writes its index.
//
// The copy is consistent if the log's generation (the salts in its header) is the same
// before and after. Within a generation SQLite appends frames and never takes one back that
// was committed, and a checkpoint writes to the database only pages of frames that are in
// the log. So with the database copied first and the log second, every page that was
// written meanwhile is in the copied log and overrides what was copied of it; a frame that
// was caught half-written fails its checksum, and SQLite ends the log before it.
func copyState(ctx context.Context, f files) (*privateCopy, error) {
	dir, err := os.MkdirTemp("", "tidegate-state-")
	if err != nil {
		return nil, fmt.Errorf("make a place for a private copy: %w", err)
	}
	c := &privateCopy{dir: dir, db: filepath.Join(dir, "state.db")}
	ctx, cancel := context.WithTimeoutCause(ctx, copyPatience, errMoved)
	defer cancel()
	for {
		err := c.try(f)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, errMoved) {
			return nil, errors.Join(err, c.remove())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), c.remove())
		case <-time.After(copyPause):
		}
	}
}

// try makes one copy, or returns errMoved.
func (c *privateCopy) try(f files) error {
	before, err := generationOf(f)
	if err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-journal"} {
		err := copyFile(f.db+suffix, c.db+suffix)
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			err = os.Remove(c.db + suffix)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		if err != nil {
			return err
		}
	}
	after, err := generationOf(f)
	if err != nil {
		return err
	}
	if !before.equal(after) {
		return errMoved
	}
	return nil
}

// generation tells apart the states of the files between which a copy may be torn.
type generation struct {
	db      fs.FileInfo
	wal     []byte // header of the log, nil without one
	journal fs.FileInfo
	fresh   bool // too young for its time of change to tell
}

// walHeader holds magic, version, page size, sequence number, two salts and a checksum.
const walHeader = 32

func generationOf(f files) (generation, error) {
	var g generation
	var err error
	if g.db, err = os.Stat(f.db); err != nil {
		return g, err
	}
	if g.wal, err = readWALHeader(f.wal()); err != nil {
		return g, err
	}
	g.journal, err = os.Stat(f.journal())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return g, err
	}
	age := time.Since(g.db.ModTime())
	g.fresh = g.wal == nil && age >= 0 && age < mtimeStep
	return g, nil
}

func readWALHeader(path string) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	buf := make([]byte, walHeader)
	if _, err := io.ReadFull(file, buf); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return buf, nil
}

// equal reports whether nothing happened that tears a copy. Without a log the database
// must not have been written at all: a writer may have come, checkpointed and gone.
func (g generation) equal(o generation) bool {
	if !os.SameFile(g.db, o.db) || !bytes.Equal(g.wal, o.wal) || (g.wal == nil) != (o.wal == nil) || !sameStat(g.journal, o.journal) {
		return false
	}
	return g.wal != nil || sameStat(g.db, o.db) && !g.fresh
}

func sameStat(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// copyFile copies the bytes of a file into a new or emptied one that is private.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
