//go:build unix

package file

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

func newSource(t testing.TB, dir, body string, readPaths ...string) providers.Source {
	t.Helper()
	return providertest.NewSource(t, Kind(), body, providers.Env{ModuleDir: dir, ReadPaths: readPaths})
}

func fetch(t testing.TB, s providers.Source) providers.Snapshot {
	t.Helper()
	snapshot, err := s.Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// texts returns the parts of a directory as name to text.
func texts(s providers.Snapshot) map[string]string {
	out := map[string]string{}
	for _, p := range s.Parts {
		out[p.Name] = string(p.Data)
	}
	return out
}

func refuses(t *testing.T, s providers.Source, want ...string) error {
	t.Helper()
	snapshot, err := s.Fetch(t.Context(), "")
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("got %v, %v; want %q", texts(snapshot), err, w)
		}
	}
	return err
}

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	providertest.Source(t, providertest.SourceOptions{
		New: func(t *testing.T) providers.Source {
			dir := t.TempDir()
			put(t, filepath.Join(dir, "app.json"), `{"a": 1}`)
			return newSource(t, dir, `path = "app.json"`)
		},
		Missing: func(t *testing.T) providers.Source { return newSource(t, t.TempDir(), `path = "app.json"`) },
	})
	providertest.Source(t, providertest.SourceOptions{
		New: func(t *testing.T) providers.Source {
			dir := t.TempDir()
			put(t, filepath.Join(dir, "a.json"), `{"a": 1}`)
			put(t, filepath.Join(dir, "b.json"), `{"b": 1}`)
			return newSource(t, dir, `path = "."`)
		},
	})
}

func TestMistakes(t *testing.T) {
	for body, want := range map[string]string{
		`path = ""`:                `path: is empty`,
		`path = "a\u0000"`:         `NUL`,
		`recursive = true`:         `Missing required argument`,
		`path = "a" + "b"`:         `Invalid operand`,
		"path = \"a\"\nrec = true": `Unsupported argument`,
		`path = ["a", "b"]`:        `Unsuitable value type`,
		`path = "x" //, ok?`:       ``,
	} {
		if got := providertest.Errors(Kind(), body); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %s", body, got)
		}
	}
}

func TestReadsAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.json")
	put(t, path, "\xef\xbb\xbf{}\r\n")
	s := newSource(t, dir, `path = "./x/../app.json"`)
	want := providers.Snapshot{Data: []byte("\xef\xbb\xbf{}\r\n"), Location: path}
	if got := fetch(t, s); !cmp.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	if id := s.(providers.Identifier).Identity(); id != path {
		t.Errorf("identity %s", id)
	}
	put(t, path, "") // empty is not missing: the engine decides what it means
	if got := fetch(t, s); got.Data == nil || len(got.Data) != 0 {
		t.Errorf("an empty file gave %#v", got.Data)
	}
	os.Remove(path)
	err := refuses(t, s, path+" does not exist")
	if class, _ := providers.Classify(err); class != providers.ClassTemporary {
		t.Errorf("class %v", class)
	}
}

func TestReadsADirectory(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"b.yaml": "b", "a.json": "a", ".hidden": "no", "sub/c.toml": "c", "sub/deep/d": "d", ".git/config": "no", "sub-x": "x", "sub/.e": "no",
	} {
		put(t, filepath.Join(dir, name), text)
	}
	link(t, "b.yaml", filepath.Join(dir, "link.yaml"))
	link(t, "../a.json", filepath.Join(dir, "sub", "up.json"))
	link(t, "..", filepath.Join(dir, "sub", "circle"))

	got := fetch(t, newSource(t, dir, `path = "."`))
	want := map[string]string{"a.json": "a", "b.yaml": "b", "link.yaml": "b", "sub-x": "x"}
	if diff := cmp.Diff(want, texts(got)); diff != "" || got.Data != nil || got.Location != dir {
		t.Errorf("flat: %s, location %s", diff, got.Location)
	}
	got = fetch(t, newSource(t, dir, "path = \".\"\nrecursive = true"))
	var order []string
	for _, p := range got.Parts {
		order = append(order, p.Name)
	}
	if diff := cmp.Diff([]string{"a.json", "b.yaml", "link.yaml", "sub-x", "sub/c.toml", "sub/deep/d", "sub/up.json"}, order); diff != "" {
		t.Errorf("recursive: %s", diff)
	}
	if texts(got)["sub/up.json"] != "a" {
		t.Error("a link within the directory was not followed")
	}
	empty := fetch(t, newSource(t, t.TempDir(), `path = "."`))
	if empty.Parts == nil || len(empty.Parts) != 0 {
		t.Errorf("an empty directory gave %#v", empty)
	}
}

