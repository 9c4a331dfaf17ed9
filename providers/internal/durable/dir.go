package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tidegate/providers"
)

// Options say which directories may be used and whether missing ones are made.
type Options struct {
	// Roots confine: a directory must lie below one of them after all links are followed.
	// None means no confinement.
	Roots []string
	// Setting names the setting that Roots come from, for messages ("paths.write").
	Setting string
	// Create makes missing parents, with mode 0755, or 0700 if Private.
	Create, Private bool
}

// Dir is one open directory. What happens to its path later does not lead its operations
// elsewhere.
type Dir struct {
	root *os.Root
	path string
}

// OpenDir opens the directory of a target. A missing one satisfies errors.Is(err, fs.ErrNotExist).
func OpenDir(path string, o Options) (*Dir, error) {
	root, err := openRoot(path, o)
	if err != nil {
		return nil, explainOpen(path, o, err)
	}
	return &Dir{root: root, path: path}, nil
}

// Close releases the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Sync makes the entries of the directory durable. Replace and Remove do it themselves.
func (d *Dir) Sync() error {
	if err := system.syncDir(d.root); err != nil {
		return fmt.Errorf("flush directory %s: %w: %w", d.path, ErrUnknown, err)
	}
	return nil
}

// Target returns what is at name: nil if there is nothing, an error if it is anything but
// a regular file.
func (d *Dir) Target(name string) (fs.FileInfo, error) {
	info, err := d.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, explain("look at", filepath.Join(d.path, name), err)
	}
	return info, CheckTarget(filepath.Join(d.path, name), info)
}

// CheckTarget says why a file that is there cannot be replaced, nil if it can.
func CheckTarget(path string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode&fs.ModeSymlink != 0:
		return providers.Permanent(fmt.Errorf("%s is a symbolic link; a link at the target is never followed, since whoever planted it would choose what is overwritten: give the path that the link points to, or remove the link", path))
	case mode.IsDir():
		return providers.Permanent(fmt.Errorf("%s is a directory; the path of a file is needed, for example %s", path, filepath.Join(path, "config.json")))
	default:
		return providers.Permanent(fmt.Errorf("%s is a %s; only a regular file can be replaced", path, Describe(mode)))
	}
}

// Describe names what a file is, for messages.
func Describe(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeSymlink != 0:
		return "symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeDevice != 0:
		return "device"
	case mode.IsRegular():
		return "regular file"
	}
	return "special file"
}

// openRoot opens path as a Root, below one of the roots where there are any.
func openRoot(path string, o Options) (*os.Root, error) {
	if len(o.Roots) == 0 {
		if !o.Create {
			return openDirectory(path)
		}
		base, rest := existing(path)
		return openBelow(base, rest, o)
	}
	base, rest, err := Confine(path, o)
	if err != nil {
		return nil, err
	}
	return openBelow(base, rest, o)
}

// openDirectory is os.OpenRoot that does not block on a named pipe.
func openDirectory(path string) (*os.Root, error) {
	if err := isDir(path); err != nil {
		return nil, err
	}
	return os.OpenRoot(path)
}

// openBelow opens rest below base, which no link can leave, and makes what is missing.
func openBelow(base, rest string, o Options) (*os.Root, error) {
	root, err := openDirectory(base)
	if err != nil || rest == "." {
		return root, err
	}
	if !o.Create {
		defer root.Close()
		return root.OpenRoot(rest)
	}
	for part := range strings.SplitSeq(rest, string(filepath.Separator)) {
		sub, err := openOrMake(root, part, o)
		root.Close()
		if err != nil {
			return nil, err
		}
		root = sub
	}
	return root, nil
}

// openOrMake opens a subdirectory. A new one gets its mode whatever the umask says, and is
// flushed into its parent before anything is put into it.
func openOrMake(root *os.Root, name string, o Options) (*os.Root, error) {
	sub, err := root.OpenRoot(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return sub, err
	}
	mode := fs.FileMode(0o755)
	if o.Private {
		mode = 0o700
	}
	err = root.Mkdir(name, mode)
	switch {
	case errors.Is(err, fs.ErrExist): // somebody else was faster
		return root.OpenRoot(name)
	case err != nil:
		return nil, err
	}
	if err := root.Chmod(name, mode); err != nil {
		return nil, err
	}
	if err := system.syncDir(root); err != nil {
		return nil, err
	}
	return root.OpenRoot(name)
}

// existing splits a path into its longest prefix that exists and the rest.
func existing(path string) (base, rest string) {
	base, rest = path, "."
	for {
		if _, err := os.Lstat(base); err == nil || base == filepath.Dir(base) {
			return base, rest
		}
		base, rest = filepath.Dir(base), filepath.Join(filepath.Base(base), rest)
	}
}
