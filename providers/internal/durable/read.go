package durable

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// ErrTooLarge is the error of a file that exceeds the limit it was read with.
var ErrTooLarge = errors.New("the file is larger than the limit")

// Open opens what is at path for reading: a regular file, or, where dirs allows it, a
// directory. It never blocks: what is a pipe, a socket or a device is not even opened. With
// Roots, links are followed inside of them only.
func Open(path string, o Options, dirs bool) (*os.File, *os.Root, error) {
	if len(o.Roots) == 0 {
		info, err := os.Stat(path)
		if err == nil {
			err = readable(info, dirs)
		}
		if err != nil {
			return nil, nil, err
		}
		if info.IsDir() {
			root, err := os.OpenRoot(path)
			return nil, root, err
		}
		f, err := os.OpenFile(path, os.O_RDONLY|NonBlock, 0)
		return f, nil, err
	}
	base, rest, err := Confine(path, o)
	if err != nil {
		return nil, nil, err
	}
	root, err := openDirectory(base)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	return OpenIn(root, rest, dirs)
}

// OpenIn is Open below an open directory, which no link can leave.
func OpenIn(root *os.Root, name string, dirs bool) (*os.File, *os.Root, error) {
	info, err := root.Stat(name)
	if err == nil {
		err = readable(info, dirs)
	}
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		sub, err := root.OpenRoot(name)
		return nil, sub, err
	}
	f, err := root.OpenFile(name, os.O_RDONLY|NonBlock, 0)
	return f, nil, err
}

// OpenTarget opens the file at a sink's path, never through a link at path itself. A
// missing file or directory satisfies errors.Is(err, fs.ErrNotExist).
func OpenTarget(path string, o Options) (*os.File, error) {
	if len(o.Roots) > 0 {
		return openConfinedTarget(path, o)
	}
	info, err := os.Lstat(path)
	if err == nil {
		err = CheckTarget(path, info)
	}
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDONLY|NonBlock|noFollow, 0)
}

func openConfinedTarget(path string, o Options) (*os.File, error) {
	o.Create = false
	d, err := OpenDir(filepath.Dir(path), o)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	info, err := d.Target(filepath.Base(path))
	if err != nil {
		return nil, err
	}
	if info == nil {
		return nil, fs.ErrNotExist
	}
	return d.root.OpenFile(filepath.Base(path), os.O_RDONLY|NonBlock, 0)
}

func readable(info fs.FileInfo, dirs bool) error {
	if info.Mode().IsRegular() || dirs && info.IsDir() {
		return nil
	}
	return fmt.Errorf("it is a %s, not a regular file", Describe(info.Mode()))
}

// tries is how often a file that changes while it is read is read again.
const tries = 4

// Read returns the whole content of an open file as it was at one moment: a file that
// changes meanwhile is read again a few times, and then it is an error. More than limit
// bytes are ErrTooLarge, which costs no reading where the size is known.
func Read(ctx context.Context, f *os.File, limit int64) ([]byte, fs.FileInfo, error) {
	var last []byte
	for try := range tries {
		if try > 0 {
			if err := again(ctx, f, try); err != nil {
				return nil, nil, err
			}
		}
		data, info, steady, err := readOnce(f, limit)
		switch {
		case err != nil:
			return nil, nil, err
		case steady && int64(len(data)) == info.Size():
			return data, info, nil
		case steady && last != nil && bytes.Equal(last, data):
			return data, info, nil // /proc and /sys have files whose size means nothing
		case steady:
			last = data
		default:
			last = nil
		}
	}
	return nil, nil, errors.New("the file keeps changing while it is read")
}

// again waits longer before each further try and goes back to the start.
func again(ctx context.Context, f *os.File, try int) error {
	t := time.NewTimer(5 * time.Millisecond << try)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

func readOnce(f *os.File, limit int64) (data []byte, info fs.FileInfo, steady bool, err error) {
	info, err = f.Stat()
	if err == nil {
		err = readable(info, false) // it may have been replaced since it was looked at
	}
	if err != nil {
		return nil, nil, false, err
	}
	if info.Size() > limit {
		return nil, nil, false, ErrTooLarge
	}
	data, err = readToEnd(f, info.Size(), limit)
	if err != nil {
		return nil, nil, false, err
	}
	after, err := f.Stat()
	if err != nil {
		return nil, nil, false, err
	}
	return data, info, same(info, after), nil
}

func same(a, b fs.FileInfo) bool { return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) }

// readToEnd reads what a file of the given size holds, with one system call where the size
// is right: a read that brought all of it and had room for more was at the end.
func readToEnd(f *os.File, size, limit int64) ([]byte, error) {
	buf := make([]byte, size+1)
	n := 0
	for {
		m, err := f.Read(buf[n:])
		n += m
		if err == io.EOF || err == nil && int64(n) == size {
			return buf[:n:n], nil
		}
		if err != nil {
			return nil, err
		}
		if int64(n) > limit {
			return nil, ErrTooLarge
		}
		if n == len(buf) {
			buf = append(buf, make([]byte, max(512, n))...)
		}
	}
}

// Content is what a file held.
type Content struct {
	Data []byte // the first bytes
	Hash [sha256.Size]byte
	Info fs.FileInfo
}

// Scan hashes an open file and keeps its first bytes. Up to keep bytes it is Read; a larger
// file is read once as a stream, and one that changes meanwhile is an error.
func Scan(ctx context.Context, f *os.File, keep int64) (Content, error) {
	data, info, err := Read(ctx, f, keep)
	if err == nil {
		return Content{Data: data, Hash: sha256.Sum256(data), Info: info}, nil
	}
	if !errors.Is(err, ErrTooLarge) {
		return Content{}, err
	}
	return scanLarge(ctx, f, keep)
}

func scanLarge(ctx context.Context, f *os.File, keep int64) (Content, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Content{}, err
	}
	before, err := f.Stat()
	if err != nil {
		return Content{}, err
	}
	h := sha256.New()
	c := Content{Data: make([]byte, keep), Info: before}
	n, err := io.ReadFull(f, c.Data)
	c.Data = c.Data[:n]
	h.Write(c.Data)
	buf := make([]byte, 1<<20)
	for err == nil {
		if ctx.Err() != nil {
			return Content{}, context.Cause(ctx)
		}
		n, err = f.Read(buf)
		h.Write(buf[:n])
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Content{}, err
	}
	if after, err := f.Stat(); err != nil || !same(before, after) {
		return Content{}, errors.New("the file changed while it was read")
	}
	h.Sum(c.Hash[:0])
	return c, nil
}
