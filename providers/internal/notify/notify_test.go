package notify

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegate/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// long bounds every wait of these tests; nothing waits for it to pass.
const long = time.Minute

// told collects what a registration is told.
type told struct {
	hub     *hub
	mu      sync.Mutex
	changes []providers.Change
	bell    chan struct{}
	marker  *told  // a registration of its own, for behind
	marked  string // where the marker listens
	paused  atomic.Bool
}

func newTold(h *hub) *told { return &told{hub: h, bell: make(chan struct{}, 1)} }

func (w *told) wake(c providers.Change) {
	w.mu.Lock()
	w.changes = append(w.changes, c)
	w.mu.Unlock()
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// take returns what was told since the last call.
func (w *told) take() []providers.Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.changes
	w.changes = nil
	return c
}

// behind waits until all that happened before was told. Events come in their order, so when a
// marker is told, so is what came before it, but for others of the same batch and what is held
// back for writtenGap: the second marker comes in a batch of its own, the third is held back as
// long as they are, and the fourth comes behind that. What is held back after a slow walk is
// waited for.
func (w *told) behind(t testing.TB) {
	t.Helper()
	if w.marker == nil {
		w.mark(t)
	}
	for n := 0; n < 4; n++ {
		write(t, w.marked, "x")
		w.marker.within(t, "a marker", func(got []providers.Change) bool { return len(got) > 0 })
		if w.marker.paused.Load() {
			n = -1
		}
	}
}

// mark registers the marker. It is told by the session's loop, and sees what the loop holds back.
func (w *told) mark(t testing.TB) {
	t.Helper()
	w.marked = filepath.Join(t.TempDir(), "marker")
	write(t, w.marked, "")
	w.marker = newTold(w.hub)
	var of atomic.Pointer[session]
	stop, err := w.hub.watch(w.marked, false, func(c providers.Change) {
		if s := of.Load(); s != nil && c != providers.Lost { // which others tell, too
			arms := false
			for _, held := range s.waiting {
				arms = arms || held.arm
			}
			w.marker.paused.Store(arms)
		}
		w.marker.wake(c)
	})
	check(t, err)
	t.Cleanup(stop)
	of.Store(w.hub.session)
}

// calm waits until nothing more comes and forgets it.
func (w *told) calm(t testing.TB) {
	t.Helper()
	w.behind(t)
	w.take()
}

// want waits until the change was told.
func (w *told) want(t testing.TB, c providers.Change, what string) {
	t.Helper()
	w.within(t, what, func(got []providers.Change) bool { return slices.Contains(got, c) })
}

func (w *told) within(t testing.TB, what string, is func([]providers.Change) bool) {
	t.Helper()
	deadline := time.After(long)
	var all []providers.Change
	for {
		all = append(all, w.take()...)
		if is(all) {
			return
		}
		select {
		case <-w.bell:
		case <-deadline:
			t.Fatalf("%s: told %v within %s", what, words(all), long)
		}
	}
}

// only waits for what comes and wants nothing but the change in it.
func (w *told) only(t testing.TB, c providers.Change, what string) {
	t.Helper()
	var got []providers.Change
	w.within(t, what, func(all []providers.Change) bool { got = all; return slices.Contains(all, c) })
	w.behind(t)
	got = append(got, w.take()...)
	if slices.ContainsFunc(got, func(g providers.Change) bool { return g != c }) {
		t.Errorf("%s: told %v, want nothing but %v", what, words(got), words([]providers.Change{c}))
	}
}

func (w *told) nothing(t testing.TB, what string) {
	t.Helper()
	w.behind(t)
	if got := w.take(); len(got) > 0 {
		t.Errorf("%s: told %v, want nothing", what, words(got))
	}
}

func words(changes []providers.Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, map[providers.Change]string{
			providers.Replaced: "Replaced", providers.Written: "Written", providers.Lost: "Lost",
		}[c])
	}
	return out
}

func listen(t testing.TB, path string, recursive bool) *told {
	t.Helper()
	return listenOn(t, &process, path, recursive)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	check(t, os.WriteFile(path, []byte(text), 0o644))
}

