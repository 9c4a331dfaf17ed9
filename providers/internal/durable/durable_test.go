//go:build unix

package durable

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tidegate/providers"
)

func TestMain(m *testing.M) {
	if os.Getenv("DURABLE_TEST_TARGET") != "" {
		replaceAndDie()
	}
	goleak.VerifyTestMain(m)
}

// plain wants mode 0644 and any owner.
func plain(fs.FileInfo) Want { return Want{Mode: 0o644, UID: -1, GID: -1} }

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q (%v), want %q", filepath.Base(path), got, err, want)
	}
}

// names lists everything in a directory, hidden files too.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func only(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
}

// inject replaces steps of the disk for one test.
func inject(t *testing.T, change func(*ops)) {
	saved := system
	t.Cleanup(func() { system = saved })
	change(&system)
}

func TestReplaceWritesExactlyTheBytes(t *testing.T) {
	for _, text := range []string{"", "x", "a\r\nb\x00\xff", strings.Repeat("long ", 1<<18)} {
		dir := t.TempDir()
		path := filepath.Join(dir, "app.json")
		for range 2 {
			if err := Replace(t.Context(), path, Options{}, []byte(text), plain); err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(path); string(got) != text {
				t.Errorf("got %d bytes, want %d", len(got), len(text))
			}
			only(t, dir, "app.json")
		}
	}
}

func TestReplaceMakesANewFileAndNeverWritesInPlace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.json")
	put(t, path, "old")
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := Replace(t.Context(), path, Options{}, []byte("new"), plain); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8)
	if n, _ := reader.Read(buf); string(buf[:n]) != "old" {
		t.Errorf("an open reader sees %q, want the old content", buf[:n])
	}
	holds(t, path, "new")
}

func TestReplaceAsksWithWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.json")
	var seen []fs.FileInfo
	want := func(old fs.FileInfo) Want {
		seen = append(seen, old)
		return Want{Mode: 0o604, UID: -1, GID: -1}
	}
	for range 2 {
		if err := Replace(t.Context(), path, Options{}, []byte("x"), want); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 2 || seen[0] != nil || seen[1].Mode().Perm() != 0o604 {
		t.Errorf("asked with %v", seen)
	}
}

func TestReplaceCarriesVeryLongNames(t *testing.T) {
	dir := t.TempDir()
	name := strings.Repeat("ä", 127) // 254 bytes
	if err := Replace(t.Context(), filepath.Join(dir, name), Options{}, []byte("x"), plain); err != nil {
		t.Fatal(err)
	}
	only(t, dir, name)
}

func TestReplaceMakesParentsWhereAsked(t *testing.T) {
	for _, private := range []bool{false, true} {
		for _, confined := range []bool{false, true} {
			dir := t.TempDir()
			o := Options{}
			if confined {
				o = Options{Roots: []string{dir}, Setting: "paths.write"}
			}
			path := filepath.Join(dir, "a", "b", "app.json")
			err := Replace(t.Context(), path, o, []byte("x"), plain)
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("without Create: %v", err)
			}
			o.Create, o.Private = true, private
			if err := Replace(t.Context(), path, o, []byte("x"), plain); err != nil {
				t.Fatal(err)
			}
			want := fs.FileMode(0o755)
			if private {
				want = 0o700
			}
			for _, d := range []string{"a", "a/b"} {
				if info, err := os.Stat(filepath.Join(dir, d)); err != nil || info.Mode().Perm() != want {
					t.Errorf("%s: %v %v, want %v", d, info.Mode(), err, want)
				}
			}
			holds(t, path, "x")
		}
	}
}

func TestConfinementFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	os.MkdirAll(filepath.Join(in, "real"), 0o755)
	os.Mkdir(out, 0o755)
	os.Symlink(out, filepath.Join(in, "away"))
	os.Symlink(filepath.Join(in, "real"), filepath.Join(in, "near")) // absolute, but inside
	os.Symlink(in, filepath.Join(dir, "alias"))                      // the root itself through a link
	o := Options{Roots: []string{in}, Setting: "paths.write"}
	for path, ok := range map[string]bool{
		"in/app":             true,
		"in/real/app":        true,
		"in/near/app":        true,
		"alias/app":          true,
		"in/real/../../in/x": true,
		"in/away/app":        false,
		"in/../out/app":      false,
		"out/app":            false,
		"inner":              false,
	} {
		err := Replace(t.Context(), dir+"/"+path, o, []byte("x"), plain)
		if ok != (err == nil) {
			t.Errorf("%s: %v", path, err)
		}
		if class, _ := providers.Classify(err); !ok && (class != providers.ClassPermanent || !strings.Contains(err.Error(), "paths.write")) {
			t.Errorf("%s: class %v of %v", path, class, err)
		}
	}
	only(t, out)
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "app"), "x")
	os.Symlink("app", filepath.Join(dir, "link"))
	remove := func(name string) error { return Remove(t.Context(), filepath.Join(dir, name), Options{}) }
	for _, name := range []string{"app", "app", "gone/app"} { // the second is gone already
		if err := remove(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := remove("link"); err == nil {
		t.Error("a link was removed")
	}
	only(t, dir, "link")
}

func TestSweepLeavesWhatIsNotALeftover(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".app.tidegate-0123abcd", ".app.tidegate-ffffffff"} {
		put(t, filepath.Join(dir, name), "leftover")
	}
	keep := []string{".app.tidegate-0123abc", ".app.tidegate-0123abcg", ".other.tidegate-0123abcd", "app"}
	for _, name := range keep {
		put(t, filepath.Join(dir, name), "")
	}
	d, err := OpenDir(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	live, temp, err := d.create("app")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if err := Sweep(filepath.Join(dir, "app"), Options{}); err != nil {
		t.Fatal(err)
	}
	want := append(keep, temp)
	slices.Sort(want)
	only(t, dir, want...)
	if err := Sweep(filepath.Join(dir, "gone", "app"), Options{}); err != nil {
		t.Errorf("a directory that is gone: %v", err)
	}
}

// What killed runs left of any file in a directory is swept away, what is held and all else stays.
func TestSweepAll(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".app.tidegate-0123abcd", ".b.tidegate-x.tidegate-ffffffff", ".change.plan.tidegate-ffffffff"} {
		put(t, filepath.Join(dir, name), "leftover")
	}
	keep := []string{".app.tidegate-0123abc", ".app.tidegate-0123abcg", ".tidegate-0123abcd", "app", "app.tidegate-0123abcd"}
	for _, name := range keep {
		put(t, filepath.Join(dir, name), "")
	}
	d, err := OpenDir(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	live, temp, err := d.create("app")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if os.Geteuid() == 0 {
		other := ".other.tidegate-0123abcd"
		put(t, filepath.Join(dir, other), "")
		if err := os.Chown(filepath.Join(dir, other), 65534, 65534); err != nil {
			t.Fatal(err)
		}
		keep = append(keep, other)
	}
	if err := SweepAll(dir); err != nil {
		t.Fatal(err)
	}
	want := append(keep, temp)
	slices.Sort(want)
	only(t, dir, want...)
}

// A sweep that runs all the time takes no file from under a writer.
func TestSweepBesideAWriter(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app")
	ctx, stop := context.WithCancel(t.Context())
	swept := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if err := Sweep(path, Options{}); err != nil {
				swept <- err
				return
			}
		}
		swept <- nil
	}()
	for range 300 {
		if err := Replace(t.Context(), path, Options{}, []byte("x"), plain); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-swept; err != nil {
		t.Error(err)
	}
	only(t, dir, "app")
}