func TestLinksOutOfADirectoryAreRefused(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "secret"), "s")
	put(t, filepath.Join(dir, "conf", "a"), "a")
	for to, want := range map[string]string{
		"../secret":                   "leads out of the directory",
		filepath.Join(dir, "secret"):  "leads out of the directory",
		"/etc/passwd":                 "leads out of the directory",
		"nowhere":                     filepath.Join(dir, "conf", "link") + " does not exist",
		"link":                        "too many levels of symbolic links",
		"sub/../../../../etc/shadow":  "",
		filepath.Join(dir, "conf/fi"): "leads out",
	} {
		path := filepath.Join(dir, "conf", "link")
		link(t, to, path)
		if err := refuses(t, newSource(t, dir, `path = "conf"`), want, path); err == nil {
			t.Errorf("%s was followed", to)
		}
		os.Remove(path)
	}
}

func TestPathsRead(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "out", "f"), "out")
	put(t, filepath.Join(dir, "in", "f"), "in")
	link(t, "../out/f", filepath.Join(dir, "in", "away"))
	link(t, "../out", filepath.Join(dir, "in", "awaydir"))
	link(t, filepath.Join(dir, "in", "f"), filepath.Join(dir, "in", "near"))
	link(t, "in", filepath.Join(dir, "alias"))
	in := filepath.Join(dir, "in")
	for path, ok := range map[string]bool{
		"in/f": true, "in/near": true, "alias/f": true, "in": false, // a directory with a link that leaves it
		"out/f": false, "in/away": false, "in/awaydir/f": false, "in/../out/f": false, "/etc/passwd": false,
	} {
		s := newSource(t, dir, fmt.Sprintf("path = %q", path), in)
		got, err := s.Fetch(t.Context(), "")
		if ok != (err == nil) || ok && string(got.Data) != "in" {
			t.Errorf("%s: %q, %v", path, got.Data, err)
		}
		if class, _ := providers.Classify(err); !ok && class != providers.ClassPermanent {
			t.Errorf("%s: class of %v", path, err)
		}
		if !ok && path != "in" && !strings.Contains(err.Error(), "outside of paths.read = ["+in+"]") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestLimits(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "d", "a"), strings.Repeat("a", 60))
	put(t, filepath.Join(dir, "d", "b"), strings.Repeat("b", 40))
	fetch := func(path string, limit int64) error {
		_, err := newSource(t, dir, fmt.Sprintf("path = %q", path)).Fetch(providers.WithFetchLimit(t.Context(), limit), "")
		return err
	}
	for _, c := range []struct {
		path  string
		limit int64
		ok    bool
	}{{"d/a", 60, true}, {"d/a", 59, false}, {"d", 100, true}, {"d", 99, false}} {
		err := fetch(c.path, c.limit)
		class, _ := providers.Classify(err)
		if c.ok != (err == nil) || !c.ok && (class != providers.ClassPermanent || !strings.Contains(err.Error(), fmt.Sprintf("max_bytes = %d", c.limit))) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestFaultF7SpecialFilesDoNotBlock(t *testing.T) {
	dir := t.TempDir()
	os.Mkdir(filepath.Join(dir, "d"), 0o755)
	if err := syscall.Mkfifo(filepath.Join(dir, "d", "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	link(t, "pipe", filepath.Join(dir, "d", "a"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for path, want := range map[string]string{"d/pipe": "named pipe", "d/a": "named pipe", "d": "named pipe", "/dev/zero": "device"} {
		_, err := newSource(t, dir, fmt.Sprintf("path = %q", path)).Fetch(ctx, "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestFaultF7PermissionLost(t *testing.T) {
	const inside = "SOURCE_FILE_TEST_INSIDE"
	if os.Geteuid() == 0 && os.Getenv(inside) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Dir, cmd.Env = "/", append(os.Environ(), inside+"=yes")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	put(t, filepath.Join(dir, "d", "f"), "x")
	os.Chmod(filepath.Join(dir, "d", "f"), 0)
	refuses(t, newSource(t, dir, `path = "d/f"`), "needs the right to read it", filepath.Join(dir, "d/f"))
	refuses(t, newSource(t, dir, `path = "d"`), "needs the right to read it", filepath.Join(dir, "d/f"))
	os.Chmod(filepath.Join(dir, "d"), 0)
	defer os.Chmod(filepath.Join(dir, "d"), 0o755)
	refuses(t, newSource(t, dir, `path = "d/f"`), "search the directories above it")
}

func TestFaultF9SameSizeAndTimeOtherBytes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	s := newSource(t, dir, `path = "f"`)
	then := time.Now().Add(-time.Hour)
	for _, text := range []string{"one", "two"} {
		put(t, path, text)
		os.Chtimes(path, then, then)
		if got := fetch(t, s); string(got.Data) != text || got.Validator != "" {
			t.Errorf("got %q, want %q", got.Data, text)
		}
	}
}

func TestFaultF10SparseFile(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "d", "huge"), "")
	if err := os.Truncate(filepath.Join(dir, "d", "huge"), 5<<30); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	refuses(t, newSource(t, dir, `path = "d/huge"`), "max_bytes")
	refuses(t, newSource(t, dir, `path = "d"`), "max_bytes")
	if d := time.Since(start); d > time.Second {
		t.Errorf("took %v", d)
	}
}

// TestFaultF3ConfigMapSwap is bug B10 as far as reading goes: the generation behind ..data is
// swapped all the time, and no look may mix two of them.
func TestFaultF3ConfigMapSwap(t *testing.T) {
	dir := t.TempDir()
	generation := func(n int) {
		name := fmt.Sprintf("..2026_%d", n)
		for _, f := range []string{"a", "b", "c", "d"} {
			put(t, filepath.Join(dir, name, f), fmt.Sprint(n))
		}
		link(t, name, filepath.Join(dir, "..data_tmp"))
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Error(err)
		}
		if n > 0 {
			os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..2026_%d", n-1)))
		}
	}
	generation(0)
	for _, f := range []string{"a", "b", "c", "d"} {
		link(t, "..data/"+f, filepath.Join(dir, f))
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; ctx.Err() == nil; n++ {
			generation(n)
			pause(ctx, 2*time.Millisecond)
		}
	}()
	s := newSource(t, dir, `path = "."`)
	good := 0
	for i := 0; i < 200 || good < 50; i++ {
		snapshot, err := s.Fetch(t.Context(), "")
		if err != nil {
			continue // it kept changing, or a link led nowhere for an instant
		}
		good++
		got := texts(snapshot)
		if len(got) != 4 || got["a"] != got["b"] || got["a"] != got["c"] || got["a"] != got["d"] {
			t.Fatalf("a mixture of generations: %v", got)
		}
	}
	stop()
	<-done
	if got := texts(fetch(t, s)); len(got) != 4 {
		t.Errorf("at rest: %v", got)
	}
}

func BenchmarkDirectoryOf10000(b *testing.B) {
	dir := b.TempDir()
	for i := range 10_000 {
		put(b, filepath.Join(dir, fmt.Sprintf("%05d.json", i)), strings.Repeat("x", 1<<10))
	}
	s := newSource(b, dir, `path = "."`)
	for b.Loop() {
		if got := fetch(b, s); len(got.Parts) != 10_000 {
			b.Fatal(len(got.Parts))
		}
	}
}