func replace(t testing.TB, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	check(t, os.Rename(path+".new", path))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func link(t testing.TB, to, path string) {
	t.Helper()
	check(t, os.Symlink(to, path))
}

// swap replaces a link atomically.
func swap(t testing.TB, to, path string) {
	t.Helper()
	link(t, to, path+"_tmp")
	check(t, os.Rename(path+"_tmp", path))
}

func mkdir(t testing.TB, path string) {
	t.Helper()
	check(t, os.MkdirAll(path, 0o755))
}

// F2 of the fault list: the ways in which editors and tools write a file.
func TestFaultF2EditorPatterns(t *testing.T) {
	for _, test := range []struct {
		name string
		want providers.Change
		act  func(t *testing.T, path string)
	}{
		{"rename over", providers.Replaced, func(t *testing.T, path string) { replace(t, path, "b") }},
		{"truncate and write", providers.Written, func(t *testing.T, path string) { write(t, path, "b") }},
		{"delete", providers.Written, func(t *testing.T, path string) { check(t, os.Remove(path)) }},
		{"rename away", providers.Written, func(t *testing.T, path string) { check(t, os.Rename(path, path+"~")) }},
		{"delete and create", providers.Written, func(t *testing.T, path string) {
			check(t, os.Remove(path))
			write(t, path, "b")
		}},
		{"rename away and create", providers.Written, func(t *testing.T, path string) {
			check(t, os.Rename(path, path+"~"))
			write(t, path, "b")
		}},
		{"hard link", providers.Replaced, func(t *testing.T, path string) {
			write(t, path+".new", "b")
			check(t, os.Remove(path))
			check(t, os.Link(path+".new", path))
		}},
		{"hard link swapped by rename", providers.Replaced, func(t *testing.T, path string) {
			write(t, path+".new", "b")
			check(t, os.Link(path+".new", path+".link"))
			check(t, os.Rename(path+".link", path))
			check(t, os.Remove(path+".new"))
		}},
		{"moved from elsewhere, written long ago", providers.Replaced, func(t *testing.T, path string) {
			from := filepath.Join(filepath.Dir(filepath.Dir(path)), "from")
			write(t, from, "b")
			old := time.Now().Add(-time.Minute)
			check(t, os.Chtimes(from, old, old))
			check(t, os.Rename(from, path))
		}},
		{"moved from elsewhere, just written", providers.Written, func(t *testing.T, path string) {
			from := filepath.Join(filepath.Dir(filepath.Dir(path)), "from")
			write(t, from, "b")
			late := time.Now().Add(time.Hour) // however slow the machine is
			check(t, os.Chtimes(from, late, late))
			check(t, os.Rename(from, path))
		}},
		{"chmod", providers.Written, func(t *testing.T, path string) { check(t, os.Chmod(path, 0o600)) }},
		{"chmod of the directory", providers.Written, func(t *testing.T, path string) { check(t, os.Chmod(filepath.Dir(path), 0o700)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dir", "app.json")
			mkdir(t, filepath.Dir(path))
			write(t, path, "a")
			w := listen(t, path, false)
			for range 2 { // the watch outlives what it told of
				test.act(t, path)
				w.want(t, test.want, test.name)
				write(t, path, "a")
				w.calm(t)
			}
		})
	}
}

func TestOtherNamesTellNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.json")
	write(t, path, "a")
	w := listen(t, path, false)
	write(t, filepath.Join(dir, "other"), "a")
	replace(t, filepath.Join(dir, "another"), "a")
	mkdir(t, filepath.Join(dir, "sub"))
	w.nothing(t, "other names")
}

// F3 and B10 of the fault list.
func TestFaultF3DataSwap(t *testing.T) {
	for name, open := range map[string]func(dir string) (string, bool){
		"file":      func(dir string) (string, bool) { return filepath.Join(dir, "app.json"), false },
		"directory": func(dir string) (string, bool) { return dir, false },
		"recursive": func(dir string) (string, bool) { return dir, true },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			mkdir(t, filepath.Join(dir, "..2026_01"))
			write(t, filepath.Join(dir, "..2026_01", "app.json"), "1")
			link(t, "..2026_01", filepath.Join(dir, "..data"))
			link(t, "..data/app.json", filepath.Join(dir, "app.json"))
			w := listen(t, first(open(dir)), second(open(dir)))
			for i := 2; i < 5; i++ {
				generation := fmt.Sprintf("..2026_%02d", i)
				mkdir(t, filepath.Join(dir, generation))
				write(t, filepath.Join(dir, generation, "app.json"), fmt.Sprint(i))
				w.nothing(t, "before the swap")
				swap(t, generation, filepath.Join(dir, "..data"))
				w.within(t, "swap", func(got []providers.Change) bool { return len(got) > 0 && got[0] == providers.Replaced })
				check(t, os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..2026_%02d", i-1))))
				w.calm(t)
				write(t, filepath.Join(dir, generation, "app.json"), "in place")
				w.want(t, providers.Written, "a write into the new generation")
				w.calm(t)
			}
			// Not atomically, as some tools do it.
			check(t, os.Remove(filepath.Join(dir, "..data")))
			link(t, "..2026_04", filepath.Join(dir, "..data"))
			w.want(t, providers.Replaced, "link made anew")
		})
	}
}

