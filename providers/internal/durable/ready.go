package durable

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Ready says why Replace cannot work as things are, as far as that can be told without
// writing: the directory is missing (and not to be made), is none, or may not be written.
// A full disk, an immutable flag or a quota shows only when it is tried.
func Ready(ctx context.Context, path string, o Options) error {
	_, err := Await(ctx, path, func() (struct{}, error) { return struct{}{}, ready(path, o) })
	return err
}

func ready(path string, o Options) error {
	dir := filepath.Dir(path)
	if len(o.Roots) > 0 {
		root, _, err := Confine(dir, o)
		if err == nil {
			err = isDir(root)
		}
		if err != nil {
			return explainOpen(dir, o, err)
		}
	}
	place := dir
	if o.Create {
		place, _ = existing(dir)
	}
	if err := isDir(place); err != nil {
		return explainOpen(place, o, err)
	}
	if err := writable(place); err != nil && !errors.Is(err, syscall.ENOSYS) {
		return explain("replace", path, err)
	}
	return nil
}

func isDir(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
	}
	return err
}
