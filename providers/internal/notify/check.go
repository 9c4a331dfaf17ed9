package notify

import (
	"os"
	"time"

	"tidegate/providers"
)

// checkGap is the time between two checks, and checkCost what each directory adds to it.
const (
	checkGap  = 2 * time.Second
	checkCost = time.Millisecond
)

func (s *session) nextCheck() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return checkGap + time.Duration(len(s.dirs))*checkCost
}

// check compares the watched directories with what their paths lead to, in a goroutine that
// ends with it, and tries again what could not be watched.
func (s *session) check() {
	if !s.verify {
		s.verify = true
		dirs := s.snapshot()
		go func() { s.found <- missing(dirs) }()
	}
	for _, r := range s.unwatched() {
		if _, err := s.arm(r); err == nil {
			s.wake(r, providers.Lost)
		}
	}
}

// seen is a directory as it was when it was first watched.
type seen struct {
	dir     *dir
	path    string
	known   string // to the watcher
	info    os.FileInfo
	watched bool
}

func (s *session) snapshot() []seen {
	s.mu.Lock()
	dirs := make([]seen, 0, len(s.dirs))
	for _, d := range s.dirs {
		dirs = append(dirs, seen{dir: d, path: d.path, known: d.inode.path, info: d.inode.info})
	}
	s.mu.Unlock()
	// An unmount ends a watch without an event, and the same device may be back by now.
	list := map[string]bool{}
	for _, path := range s.system.WatchList() {
		list[path] = true
	}
	for i := range dirs {
		dirs[i].watched = list[dirs[i].known]
	}
	return dirs
}

func missing(dirs []seen) []*dir {
	var gone []*dir
	for _, d := range dirs {
		info, err := os.Lstat(d.path)
		if !d.watched || err != nil || !os.SameFile(d.info, info) {
			gone = append(gone, d.dir)
		}
	}
	return gone
}

func (s *session) unwatched() []*registration {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*registration, 0, len(s.broken))
	for r := range s.broken {
		all = append(all, r)
	}
	return all
}
