package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"tidegate/providers"
	"tidegate/providers/internal/durable"
)

// errChanged is the error of a directory that changed while it was read.
var errChanged = errors.New("the directory keeps changing while it is read")

// entryError is what is wrong with one entry of the directory.
type entryError struct {
	name string
	err  error
}

func (e *entryError) Error() string { return e.name + ": " + e.err.Error() }
func (e *entryError) Unwrap() error { return e.err }

// look is one reading of a directory.
type look struct {
	ctx       context.Context
	top       *os.Root
	recursive bool
	left      int64 // bytes that may still be read
	parts     []providers.Part
	private   bool    // one of them is
	dirs      []state // of directories, to see whether entries came, went or were swapped
	links     []state // of what links led to, for a swap further up
}

// state is what something looked like when it was read.
type state struct {
	name string
	info fs.FileInfo
}

// read collects all parts, and then looks whether they belong together: a directory whose
// entries changed, or a link that leads to something else by now, may have given a mixture
// of old and new.
func (l *look) read() ([]providers.Part, error) {
	l.parts = []providers.Part{} // a directory without files is empty, not absent
	if err := l.dir(l.top, "."); err != nil {
		return nil, err
	}
	for _, was := range slices.Concat(l.dirs, l.links) {
		is, err := l.top.Stat(was.name)
		if err != nil || !os.SameFile(was.info, is) || !was.info.ModTime().Equal(is.ModTime()) {
			return nil, errChanged
		}
	}
	slices.SortFunc(l.parts, func(a, b providers.Part) int { return strings.Compare(a.Name, b.Name) })
	return l.parts, nil
}

// dir reads one directory. Its files are opened relative to it: going from the top for each
// would cost an open for every directory on the way.
func (l *look) dir(root *os.Root, name string) error {
	f, err := root.Open(".")
	if err != nil {
		return &entryError{name, err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return &entryError{name, err}
	}
	l.dirs = append(l.dirs, state{name, info})
	entries, err := f.ReadDir(-1)
	if err != nil {
		return &entryError{name, err}
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if l.ctx.Err() != nil {
			return context.Cause(l.ctx)
		}
		if err := l.entry(root, e, path.Join(name, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (l *look) entry(root *os.Root, e fs.DirEntry, name string) error {
	switch {
	case e.Type().IsRegular():
		// Its type is known, so that looking before opening can be saved; that a pipe has
		// taken its place meanwhile shows after the open, which does not wait.
		f, err := root.OpenFile(e.Name(), os.O_RDONLY|durable.NonBlock, 0)
		return l.file(name, f, err)
	case e.IsDir():
		if !l.recursive {
			return nil
		}
		sub, err := root.OpenRoot(e.Name())
		if err != nil {
			return l.vanished(name, err)
		}
		defer sub.Close()
		return l.dir(sub, name)
	case e.Type()&fs.ModeSymlink != 0:
		return l.link(name)
	}
	return &entryError{name, errors.New("it is a " + durable.Describe(e.Type()) + ", not a regular file")}
}

// link follows a link to a file, within the top directory. A link to a directory is passed
// over: it could lead in a circle.
func (l *look) link(name string) error {
	f, dir, err := durable.OpenIn(l.top, name, true)
	if dir != nil {
		return dir.Close()
	}
	if f != nil {
		if info, err := f.Stat(); err == nil {
			l.links = append(l.links, state{name, info})
		}
	}
	if durable.Escapes(err) {
		return &entryError{name, providers.Permanent(errors.New("the link leads out of the directory, which is not followed; copy the file, or give its path in a source of its own"))}
	}
	return l.file(name, f, err)
}

// file reads one open file.
func (l *look) file(name string, f *os.File, err error) error {
	if err != nil {
		return l.vanished(name, err)
	}
	defer f.Close()
	data, info, err := durable.Read(l.ctx, f, l.left)
	if err != nil {
		return &entryError{name, err}
	}
	l.private = l.private || isPrivate(info)
	l.left -= int64(len(data))
	l.parts = append(l.parts, providers.Part{Name: name, Data: data})
	return nil
}

// vanished takes an entry that is gone since the directory was listed as a change of the
// directory. A link that leads nowhere stays one, and is its own error.
func (l *look) vanished(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if _, now := l.top.Lstat(name); errors.Is(now, fs.ErrNotExist) {
			return errChanged
		}
	}
	return &entryError{name, err}
}
