package hclspec

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar"
)

// maxReadBytes bounds a file that a function reads, as it bounds a source.
const maxReadBytes = 16 << 20

// A fileReader reads for functions: below the module directory and the read paths, also
// when a link points elsewhere.
type fileReader struct{ opts FunctionOptions }

func (r *fileReader) abs(path string) string {
	if path == "~" || strings.HasPrefix(path, "~/") {
		if home, err := os.UserHomeDir(); err == nil {
			path = filepath.Join(home, path[1:])
		}
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(r.opts.ModuleDir, path)
}

// locate returns the absolute path as written and the real one, which must be allowed.
// A path that does not exist is judged by its nearest existing parent.
func (r *fileReader) locate(path string) (abs, real string, err error) {
	if strings.ContainsRune(path, 0) {
		return "", "", errors.New("a path cannot contain a NUL byte")
	}
	abs = r.abs(path)
	if real, err = realPath(abs); err != nil {
		return "", "", fmt.Errorf("cannot resolve %s: %w", path, err)
	}
	for _, root := range append([]string{r.opts.ModuleDir}, r.opts.ReadPaths...) {
		if realRoot, err := realPath(root); err == nil && within(real, realRoot) {
			return abs, real, nil
		}
	}
	return "", "", fmt.Errorf("%s is outside of the module directory %s. To read it, add it to read in the paths block of the tidegate block (paths.read)", path, r.opts.ModuleDir)
}

// realPath resolves links of as much of the path as exists.
func realPath(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	if info, lerr := os.Lstat(path); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
		return "", err // a link to nothing could point anywhere
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path, nil
	}
	real, err = realPath(parent)
	return filepath.Join(real, filepath.Base(path)), err
}

func within(path, root string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && (rel == "." || filepath.IsLocal(rel))
}

// look carries out a read and reports what came of it. shown is the path as it was written.
func (r *fileReader) look(read Read, shown string) ([]byte, error) {
	content, err := r.stored(read)
	if errors.Is(err, errNotStored) {
		content, err = r.fromDisk(read, shown)
	}
	if r.opts.OnRead != nil {
		r.opts.OnRead(read, Found{Content: content, OK: err == nil})
	}
	return content, err
}

var errNotStored = errors.New("it is not stored")

// stored answers from what was stored, if that is to be read and knows the file.
func (r *fileReader) stored(read Read) ([]byte, error) {
	found, ok := r.opts.find(read)
	switch {
	case !ok:
		return nil, errNotStored
	case !found.OK:
		return nil, fmt.Errorf("%s could not be read at the time that the configuration is of", read.Path)
	}
	return found.Content, nil
}

func (r *fileReader) fromDisk(read Read, shown string) ([]byte, error) {
	switch read.Kind {
	case ReadRule, ReadConfig, ReadInput, ReadLock:
		return readRegular(read.Path)
	}
	abs, real, err := r.locate(shown)
	if err != nil {
		return nil, err
	}
	switch read.Kind {
	case ReadExists:
		return nil, regularAt(real, abs)
	case ReadSet:
		names, err := walk(real, read.Pattern)
		if err != nil {
			return nil, fmt.Errorf("cannot list %s: %w", abs, err)
		}
		slices.Sort(names)
		return []byte(strings.Join(names, "\x00")), nil
	}
	content, err := readRegular(real)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no file exists at %s; functions read files while the configuration is evaluated, so one that a sink writes is read with a file source", abs)
	case err != nil:
		return nil, fmt.Errorf("cannot read %s: %w", abs, err)
	}
	return content, nil
}

// read returns the content of a regular file of at most maxReadBytes.
func (r *fileReader) read(path string) ([]byte, error) {
	return r.look(Read{Kind: ReadFile, Path: r.abs(path)}, path)
}

func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxReadBytes+1))
	if err == nil && len(content) > maxReadBytes {
		return nil, errors.New("it is larger than 16 MiB")
	}
	return content, err
}

// errNoFile is the answer of ReadExists where there is nothing.
var errNoFile = errors.New("there is no file")

func regularAt(real, abs string) error {
	info, err := os.Stat(real)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errNoFile
	case err != nil:
		return fmt.Errorf("cannot look at %s: %w", abs, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", abs)
	}
	return nil
}

// exists reports whether there is a regular file; anything else there is an error.
func (r *fileReader) exists(path string) (bool, error) {
	read := Read{Kind: ReadExists, Path: r.abs(path)}
	_, err := r.look(read, path)
	if _, stored := r.opts.find(read); err != nil && (stored || errors.Is(err, errNoFile)) {
		return false, nil
	}
	return err == nil, err
}

// glob lists the regular files below dir whose relative path matches the pattern, sorted.
func (r *fileReader) glob(dir, pattern string) ([]string, error) {
	if !filepath.IsLocal(pattern) {
		return nil, errors.New("the pattern must stay below the directory")
	}
	for part := range strings.SplitSeq(pattern, "/") {
		// Match of doublestar looks at a pattern only as far as a name goes.
		if _, err := path.Match(part, ""); err != nil {
			return nil, fmt.Errorf("invalid pattern: %w", err)
		}
	}
	content, err := r.look(Read{Kind: ReadSet, Path: r.abs(dir), Pattern: pattern}, dir)
	if err != nil || len(content) == 0 {
		return nil, err
	}
	return strings.Split(string(content), "\x00"), nil
}

// walk goes no deeper than the pattern can match.
func walk(root, pattern string) ([]string, error) {
	depth := strings.Count(pattern, "/")
	deep := strings.Contains(pattern, "**") || strings.ContainsAny(pattern, "{")
	var names []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // as in Terraform, a missing directory has no files
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if entry.IsDir() {
			if rel != "." && !deep && strings.Count(rel, "/") >= depth {
				return filepath.SkipDir
			}
			return nil
		}
		if ok, _ := doublestar.Match(pattern, rel); ok && isRegular(path, entry) {
			names = append(names, rel)
		}
		return nil
	})
	return names, err
}

func isRegular(path string, entry fs.DirEntry) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.Type().IsRegular()
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
