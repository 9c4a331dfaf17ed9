package notify

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"tidegate/providers"
)

// seam is a real watcher whose faults can be injected.
type seam struct {
	*fsnotify.Watcher
	mu     sync.Mutex
	refuse error // of Add
	added  map[string]int
	events chan fsnotify.Event // what the hub gets
	errors chan error
	muted  atomic.Bool // real events are lost
	lost   chan string // names of those, as far as there is room
	done   sync.WaitGroup
}

func (s *seam) Add(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return s.refuse
	}
	s.added[path]++
	return s.Watcher.Add(path)
}

func (s *seam) setRefuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

// newSeam returns a hub over a watcher that can fail.
func newSeam(t testing.TB) (*hub, *seam) {
	t.Helper()
	w, err := fsnotify.NewBufferedWatcher(buffer)
	check(t, err)
	s := &seam{Watcher: w, added: map[string]int{}, events: make(chan fsnotify.Event, buffer), errors: make(chan error), lost: make(chan string, buffer)}
	s.done.Go(func() {
		defer close(s.events)
		for e := range w.Events {
			if !s.muted.Load() {
				s.events <- e
				continue
			}
			select {
			case s.lost <- e.Name:
			default:
			}
		}
	})
	s.done.Go(func() {
		for range w.Errors {
		}
	})
	t.Cleanup(func() {
		close(s.errors)
		s.done.Wait()
	})
	return &hub{open: func() (*system, error) {
		return &system{watcher: s, events: s.events, errors: s.errors}, nil
	}}, s
}

func listenOn(t testing.TB, h *hub, path string, recursive bool) *told {
	t.Helper()
	w := newTold(h)
	stop, err := h.watch(path, recursive, w.wake)
	check(t, err)
	t.Cleanup(stop)
	return w
}

// F5 of the fault list: everything is gone over again, and what happened meanwhile is seen.
func TestFaultF5Overflow(t *testing.T) {
	h, s := newSeam(t)
	dir := t.TempDir()
	for _, sub := range []string{"v1", "v2"} {
		mkdir(t, filepath.Join(dir, sub))
		write(t, filepath.Join(dir, sub, "app.json"), sub)
	}
	link(t, "v1", filepath.Join(dir, "current"))
	linked := listenOn(t, h, filepath.Join(dir, "current", "app.json"), false)
	whole := listenOn(t, h, dir, true)
	other := listenOn(t, h, filepath.Join(dir, "v1", "app.json"), false)

	s.muted.Store(true)
	swap(t, "v2", filepath.Join(dir, "current"))
	mkdir(t, filepath.Join(dir, "v3"))
	for name := ""; name != filepath.Join(dir, "v3"); name = <-s.lost {
	}
	s.muted.Store(false)
	s.errors <- fsnotify.ErrEventOverflow
	for _, w := range []*told{linked, whole, other} {
		w.want(t, providers.Lost, "overflow")
		w.calm(t)
	}
	write(t, filepath.Join(dir, "v2", "app.json"), "new")
	linked.want(t, providers.Written, "the link's new target")
	whole.calm(t)
	write(t, filepath.Join(dir, "v3", "x"), "new")
	whole.want(t, providers.Written, "the new subdirectory")
	other.nothing(t, "what did not change")
}

func TestOverflowAgainAndAgain(t *testing.T) {
	h, s := newSeam(t)
	var lost atomic.Int32
	stop, err := h.watch(filepath.Join(t.TempDir(), "app.json"), false, func(c providers.Change) {
		if c == providers.Lost {
			lost.Add(1)
		}
	})
	check(t, err)
	defer stop()
	await := func(n int32, when string) {
		t.Helper()
		for deadline := time.Now().Add(long); lost.Load() < n; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("told Lost %d times %s, want %d", lost.Load(), when, n)
			}
		}
	}
	start := time.Now()
	s.errors <- fsnotify.ErrEventOverflow
	await(1, "after the first overflow")
	for range 1000 {
		s.errors <- fsnotify.ErrEventOverflow
	}
	await(2, "after a storm of 1000 more")
	// A slow machine may take longer for the storm than one gap.
	if n, most := lost.Load(), 2+int32(time.Since(start)/lostGap); n > most {
		t.Errorf("told Lost %d times in %s, want at most %d: at once, and once for each gap", n, time.Since(start), most)
	}
}

