//go:build unix

package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

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

// rests returns a condition: nothing was delivered since it was asked last.
func (d *daemon) rests() func() bool {
	before, since := -1, time.Now()
	return func() bool {
		if n := len(events[engine.DeliveryFinished](d)); n != before {
			before, since = n, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	}
}

// S11: another writer that undoes every repair is noticed, reported and left alone.
func TestWatchS11FightingWriter(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitSink("sink.file.out", engine.StateOK)
	done := make(chan struct{})
	var other sync.WaitGroup
	var wrote atomic.Int64
	var rests atomic.Bool
	other.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Microsecond):
			}
			if rests.Load() {
				continue
			}
			if text, _ := os.ReadFile(m.path("out.json")); string(text) != "mine" {
				wrote.Add(1)
				if err := os.WriteFile(m.path("out.json"), []byte("mine"), 0o644); err != nil {
					t.Error(err)
				}
			}
		}
	})
	defer func() { close(done); other.Wait() }()
	// Each repair makes one round at most, whenever the other writer comes: five are a fight.
	d.awaitSink("sink.file.out", engine.StateFighting)
	n := wrote.Load()
	if s := d.sink("sink.file.out"); n > 1+5 || !strings.Contains(s.Reason, "another writer") || s.Next.IsZero() {
		t.Errorf("after %d rounds: %+v", n, s)
	}
	// What is new is delivered all the same, and then they fight once more. A delivery that the
	// other writer undoes before it was verified is tried again, as any that fails; one who is as
	// quick as this one would undo them all, so he rests for once.
	rests.Store(true)
	m.replace("app.json", `{"v":2}`)
	d.await("the new value was delivered", func() bool { return d.sink("sink.file.out").Revision >= 2 })
	d.awaitSink("sink.file.out", engine.StateOK)
	rests.Store(false)
	d.awaitSink("sink.file.out", engine.StateFighting)
	tries := int64(len(events[engine.DeliveryRetried](d)))
	for _, x := range events[engine.DeliveryStarted](d)[1:] {
		if !x.Repair {
			tries++
		}
	}
	if again := wrote.Load() - n; again > tries+5 {
		t.Errorf("%d rounds after %d tries to deliver what is new", again, tries)
	}
}

// S1, B14, B8: the disk of a target is full. The old bytes stay, nothing piles up, others are
// served, and when there is space again it converges by itself.
func TestWatchS1B14DiskFull(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	m := newModule(t, "v.txt", "one", "main.hcl", `
source "file" "v" { path = "v.txt" }
sink "file" "c" {
  path    = "disk/out.txt"
  content = source.file.v.text
  retry { attempts = 1 }
}
sink "file" "other" {
  path    = "other.txt"
  content = source.file.v.text
}
sink "exec" "after" {
  command  = ["/bin/sh", "-c", "echo ran >> ran.log"]
  triggers = [sink.file.c]
}`)
	if err := os.Mkdir(m.path("disk"), 0o755); err != nil {
		t.Fatal(err)
	}
	host.Mount(t, "-t", "tmpfs", "-o", "size=64k", "tmpfs", m.path("disk"))
	d := m.watch()
	d.awaitFile("disk/out.txt", "one")
	d.awaitFile("ran.log", "ran\n")
	free := host.FillDisk(t, m.path("disk/ballast"))
	big := strings.Repeat("two ", 5000)
	m.replace("v.txt", big)
	d.awaitFile("other.txt", big)
	d.await("it failed twice", func() bool { return d.sink("sink.file.c").Errors >= 2 })
	if s := d.sink("sink.file.c"); s.State != engine.StateFailed || !strings.Contains(s.LastError, "no space left") {
		t.Errorf("%+v", s)
	}
	m.wantFile("disk/out.txt", "one")
	if files := regular(t, m.path("disk")); len(files) != 2 {
		t.Errorf("the full disk holds %q", files)
	}
	free()
	d.awaitFile("disk/out.txt", big)
	d.awaitFile("ran.log", "ran\nran\n")
	d.awaitSink("sink.file.c", engine.StateOK)
}

