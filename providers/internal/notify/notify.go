// Package notify tells when something at a path may have changed. All registrations of the
// process share one watcher of the operating system, three goroutines and a few timers.
//
// What is watched are directories: a watch on a file itself goes silent after the first
// atomic replacement. For a path these are the directory it lies in and that of every
// symbolic link on the way; where the way ends early, the last directory that exists. When a
// link, or a directory on the way, is replaced, the way is gone again.
//
// What happens when this fails? Where there are no notifications (no watches left, a
// directory that may not be read, a file system that does not answer), Watch returns an
// error and the caller polls. When the kernel's queue overflowed, all ways are gone again
// and every registration is told Lost. Changes of which no event tells (a file system
// mounted or unmounted, a directory far up renamed) are found by comparing the watched
// directories with what their paths lead to, every few seconds; what cannot be watched any
// more is tried again then. Writes by another machine on a network file system, and through
// another name of a hard link, are never told: a caller polls slowly in any case.
package notify

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/fsnotify/fsnotify"

	"tidegate/providers"
)

// Watch calls wake soon after something at the absolute path may have changed: a file, or a
// directory and what is in it, with recursive also in its subdirectories. Hidden entries of
// a directory play no part but as links on the way to others. The path need not exist.
//
// wake must not block, nor call Watch or a stop. Calls come one after the other but for Lost,
// which may come at any time. A call that is under way when stop is called may still arrive.
//
// What was put in place as a whole is Replaced, everything else Written: a file that was
// removed, too, since many programs remove and write anew. In a directory, files that are
// renamed in are Written, because others may follow; a link that is swapped is Replaced.
func Watch(path string, recursive bool, wake func(providers.Change)) (stop func(), err error) {
	return process.watch(path, recursive, wake)
}

var process = hub{open: open}

// hub holds the one session that there is while anything is registered.
type hub struct {
	open func() (*system, error)

	mu      sync.Mutex
	session *session
	users   int
}

// system is the watcher of the operating system.
type system struct {
	watcher
	events <-chan fsnotify.Event
	errors <-chan error
}

// watcher are the methods of an *fsnotify.Watcher that are used.
type watcher interface {
	Add(path string) error
	Remove(path string) error
	WatchList() []string
	Close() error
}

// buffer is how many events are taken from the kernel ahead of being looked at.
const buffer = 1024

func open() (*system, error) {
	w, err := fsnotify.NewBufferedWatcher(buffer)
	if err != nil {
		return nil, err
	}
	return &system{watcher: w, events: w.Events, errors: w.Errors}, nil
}

func (h *hub) watch(path string, recursive bool, wake func(providers.Change)) (func(), error) {
	s, err := h.join()
	if err != nil {
		return nil, explain(path, err)
	}
	r := &registration{path: filepath.Clean(path), recursive: recursive, wake: wake}
	if err := s.add(r); err != nil {
		s.remove(r)
		h.leave()
		return nil, explain(path, err)
	}
	return sync.OnceFunc(func() {
		s.remove(r)
		h.leave()
	}), nil
}

func (h *hub) join() (*session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.session == nil {
		sys, err := h.open()
		if err != nil {
			return nil, err
		}
		h.session = newSession(sys)
		h.session.start()
	}
	h.users++
	return h.session, nil
}

// leave ends the session with its last user.
func (h *hub) leave() {
	h.mu.Lock()
	h.users--
	var last *session
	if h.users == 0 {
		last, h.session = h.session, nil
	}
	h.mu.Unlock()
	if last != nil {
		_ = last.system.Close() // its channels are closed, which ends the loop
	}
}

func explain(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("watch %s: no watches are left; raise fs.inotify.max_user_watches: %w", path, err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("watch %s: no watcher can be opened; raise fs.inotify.max_user_instances or the limit of open files: %w", path, err)
	}
	return fmt.Errorf("watch %s: %w", path, err)
}