// The real queue of the kernel, filled while nobody takes from it.
func TestFaultF5RealOverflow(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs inotify")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "app.json")
	write(t, path, "1")
	hold := make(chan struct{})
	var once sync.Once
	blocked := make(chan struct{})
	stop, err := Watch(path, false, func(providers.Change) {
		once.Do(func() { close(blocked) })
		<-hold
	})
	check(t, err)
	defer stop()
	w := listen(t, path, false)
	write(t, path, "2")
	<-blocked
	for i := range 25_000 { // each makes several events, and the queue takes 16,384
		name := filepath.Join(dir, fmt.Sprint(i%50))
		write(t, name, "x")
		check(t, os.Remove(name))
	}
	replace(t, path, "3") // this event is lost
	close(hold)
	w.want(t, providers.Lost, "overflow")
	w.calm(t)
	replace(t, path, "4")
	w.want(t, providers.Replaced, "after it")
}

// F6 of the fault list: the caller polls, and tries again with each poll.
func TestFaultF6NoWatchesLeft(t *testing.T) {
	h, s := newSeam(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "app.json")
	keep := listenOn(t, h, path, false)
	mkdir(t, filepath.Join(dir, "sub"))
	write(t, filepath.Join(dir, "sub", "x"), "1")
	for _, cause := range []error{syscall.ENOSPC, syscall.EMFILE, syscall.EACCES, errors.New("other")} {
		s.setRefuse(cause)
		stop, err := h.watch(filepath.Join(dir, "sub", "x"), false, func(providers.Change) { t.Error("told something") })
		if !errors.Is(err, cause) || stop != nil {
			t.Errorf("got %v, want %v", err, cause)
		}
	}
	// A path in a directory that is watched already needs no more.
	also := listenOn(t, h, filepath.Join(dir, "also"), false)
	write(t, filepath.Join(dir, "also"), "1")
	also.want(t, providers.Written, "a new name in a watched directory")
	write(t, path, "1")
	keep.want(t, providers.Written, "the others go on")
	s.setRefuse(nil)
	again := listenOn(t, h, filepath.Join(dir, "sub", "x"), false)
	write(t, filepath.Join(dir, "sub", "x"), "2")
	again.want(t, providers.Written, "after space returned")
	if n := len(h.session.all); n != 3 {
		t.Errorf("%d registrations, want three", n)
	}
}

func TestNoWatcher(t *testing.T) {
	h := &hub{open: func() (*system, error) { return nil, syscall.EMFILE }}
	if _, err := h.watch(t.TempDir(), false, nil); !errors.Is(err, syscall.EMFILE) || h.users != 0 {
		t.Errorf("got %v with %d users", err, h.users)
	}
}

// What cannot be watched any more is tried again by the check, and told when it works.
func TestWatchesRunOutOnTheWay(t *testing.T) {
	h, s := newSeam(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "app.json")
	w := listenOn(t, h, path, false)
	w.calm(t) // what it needs for that is watched from now on
	s.setRefuse(syscall.ENOSPC)
	mkdir(t, filepath.Dir(path))
	w.calm(t)
	write(t, path, "1") // nobody tells
	s.setRefuse(nil)
	w.want(t, providers.Lost, "the check mends it")
	replace(t, path, "2")
	w.want(t, providers.Replaced, "watched again")
}

// An unmount ends a watch without an event. The device may be there again at once.
func TestWatchEndedInSecret(t *testing.T) {
	h, s := newSeam(t)
	path := filepath.Join(t.TempDir(), "app.json")
	w := listenOn(t, h, path, false)
	check(t, s.Watcher.Remove(filepath.Dir(path)))
	w.want(t, providers.Lost, "the check finds it")
	replace(t, path, "1")
	w.want(t, providers.Replaced, "watched again")
}

