package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// lock is the right to write a state. The kernel holds it for the process and frees it when
// the process ends, however it ends: there are no stale locks. What stands in the file only
// tells others who it is.
type lock struct {
	file   *os.File
	holder Holder // as signed last
}

// errHeld says that another open file has the lock.
var errHeld = errors.New("held")

// Looking who holds a lock takes it for an instant, so a first refusal may be an onlooker.
const (
	lockTries = 6
	lockPause = 15 * time.Millisecond
)

// takeLock takes the lock of a state and writes the holder's name into it.
func takeLock(ctx context.Context, f files, h Holder) (*lock, error) {
	for try := 1; ; try++ {
		file, err := acquire(f.lock)
		switch {
		case err == nil:
			l := &lock{file: file}
			if err := l.sign(h); err != nil {
				return nil, errors.Join(fmt.Errorf("lock the state %s: %w", f.db, err), l.release())
			}
			return l, nil
		case !errors.Is(err, errHeld):
			return nil, fmt.Errorf("lock the state %s: %w", f.db, err)
		case try == lockTries:
			return nil, &LockedError{Path: f.db, Holder: readHolder(f.lock)}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock the state %s: %w", f.db, ctx.Err())
		case <-time.After(lockPause):
		}
	}
}

// acquire opens and locks the file at path. A file that was removed or replaced in between
// would be a lock that nobody else sees, so the name is compared afterwards.
func acquire(path string) (*os.File, error) {
	for {
		file, err := openLock(path, true)
		if err != nil {
			return nil, err
		}
		if err := lockExclusive(file); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		if isNamed(file, path) {
			return file, nil
		}
		if err := unlockAndClose(file); err != nil {
			return nil, err
		}
	}
}

func unlockAndClose(file *os.File) error { return errors.Join(unlock(file), file.Close()) }

// isNamed reports whether path still names the open file.
func isNamed(file *os.File, path string) bool {
	open, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(path)
	return err == nil && os.SameFile(open, named)
}

// sign writes the holder as the first line and cuts what was behind it afterwards, so that
// a reader meets a complete line at nearly any instant. It is not synced: the lock, and
// with it what the line says, ends with the process.
func (l *lock) sign(h Holder) error {
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if _, err := l.file.WriteAt(data, 0); err != nil {
		return err
	}
	l.holder = h
	return l.file.Truncate(int64(len(data)))
}

// release forgets the holder and frees the lock. The file stays: removing it would let two
// processes lock two files of one name.
func (l *lock) release() error {
	return errors.Join(l.file.Truncate(0), unlockAndClose(l.file))
}

// readHolder tells who wrote the lock file last; nobody (PID 0) where that cannot be read.
// A line that is just being written is read again.
func readHolder(path string) Holder {
	for try := 1; ; try++ {
		h, err := readLine(path)
		if err == nil {
			return h
		}
		if try == lockTries || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			return Holder{}
		}
		time.Sleep(time.Millisecond)
	}
}

func readLine(path string) (Holder, error) {
	file, err := os.Open(path)
	if err != nil {
		return Holder{}, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, 1<<16))
	if err != nil {
		return Holder{}, err
	}
	line, _, _ := bytes.Cut(data, []byte{'\n'})
	var h Holder
	err = json.Unmarshal(line, &h)
	return h, err
}

func newHolder(command string) Holder {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return Holder{PID: os.Getpid(), Host: host, Command: command, Since: time.Now().UTC().Truncate(time.Second)}
}

// Named tells who wrote the lock file last, without asking whether that process still holds
// the lock: reading takes no lock, not even for an instant. Nil where nobody is named.
func Named(path string) *Holder {
	f, err := filesOf(path)
	if err != nil {
		return nil
	}
	if h := readHolder(f.lock); h.PID != 0 {
		return &h
	}
	return nil
}

// LockHolder tells who holds the state at path, or nil when nobody does. It writes nothing
// and needs only to read the lock file.
func LockHolder(path string) (*Holder, error) {
	f, err := filesOf(path)
	if err != nil {
		return nil, err
	}
	file, err := openLock(f.lock, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the lock of the state %s: %w", f.db, err)
	}
	defer file.Close()
	err = lockShared(file)
	if errors.Is(err, errHeld) {
		h := readHolder(f.lock)
		return &h, nil
	}
	if err == nil {
		err = unlock(file)
	}
	if err != nil {
		return nil, fmt.Errorf("look at the lock of the state %s: %w", f.db, err)
	}
	return nil, nil
}

// Unlock removes what a process that died left behind: its name in the lock file and
// temporary files. There is no lock to break, the kernel freed it with the process; while
// a holder lives Unlock changes nothing and returns a *LockedError.
func Unlock(path string) error {
	f, err := filesOf(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(f.lock); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	file, err := acquire(f.lock)
	if errors.Is(err, errHeld) {
		return &LockedError{Path: f.db, Holder: readHolder(f.lock)}
	}
	if err != nil {
		return fmt.Errorf("unlock the state %s: %w", f.db, err)
	}
	l := &lock{file: file}
	return errors.Join(f.sweep(), l.release())
}

// sweep removes temporary files that a crash left; the lock must be held.
func (f files) sweep() error {
	var errs []error
	for _, name := range f.leftovers() {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove what a crash left: %w", err))
		}
	}
	return errors.Join(errs...)
}
