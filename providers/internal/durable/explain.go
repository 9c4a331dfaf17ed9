package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"tidegate/providers"
)

// ErrUnknown is part of an error after which the new content is visible but may not
// survive a power loss. The replacement has to be done again as a whole.
var ErrUnknown = fmt.Errorf("%w: the change is visible, but may not survive a power loss", providers.ErrOutcomeUnknown)

// worded is an error in our own words, where those of the system would only repeat them.
type worded struct {
	text string
	err  error
}

func (e *worded) Error() string { return e.text }
func (e *worded) Unwrap() error { return e.err }

// explain says what is missing and that nothing was changed.
func explain(verb, path string, err error) error {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%s %s: no space left on the device that holds %s; nothing was changed: %w", verb, path, dir, err)
	case errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s %s: the disk quota of uid %d is used up; nothing was changed: %w", verb, path, os.Geteuid(), err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s %s: the file system of %s is mounted read-only: %w", verb, path, dir, err)
	case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.EXDEV):
		return providers.Permanent(fmt.Errorf("%s %s: the file is a mount point of its own (a file bound into a container, for example) and cannot be replaced by rename; mount its directory instead: %w", verb, path, err))
	case errors.Is(err, fs.ErrPermission):
		return providers.Permanent(fmt.Errorf("%s %s: uid %d needs the right to write and search the directory %s, because a file is replaced by rename and not written in place (an immutable flag or a sticky directory refuses too): %w", verb, path, os.Geteuid(), dir, err))
	}
	return fmt.Errorf("%s %s: %w", verb, path, err)
}

// explainOpen says why the directory of a target cannot be used.
func explainOpen(path string, o Options, err error) error {
	if class, _ := providers.Classify(err); class == providers.ClassPermanent {
		return err
	}
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("open directory %s: the file system is mounted read-only: %w", path, err)
	case errors.Is(err, fs.ErrNotExist) && !o.Create:
		return providers.Permanent(&worded{fmt.Sprintf("the directory %s does not exist", path), err})
	case errors.Is(err, syscall.ENOTDIR):
		return providers.Permanent(&worded{path + " is not a directory, or something on the way to it is not", err})
	case errors.Is(err, fs.ErrPermission):
		return providers.Permanent(fmt.Errorf("open directory %s: uid %d needs the right to read and search it (and to write the parents, where directories are to be made): %w", path, os.Geteuid(), err))
	case Escapes(err):
		return providers.Permanent(fmt.Errorf("open directory %s: a link on the way leads out of %s: %w", path, o.Setting, err))
	}
	return fmt.Errorf("open directory %s: %w", path, err)
}

// Escapes reports whether an os.Root refused a link that leads out of it. The standard
// library has no exported error for that.
func Escapes(err error) bool {
	return err != nil && strings.HasSuffix(err.Error(), "path escapes from parent")
}

// ExplainRead says why a file cannot be read.
func ExplainRead(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &worded{path + " does not exist", err}
	case errors.Is(err, syscall.ENOTDIR):
		return &worded{fmt.Sprintf("something on the way to %s is not a directory", path), err}
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("read %s: uid %d needs the right to read it and to search the directories above it: %w", path, os.Geteuid(), err)
	case Escapes(err):
		return providers.Permanent(fmt.Errorf("read %s: a link leads out of the directories it is confined to: %w", path, err))
	}
	if at, ok := errors.AsType[*fs.PathError](err); ok && at.Path == path {
		err = at.Err // which names the path as well
	}
	return fmt.Errorf("read %s: %w", path, err)
}
