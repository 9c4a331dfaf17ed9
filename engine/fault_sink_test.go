//go:build unix

package engine_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/engine/plan"
	"tidegate/providers/providertest/host"
)

// sinkModule has one sink at a place where things go wrong, one that depends on it, and one
// that has nothing to do with either.
func sinkModule(t *testing.T, path string) *module {
	return newModule(t, "v.txt", "one", "main.hcl", fmt.Sprintf(`
source "file" "v" { path = "v.txt" }
sink "file" "c" {
  path    = %q
  content = source.file.v.text
  retry { attempts = 1 }
}
sink "exec" "after" {
  command  = ["/bin/sh", "-c", "echo ran >> ran.log"]
  triggers = [sink.file.c]
}
sink "file" "other" {
  path    = "other.txt"
  content = "other ${source.file.v.text}"
}
`, path))
}

// wantTrouble applies while the sink's target is in trouble: the error names sink and cause,
// what depends on it does not run, everything else does.
func (m *module) wantTrouble(value string, parts ...string) {
	m.t.Helper()
	ran, _ := m.read("ran.log")
	_, result, diags := m.apply()
	wantError(m.t, diags, append(parts, "sink.file.c")...)
	if again, _ := m.read("ran.log"); again != ran {
		m.t.Error("what depends on the failed sink ran")
	}
	m.wantFile("other.txt", "other "+value)
	if result.Interrupted {
		m.t.Errorf("result = %+v", result)
	}
}

// wantRecovery applies after the trouble is over.
func (m *module) wantRecovery(path, value string, runs int) {
	m.t.Helper()
	m.mustApply()
	m.wantFile(path, value)
	m.wantFile("ran.log", strings.Repeat("ran\n", runs))
	m.wantNoChanges()
}

// S9: what somebody put in the place of a target is neither overwritten nor followed, and
// once it is gone the sink converges.
func TestFaultSinkTargetReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		plant func(path string) error
		part  string
	}{
		"by a directory": {func(p string) error { return os.Mkdir(p, 0o755) }, "is a directory"},
		"by a link":      {func(p string) error { return os.Symlink("precious", p) }, "symbolic link"},
		"by a dead link": {func(p string) error { return os.Symlink("nothing", p) }, "symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			m := sinkModule(t, "out.txt")
			m.write("precious", "somebody else's")
			m.mustApply()
			if err := os.Remove(m.path("out.txt")); err != nil {
				t.Fatal(err)
			}
			if err := c.plant(m.path("out.txt")); err != nil {
				t.Fatal(err)
			}
			m.wantTrouble("one", c.part)
			m.write("v.txt", "two")
			m.wantTrouble("two", c.part)
			m.wantFile("precious", "somebody else's")
			if exists(m.path("nothing")) {
				t.Error("the link was followed")
			}
			if err := os.Remove(m.path("out.txt")); err != nil {
				t.Fatal(err)
			}
			m.wantRecovery("out.txt", "two", 2)
		})
	}
}

// S8: a file that is itself a mount point cannot be replaced by rename; that is said.
func TestFaultSinkMountPoint(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	m := sinkModule(t, "out.txt")
	m.write("bound", "bound")
	m.write("out.txt", "below")
	host.Mount(t, "--bind", m.path("bound"), m.path("out.txt"))
	m.wantTrouble("one", "mount point")
	m.wantFile("bound", "bound")
}

// S1, B6, B8, B14: a full disk. The old file stays, nothing piles up however often it is
// tried, the plan goes on saying what is missing, and when space returns it converges.
func TestFaultSinkDiskFull(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	m := sinkModule(t, "disk/out.txt")
	if err := os.Mkdir(m.path("disk"), 0o755); err != nil {
		t.Fatal(err)
	}
	host.Mount(t, "-t", "tmpfs", "-o", "size=64k", "tmpfs", m.path("disk"))
	m.mustApply()
	free := host.FillDisk(t, m.path("disk/ballast"))
	big := strings.Repeat("two ", 5000)
	m.write("v.txt", big)
	for range 5 {
		m.wantTrouble(big, "no space left")
		m.wantFile("disk/out.txt", "one")
		if files := regular(t, m.path("disk")); len(files) != 2 {
			t.Fatalf("the full disk holds %q", files)
		}
		p, _ := m.plan()
		if c := sinkChange(t, p, "sink.file.c"); c.Action != plan.Update {
			t.Errorf("the plan after the failure says %s", c.Action)
		}
	}
	free()
	m.wantRecovery("disk/out.txt", big, 2)
}

