package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Sweep removes the temporary files that killed runs left beside path. Those of a living
// process are locked and stay, as does everything else in the directory. A directory that
// does not exist is no error. Its cost is one reading of the directory.
func Sweep(path string, o Options) error {
	o.Create = false
	d, err := OpenDir(filepath.Dir(path), o)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sweep(filepath.Base(path))
}

// SweepAll is Sweep for every name in a directory, as far as the leftovers are this user's.
func SweepAll(dir string) error {
	d, err := OpenDir(dir, Options{})
	if err != nil {
		return err
	}
	defer d.Close()
	return d.sweep(func(entry string) bool {
		name := strings.TrimPrefix(entry, ".")
		if end := strings.LastIndex(name, ".tidegate-"); end > 0 {
			name = name[:end]
		}
		if !isTemp(entry, name) {
			return false
		}
		info, err := d.root.Lstat(entry)
		if err != nil {
			return false
		}
		uid, _, ok := Owner(info)
		return !ok || uid == os.Geteuid()
	})
}

// Sweep is the function Sweep within a directory that is open already.
func (d *Dir) Sweep(name string) error {
	return d.sweep(func(entry string) bool { return isTemp(entry, name) })
}

func (d *Dir) sweep(leftover func(entry string) bool) error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	entries, err := f.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list %s: %w", d.path, err)
	}
	var errs []error
	for _, e := range entries {
		if leftover(e) {
			errs = append(errs, d.sweepOne(e))
		}
	}
	return errors.Join(errs...)
}

func (d *Dir) sweepOne(temp string) error {
	info, err := d.root.Lstat(temp)
	if err != nil || !info.Mode().IsRegular() {
		return nil // gone meanwhile, or none of ours
	}
	f, err := d.root.OpenFile(temp, os.O_RDONLY|NonBlock, 0)
	if err != nil {
		return nil // not ours to read, so not ours to remove
	}
	defer f.Close()
	if !abandoned(f) {
		return nil
	}
	if err := d.root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explain("remove the leftover", filepath.Join(d.path, temp), err)
	}
	return nil
}
