package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"tidegate/providers/userfile"
)

// Bounds of what the console remembers.
const (
	maxHistory     = 1000 // lines
	maxHistoryLine = 4096 // bytes
)

// history is what the arrow keys bring back, and the file that keeps it. Nobody can tell
// which line holds a secret, so the file is its owner's alone, a line that begins with a blank is not
// kept anywhere, and --history=false keeps none.
type history struct {
	lines []string // oldest first
	file  *os.File // nil where nothing is kept
	fault error    // of the first line that could not be kept
}

// historyPath is where the history is, "" if the user has no place for it.
func (a *app) historyPath() string {
	dir := a.env("XDG_STATE_HOME")
	switch home := a.env("HOME"); {
	case filepath.IsAbs(dir):
	case runtime.GOOS == "windows":
		dir = a.env("LOCALAPPDATA")
	case home != "":
		dir = filepath.Join(home, ".local", "state")
	}
	if !filepath.IsAbs(dir) {
		return ""
	}
	return filepath.Join(dir, "tidegate", "console_history")
}

// openHistory reads what was kept and opens the file for more. Without one, the history is
// that of this run.
func openHistory(ctx context.Context, path string) (*history, error) {
	h := &history{}
	if path == "" {
		return h, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return h, err
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return h, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return h, err
	}
	for line := range strings.Lines(string(data)) {
		h.keep(strings.TrimSuffix(line, "\n"))
	}
	if bytes.Count(data, []byte("\n")) > 2*maxHistory {
		if err := userfile.Replace(ctx, path, data, []byte(strings.Join(h.lines, "\n")+"\n")); err != nil {
			return h, err
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return h, err
	}
	if err := file.Chmod(0o600); err != nil && runtime.GOOS != "windows" {
		return h, errors.Join(err, file.Close())
	}
	h.file = file
	return h, nil
}

func (h *history) close() error {
	if h.file == nil {
		return h.fault
	}
	return errors.Join(h.fault, h.file.Close())
}

// keep remembers a line, unless it is the same as the one before or meant to be forgotten.
func (h *history) keep(line string) bool {
	switch {
	case strings.TrimSpace(line) == "", line[0] == ' ', len(line) > maxHistoryLine, strings.ContainsAny(line, "\r\n"):
		return false
	case len(h.lines) > 0 && h.lines[len(h.lines)-1] == line:
		return false
	}
	h.lines = append(h.lines, line)
	if len(h.lines) > maxHistory {
		h.lines = h.lines[1:]
	}
	return true
}

// Add, Len and At are what the line editor asks for.
func (h *history) Add(line string) {
	if !h.keep(line) || h.file == nil || h.fault != nil {
		return
	}
	_, h.fault = h.file.WriteString(line + "\n")
}

func (h *history) Len() int        { return len(h.lines) }
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
