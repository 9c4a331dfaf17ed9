package notify

import (
	"maps"
	"os"
	"slices"
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

// check compares the watched directories with what their paths lead to, and tries again what
// could not be watched. Both may have to wait for a file system, and the events of others
// shall not wait with them.
func (s *session) check() {
	if !s.comparing {
		s.comparing = true
		dirs := s.snapshot()
		go func() { s.found <- missing(dirs) }()
	}
	if broken := s.registered(s.broken); !s.mending && len(broken) > 0 {
		s.mending = true
		go func() {
			s.mend(broken)
			s.mended <- struct{}{}
		}()
	}
}

func (s *session) mend(broken []*registration) {
	for _, r := range broken {
		if s.isStopped(r) {
			continue
		}
		if _, err := s.arm(r); err == nil {
			s.wake(r, providers.Lost)
		}
	}
}

// rescan makes up for lost events. Everybody is told first: most ways are as they were, and
// going along all of them takes a while.
func (s *session) rescan() {
	all := s.registered(s.all)
	for _, r := range all {
		s.wake(r, providers.Lost)
	}
	for _, r := range all {
		if s.isStopped(r) {
			continue
		}
		if changed, _ := s.arm(r); changed {
			s.wake(r, providers.Lost)
		}
	}
	s.rescanned <- struct{}{}
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

func (s *session) registered(in map[*registration]struct{}) []*registration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(in))
}
