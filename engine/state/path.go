package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// files are the names of what belongs to one state.
type files struct {
	db   string
	lock string
	key  string
}

// filesOf names the files of the state at path: state.lock and state.key stand beside
// state.db. Links are followed first (systemd's StateDirectory may be one), so that two
// names of one state share one lock.
func filesOf(path string) (files, error) {
	if path == "" {
		return files{}, errors.New("the state has no path")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return files{}, err
	}
	real, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		real, err = realParent(abs)
	}
	if err != nil {
		return files{}, fmt.Errorf("find the state %s: %w", path, err)
	}
	base := strings.TrimSuffix(real, ".db")
	return files{db: real, lock: base + ".lock", key: base + ".key"}, nil
}

// realParent follows the links of the directory of a path that does not exist itself.
func realParent(abs string) (string, error) {
	if _, err := os.Lstat(abs); err == nil {
		return "", errors.New("it is a link to nothing")
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if errors.Is(err, fs.ErrNotExist) {
		return abs, nil
	}
	return filepath.Join(dir, filepath.Base(abs)), err
}

func (f files) dir() string     { return filepath.Dir(f.db) }
func (f files) wal() string     { return f.db + "-wal" }
func (f files) journal() string { return f.db + "-journal" }

// prepareDir makes the directory of the state, or judges the one that is there.
func (f files) prepareDir() error {
	dir := f.dir()
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return makeDir(dir)
	}
	if err != nil {
		return fmt.Errorf("look at the directory of the state: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("the state %s cannot be kept there: %s is not a directory", f.db, dir)
	}
	if worldWritable(info) {
		return fmt.Errorf("the state's directory %s may be written by everybody; run: chmod o-w %s", dir, dir)
	}
	if info, err := os.Stat(f.db); err == nil && foreign(info) {
		return fmt.Errorf("the state %s belongs to another user, and root would do what that user wrote there; run as that user, or take it over with: chown root %s", f.db, f.db)
	}
	return nil
}

// makeDir makes a directory and its parents, durably. Others may look into it, as far as the
// umask allows: reading commands work as another user, and what is secret in the state is sealed
// with a key that is private.
func makeDir(dir string) error {
	missing := []string{dir}
	for {
		parent := filepath.Dir(missing[len(missing)-1])
		if _, err := os.Stat(parent); !errors.Is(err, fs.ErrNotExist) || parent == missing[len(missing)-1] {
			break
		}
		missing = append(missing, parent)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the directory of the state: %w", err)
	}
	for _, d := range missing {
		if err := syncDir(filepath.Dir(d)); err != nil {
			return fmt.Errorf("make the directory of the state: %w", err)
		}
	}
	return nil
}

// leftovers are temporary files of ours that a crash left. Only the lock's holder may ask:
// to anybody else they may be somebody's work in progress.
func (f files) leftovers() []string {
	var out []string
	for _, pattern := range []string{f.db + tempMark + "*", f.key + tempMark + "*"} {
		found, _ := filepath.Glob(escapeGlob(strings.TrimSuffix(pattern, "*")) + "*")
		out = append(out, found...)
	}
	return out
}

// tempMark stands in the names of files that are renamed when they are complete.
const tempMark = ".new-"

func escapeGlob(s string) string {
	if filepath.Separator == '\\' {
		return s
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}
