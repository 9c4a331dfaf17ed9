package hclspec

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of a module from git.
const (
	MaxModuleFiles = 50_000
	MaxModuleBytes = 256 << 20
)

// Modes of files, as git has them.
const (
	modePlain   = "100644"
	modeProgram = "100755"
	modeLink    = "120000"
)

// HashModule returns "sha256:..." over the names, modes and bytes of all files in a directory of
// a checkout, and refuses what leads out of the checkout. Of a link, where it leads and the bytes
// of the file there count; one to a directory has to stay in the module.
func HashModule(checkout, dir string) (string, error) {
	top, err := filepath.EvalSymlinks(checkout)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	if !within(real, top) {
		return "", fmt.Errorf("%s is a link that leads out of the repository", dir)
	}
	h := &moduleHash{top: top, dir: real}
	if err := filepath.WalkDir(real, h.visit); err != nil {
		return "", err
	}
	slices.Sort(h.lines)
	sum := sha256.Sum256([]byte(strings.Join(h.lines, "")))
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// moduleHash collects a line of each file.
type moduleHash struct {
	top, dir string // without links
	lines    []string
	bytes    int64
}

func (h *moduleHash) visit(path string, e fs.DirEntry, err error) error {
	if err != nil || e.IsDir() {
		return err
	}
	rel, err := filepath.Rel(h.dir, path)
	if err != nil {
		return err
	}
	if len(h.lines) == MaxModuleFiles {
		return fmt.Errorf("the module has more than %d files", MaxModuleFiles)
	}
	line := ""
	switch {
	case e.Type()&fs.ModeSymlink != 0:
		line, err = h.link(path)
	case e.Type().IsRegular():
		line, err = h.file(path)
	default:
		err = fmt.Errorf("%s is %s, and a module consists of files", path, describeMode(e.Type()))
	}
	h.lines = append(h.lines, fmt.Sprintf("%q %s\n", filepath.ToSlash(rel), line))
	return err
}

func (h *moduleHash) file(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(f, MaxModuleBytes-h.bytes+1))
	if h.bytes += n; err == nil && h.bytes > MaxModuleBytes {
		err = fmt.Errorf("the module has more than %d MiB", MaxModuleBytes>>20)
	}
	mode := modePlain
	if info.Mode().Perm()&0o100 != 0 {
		mode = modeProgram
	}
	return fmt.Sprintf("%s %x", mode, sum.Sum(nil)), err
}

func (h *moduleHash) link(path string) (string, error) {
	target, err := os.Readlink(path)
	if err != nil {
		return "", err
	}
	out := fmt.Errorf("%s is a link that leads out of the repository", path)
	if filepath.IsAbs(target) || !within(filepath.Join(filepath.Dir(path), target), h.top) {
		return "", out
	}
	line := fmt.Sprintf("%s %q", modeLink, filepath.ToSlash(target))
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return line, nil
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return "", err
	case !within(real, h.top):
		return "", out
	case info.IsDir() && !within(real, h.dir):
		return "", fmt.Errorf("%s is a link to a directory outside of the module", path)
	case info.IsDir():
		return line, nil
	}
	content, err := h.file(real)
	return line + " " + content, err
}