// S2: a read-only disk, likewise.
func TestFaultSinkReadOnlyDisk(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	m := sinkModule(t, "disk/out.txt")
	if err := os.Mkdir(m.path("disk"), 0o755); err != nil {
		t.Fatal(err)
	}
	host.Mount(t, "-t", "tmpfs", "tmpfs", m.path("disk"))
	m.mustApply()
	host.Mount(t, "-o", "remount,bind,ro", m.path("disk"))
	m.write("v.txt", "two")
	m.wantTrouble("two", "read-only")
	m.wantFile("disk/out.txt", "one")
	host.Mount(t, "-o", "remount,bind,rw", m.path("disk"))
	m.wantRecovery("disk/out.txt", "two", 2)
}

// S2, B3: a directory that may not be written. The error names the right that is missing.
func TestFaultSinkDirectoryNotWritable(t *testing.T) {
	if !host.AsNobody(t) {
		return
	}
	m := sinkModule(t, "closed/out.txt")
	m.write("closed/out.txt", "theirs")
	if err := os.Chmod(m.path("closed"), 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(m.path("closed"), 0o755)
	for range 3 {
		m.wantTrouble("one", "right to write", filepath.Join(m.dir, "closed"))
		m.wantFile("closed/out.txt", "theirs")
	}
	if err := os.Chmod(m.path("closed"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.wantRecovery("closed/out.txt", "one", 1)
	revisions := m.revisions("sink.file.c")
	if last := revisions[len(revisions)-1]; last.number != 0 || last.content != "theirs" {
		t.Errorf("what was there before us was not kept: %+v", revisions)
	}
}

// A target that is missing with its directory, and a part of its path that is a file.
func TestFaultSinkWayToTheTargetIsMissing(t *testing.T) {
	m := sinkModule(t, "missing/out.txt")
	m.wantTrouble("one", "create_dirs", filepath.Join(m.dir, "missing"))
	m.write("missing", "a file")
	m.wantTrouble("one", "not a directory")
	m.wantFile("missing", "a file")
	if err := os.Remove(m.path("missing")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(m.path("missing"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.wantRecovery("missing/out.txt", "one", 1)
}

// S12: one file under two names is an error that names both, before anything is written.
func TestFaultSinkPathAliases(t *testing.T) {
	for name, second := range map[string]string{
		"the same":           `"real/f"`,
		"dots":               `"real/../real/./f"`,
		"absolute":           `"${path.module}/real/f"`,
		"linked directory":   `"link/f"`,
		"linked and dots":    `"link/../real/f"`,
		"a path out of data": `"${source.static.v.value}/f"`,
		"two links to dir":   `"again/f"`,
		"through the parent": `"../${basename(path.module)}/real/f"`,
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", fmt.Sprintf(`
source "static" "v" { value = "link" }
sink "file" "a" {
  path    = "real/f"
  content = "a"
}
sink "file" "b" {
  path    = %s
  content = "b"
}
`, second))
			if err := os.Mkdir(m.path("real"), 0o755); err != nil {
				t.Fatal(err)
			}
			for link, to := range map[string]string{"link": "real", "again": "link"} {
				if err := os.Symlink(to, m.path(link)); err != nil {
					t.Fatal(err)
				}
			}
			_, _, diags := m.apply()
			wantError(t, diags, "Two sinks write one path", "sink.file.a", "sink.file.b")
			if held, ok := m.read("real/f"); ok && held == "b" {
				t.Error("the second sink was written all the same")
			}
			m.tool("plan").want(t, 1, "sink.file.a", "sink.file.b")
		})
	}
}

// S11: a target that another program keeps changing is repaired once for each apply, and
// never makes an apply loop or run what depends on it when it was only looked at.
func TestFaultSinkFightingWriter(t *testing.T) {
	m := sinkModule(t, "out.txt")
	m.mustApply()
	for n := range 3 {
		m.write("out.txt", fmt.Sprintf("theirs %d", n))
		p, _ := m.plan()
		if c := sinkChange(t, p, "sink.file.c"); c.Drift == nil || !c.Repair || !strings.Contains(c.Lines.Unified("a", "b"), fmt.Sprintf("-theirs %d", n)) {
			t.Errorf("the plan does not show the drift: %+v", c)
		}
		_, result := m.mustApply()
		if result.Changed != 2 { // the file, and the program that it triggers
			t.Errorf("result = %+v", result)
		}
		m.wantFile("out.txt", "one")
	}
}

// X1, X5: a program that fails stays pending with its reason, what depends on it waits, and
// the next apply runs it again although the file it is about is in place.
func TestFaultSinkProgramFails(t *testing.T) {
	for name, c := range map[string]struct{ script, part string }{
		"X5 exit 1":       {"exit 1", "status 1"},
		"X5 exit 255":     {"exit 255", "status 255"},
		"X5 signal":       {"kill -SEGV $$", "signal"},
		"X5 says why":     {"echo the reason >&2; exit 3", "the reason"},
		"X1 hangs":        {"sleep 60", "3s"},
		"X1 ignores TERM": {"trap '' TERM; while true; do sleep 0.05; done", "3s"},
		"X2 grandchild":   {"sleep 60 & exit 7", "status 7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModule(t, "main.hcl", fmt.Sprintf(`
sink "file" "c" {
  path    = "out.txt"
  content = "one"
}
sink "exec" "reload" {
  command  = ["/bin/sh", "-c", %q]
  timeout  = "3s"
  triggers = [sink.file.c]
  retry { attempts = 1 }
}
sink "file" "after" {
  path       = "after.txt"
  content    = "x"
  depends_on = [sink.exec.reload]
}
`, `echo "$TIDEGATE_DELIVERY_ID" >> keys; if [ ! -e fixed ]; then `+c.script+`; fi`))
			for range 2 {
				begun := time.Now()
				_, result, diags := m.apply()
				wantError(t, diags, "sink.exec.reload", c.part, "stays pending")
				if result.Failed != 1 || result.Skipped != 1 || exists(m.path("after.txt")) {
					t.Errorf("result = %+v", result)
				}
				if d := time.Since(begun); d > 50*time.Second {
					t.Errorf("it took %v", d)
				}
				m.wantFile("out.txt", "one")
			}
			m.write("fixed", "")
			p, _ := m.mustApply()
			if c := sinkChange(t, p, "sink.file.c"); c.Action != plan.NoOp {
				t.Errorf("the file in place was written again: %s", c.Action)
			}
			m.wantFile("after.txt", "x")
			m.wantNoChanges()
			text, _ := m.read("keys")
			keys := strings.Fields(text)
			if len(keys) != 3 || keys[0] != keys[1] || keys[1] != keys[2] {
				t.Errorf("the three attempts of one delivery had the keys %q", keys)
			}
		})
	}
}

// X5: programs that cannot be started at all.
func TestFaultSinkProgramCannotStart(t *testing.T) {
	m := newModule(t, "script", "#!/bin/sh\n", "dir/x", "", "main.hcl", `
sink "exec" "missing" { command = ["tidegate-test-no-such-program"] }
sink "exec" "closed"  { command = ["${path.module}/script"] }
sink "exec" "dir"     { command = ["${path.module}/dir"] }
sink "exec" "nowhere" {
  command = ["/bin/true"]
  dir     = "not/there"
}
sink "exec" "fine" { command = ["/bin/sh", "-c", "echo ran >> ran.log"] }
`)
	_, result, diags := m.apply()
	wantError(t, diags, "sink.exec.missing", "tidegate-test-no-such-program", "sink.exec.closed", "sink.exec.dir", "sink.exec.nowhere", "not/there")
	if result.Failed != 4 {
		t.Errorf("result = %+v", result)
	}
	m.wantFile("ran.log", "ran\n")
}

// X6, X7, X8: no shell, no stdin, no environment but what is listed.
func TestFaultSinkProgramSurroundings(t *testing.T) {
	m := newModule(t, "main.hcl", `
sink "exec" "args" {
  command = ["/bin/sh", "-c", "printf '%s|' \"$@\" > args; cat > stdin; env > env", "sh", "; rm -rf .", "$(touch owned)", "a\nb", "-rf", ""]
  env     = { GIVEN = "yes" }
}
`)
	m.environ = append(m.environ, "CANARY_TOKEN=secret", "LANG=C")
	m.mustApply()
	m.wantFile("args", "; rm -rf .|$(touch owned)|a\nb|-rf||")
	m.wantFile("stdin", "")
	if exists(m.path("owned")) {
		t.Error("an argument was run by a shell")
	}
	env, _ := m.read("env")
	if strings.Contains(env, "CANARY") || !strings.Contains(env, "GIVEN=yes") || !strings.Contains(env, "TIDEGATE_DELIVERY_ID=") {
		t.Errorf("the program's environment is:\n%s", env)
	}
}

// hook is a server that answers as told and remembers what it was sent.
type hook struct {
	url   string
	mutex sync.Mutex
	heard []received
	reply func(n int, w http.ResponseWriter, r *http.Request)
}

func newHook(t *testing.T, reply func(n int, w http.ResponseWriter, r *http.Request)) *hook {
	h := &hook{reply: reply}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mutex.Lock()
		h.heard = append(h.heard, received{r.Header.Get("Idempotency-Key"), readAll(r)})
		n, reply := len(h.heard), h.reply
		h.mutex.Unlock()
		reply(n, w, r)
	}))
	t.Cleanup(s.Close)
	h.url = s.URL
	return h
}

func (h *hook) received() []received {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return append([]received(nil), h.heard...)
}

func (h *hook) answer(reply func(n int, w http.ResponseWriter, r *http.Request)) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.reply = reply
}

func hookModule(t *testing.T, url string) *module {
	return newModule(t, "v.txt", "one", "main.hcl", fmt.Sprintf(`
source "file" "v" { path = "v.txt" }
sink "http" "hook" {
  url     = "%s/hook"
  body    = source.file.v.text
  timeout = "300ms"
  retry {
    attempts = 3
    min      = "1ms"
    max      = "5ms"
  }
}
sink "file" "after" {
  path       = "after.txt"
  content    = source.file.v.text
  depends_on = [sink.http.hook]
}
`, url))
}

func status(code int) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// P1, P2, P5: one logical delivery has one key, however often it is repeated and whatever
// became of the attempt that got no answer.
func TestFaultSinkServerOneKeyForOneDelivery(t *testing.T) {
	for name, c := range map[string]struct {
		reply func(n int, w http.ResponseWriter, r *http.Request)
	}{
		"P1 500, 500, 200": {func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 3 {
				w.WriteHeader(500)
			}
		}},
		"P2 processed, and no answer in time": {func(n int, _ http.ResponseWriter, r *http.Request) {
			if n < 3 {
				<-r.Context().Done()
			}
		}},
		"P2 processed, and cut off": {func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 3 {
				c, _, err := w.(http.Hijacker).Hijack()
				if err == nil {
					c.Close()
				}
			}
		}},
		"P5 429": {func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 3 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(429)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHook(t, c.reply)
			m := hookModule(t, h.url)
			m.mustApply()
			m.wantNoChanges()
			m.mustApply()
			got := h.received()
			if len(got) != 3 {
				t.Fatalf("%d requests, want 3", len(got))
			}
			for _, r := range got {
				if r != got[0] || r.key == "" || r.body != "one" {
					t.Errorf("%+v is no repetition of %+v", r, got[0])
				}
			}
			m.write("v.txt", "two")
			m.mustApply()
			if got = h.received(); len(got) != 4 || got[3].key == got[0].key || got[3].body != "two" {
				t.Errorf("the next delivery: %+v", got)
			}
			m.wantFile("after.txt", "two")
		})
	}
}

// P2, P7: a delivery that ran out of tries stays pending under its key; a newer value
// supersedes it under another, and the old one never comes after.
func TestFaultSinkServerPendingDeliveryIsSuperseded(t *testing.T) {
	var mutex sync.Mutex
	up := false
	h := newHook(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		if !up {
			w.WriteHeader(503)
		}
	})
	m := hookModule(t, h.url)
	for range 2 {
		_, _, diags := m.apply()
		wantError(t, diags, "sink.http.hook", "503", "stays pending")
	}
	old := h.received()[0].key
	for _, r := range h.received() {
		if r.key != old {
			t.Errorf("a repetition has another key: %+v", r)
		}
	}
	m.write("v.txt", "two")
	mutex.Lock()
	up = true
	mutex.Unlock()
	m.mustApply()
	m.wantNoChanges()
	got := h.received()
	if last := got[len(got)-1]; len(got) != 7 || last.body != "two" || last.key == old {
		t.Errorf("%d requests, the last is %+v", len(got), last)
	}
	m.wantFile("after.txt", "two")
}

// P3, P4, P6: answers that say no are not repeated in one run, and a redirect is not followed.
func TestFaultSinkServerRefusals(t *testing.T) {
	elsewhere := newHook(t, status(200))
	for name, c := range map[string]struct {
		reply func(int, http.ResponseWriter, *http.Request)
		part  string
	}{
		"P3 409": {status(409), "409"},
		"P3 412": {status(412), "412"},
		"P4 400": {status(400), "400"},
		"P4 422": {status(422), "422"},
		"P5 410": {status(410), "410"},
		"P6 302": {func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.url, http.StatusFound)
		}, "302"},
		"P6 307": {func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.url, http.StatusTemporaryRedirect)
		}, "307"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHook(t, c.reply)
			m := hookModule(t, h.url)
			_, result, diags := m.apply()
			wantError(t, diags, "sink.http.hook", c.part)
			if n := len(h.received()); n != 1 || result.Failed != 1 || result.Skipped != 1 {
				t.Errorf("%d requests, %+v", n, result)
			}
			if exists(m.path("after.txt")) {
				t.Error("what depends on it was written")
			}
			// The refusal is of this content, not of the sink: the next one is sent.
			h.answer(status(200))
			m.write("v.txt", "two")
			m.mustApply()
			m.wantFile("after.txt", "two")
		})
	}
	if n := len(elsewhere.received()); n != 0 {
		t.Errorf("redirects were followed %d times", n)
	}
}

// P9: an answer without end does not hold the apply.
func TestFaultSinkServerEndlessAnswer(t *testing.T) {
	h := newHook(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		for chunk := make([]byte, 1<<16); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	m := hookModule(t, h.url)
	begun := time.Now()
	m.mustApply()
	if d := time.Since(begun); d > time.Minute {
		t.Errorf("it took %v", d)
	}
	if n := len(h.received()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// One failing sink of many changes nothing for the rest, in any order of failure.
func TestFaultSinkFailuresAreIsolated(t *testing.T) {
	var b strings.Builder
	for i := range 20 {
		if i%3 == 0 {
			fmt.Fprintf(&b, "sink \"exec\" \"s%d\" {\n  command = [\"/bin/sh\", \"-c\", \"exit 1\"]\n  retry { attempts = 1 }\n}\n", i)
			continue
		}
		fmt.Fprintf(&b, "sink \"file\" \"s%d\" {\n  path = \"out/%d\"\n  content = \"x\"\n}\n", i, i)
	}
	m := newModule(t, "main.hcl", b.String(), "out/keep", "")
	_, result, diags := m.apply()
	wantError(t, diags, "sink.exec.s0", "sink.exec.s18")
	if result.Failed != 7 || result.Added != 13 {
		t.Errorf("result = %+v", result)
	}
	p, _ := m.plan()
	if s := p.Summary(); s.Add != 7 {
		t.Errorf("the next plan adds %d, want the 7 that failed", s.Add)
	}
}