// F11 of the fault list: whatever goes on, the number of calls is bounded and the last write
// is told.
func TestFaultF11Storm(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.json")
	write(t, path, "1")
	var file, whole, mixed atomic.Int64
	var last atomic.Int64
	began := time.Now()
	count := func(n *atomic.Int64) func(providers.Change) {
		return func(providers.Change) {
			n.Add(1)
			last.Store(int64(time.Since(began)))
		}
	}
	for _, r := range []struct {
		path string
		n    *atomic.Int64
	}{{path, &file}, {dir, &whole}, {filepath.Join(dir, "none"), &mixed}} {
		stop, err := Watch(r.path, false, count(r.n))
		check(t, err)
		defer stop()
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	check(t, err)
	defer f.Close()
	const span = 500 * time.Millisecond
	var end int64
	n := 0
	for time.Since(began) < span {
		for range 10 {
			_, err := f.WriteAt([]byte{byte(n)}, 0)
			check(t, err)
			write(t, filepath.Join(dir, fmt.Sprint(n%100)), "x")
			n++
		}
		end = int64(time.Since(began))
		time.Sleep(time.Millisecond)
	}
	for deadline := time.Now().Add(long); last.Load() < end && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if last.Load() < end {
		t.Error("the last write was not told")
	}
	most := int64(time.Since(began)/writtenGap) + 2
	if file.Load() > most || whole.Load() > most || mixed.Load() != 0 {
		t.Errorf("%d rounds of writes were told %d times to the file, %d to the directory (at most %d) and %d to another name", n, file.Load(), whole.Load(), most, mixed.Load())
	}
}

// A storm of renames is told at once each time, but never more than one call behind.
func TestStormOfRenames(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.json")
	const n = 2000
	var calls, made atomic.Int64
	// The slower it is, the more is put together: it lasts as long as a hundred renames, and after
	// the last one until what has happened is there to be taken.
	slow := func(providers.Change) {
		calls.Add(1)
		for until := made.Load() + 100; made.Load() < min(until, n); {
			time.Sleep(time.Millisecond)
		}
		for held := -1; made.Load() == n && held < len(process.session.system.events); {
			held = len(process.session.system.events)
			time.Sleep(50 * time.Millisecond)
		}
	}
	stop, err := Watch(path, false, slow)
	check(t, err)
	defer stop()
	last := newTold(&process)
	last.calm(t)
	for i := range n {
		write(t, path+".new", fmt.Sprint(i))
		check(t, os.Rename(path+".new", path))
		made.Add(1)
	}
	before := calls.Load()
	last.behind(t)
	if got := calls.Load(); got == 0 || got > n/4 || got-before > 20 {
		t.Errorf("%d renames were told %d times, %d of them after the end", n, got, got-before)
	}
}

// Walking a large directory again for each new link would take all the time there is.
func TestStormOfLinks(t *testing.T) {
	dir := t.TempDir()
	mkdir(t, filepath.Join(dir, ".store"))
	for i := range 500 {
		link(t, ".store", filepath.Join(dir, fmt.Sprint("first", i)))
	}
	w := listen(t, dir, false)
	for i := range 500 {
		link(t, filepath.Join(".store", fmt.Sprint(i)), filepath.Join(dir, fmt.Sprint("link", i)))
	}
	w.within(t, "where the last link leads", func(got []providers.Change) bool {
		s := process.session
		s.mu.Lock()
		defer s.mu.Unlock()
		d := s.dirs[filepath.Join(dir, ".store")]
		return d != nil && len(d.names) == 500
	})
}

func TestManyRegistrations(t *testing.T) {
	const dirs, files = 100, 100
	top := t.TempDir()
	for i := range dirs {
		mkdir(t, filepath.Join(top, fmt.Sprint(i)))
	}
	paths := make([]string, 0, dirs*files)
	for i := range dirs * files {
		paths = append(paths, filepath.Join(top, fmt.Sprint(i%dirs), fmt.Sprint(i/dirs)))
	}
	w := newTold(&process)
	goroutines, before := runtime.NumGoroutine(), heap()
	stops := make([]func(), len(paths))
	began := time.Now()
	for i, path := range paths {
		var err error
		stops[i], err = Watch(path, false, w.wake)
		check(t, err)
	}
	took, each := time.Since(began), (heap()-before)/int64(len(paths))
	t.Logf("%d registrations took %s and %d bytes each", len(paths), took, each)
	if each > 700 {
		t.Errorf("a registration takes %d bytes", each)
	}
	if n := runtime.NumGoroutine() - goroutines; n > 5 { // three, and those of a check
		t.Errorf("%d goroutines", n)
	}
	if n := len(process.session.inodes); n != dirs {
		t.Errorf("%d watches for %d directories", n, dirs)
	}
	write(t, paths[len(paths)/2], "x")
	w.want(t, providers.Written, "one of them")
	w.calm(t)
	for _, stop := range stops {
		stop()
	}
	runtime.KeepAlive(paths)
}

func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