func first[A, B any](a A, _ B) A  { return a }
func second[A, B any](_ A, b B) B { return b }

func TestFaultF3DoubleSymlink(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"conf", "links", "v1", "v2"} {
		mkdir(t, filepath.Join(dir, sub))
	}
	write(t, filepath.Join(dir, "v1", "app.json"), "1")
	write(t, filepath.Join(dir, "v2", "app.json"), "2")
	link(t, filepath.Join(dir, "v1"), filepath.Join(dir, "links", "current"))
	link(t, "../links/current/./app.json", filepath.Join(dir, "conf", "app.json"))
	w := listen(t, filepath.Join(dir, "conf", "app.json"), false)

	swap(t, "../v2", filepath.Join(dir, "links", "current"))
	w.want(t, providers.Replaced, "the second link")
	w.calm(t)
	write(t, filepath.Join(dir, "v1", "app.json"), "old")
	w.nothing(t, "what the link led to before")
	replace(t, filepath.Join(dir, "v2", "app.json"), "new")
	w.want(t, providers.Replaced, "what the link leads to now")
	w.calm(t)
	replace(t, filepath.Join(dir, "conf", "app.json"), "no link any more")
	w.want(t, providers.Replaced, "the first link")
	w.calm(t)
	write(t, filepath.Join(dir, "conf", "app.json"), "in place")
	w.want(t, providers.Written, "the file in the link's place")
}

func TestLinkLoop(t *testing.T) {
	dir := t.TempDir()
	link(t, "b", filepath.Join(dir, "a"))
	link(t, "a", filepath.Join(dir, "b"))
	w := listen(t, filepath.Join(dir, "a"), false)
	replace(t, filepath.Join(dir, "b"), "x")
	w.want(t, providers.Replaced, "the loop is mended")
}

// F4 of the fault list.
func TestFaultF4ParentDeletedAndMadeAgain(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "a", "b")
	path := filepath.Join(dir, "app.json")
	mkdir(t, dir)
	write(t, path, "1")
	w := listen(t, path, false)
	for range 3 {
		check(t, os.RemoveAll(filepath.Join(top, "a")))
		w.want(t, providers.Written, "removed")
		w.calm(t)
		mkdir(t, dir)
		w.calm(t)
		replace(t, path, "2")
		w.want(t, providers.Replaced, "there again")
		w.calm(t)
	}
}

func TestFaultF4ParentReplaced(t *testing.T) {
	top := t.TempDir()
	for _, sub := range []string{"a/b", "new/b"} {
		mkdir(t, filepath.Join(top, sub))
		write(t, filepath.Join(top, sub, "app.json"), sub)
	}
	path := filepath.Join(top, "a", "b", "app.json")
	w := listen(t, path, false)
	check(t, os.Rename(filepath.Join(top, "a", "b"), filepath.Join(top, "a", "old")))
	check(t, os.Rename(filepath.Join(top, "new", "b"), filepath.Join(top, "a", "b")))
	w.want(t, providers.Written, "the directory")
	w.calm(t)
	replace(t, path, "2")
	w.want(t, providers.Replaced, "in the new directory")
	w.calm(t)
	write(t, filepath.Join(top, "a", "old", "app.json"), "x")
	w.nothing(t, "in the old directory")
}

