//go:build unix

package engine_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The module that is killed: one source, many files in several directories, programs that
// log their delivery, and servers.
const (
	crashFiles    = 30
	crashPrograms = 3
	crashServers  = 2
)

// crashPad makes each file longer than one page, so that a torn one would show.
var crashPad = strings.Repeat("0123456789abcdef", 600)

func crashFile(i int) string { return fmt.Sprintf("out/d%d/f%02d.json", i%5, i) }

// crashContent is what a target holds for one value of the source.
func crashContent(name string, value int) string {
	return fmt.Sprintf(`{"file":%q,"pad":%q,"v":%d}`, name, crashPad, value)
}

func crashModule(t *testing.T, url string, files, programs, servers int) *module {
	var b strings.Builder
	fmt.Fprintf(&b, "source \"file\" \"v\" { path = \"v.json\" }\nlocals {\n  pad = %q\n}\n", crashPad)
	for i := range files {
		fmt.Fprintf(&b, `
sink "file" "f%02d" {
  path        = %q
  content     = jsonencode({ file = %q, pad = local.pad, v = source.file.v.value.v })
  mode        = "0640"
  create_dirs = true
}
`, i, crashFile(i), crashFile(i))
	}
	for i := range programs {
		fmt.Fprintf(&b, `
sink "exec" "e%d" {
  command = ["/bin/sh", "-c", "echo \"$TIDEGATE_DELIVERY_ID $1\" >> e%d.log", "sh", tostring(source.file.v.value.v)]
}
`, i, i)
	}
	for i := range servers {
		fmt.Fprintf(&b, `
sink "http" "h%d" {
  url  = "%s/h%d"
  body = jsonencode({ sink = %d, v = source.file.v.value.v })
}
`, i, url, i, i)
	}
	m := newModule(t, "main.hcl", b.String())
	if err := os.Mkdir(m.path("tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	m.environ = append(m.environ, "TMPDIR="+m.path("tmp"))
	return m
}

// publish replaces the source as its owner would, whole.
func (m *module) publish(value int) {
	m.t.Helper()
	m.write("v.json.next", fmt.Sprintf(`{"v":%d}`, value))
	if err := os.Rename(m.path("v.json.next"), m.path("v.json")); err != nil {
		m.t.Fatal(err)
	}
}

// watcher reads the targets all the time, as the services would that are configured by them.
type watcher struct {
	m     *module
	files int
	done  chan struct{}
	wg    sync.WaitGroup
	looks atomic.Int64
}

func watch(m *module, files int) *watcher {
	w := &watcher{m: m, files: files, done: make(chan struct{})}
	w.wg.Go(func() {
		newest := map[string]int{}
		for {
			for i := range w.files {
				select {
				case <-w.done:
					return
				default:
				}
				w.look(crashFile(i), newest)
			}
			runtime.Gosched()
		}
	})
	return w
}

// look reads one target: it holds one whole value of its own, never an older one than before.
func (w *watcher) look(name string, newest map[string]int) {
	f, err := os.Open(w.m.path(name))
	if os.IsNotExist(err) && newest[name] == 0 {
		return
	}
	if err != nil {
		w.m.t.Errorf("a reader finds %v", err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		w.m.t.Error(err)
		return
	}
	data := make([]byte, info.Size()+1)
	n, _ := f.Read(data)
	var held struct{ V int }
	if err := json.Unmarshal(data[:n], &held); err != nil || string(data[:n]) != crashContent(name, held.V) {
		w.m.t.Errorf("a reader of %s sees %d bytes: %.60q (%v)", name, n, data[:n], err)
	}
	if info.Mode().Perm() != 0o640 {
		w.m.t.Errorf("a reader of %s sees mode %v", name, info.Mode())
	}
	if held.V < newest[name] {
		w.m.t.Errorf("%s went back from %d to %d", name, newest[name], held.V)
	}
	newest[name] = held.V
	w.looks.Add(1)
}

func (w *watcher) stop() {
	close(w.done)
	w.wg.Wait()
}

// heard is one delivery as its receiver saw it.
type heard struct {
	key   string
	value int
}

// deliveries returns what every program and server heard, in order.
func (m *module) deliveries(o *origin, programs, servers int) map[string][]heard {
	m.t.Helper()
	out := map[string][]heard{}
	for i := range programs {
		text, _ := m.read(fmt.Sprintf("e%d.log", i))
		for line := range strings.Lines(text) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			n, err := strconv.Atoi(value)
			if err != nil {
				m.t.Fatalf("torn line in the log: %q", line)
			}
			out[fmt.Sprintf("exec %d", i)] = append(out[fmt.Sprintf("exec %d", i)], heard{key, n})
		}
	}
	for _, post := range o.received() {
		var body struct{ Sink, V int }
		if err := json.Unmarshal([]byte(post.body), &body); err != nil {
			m.t.Fatalf("torn body: %q", post.body)
		}
		who := fmt.Sprintf("http %d", body.Sink)
		out[who] = append(out[who], heard{post.key, body.V})
	}
	if len(out) > programs+servers {
		m.t.Errorf("deliveries of %d sinks", len(out))
	}
	return out
}

// wantDeliveries holds what was heard against the promises: the newest value arrived, a value
// has one key and a key one value, and nothing came more often than the kills explain.
func wantDeliveries(t *testing.T, all map[string][]heard, receivers, value, most int) {
	t.Helper()
	if len(all) != receivers {
		t.Errorf("%d receivers heard something, want %d", len(all), receivers)
	}
	for who, list := range all {
		keys, values, times := map[int]string{}, map[string]int{}, map[int]int{}
		for i, h := range list {
			if k, ok := keys[h.value]; ok && k != h.key {
				t.Errorf("%s heard %d under two keys, %s and %s", who, h.value, k, h.key)
			}
			if v, ok := values[h.key]; ok && v != h.value {
				t.Errorf("%s heard key %s for %d and %d", who, h.key, v, h.value)
			}
			if i > 0 && h.value < list[i-1].value {
				t.Errorf("%s heard %d after %d", who, h.value, list[i-1].value)
			}
			keys[h.value], values[h.key] = h.key, h.value
			if times[h.value]++; times[h.value] > most {
				t.Errorf("%s heard %d %d times", who, h.value, times[h.value])
			}
		}
		if last := list[len(list)-1]; last.value != value {
			t.Errorf("%s heard %d last, want %d", who, last.value, value)
		}
	}
}

// converges applies to the end and checks the world: every target, no leftovers, a state that
// loads, and nothing more to do.
func (m *module) converges(value, files int) {
	m.t.Helper()
	if r := m.tool("apply", "--auto-approve"); r.code != 0 {
		m.t.Fatalf("apply after the kill: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	for i := range files {
		m.wantFile(crashFile(i), crashContent(crashFile(i), value))
	}
	if m.leftovers(files) > 0 {
		m.t.Errorf("files were left behind: %q", regular(m.t, m.dir))
	}
	m.tool("state", "list").want(m.t, 0, "sink.file.f00", "source.file.v")
	m.tool("apply", "--auto-approve").want(m.t, 0, "No changes.")
}

// leftovers counts the files in the module that nobody asked for.
func (m *module) leftovers(files int) int {
	m.t.Helper()
	wanted := []string{"main.hcl", "v.json", ".tidegate/state.db", ".tidegate/state.lock", ".tidegate/state.key"}
	for i := range files {
		wanted = append(wanted, crashFile(i))
	}
	n := 0
	for _, name := range regular(m.t, m.dir) {
		if !slices.Contains(wanted, name) && !strings.HasSuffix(name, ".log") && !strings.HasPrefix(name, ".tidegate/state.db-") {
			n++
		}
	}
	return n
}

// kill runs an apply and kills it after a while, unless it ends before. It reports whether
// the kill found it alive.
func (m *module) kill(after time.Duration) bool {
	m.t.Helper()
	cmd := m.command("apply", "--auto-approve")
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	select {
	case <-ended:
		return false
	case <-time.After(after):
	}
	_ = cmd.Process.Kill()
	<-ended
	return cmd.ProcessState.ExitCode() == -1
}

// S6: kill -9 at random moments, with readers at the targets all the while.
func TestKillAtAnyMomentThenApplyConverges(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, "", "")
	m := crashModule(t, o.URL, crashFiles, crashPrograms, crashServers)
	w := watch(m, crashFiles)
	defer w.stop()
	random := rand.New(rand.NewPCG(20260, 9))

	value := 1
	m.publish(value)
	begun := time.Now()
	m.tool("apply", "--auto-approve").want(t, 0)
	whole := time.Since(begun)
	m.converges(value, crashFiles)

	rounds, kills, temporary := 25, 0, 0
	if testing.Short() || raceEnabled {
		rounds = 4
	}
	deadline := time.Now().Add(90 * time.Second)
	for round := range rounds {
		if time.Now().After(deadline) {
			t.Logf("time is up after %d rounds", round)
			break
		}
		value++
		m.publish(value)
		killed := m.kill(time.Duration(random.Int64N(int64(whole))))
		if killed {
			kills++
		}
		temporary += m.leftovers(crashFiles)
		if round%4 == 3 { // a newer value supersedes whatever the kill left open
			value++
			m.publish(value)
		}
		m.converges(value, crashFiles)
		if t.Failed() {
			t.Fatalf("round %d (killed: %t)", round, killed)
		}
	}
	if kills < rounds/4 {
		t.Errorf("only %d of %d rounds met a living process", kills, rounds)
	}
	wantDeliveries(t, m.deliveries(o, crashPrograms, crashServers), crashPrograms+crashServers, value, 2)
	t.Logf("%d kills, %d temporary files, %d reads of targets", kills, temporary, w.looks.Load())
}

// S6: kill -9 at each durable step. strace kills the process on entering the n-th call of a
// kind (its counters are per thread), so the steps between two calls are all met.
func TestKillAtEachSystemCallThenApplyConverges(t *testing.T) {
	t.Parallel()
	strace := needStrace(t)
	steps := []struct {
		calls   string
		numbers []int
	}{
		{"fsync", []int{1, 2, 3, 4}},
		{"fdatasync", []int{1, 2, 3}},
		{"rename,renameat,renameat2", []int{1, 2}},
		{"unlink,unlinkat", []int{1, 2}},
		{"fchmod,ftruncate", []int{1, 2}},
		{"pwrite64", []int{1, 3, 6, 10, 20}},
		{"clone,clone3,fork,vfork", []int{2, 5}},
		{"connect", []int{1}},
		{"wait4,waitid", []int{1}},
	}
	o := newOrigin(t, "", "")
	const files = 4
	m := crashModule(t, o.URL, files, 1, 1)
	value := 1
	m.publish(value)
	m.converges(value, files)
	w := watch(m, files)
	defer w.stop()
	kills, temporary := 0, 0
	for _, step := range steps {
		for _, n := range step.numbers {
			if raceEnabled && n != step.numbers[0] {
				continue
			}
			value++
			m.publish(value)
			if m.killAt(strace, step.calls, n) {
				kills++
			}
			temporary += m.leftovers(files)
			m.converges(value, files)
			if t.Failed() {
				t.Fatalf("after a kill at %s, number %d", step.calls, n)
			}
		}
	}
	if kills < 5 || temporary == 0 {
		t.Errorf("%d kills left %d temporary files, want more of both", kills, temporary)
	}
	wantDeliveries(t, m.deliveries(o, 1, 1), 2, value, 2)
}

// S6, T8: the first apply of all makes the state, its lock and key, and the directories. A
// kill in the middle of that leaves nothing that the next one cannot finish.
func TestKillDuringTheFirstApplyThenApplyConverges(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, "", "")
	random := rand.New(rand.NewPCG(7, 7))
	whole, kills := 150*time.Millisecond, 0
	rounds := 12
	if raceEnabled {
		rounds = 2
	}
	for value := range rounds {
		m := crashModule(t, o.URL, 3, 1, 0)
		m.publish(value + 1)
		begun := time.Now()
		if m.kill(time.Duration(random.Int64N(int64(whole)))) {
			kills++
		} else {
			whole = time.Since(begun)
		}
		m.converges(value+1, 3)
		wantDeliveries(t, m.deliveries(o, 1, 0), 1, value+1, 2)
		if t.Failed() {
			t.Fatalf("round %d", value)
		}
	}
	if kills == 0 && !raceEnabled {
		t.Error("no round met a living process")
	}
}

// killAt runs an apply that dies on entering the n-th of some system calls, and reports
// whether it did.
func (m *module) killAt(strace, calls string, n int) bool {
	m.t.Helper()
	cmd := m.traced(strace, []string{
		"-o", "/dev/null", "-e", "trace=" + calls, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", calls, n),
	}, "apply", "--auto-approve")
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(err.Error(), "killed") {
		m.t.Fatalf("%v: %v\n%s", filepath.Base(strace), err, out)
	}
	return err != nil
}
