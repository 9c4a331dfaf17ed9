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
	UID, GID int         // -1 for those of the process
	// Keep takes a refused change of owner as no error: for an owner that is only kept and
	// was not asked for.
	Keep bool
}

// Replace puts data at path as one atomic, durable step. want is asked once, with what is
// there now (nil for nothing).
//
// It returns soon after ctx is done even when the disk does not answer: before the rename
// the replacement is given up for good, and whatever the disk does later changes nothing;
// after it the error is ErrUnknown.
func Replace(ctx context.Context, path string, o Options, data []byte, want func(old fs.FileInfo) Want) error {
	g := &gate{}
	_, err := await(ctx, func() (struct{}, error) {
		d, err := OpenDir(filepath.Dir(path), o)
		if err != nil {
			return struct{}{}, err
		}
		defer d.Close()
		return struct{}{}, d.replace(g, filepath.Base(path), data, want)
	})
	if errors.Is(err, errGivenUp) {
		if g.shut() {
			return fmt.Errorf("replace %s: nothing was changed: %w", path, context.Cause(ctx))
		}
		return fmt.Errorf("replace %s: %w: %w", path, ErrUnknown, context.Cause(ctx))
	}
	return err
}

// Replace is the function Replace within a directory that is open already.
func (d *Dir) Replace(name string, data []byte, want func(old fs.FileInfo) Want) error {
	return d.replace(&gate{}, name, data, want)
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

func own(f *os.File, info fs.FileInfo, w Want) error {
	uid, gid, ok := Owner(info)
	if !ok || (w.UID < 0 || w.UID == uid) && (w.GID < 0 || w.GID == gid) {
		return nil
	}
	err := f.Chown(w.UID, w.GID)
	switch {
	case err == nil, w.Keep && errors.Is(err, fs.ErrPermission):
		return nil
	case errors.Is(err, fs.ErrPermission):
		// Not wrapped: explain would speak of the directory.
		return fmt.Errorf("uid %d may not give the file to owner %d and group %d: %v; run as root or with CAP_CHOWN, or leave owner out and name a group the user is in", os.Geteuid(), w.UID, w.GID, err)
	}
	return fmt.Errorf("set owner %d and group %d: %w", w.UID, w.GID, err)
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

// gate decides once between the rename and giving up.
type gate struct{ taken atomic.Bool }

func (g *gate) pass() bool { return g.taken.CompareAndSwap(false, true) }
func (g *gate) shut() bool { return g.taken.CompareAndSwap(false, true) }