// No event tells of this: only the comparison of watched directories does.
func TestGrandparentReplaced(t *testing.T) {
	top := t.TempDir()
	for _, sub := range []string{"a/b/c", "new/b/c"} {
		mkdir(t, filepath.Join(top, sub))
		write(t, filepath.Join(top, sub, "app.json"), sub)
	}
	path := filepath.Join(top, "a", "b", "c", "app.json")
	w := listen(t, path, false)
	check(t, os.Rename(filepath.Join(top, "a"), filepath.Join(top, "old")))
	check(t, os.Rename(filepath.Join(top, "new"), filepath.Join(top, "a")))
	w.want(t, providers.Lost, "a directory far up was replaced")
	replace(t, path, "2")
	w.want(t, providers.Replaced, "in the new directory")
}

func TestPathThatDoesNotExist(t *testing.T) {
	top := t.TempDir()
	path := filepath.Join(top, "a", "b", "c", "app.json")
	w := listen(t, path, false)
	mkdir(t, filepath.Join(top, "a", "b", "x"))
	w.calm(t)
	mkdir(t, filepath.Dir(path))
	w.calm(t)
	write(t, path, "1")
	w.want(t, providers.Written, "it appeared")
	w.calm(t)

	// A whole tree comes at once.
	check(t, os.RemoveAll(filepath.Join(top, "a")))
	w.calm(t)
	mkdir(t, filepath.Join(top, "new", "b", "c"))
	write(t, filepath.Join(top, "new", "b", "c", "app.json"), "2")
	check(t, os.Rename(filepath.Join(top, "new"), filepath.Join(top, "a")))
	w.want(t, providers.Replaced, "the tree")
	w.calm(t)
	write(t, path, "3")
	w.want(t, providers.Written, "in the tree")
}

func TestFileInTheWayOfADirectory(t *testing.T) {
	top := t.TempDir()
	write(t, filepath.Join(top, "a"), "a file")
	w := listen(t, filepath.Join(top, "a", "app.json"), false)
	check(t, os.Remove(filepath.Join(top, "a")))
	mkdir(t, filepath.Join(top, "a"))
	w.calm(t)
	replace(t, filepath.Join(top, "a", "app.json"), "1")
	w.want(t, providers.Replaced, "it appeared")
}

func TestDirectory(t *testing.T) {
	for _, recursive := range []bool{false, true} {
		t.Run(fmt.Sprintf("recursive %t", recursive), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "conf.d")
			mkdir(t, filepath.Join(dir, "sub", "deep"))
			mkdir(t, filepath.Join(dir, ".hidden"))
			write(t, filepath.Join(dir, "sub", "deep", "x"), "1")
			w := listen(t, dir, recursive)
			at := func(name string, act func(path string)) {
				t.Helper()
				act(filepath.Join(dir, filepath.FromSlash(name)))
				w.only(t, providers.Written, name)
				w.calm(t)
			}
			at("new", func(p string) { write(t, p, "1") })
			at("new", func(p string) { replace(t, p, "2") })
			at("new", func(p string) { check(t, os.Remove(p)) })
			write(t, filepath.Join(dir, ".editor.swp"), "1")
			write(t, filepath.Join(dir, ".hidden", "x"), "1")
			w.nothing(t, "hidden names")

			below := func(what string, act func()) {
				t.Helper()
				act()
				if recursive {
					w.want(t, providers.Written, what)
				} else {
					w.nothing(t, what)
				}
				w.calm(t)
			}
			below("a file in a subdirectory", func() { write(t, filepath.Join(dir, "sub", "deep", "x"), "2") })
			mkdir(t, filepath.Join(dir, "later", "deep"))
			w.calm(t)
			below("a file in a new subdirectory", func() { write(t, filepath.Join(dir, "later", "deep", "x"), "2") })
			check(t, os.RemoveAll(filepath.Join(dir, "later")))
			w.calm(t)

			check(t, os.RemoveAll(dir))
			w.want(t, providers.Written, "the directory is gone")
			w.calm(t)
			mkdir(t, dir)
			w.calm(t)
			at("again", func(p string) { write(t, p, "1") })
		})
	}
}

