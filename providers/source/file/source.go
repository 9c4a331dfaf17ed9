package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tidegate/providers"
	"tidegate/providers/internal/durable"
	"tidegate/providers/internal/notify"
)

type source struct {
	path      string
	recursive bool
	options   durable.Options
}

var (
	_ providers.Source     = (*source)(nil)
	_ providers.Identifier = (*source)(nil)
	_ providers.PathReader = (*source)(nil)
	_ providers.Watcher    = (*source)(nil)
)

func (s *source) Identity() string { return s.path }

// ReadsPath returns the path with all links resolved as they are now.
func (s *source) ReadsPath() string { return durable.Resolve(s.path) }

// Watch calls wake when the file may have changed, or what is in the directory.
func (s *source) Watch(wake func(providers.Change)) (stop func(), err error) {
	return notify.Watch(s.path, s.recursive, wake)
}

// Fetch reads the file or directory as it was at one moment.
func (s *source) Fetch(ctx context.Context, _ string) (providers.Snapshot, error) {
	snapshot, err := durable.Await(ctx, s.path, func() (providers.Snapshot, error) { return s.read(ctx) })
	snapshot.Location = s.path
	return snapshot, err
}

func (s *source) read(ctx context.Context) (providers.Snapshot, error) {
	limit := providers.FetchLimit(ctx)
	f, dir, err := durable.Open(s.path, s.options, true)
	switch {
	case err != nil:
		return providers.Snapshot{}, s.explain(s.path, limit, err)
	case f != nil:
		defer f.Close()
		data, info, err := durable.Read(ctx, f, limit)
		if err != nil {
			return providers.Snapshot{}, s.explain(s.path, limit, err)
		}
		return providers.Snapshot{Data: data, Private: isPrivate(info)}, nil
	}
	defer dir.Close()
	return s.readDir(ctx, dir, limit)
}

// isPrivate reports whether others than owner and group may not read it.
func isPrivate(info fs.FileInfo) bool { return info.Mode().Perm()&0o004 == 0 }

// tries is how often a directory that changes while it is read is read again.
const tries = 4

func (s *source) readDir(ctx context.Context, dir *os.Root, limit int64) (providers.Snapshot, error) {
	var last error
	for try := range tries {
		if try > 0 {
			if err := pause(ctx, 5*time.Millisecond<<try); err != nil {
				return providers.Snapshot{}, err
			}
		}
		l := &look{ctx: ctx, top: dir, recursive: s.recursive, left: limit}
		parts, err := l.read()
		if err == nil {
			return providers.Snapshot{Parts: parts, Private: l.private}, nil
		}
		last = err
		if !errors.Is(err, errChanged) {
			break
		}
	}
	var at *entryError
	if errors.As(last, &at) {
		return providers.Snapshot{}, s.explain(filepath.Join(s.path, at.name), limit, at.err)
	}
	return providers.Snapshot{}, fmt.Errorf("read %s: %w", s.path, last)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// explain names the path and the way out, and keeps the class of errors that have one.
func (s *source) explain(path string, limit int64, err error) error {
	if errors.Is(err, durable.ErrTooLarge) {
		return fmt.Errorf("read %s: %w", path, providers.TooLargeError(limit))
	}
	if class, _ := providers.Classify(err); class == providers.ClassPermanent {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return durable.ExplainRead(path, err)
}
