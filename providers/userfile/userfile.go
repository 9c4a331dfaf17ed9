// Package userfile replaces files that people keep for themselves, such as the configuration
// that fmt rewrites, with the care that sinks take of theirs.
//
// When a replacement fails, the file is as it was: there is no moment at which it is torn,
// empty or missing, not even when the power goes.
package userfile

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tidegate/providers/internal/durable"
)

// Replace puts data in the place of was. Mode and owner stay, and where path is a link, the
// file that it leads to is replaced. A file that holds anything but was by now is left alone:
// somebody saved it meanwhile.
func Replace(ctx context.Context, path string, was, data []byte) error {
	real := durable.Resolve(path)
	now, err := os.ReadFile(real)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(now, was):
		return fmt.Errorf("%s was changed meanwhile and is left as it is", path)
	}
	return durable.Replace(ctx, real, durable.Options{}, data, like)
}

// like is what becomes of a file that is replaced: as it was, else readable for all.
func like(old fs.FileInfo) durable.Want {
	want := durable.Want{Mode: 0o644, UID: -1, GID: -1, Like: old}
	if old != nil {
		want.Mode = old.Mode().Perm()
	}
	return want
}

// Write puts data into a file that is to be read by all, whatever stood there.
func Write(ctx context.Context, path string, data []byte) error {
	real := durable.Resolve(path)
	_ = durable.SweepAll(filepath.Dir(real)) // as in Save
	return durable.Replace(ctx, real, durable.Options{}, data, like)
}

// Save writes a file for its owner alone, in place of what is there. What killed runs left beside it
// goes.
func Save(ctx context.Context, path string, data []byte) error {
	real := durable.Resolve(path)
	// Best effort: a leftover that cannot be removed is no reason to save nothing.
	_ = durable.SweepAll(filepath.Dir(real))
	return durable.Replace(ctx, real, durable.Options{}, data, func(fs.FileInfo) durable.Want {
		return durable.Want{Mode: 0o600, UID: -1, GID: -1}
	})
}