// Where a link in a directory leads is watched too, inside of the directory.
func TestLinkInADirectory(t *testing.T) {
	dir := t.TempDir()
	mkdir(t, filepath.Join(dir, ".store"))
	write(t, filepath.Join(dir, ".store", "x"), "1")
	w := listen(t, dir, false)
	link(t, ".store/x", filepath.Join(dir, "x"))
	w.want(t, providers.Written, "a new link")
	w.calm(t)
	write(t, filepath.Join(dir, ".store", "x"), "2")
	w.want(t, providers.Written, "where it leads")
}

// Two registrations of one directory share its watch, and each ends by itself.
func TestSharedDirectory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.json")
	write(t, path, "1")
	a, b, whole := newTold(&process), listen(t, path, false), listen(t, dir, false)
	stop, err := Watch(path, false, a.wake)
	check(t, err)
	replace(t, path, "2")
	a.want(t, providers.Replaced, "first")
	b.want(t, providers.Replaced, "second")
	whole.want(t, providers.Written, "the directory")
	if n := len(process.session.dirs); n != 2 { // and the one above, for the directory's own entry
		t.Errorf("%d directories are watched, want 2", n)
	}
	a.calm(t)
	stop()
	stop()
	replace(t, path, "3")
	b.want(t, providers.Replaced, "second alone")
	a.nothing(t, "stopped")
}

func TestEverythingEndsWithTheLast(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		var stops []func()
		for i := range 10 {
			stop, err := Watch(filepath.Join(dir, fmt.Sprint(i)), false, func(providers.Change) {})
			check(t, err)
			stops = append(stops, stop)
		}
		s := process.session
		for _, stop := range stops {
			stop()
		}
		if process.session != nil || len(s.dirs) != 0 || len(s.inodes) != 0 || len(s.all) != 0 {
			t.Errorf("left: %d directories, %d inodes, %d registrations", len(s.dirs), len(s.inodes), len(s.all))
		}
	}
}

// Whatever comes and goes, nothing stays behind.
func TestRacingRegistrations(t *testing.T) {
	dir := t.TempDir()
	keep := listen(t, filepath.Join(dir, "a", "keep"), false)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			_ = os.RemoveAll(filepath.Join(dir, "a"))
			_ = os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755)
			_ = os.Symlink("b", filepath.Join(dir, "a", "c"))
			_ = os.WriteFile(filepath.Join(dir, "a", "b", "0"), []byte(fmt.Sprint(i)), 0o644)
		}
	})
	var users sync.WaitGroup
	for i := range 8 {
		users.Go(func() {
			for range 50 {
				stop, err := Watch(filepath.Join(dir, "a", strings.Repeat("c/../", i%3)+"b", fmt.Sprint(i%4)), i%2 == 0, func(providers.Change) {})
				if err == nil {
					time.Sleep(time.Millisecond)
					stop()
				}
			}
		})
	}
	users.Wait()
	close(done)
	wg.Wait()
	mkdir(t, filepath.Join(dir, "a"))
	// A way that kept changing is gone again by the next check.
	for last := time.Now().Add(long); !slices.Contains(keep.take(), providers.Replaced); keep.behind(t) {
		if time.Now().After(last) {
			t.Fatal("nothing is told any more after all of it")
		}
		replace(t, filepath.Join(dir, "a", "keep"), "x")
	}
	s := process.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) != 2 || len(s.dirs) > 3 { // the marker is one
		t.Errorf("%d registrations and %d directories are left", len(s.all), len(s.dirs))
	}
}

func TestSplit(t *testing.T) {
	for path, want := range map[string][2]string{
		"/a/b": {"/a", "b"}, "/a": {"/", "a"}, "//a": {"/", "a"}, "/": {"/", ""}, "a": {"", "a"},
	} {
		if dir, name := split(filepath.FromSlash(path)); filepath.ToSlash(dir) != want[0] || name != want[1] {
			t.Errorf("%s: %q, %q", path, dir, name)
		}
	}
}
