//go:build unix

package engine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/providers/providertest/host"
)

// steadily reads a file all the time, as the service would that is configured by it, and
// complains about everything that is not whole.
func (m *module) steadily(name string, whole func(text string) bool) (stop func()) {
	done := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for last := ""; ; {
			select {
			case <-done:
				return
			case <-time.After(200 * time.Microsecond): // its pace
			}
			data, err := os.ReadFile(m.path(name))
			if err != nil && !os.IsNotExist(err) {
				m.t.Errorf("a reader finds %v", err)
				return
			}
			if text := string(data); err == nil && text != last {
				if last = text; !whole(text) {
					m.t.Errorf("a reader of %s sees %q", name, text)
					return
				}
			}
		}
	})
	return func() { close(done); reader.Wait() }
}

// F1: a file that is written in two parts. The half that does not parse is never applied and
// the rest is.
func TestWatchF1PartialWrite(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	stop := m.steadily("out.json", func(text string) bool { return text == `{"v":1}` || text == `{"v":22}` })
	defer stop()
	m.write("app.json", `{"v":2`)
	d.awaitSource("source.file.app", engine.StateFailing) // longer than any debounce
	m.wantFile("out.json", `{"v":1}`)
	f, err := os.OpenFile(m.path("app.json"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("2}"); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("out.json", `{"v":22}`)
	d.awaitSource("source.file.app", engine.StateOK)
	if n := len(events[engine.Accepted](d)); n != 2 {
		t.Errorf("%d values were accepted, want 2", n)
	}
}

// F2: the ways in which editors write a file. Each makes one new value of the final bytes.
func TestWatchF2Editors(t *testing.T) {
	must := func(t *testing.T, errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, save := range map[string]func(t *testing.T, path string, text []byte){
		"rename over": func(t *testing.T, path string, text []byte) {
			must(t, os.WriteFile(path+".tmp", text, 0o644), os.Rename(path+".tmp", path))
		},
		"truncate and write": func(t *testing.T, path string, text []byte) {
			must(t, os.WriteFile(path, text, 0o644))
		},
		"delete and create": func(t *testing.T, path string, text []byte) {
			must(t, os.Remove(path), os.WriteFile(path, text, 0o644))
		},
		"backup by rename": func(t *testing.T, path string, text []byte) {
			must(t, os.Rename(path, path+"~"), os.WriteFile(path, text, 0o644), os.Remove(path+"~"))
		},
		"hard link": func(t *testing.T, path string, text []byte) {
			must(t, os.WriteFile(path+".new", text, 0o644), os.Link(path+".new", path+".swap"), os.Rename(path+".swap", path), os.Remove(path+".new"))
		},
		"byte by byte": func(t *testing.T, path string, text []byte) {
			f, err := os.Create(path)
			must(t, err)
			for i := range text {
				_, err := f.Write(text[i : i+1])
				must(t, err)
			}
			must(t, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":100}`)
			d := m.watch()
			d.awaitFile("out.json", `{"v":100}`)
			stop := m.steadily("out.json", func(text string) bool { return json.Valid([]byte(text)) && len(text) == len(`{"v":100}`) })
			defer stop()
			for i := range 5 {
				want := fmt.Sprintf(`{"v":%d}`, 101+i)
				save(t, m.path("app.json"), []byte(want))
				d.awaitFile("out.json", want)
			}
			d.awaitSource("source.file.app", engine.StateOK)
			if n := len(events[engine.Accepted](d)); n != 6 {
				t.Errorf("%d values were accepted, want 6", n)
			}
		})
	}
}

// F3, B10: a mounted ConfigMap gets new generations by a swap of the link ..data. They are
// noticed at once, by the file and by the directory, and never mixed.
func TestWatchF3ConfigMapSwap(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "one" { path = "mount/a.json" }
source "file" "all" { path = "mount" }
sink "file" "one" {
  path    = "one.json"
  content = jsonencode(source.file.one.value)
}
sink "file" "all" {
  path    = "all.txt"
  content = "${source.file.all.value["a.json"].v} ${source.file.all.value["b.json"].v}"
}`)
	generation := func(n int) {
		t.Helper()
		dir := fmt.Sprintf("mount/..gen%d", n)
		m.write(dir+"/a.json", fmt.Sprintf(`{"v":%d}`, n))
		m.write(dir+"/b.json", fmt.Sprintf(`{"v":%d}`, n))
		if err := os.Symlink(filepath.Base(dir), m.path("mount/..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(m.path("mount/..data_tmp"), m.path("mount/..data")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(m.path(fmt.Sprintf("mount/..gen%d", n-1))); err != nil {
			t.Fatal(err)
		}
	}
	generation(1)
	for _, name := range []string{"a.json", "b.json"} {
		if err := os.Symlink("..data/"+name, m.path("mount/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	d := m.watch()
	stop := m.steadily("all.txt", func(text string) bool {
		a, b, _ := strings.Cut(text, " ")
		return a == b
	})
	defer stop()
	for n := 1; n <= 8; n++ {
		if n > 1 {
			generation(n)
		}
		begun := time.Now()
		d.awaitFile("one.json", fmt.Sprintf(`{"v":%d}`, n))
		d.awaitFile("all.txt", fmt.Sprintf("%[1]d %[1]d", n))
		if took := time.Since(begun); took > 50*time.Second {
			t.Errorf("generation %d took %s: only polling found it", n, took)
		}
	}
}

// F4, F7: what is in the place of a file while it is not one keeps everything as it is, blocks
// nothing, and the file is found again when it is back.
func TestWatchF4F7FileIsGoneOrSomethingElse(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"deleted":     func(string) error { return nil },
		"a directory": func(p string) error { return os.Mkdir(p, 0o755) },
		"a FIFO":      func(p string) error { return syscall.Mkfifo(p, 0o644) },
		"a dead link": func(p string) error { return os.Symlink("nothing", p) },
		"a loop":      func(p string) error { return os.Symlink(filepath.Base(p), p) },
		"a device":    func(p string) error { return os.Symlink("/dev/zero", p) },
		"empty":       func(p string) error { return os.WriteFile(p, nil, 0o644) },
		"a socket": func(p string) error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer syscall.Close(fd)
			return syscall.Bind(fd, &syscall.SockaddrUnix{Name: p})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModule(t, "main.hcl", strings.Replace(copyOfFile, `"app.json"`, `"in/app.json"`, 1), "in/app.json", `{"v":1}`)
			if name == "a socket" && len(m.path("in/app.json")) > 100 {
				m.t.Skip("the path is too long for a socket")
			}
			d := m.watch()
			d.awaitFile("out.json", `{"v":1}`)
			if err := os.Remove(m.path("in/app.json")); err != nil {
				t.Fatal(err)
			}
			if err := plant(m.path("in/app.json")); err != nil {
				t.Fatal(err)
			}
			d.await("it is noticed", func() bool {
				s := d.source("source.file.app").State
				return s == engine.StateFailing || s == engine.StateRejected
			})
			m.wantFile("out.json", `{"v":1}`)
			if err := os.RemoveAll(m.path("in/app.json")); err != nil {
				t.Fatal(err)
			}
			m.replace("in/app.json", `{"v":2}`)
			d.awaitFile("out.json", `{"v":2}`)
			d.awaitSource("source.file.app", engine.StateOK)
			// The directory goes, too, and comes back.
			if err := os.RemoveAll(m.path("in")); err != nil {
				t.Fatal(err)
			}
			d.awaitSource("source.file.app", engine.StateFailing)
			m.wantFile("out.json", `{"v":2}`)
			m.write("in/app.json", `{"v":3}`)
			d.awaitFile("out.json", `{"v":3}`)
		})
	}
}

// F7: the right to read is lost and comes back.
func TestWatchF7PermissionLost(t *testing.T) {
	if !host.AsNobody(t) {
		return
	}
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	if err := os.Chmod(m.path("app.json"), 0); err != nil {
		t.Fatal(err)
	}
	d.awaitSource("source.file.app", engine.StateFailing)
	m.wantFile("out.json", `{"v":1}`)
	if err := os.Chmod(m.path("app.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	d.awaitSource("source.file.app", engine.StateOK)
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
}

// F9: other bytes of the same length under the same time, and a time that goes back.
func TestWatchF9SameTimeOtherBytes(t *testing.T) {
	m := newModule(t, "app.json", `{"v":1}`, "main.hcl", `
detector "hash" "quick" { interval = "100ms" }
source "file" "app" {
  path      = "app.json"
  detectors = [detector.hash.quick]
}
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.file.app.value)
}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	at := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 3 {
		text := fmt.Sprintf(`{"v":%d}`, 2+i)
		m.write("app.json", text)
		if err := os.Chtimes(m.path("app.json"), at, at); err != nil {
			t.Fatal(err)
		}
		d.awaitFile("out.json", text)
		at = at.Add(time.Duration(i) * -time.Hour) // once the same, then back
	}
}

// F11: a storm of changes in the directory of a file, and the file itself between them. Looks
// are few, and the last bytes are delivered.
func TestWatchF11Storm(t *testing.T) {
	m := newModule(t, "main.hcl", strings.Replace(copyOfFile, `"app.json"`, `"in/app.json"`, 1), "in/app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	before := d.source("source.file.app").Looks
	files := 5000
	if raceEnabled || testing.Short() {
		files = 1000
	}
	begun := time.Now()
	for i := range files {
		path := m.path(fmt.Sprintf("in/other%d", i))
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		if i%100 == 0 {
			m.write("in/app.json", fmt.Sprintf(`{"v":%d}`, i))
		}
	}
	m.write("in/app.json", `{"v":-1}`)
	d.awaitFile("out.json", `{"v":-1}`)
	// At most one each debounce, and a few that saw it half written.
	most := int64(time.Since(begun)/(50*time.Millisecond)) + int64(files/100) + 5
	if looks := d.source("source.file.app").Looks - before; looks > most {
		t.Errorf("%d looks in %s", looks, time.Since(begun))
	}
}

// "10,000 in-place writes in bursts: the last of every burst is delivered, none torn."
func TestWatchF1TenThousandWritesInBursts(t *testing.T) {
	t.Parallel()
	m := newModule(t, "app.json", `{"v":0}`, "main.hcl", `
detector "watch" "quick" { debounce = "10ms" }
source "file" "app" {
  path      = "app.json"
  detectors = [detector.watch.quick]
}
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.file.app.value)
}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":0}`)
	pad := strings.Repeat("0123456789abcdef", 300)
	text := func(n int) string { return fmt.Sprintf(`{"pad":%q,"v":%d}`, pad, n) }
	stop := m.steadily("out.json", func(s string) bool {
		var held struct{ V int }
		return json.Unmarshal([]byte(s), &held) == nil && (s == text(held.V) || held.V == 0)
	})
	defer stop()
	bursts, writes := 25, 400
	if raceEnabled || testing.Short() {
		bursts = 10
	}
	n := 0
	for range bursts {
		for range writes {
			n++
			m.write("app.json", text(n))
		}
		d.awaitFile("out.json", text(n))
	}
	t.Logf("%d of %d values were accepted", len(events[engine.Accepted](d)), n)
}

// F6: no watches are left. It is said once, and polling finds what changes.
func TestWatchF6WithoutNotification(t *testing.T) {
	strace := needStrace(t)
	m := newModule(t, "app.json", `{"v":1}`, "main.hcl", `
detector "watch" "often" {
  debounce = "10ms"
  interval = "200ms"
}
source "file" "app" {
  path      = "app.json"
  detectors = [detector.watch.often]
}
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.file.app.value)
}`)
	cmd := m.traced(strace, []string{"-o", os.DevNull, "-e", "trace=inotify_add_watch", "-e", "inject=inotify_add_watch:error=ENOSPC"}, "apply", "--watch")
	s := m.serveAs(cmd)
	for v := 1; v < 5; v++ {
		m.replace("app.json", fmt.Sprintf(`{"v":%d}`, v))
		want := fmt.Sprintf(`{"v":%d}`, v)
		eventually(t, "polling finds "+want, func() bool { got, _ := m.read("out.json"); return got == want })
	}
	if n := strings.Count(s.log.String(), "not notified"); n < 1 || n > 2 {
		t.Errorf("it was said %d times that there is no notification\n%s", n, s.log)
	}
}

// A source that reads what a sink writes comes after it, also when somebody else changes the
// file in between, and nothing goes in circles.
func TestWatchSourceReadsWhatASinkWrites(t *testing.T) {
	m := newModule(t, "app.json", `{"v":1}`, "main.hcl", `
source "file" "app" { path = "app.json" }
sink "file" "first" {
  path    = "first.json"
  content = jsonencode({ v = source.file.app.value.v, by = "first" })
}
source "file" "again" {
  path       = "first.json"
  depends_on = [sink.file.first]
}
sink "file" "second" {
  path    = "second.json"
  content = jsonencode(source.file.again.value)
}
sink "file" "named" {
  path    = "${sink.file.second.path}.named"
  content = "${sink.file.second.sha256} ${source.file.app.value.v}"
}`)
	d := m.watch()
	for v := 1; v < 5; v++ {
		m.replace("app.json", fmt.Sprintf(`{"v":%d}`, v))
		d.awaitFile("second.json", fmt.Sprintf(`{"by":"first","v":%d}`, v))
		d.await("the third follows", func() bool {
			text, _ := m.read("second.json.named")
			return strings.HasSuffix(text, fmt.Sprint(" ", v))
		})
	}
	m.write("first.json", `{"by":"vandals","v":0}`)
	d.awaitFile("first.json", `{"by":"first","v":4}`)
	d.awaitFile("second.json", `{"by":"first","v":4}`)
	for _, name := range []string{"first", "second", "named"} {
		d.awaitSink("sink.file."+name, engine.StateOK)
	}
	d.await("it comes to rest", d.rests())
}
