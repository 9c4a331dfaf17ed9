package durable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// Want is what a new file is to be.
type Want struct {
	Mode     fs.FileMode // permission bits, whatever the umask
	UID, GID int         // -1 where none is asked for
	// Like is the file whose owner and group are kept where none is asked for. An ordinary
	// user may not give files away: then the new file is his, unless that would take the
	// right to read from somebody who has it.
	Like fs.FileInfo
}

// Replace puts data at path as one atomic, durable step. want is asked once, with what is
// there now (nil for nothing).
//
// It returns soon after ctx is done even when the disk does not answer: before the rename
// the replacement is given up for good, and whatever the disk does later changes nothing;
// after it the error is ErrUnknown.
func Replace(ctx context.Context, path string, o Options, data []byte, want func(old fs.FileInfo) Want) error {
	return change(ctx, "replace", path, o, func(d *Dir, g *gate) error {
		return d.replace(g, filepath.Base(path), data, want)
	})
}

// change carries out one change in the directory of path, and gives it up when ctx is done
// before the gate was passed.
func change(ctx context.Context, verb, path string, o Options, f func(*Dir, *gate) error) error {
	g := &gate{}
	_, err := await(ctx, path, func() (struct{}, error) {
		d, err := OpenDir(filepath.Dir(path), o)
		if err != nil {
			return struct{}{}, err
		}
		defer d.Close()
		return struct{}{}, f(d, g)
	})
	switch {
	case !errors.Is(err, errGivenUp):
		return err
	case g.shut():
		return fmt.Errorf("%s %s: nothing was changed: %w", verb, path, context.Cause(ctx))
	}
	return fmt.Errorf("%s %s: %w: %w", verb, path, ErrUnknown, context.Cause(ctx))
}

func (d *Dir) replace(g *gate, name string, data []byte, want func(fs.FileInfo) Want) error {
	path := filepath.Join(d.path, name)
	old, err := d.Target(name)
	if err != nil {
		return err
	}
	f, temp, err := d.create(name)
	if err != nil {
		return explain("replace", path, err)
	}
	// Closing last keeps the lock until the temporary name is gone.
	defer f.Close()
	if err := fill(f, data, want(old)); err != nil {
		d.root.Remove(temp)
		return explain("replace", path, err)
	}
	if !g.pass() {
		d.root.Remove(temp)
		return errGivenUp
	}
	if err := system.rename(d.root, temp, name); err != nil {
		d.root.Remove(temp)
		return explain("replace", path, err)
	}
	return d.Sync()
}

// create makes the temporary file, locked.
func (d *Dir) create(name string) (*os.File, string, error) {
	for try := 0; ; try++ {
		temp := tempPrefix(name) + fmt.Sprintf("%08x", rand.Uint32())
		f, err := system.create(d.root, temp)
		switch {
		case errors.Is(err, fs.ErrExist) && try < 100:
			continue
		case err != nil:
			return nil, "", err
		case hold(f):
			return f, temp, nil
		}
		f.Close() // a sweep took it for a leftover
		if try >= 100 {
			return nil, "", fmt.Errorf("temporary files in %s are removed as soon as they are made", d.path)
		}
	}
}

// fill writes data to a new file and makes it durable. Owner comes before mode: the other
// order would for an instant open the file to the group it was created with.
func fill(f *os.File, data []byte, w Want) error {
	if err := writeAll(f, data); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != int64(len(data)) {
		return fmt.Errorf("the temporary file has %d bytes after writing %d", info.Size(), len(data))
	}
	if err := own(f, info, w); err != nil {
		return err
	}
	if info, err = f.Stat(); err != nil {
		return err
	}
	if info.Mode().Perm() != w.Mode.Perm() {
		if err := f.Chmod(w.Mode.Perm()); err != nil {
			return fmt.Errorf("set mode %04o: %v", w.Mode.Perm(), err)
		}
	}
	return system.fsync(f)
}

// writeAll goes on after a short write, which is how some file systems announce that they
// are full.
func writeAll(f *os.File, data []byte) error {
	for len(data) > 0 {
		n, err := system.write(f, data)
		if err != nil && !errors.Is(err, io.ErrShortWrite) {
			return err
		}
		if n <= 0 {
			return io.ErrShortWrite
		}
		data = data[n:]
	}
	return nil
}

// tempPrefix is the start of the names of a target's temporary files. A long name is cut so
// that the whole fits into the 255 bytes of a file name.
func tempPrefix(name string) string {
	if len(name) > 200 {
		name = name[:200]
		for !utf8.ValidString(name) && len(name) > 190 {
			name = name[:len(name)-1]
		}
	}
	return "." + name + ".tidegate-"
}

// isTemp reports whether a directory entry is a temporary file of the target.
func isTemp(entry, name string) bool {
	rest, ok := strings.CutPrefix(entry, tempPrefix(name))
	return ok && len(rest) == 8 && strings.Trim(rest, "0123456789abcdef") == ""
}

// gate decides once between making the change visible and giving it up.
type gate struct{ taken atomic.Bool }

func (g *gate) pass() bool { return g.taken.CompareAndSwap(false, true) }
func (g *gate) shut() bool { return g.taken.CompareAndSwap(false, true) }
