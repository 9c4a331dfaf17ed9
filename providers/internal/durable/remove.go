package durable

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
)

// Remove unlinks the file at path and flushes its directory. Nothing there, not even the
// directory, is no error; anything but a regular file is one. It heeds ctx as Replace does.
func Remove(ctx context.Context, path string, o Options) error {
	o.Create = false
	err := change(ctx, "remove", path, o, func(d *Dir, g *gate) error {
		return d.remove(g, filepath.Base(path))
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d *Dir) remove(g *gate, name string) error {
	info, err := d.Target(name)
	if err != nil || info == nil {
		return err
	}
	if !g.pass() {
		return errGivenUp
	}
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explain("remove", filepath.Join(d.path, name), err)
	}
	return d.Sync()
}
