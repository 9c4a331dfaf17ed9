package notify

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// spot is an entry of a directory that decides what a path leads to. The directory's path
// has no links when it is looked at.
type spot struct {
	dir  string
	name string // "" for all entries
	role role
}

// role is what the entry is for the path.
type role uint8

const (
	target role = iota // the last part: a file, or nothing yet
	step               // on the way: a link, a directory, or nothing yet; another one leads elsewhere
	inside             // any entry of the directory
)

// maxLinks is how many links are followed before they are taken for a loop, as in Linux.
const maxLinks = 40

// walk goes along the path, and into the directory it may lead to, and lists the spots.
func walk(path string, recursive bool) ([]spot, error) {
	w := &walker{}
	root := filepath.VolumeName(path) + string(filepath.Separator)
	dir, err := w.follow(root, parts(path[len(filepath.VolumeName(path)):]))
	if err == nil && dir != "" {
		w.top, w.seen = dir, map[spot]bool{}
		err = w.content(dir, recursive)
	}
	return w.spots, err
}

type walker struct {
	spots []spot
	links int

	top  string // the directory that the path leads to
	seen map[spot]bool
}

func parts(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) })
}

// follow goes from a directory along the parts. It returns the directory they lead to, "" if
// they lead to anything else or nowhere.
func (w *walker) follow(dir string, rest []string) (string, error) {
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case ".":
			continue
		case "..":
			dir = filepath.Dir(dir)
			continue
		}
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		switch {
		case absent(err):
			w.spot(dir, name, len(rest) > 0)
			return "", nil
		case err != nil:
			return "", err
		case info.Mode()&fs.ModeSymlink != 0:
			w.spot(dir, name, true)
			to, err := os.Readlink(path)
			if w.links++; absent(err) || w.links > maxLinks {
				return "", nil
			}
			if err != nil {
				return "", err
			}
			if filepath.IsAbs(to) {
				volume := filepath.VolumeName(to)
				dir, to = volume+string(filepath.Separator), to[len(volume):]
			}
			rest = append(parts(to), rest...)
		case info.IsDir():
			if len(rest) == 0 {
				w.spot(dir, name, true)
			}
			dir = path
		default:
			w.spot(dir, name, len(rest) > 0)
			return "", nil
		}
	}
	return dir, nil
}

// absent says that the path leads nowhere: what is not there, or is no directory any more.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func (w *walker) spot(dir, name string, onTheWay bool) {
	s := spot{dir: dir, name: name, role: target}
	if onTheWay {
		s.role = step
	}
	w.add(s)
}

func (w *walker) add(s spot) {
	if w.seen != nil {
		// What lies elsewhere is not read by a source of the directory.
		if w.seen[s] || s.dir != w.top && !strings.HasPrefix(s.dir, w.top+string(filepath.Separator)) {
			return
		}
		w.seen[s] = true
	}
	w.spots = append(w.spots, s)
}

// content lists a directory, where the links in it lead, and with recursive its subdirectories.
func (w *walker) content(dir string, recursive bool) error {
	w.add(spot{dir: dir, role: inside})
	entries, err := os.ReadDir(dir)
	if err != nil && !absent(err) {
		return err
	}
	for _, e := range entries {
		switch {
		case hidden(e.Name()):
		case e.Type()&fs.ModeSymlink != 0:
			w.links = 0
			if _, err := w.follow(dir, []string{e.Name()}); err != nil {
				continue // this entry alone cannot be watched; the look at it says why
			}
		case e.IsDir() && recursive:
			if err := w.content(filepath.Join(dir, e.Name()), true); err != nil {
				return err
			}
		}
	}
	return nil
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }
