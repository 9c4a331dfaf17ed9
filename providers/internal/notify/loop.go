package notify

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"tidegate/providers"
)

// Spacing of what is told, and of the work done for it.
const (
	// writtenGap is the shortest time between two calls of wake with Written for one
	// registration. Whoever waits for quiet loses nothing by it.
	writtenGap = 10 * time.Millisecond
	// workShare is how much longer than a walk of a large directory the pause after it is, and
	// a walk of slowWalk makes it large. The pause is at most maxPause.
	workShare = 10
	slowWalk  = 5 * time.Millisecond
	maxPause  = time.Second
	// lostGap is the shortest time between two rescans of everything.
	lostGap = time.Second
	// settled is the age of the last write from which a new file counts as whole.
	settled = time.Second
)

// loop is what the one goroutine that handles events knows.
type loop struct {
	hits    map[*registration]*hit
	waiting map[*registration]*wait
	timer   *time.Timer
	lost    chan struct{}

	// Jobs that may wait for a file system, one of each sort at a time.
	rescanned chan struct{}
	found     chan []*dir // what a comparison found to be gone
	comparing bool
	mended    chan struct{}
	mending   bool
}

func newLoop() loop {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return loop{
		hits: map[*registration]*hit{}, waiting: map[*registration]*wait{}, timer: timer,
		lost: make(chan struct{}, 1), rescanned: make(chan struct{}, 1),
		found: make(chan []*dir, 1), mended: make(chan struct{}, 1),
	}
}

// hit is what a batch of events means for one registration.
type hit struct {
	replaced, written bool
	lost              bool
	before            bool   // arm, then tell: the way may have changed
	after             bool   // tell, then arm: what is there now may be a link or a directory
	created           string // this is new at the target, and nobody knows how it came to be
	entry             string // this is new in the directory
}

// wait is what is held back for a registration.
type wait struct {
	due           int64
	replaced, arm bool
}

func (s *session) start() {
	// Errors are taken by a goroutine of their own: the watcher may hold a lock while it
	// sends one that the loop needs for adding a directory.
	go func() {
		for range s.system.errors {
			// An overflow, or something that could not be read: either way events are missing.
			select {
			case s.lost <- struct{}{}:
			default:
			}
		}
	}()
	go s.run()
}

func (s *session) now() int64 { return int64(time.Since(s.began)) }

func (s *session) run() {
	check := time.NewTimer(checkGap)
	defer check.Stop()
	defer s.timer.Stop()
	lost := s.lost
	var rested <-chan time.Time
	var began int64
	for {
		select {
		case e, open := <-s.system.events:
			if !open {
				return
			}
			s.take(e)
			s.takeMore()
			s.deliver()
		case <-lost:
			lost, began = nil, s.now()
			go s.rescan()
		case <-s.rescanned:
			// Under a storm that overflows again and again the rescans must not take all time.
			rested = time.After(max(lostGap, workShare*time.Duration(s.now()-began)))
		case <-rested:
			lost, rested = s.lost, nil
		case <-s.timer.C:
			s.deliverWaiting()
		case <-check.C:
			s.check()
			check.Reset(s.nextCheck())
		case <-s.mended:
			s.mending = false
		case gone := <-s.found:
			s.comparing = false
			s.hitGone(gone)
			s.deliver()
		}
	}
}

// takeMore takes what is there already, so that a storm is one batch.
func (s *session) takeMore() {
	for range buffer {
		select {
		case e, open := <-s.system.events:
			if !open {
				return
			}
			s.take(e)
		default:
			return
		}
	}
}

func (s *session) hit(r *registration) *hit {
	h := s.hits[r]
	if h == nil {
		h = &hit{}
		s.hits[r] = h
	}
	return h
}

// take notes whom an event concerns. For an entry that nobody registered this is a split of
// the path and two look-ups.
func (s *session) take(e fsnotify.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.dirs[e.Name]; d != nil {
		s.takeDir(d, e)
	}
	parent, name := split(e.Name)
	d := s.dirs[parent]
	if d == nil {
		return
	}
	for _, d := range d.inode.dirs {
		for _, r := range d.names[name] {
			s.takeName(r, e)
		}
		if hidden(name) {
			continue
		}
		for _, r := range d.all {
			h := s.hit(r)
			h.written = true
			if e.Has(fsnotify.Create) {
				h.entry = filepath.Join(d.path, name)
			}
		}
	}
}

// takeDir handles an event of a watched directory itself.
func (s *session) takeDir(d *dir, e fsnotify.Event) {
	switch {
	case e.Has(fsnotify.Remove | fsnotify.Rename | fsnotify.Create):
		for _, r := range s.forget(d) {
			h := s.hit(r)
			h.written, h.before = true, true
		}
	case e.Has(fsnotify.Chmod):
		for _, r := range d.registrations() {
			s.hit(r).written = true
		}
	}
}

func (s *session) takeName(r ref, e fsnotify.Event) {
	h := s.hit(r.registration)
	switch {
	case e.Has(fsnotify.Create):
		h.before = h.before || r.role == step
		h.after = h.after || r.role == target
		if renamed(e) {
			h.replaced = true
		} else {
			h.created = e.Name
		}
	case r.role == step && !onlyChmod(e):
		h.written, h.before = true, true
	default:
		h.written = true
	}
}

func onlyChmod(e fsnotify.Event) bool { return e.Op == fsnotify.Chmod }

// split is filepath.Split without the separator, also for the names that fsnotify makes of
// entries of the root.
func split(path string) (dir, name string) {
	i := len(path) - 1
	for i >= 0 && !os.IsPathSeparator(path[i]) {
		i--
	}
	if i < 0 {
		return "", path
	}
	dir, name = path[:i], path[i+1:]
	volume := len(filepath.VolumeName(dir))
	for i := volume; i < len(dir); i++ {
		if !os.IsPathSeparator(dir[i]) {
			return dir, name
		}
	}
	return path[:volume] + string(filepath.Separator), name
}

// renamedFrom is the field of an event that inotify fills for both halves of a rename within
// watched directories. It is not exported, but shows in Event.String; without it every new
// file counts as being written.
var renamedFrom, hasRenamedFrom = reflect.TypeFor[fsnotify.Event]().FieldByName("renamedFrom")

func renamed(e fsnotify.Event) bool {
	return hasRenamedFrom && reflect.ValueOf(e).FieldByIndex(renamedFrom.Index).Len() > 0
}

func (s *session) hitGone(gone []*dir) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range gone {
		if d.inode == nil {
			continue
		}
		for _, r := range s.forget(d) {
			h := s.hit(r)
			h.lost, h.before = true, true
		}
	}
}

// deliver arms and tells whom the batch concerns.
func (s *session) deliver() {
	for r, h := range s.hits {
		delete(s.hits, r)
		s.deliverTo(r, h)
	}
}

func (s *session) deliverTo(r *registration, h *hit) {
	if h.created != "" && !h.replaced {
		h.replaced = whole(h.created)
		h.written = true
	}
	before, after := h.before || h.entry != "" && leadsOn(h.entry, r.recursive), h.after
	if (before || after) && s.now() < r.calm {
		s.hold(r, r.calm, h.replaced || h.lost, true)
		before, after = false, false
	}
	if !before {
		s.tell(r, h)
	}
	if !before && !after {
		return
	}
	changed := s.armAgain(r)
	if before || changed {
		s.tell(r, h)
	}
}

// armAgain arms and, after a large directory, pauses the more the longer that took: a storm of
// changes there shall not take all the time there is.
func (s *session) armAgain(r *registration) (changed bool) {
	start := s.now()
	changed, _ = s.arm(r) // what failed is broken, and tried again by the next check
	end := s.now()
	if took := end - start; took > int64(slowWalk) && s.isDir(r) {
		r.calm = end + min(workShare*took, int64(maxPause))
	}
	return changed
}

func (s *session) isDir(r *registration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(r.points, func(p point) bool { return p.role == inside })
}

func (s *session) tell(r *registration, h *hit) {
	c := providers.Written
	switch now := s.now(); {
	case h.lost:
		c = providers.Lost
	case h.replaced:
		c = providers.Replaced
	case now < r.quiet:
		s.hold(r, r.quiet, false, false)
		return
	default:
		r.quiet = now + int64(writtenGap)
	}
	if w := s.waiting[r]; w != nil && !w.arm {
		delete(s.waiting, r) // this call tells of that, too
	}
	s.wake(r, c)
}

func (s *session) wake(r *registration, c providers.Change) {
	if !s.isStopped(r) {
		r.wake(c)
	}
}

func (s *session) isStopped(r *registration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.stopped
}

// hold tells later.
func (s *session) hold(r *registration, due int64, replaced, arm bool) {
	w := s.waiting[r]
	if w == nil {
		w = &wait{due: due}
		s.waiting[r] = w
	}
	w.due = min(w.due, due)
	w.replaced = w.replaced || replaced
	w.arm = w.arm || arm
	s.setTimer()
}

func (s *session) setTimer() {
	var next int64
	for _, w := range s.waiting {
		if next == 0 || w.due < next {
			next = w.due
		}
	}
	if next > 0 {
		s.timer.Reset(max(0, time.Duration(next-s.now())))
	}
}

func (s *session) deliverWaiting() {
	now := s.now()
	for r, w := range s.waiting {
		if w.due > now {
			continue
		}
		delete(s.waiting, r)
		s.deliverTo(r, &hit{replaced: w.replaced, written: true, before: w.arm})
	}
	s.setTimer()
}

// whole reports whether a new entry is complete: a link is, whether symbolic or hard, and a
// file that was last written a while ago (one that was moved here from elsewhere).
func whole(path string) bool {
	info, err := lstat(path)
	switch {
	case err != nil:
		return false
	case info.Mode()&fs.ModeSymlink != 0:
		return true
	case info.Mode().IsRegular():
		return links(info) > 1 || time.Since(info.ModTime()) > settled
	}
	return false
}

// leadsOn reports whether a new entry of a directory brings further ones to be watched.
func leadsOn(path string, recursive bool) bool {
	info, err := lstat(path)
	return err == nil && (info.Mode()&fs.ModeSymlink != 0 || recursive && info.IsDir())
}

// lstat is os.Lstat that gives up on a file system that does not answer.
func lstat(path string) (fs.FileInfo, error) {
	type result struct {
		info fs.FileInfo
		err  error
	}
	done := make(chan result, 1)
	go func() {
		info, err := os.Lstat(path)
		done <- result{info, err}
	}()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case r := <-done:
		return r.info, r.err
	case <-timeout.C:
		return nil, errors.New("no answer")
	}
}