// S2: a directory that may not be written any more, and may again.
func TestWatchS2DirectoryNotWritable(t *testing.T) {
	if !host.AsNobody(t) {
		return
	}
	m := newModule(t, "main.hcl", strings.Replace(copyOfFile, `"out.json"`, `"closed/out.json"`, 1), "app.json", `{"v":1}`)
	if err := os.Mkdir(m.path("closed"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := m.watch()
	d.awaitFile("closed/out.json", `{"v":1}`)
	if err := os.Chmod(m.path("closed"), 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(m.path("closed"), 0o755)
	m.replace("app.json", `{"v":2}`)
	d.await("it says which right is missing", func() bool {
		s := d.sink("sink.file.out")
		return (s.State == engine.StateFailed || s.State == engine.StateBlocked) && strings.Contains(s.Reason+s.LastError, "right to write")
	})
	m.wantFile("closed/out.json", `{"v":1}`)
	if err := os.Chmod(m.path("closed"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("closed/out.json", `{"v":2}`)
	d.awaitSink("sink.file.out", engine.StateOK)
}

// I10, T12, B9: what is secret is nowhere but in the target: not in state, status, events,
// history, log or errors.
func TestWatchSecretsStayHidden(t *testing.T) {
	var log logs
	m := newModule(t, "app.json", fmt.Sprintf(`{"password":%q,"v":1}`, canary), "main.hcl", `
rule "assert" "small" {
  assertion {
    condition     = value.v < 10
    error_message = "too big, with ${value.password}"
  }
}
source "file" "app" {
  path      = "app.json"
  sensitive = true
  rules     = [rule.assert.small]
}
source "webhook" "hook" { sensitive = true }
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.file.app.value)
}
sink "file" "hook" {
  path    = "hook.json"
  content = jsonencode(source.webhook.hook.value)
}
sink "exec" "fails" {
  command = ["/bin/sh", "-c", "cat >&2; exit 1"]
  stdin   = source.file.app.value.password
  retry { attempts = 1 }
}
sink "http" "nobody" {
  url     = "http://127.0.0.1:1/${source.file.app.value.password}"
  headers = { Authorization = "Bearer ${source.file.app.value.password}" }
  body    = jsonencode(source.webhook.hook.value)
  retry { attempts = 1 }
}
output "all" {
  value     = source.file.app.value
  sensitive = true
}`)
	d := m.watch(func(o *engine.Options, _ *engine.WatchOptions) {
		o.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &log})
	})
	d.awaitFile("out.json", fmt.Sprintf(`{"password":%q,"v":1}`, canary))
	if got := d.push("hook", fmt.Sprintf(`{"token":%q}`, canary), "a"); got.Outcome != engine.PushAccepted {
		t.Fatal(got)
	}
	d.awaitFile("hook.json", fmt.Sprintf(`{"token":%q}`, canary))
	d.awaitSink("sink.exec.fails", engine.StateFailed)
	d.awaitSink("sink.http.nobody", engine.StateFailed)
	m.replace("app.json", fmt.Sprintf(`{"password":%q,"v":11}`, canary))
	d.awaitSource("source.file.app", engine.StateRejected)
	tell := func() {
		t.Helper()
		s, err := d.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		history, err := d.History(t.Context(), parsed(t, "sink.file.out"), 100)
		if err != nil {
			t.Fatal(err)
		}
		out := new(bytes.Buffer)
		write(t, out, s)
		write(t, out, history)
		wantNoSecret(t, "status and history", out.String())
		d.mutex.Lock()
		for _, ev := range d.seen {
			wantNoSecret(t, "an event", fmt.Sprintf("%T %+v", ev, ev))
		}
		d.mutex.Unlock()
		wantNoSecret(t, "the log", log.String())
		if held := m.stateHolds(); len(held) > 0 {
			t.Errorf("the state holds the secret in %q", held)
		}
	}
	tell()
	m.replace("app.json", fmt.Sprintf(`{"password":%q,`, canary))
	d.awaitSource("source.file.app", engine.StateFailing)
	if got := d.push("hook", fmt.Sprintf(`{"token":%q`, canary), "b"); got.Outcome != engine.PushRejected {
		t.Error(got)
	} else {
		wantNoSecret(t, "the answer to a push", fmt.Sprint(got))
	}
	tell()
	d.halt()
	if held := m.stateHolds(); len(held) > 0 {
		t.Errorf("the state holds the secret in %q", held)
	}
}
