package notify

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"tidegate/providers"
)

// registration is one caller of Watch. There may be very many, so it is small.
type registration struct {
	path      string
	recursive bool
	stopped   bool
	wake      func(providers.Change)
	points    []point

	// Of the loop alone, in nanoseconds since the session began:
	quiet int64 // until then what is Written is held back
	calm  int64 // until then a directory is not walked again
}

// point is a spot that is being watched.
type point struct {
	dir  *dir
	name string
	role role
}

// dir is a directory with points in it, by one path.
type dir struct {
	path  string
	names map[string][]ref
	all   []*registration
	inode *inode // nil once the directory is not what it was
}

type ref struct {
	*registration
	role role
}

// inode is a directory as the kernel knows it. Its events come with the path that it was
// first watched by, also where a mount gives it several.
type inode struct {
	id   identity
	path string
	info fs.FileInfo
	dirs []*dir
}

// session is the watcher and what is registered with it.
type session struct {
	system *system
	began  time.Time

	// mu is never held while wake is called. While it is held, directories that answered
	// just before may be looked at.
	mu     sync.Mutex
	dirs   map[string]*dir
	inodes map[identity]*inode
	all    map[*registration]struct{}
	broken map[*registration]struct{} // not watched, or not as they should be
	mute   map[string]time.Time       // directories that did not answer, and until when they are left alone

	loop
}

func newSession(sys *system) *session {
	return &session{
		system: sys, began: time.Now(),
		dirs: map[string]*dir{}, inodes: map[identity]*inode{},
		all: map[*registration]struct{}{}, broken: map[*registration]struct{}{},
		mute: map[string]time.Time{},
		loop: newLoop(),
	}
}

func (s *session) add(r *registration) error {
	s.mu.Lock()
	s.all[r] = struct{}{}
	s.mu.Unlock()
	_, err := s.arm(r)
	return err
}

func (s *session) remove(r *registration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.stopped = true
	s.unlink(r, r.points)
	r.points = nil
	delete(s.all, r)
	delete(s.broken, r)
}

// armTries is how often a way that changes while it is gone is gone again. After that the
// next check tries again.
const armTries = 8

// arm watches all spots on the registration's way and reports whether they are other ones
// than before. It is done when the way was the same after everything was being watched: what
// changes later is told by an event.
func (s *session) arm(r *registration) (changed bool, err error) {
	for range armTries {
		spots, err := s.walk(r)
		if err != nil {
			return changed, s.setBroken(r, err)
		}
		same, err := s.install(r, spots)
		switch {
		case same:
			return changed, s.setBroken(r, nil)
		case err != nil && !absent(err):
			return changed, s.setBroken(r, err)
		}
		changed = true
	}
	_ = s.setBroken(r, errUnsteady)
	return changed, nil
}

var (
	errUnsteady = errors.New("the way to it keeps changing")
	errMute     = errors.New("the file system does not answer")
)

func (s *session) setBroken(r *registration, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.broken, r)
	if err != nil && !r.stopped {
		s.broken[r] = struct{}{}
	}
	return err
}

// How long a file system may take to answer, and how long it is left alone when it did not.
const (
	patience = 2 * time.Second
	muteFor  = 30 * time.Second
)

// walk is the function walk for a file system that may hang: then the directory is left
// alone for a while, so that one dead mount does not hold up all others.
func (s *session) walk(r *registration) ([]spot, error) {
	parent := filepath.Dir(r.path)
	s.mu.Lock()
	until, mute := s.mute[parent]
	if mute && time.Now().After(until) {
		delete(s.mute, parent)
		mute = false
	}
	s.mu.Unlock()
	if mute {
		return nil, errMute
	}
	type result struct {
		spots []spot
		err   error
	}
	done := make(chan result, 1)
	go func() {
		spots, err := walk(r.path, r.recursive)
		done <- result{spots, err}
	}()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case r := <-done:
		return r.spots, r.err
	case <-timeout.C:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mute[parent] = time.Now().Add(muteFor)
		return nil, errMute
	}
}

// install makes the spots the registration's points, and reports whether they were already.
// On an error everything is as it was.
func (s *session) install(r *registration, spots []spot) (same bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.stopped || s.holds(r.points, spots) {
		return true, nil
	}
	points := make([]point, 0, len(spots))
	for _, spot := range spots {
		d, err := s.dir(spot.dir)
		if err != nil {
			s.unlink(r, points)
			return false, err
		}
		p := point{d, spot.name, spot.role}
		points = append(points, p)
		if p.role == inside {
			d.all = append(d.all, r)
		} else {
			d.names[p.name] = append(d.names[p.name], ref{r, p.role})
		}
	}
	s.unlink(r, r.points)
	r.points = points
	return false, nil
}

func (s *session) holds(points []point, spots []spot) bool {
	return slices.EqualFunc(points, spots, func(p point, spot spot) bool {
		return p.name == spot.name && p.role == spot.role && s.dirs[spot.dir] == p.dir
	})
}

// dir returns the watched directory at the path.
func (s *session) dir(path string) (*dir, error) {
	if d := s.dirs[path]; d != nil {
		return d, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	d := &dir{path: path, names: map[string][]ref{}}
	id := identify(path, info)
	d.inode = s.inodes[id]
	if d.inode == nil {
		if err := s.system.Add(path); err != nil {
			return nil, err
		}
		d.inode = &inode{id: id, path: path, info: info}
		s.inodes[id] = d.inode
	}
	d.inode.dirs = append(d.inode.dirs, d)
	s.dirs[path] = d
	return d, nil
}

// unlink takes the registration out of the points, and stops watching directories in which
// there is none left.
func (s *session) unlink(r *registration, points []point) {
	for _, p := range points {
		if p.dir.inode == nil {
			continue
		}
		if p.role == inside {
			p.dir.all = without(p.dir.all, func(o *registration) bool { return o == r })
		} else if refs := without(p.dir.names[p.name], func(o ref) bool { return o == ref{r, p.role} }); len(refs) > 0 {
			p.dir.names[p.name] = refs
		} else {
			delete(p.dir.names, p.name)
		}
		if len(p.dir.names) == 0 && len(p.dir.all) == 0 {
			s.release(p.dir)
		}
	}
}

// without removes the first element that is meant.
func without[T any](list []T, is func(T) bool) []T {
	i := slices.IndexFunc(list, is)
	if i < 0 {
		return list
	}
	return slices.Delete(list, i, i+1)
}

func (s *session) release(d *dir) {
	delete(s.dirs, d.path)
	in := d.inode
	d.inode = nil
	in.dirs = without(in.dirs, func(o *dir) bool { return o == d })
	if len(in.dirs) == 0 {
		delete(s.inodes, in.id)
		_ = s.system.Remove(in.path) // it may be gone already
	}
}

// forget stops watching a directory that is not what it was, by all its paths, and returns
// the registrations with points in it. They have to be armed anew.
func (s *session) forget(d *dir) []*registration {
	in := d.inode
	var all []*registration
	for _, d := range slices.Clone(in.dirs) {
		all = append(all, d.registrations()...)
		s.release(d)
	}
	return all
}

func (d *dir) registrations() []*registration {
	all := slices.Clone(d.all)
	for _, refs := range d.names {
		for _, r := range refs {
			all = append(all, r.registration)
		}
	}
	return all
}
