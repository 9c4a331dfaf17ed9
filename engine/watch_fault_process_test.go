//go:build linux

package engine_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tidegate/engine"
)

// waitingProgram is a sink whose program runs until the file "go" is there, and writes down when
// it began and ended, under which identity.
const waitingProgram = `
source "file" "app" { path = "app.json" }
sink "exec" "slow" {
  command = ["/bin/sh", "-c", <<-EOT
    echo "begin $TIDEGATE_DELIVERY_ID" >>log
    trap 'echo "stopped $TIDEGATE_DELIVERY_ID" >>log; exit 1' TERM
    while [ ! -e go ]; do sleep 0.02; done
    echo "end $TIDEGATE_DELIVERY_ID" >>log
EOT
  , "sh", source.file.app.text]
}
sink "file" "other" {
  path    = "other.json"
  content = source.file.app.text
}`

// awaitLines waits until a log has so many lines, each "word identity".
func (m *module) awaitLines(words ...string) (ids []string) {
	m.t.Helper()
	eventually(m.t, fmt.Sprintf("the log says %q", words), func() bool { return len(m.lines("log")) >= len(words) && m.lines("log")[0] != "" })
	for i, line := range m.lines("log") {
		word, id, _ := strings.Cut(line, " ")
		if i >= len(words) || word != words[i] {
			m.t.Fatalf("the log is %q, want %q", m.lines("log"), words)
		}
		ids = append(ids, id)
	}
	return ids
}

// X9: the daemon is killed while a program runs. The next daemon does not run it beside itself,
// and runs it again with the same identity when it has ended. Everything else goes on.
func TestWatchX9KilledDuringAProgram(t *testing.T) {
	m := newModule(t, "main.hcl", waitingProgram, "app.json", "1")
	m.environ = append(m.environ, "TMPDIR="+m.dir)
	s := m.serve()
	m.awaitLines("begin")
	s.kill()
	m.replace("app.json", "1") // no news
	s = m.serve()
	s.says("still runs")
	m.awaitLines("begin")
	eventually(t, "the other sink has its value", func() bool { text, _ := m.read("other.json"); return text == "1" })
	m.write("go", "")
	ids := m.awaitLines("begin", "end", "begin", "end")
	if ids[0] != ids[3] {
		t.Errorf("the identity changed: %q", ids)
	}
	s.stop(0)
	m.awaitLines("begin", "end", "begin", "end")
	if left := regular(t, m.dir); len(left) > 9 {
		t.Errorf("files were left behind: %q", left)
	}
}

// E1: SIGTERM during a delivery lets it come to its end, within the grace period.
func TestWatchE1StoppedDuringADelivery(t *testing.T) {
	m := newModule(t, "main.hcl", waitingProgram, "app.json", "1")
	s := m.serve()
	m.awaitLines("begin")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.says("stopping")
	if s.over() {
		t.Fatal("it did not wait for the program")
	}
	m.write("go", "")
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.log)
	}
	m.awaitLines("begin", "end")
	m.tool("plan").want(t, 0, "No changes.")
}

// E1: what is not over within the grace period is stopped, and begun again by the next start
// under the same identity.
func TestWatchE1GraceIsOver(t *testing.T) {
	m := newModule(t, "main.hcl", waitingProgram, "app.json", "1")
	s := m.serve("--grace", "100ms")
	m.awaitLines("begin")
	s.stop(0)
	m.awaitLines("begin", "stopped")
	m.write("go", "")
	s = m.serve()
	if ids := m.awaitLines("begin", "stopped", "begin", "end"); ids[0] != ids[3] {
		t.Errorf("the identity changed: %q", ids)
	}
	s.stop(0)
}

// E1: the second signal ends the daemon at once; what was under way is begun again, once the
// program has ended.
func TestWatchE1SecondSignal(t *testing.T) {
	m := newModule(t, "main.hcl", waitingProgram, "app.json", "1")
	s := m.serve("--grace", "1h")
	m.awaitLines("begin")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.says("stopping")
	s.stop(1)
	m.write("go", "")
	s = m.serve()
	eventually(t, "the program has run again", func() bool { return len(m.lines("log")) == 4 })
	s.stop(0)
	m.tool("plan").want(t, 0, "No changes.")
}

// X1, X2, X5, B11: programs that hang or leave something running. Each is ended, its group too,
// others are delivered meanwhile, and it is tried again. (One that ignores SIGTERM takes five
// seconds longer and nothing else: TestFaultSinkProgramFails.)
func TestWatchX1X2ProgramsThatHang(t *testing.T) {
	for name, script := range map[string]string{
		"X1 hangs":             "sleep 60",
		"X2 grandchild":        "sleep 61 & exit 7",
		"X2 grandchild setsid": "setsid sleep 0.5 & exit 7",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModule(t, "app.json", "1", "main.hcl", fmt.Sprintf(`
source "file" "app" { path = "app.json" }
sink "exec" "bad" {
  command = ["/bin/sh", "-c", %q, "sh", source.file.app.text]
  timeout = "300ms"
  retry { attempts = 1 }
}
sink "file" "other" {
  path    = "other.json"
  content = source.file.app.text
}`, `echo "$$" >>pids; [ -e fixed ] && exit 0; `+script))
			d := m.watch()
			d.awaitFile("other.json", "1")
			d.await("it failed", func() bool { return d.sink("sink.exec.bad").Errors >= 1 })
			m.replace("app.json", "2")
			d.awaitFile("other.json", "2")
			m.write("fixed", "")
			d.awaitSink("sink.exec.bad", engine.StateOK)
			d.halt()
			for _, pid := range m.lines("pids") {
				if alive := groupMembers(t, pid); len(alive) > 0 {
					t.Errorf("of the group %s there still run %q", pid, alive)
				}
			}
		})
	}
}

// groupMembers lists the commands of a process group, but for those that are dead.
func groupMembers(t *testing.T, group string) []string {
	t.Helper()
	return processes(t, func(fields []string) bool { return fields[2] == group && fields[0] != "Z" })
}

// processes lists the commands of those that are wanted, by their fields of /proc/PID/stat after
// the command: state, parent, group.
func processes(t *testing.T, wanted func(fields []string) bool) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, path := range stats {
		data, _ := os.ReadFile(path)
		name, rest, _ := strings.Cut(string(data), ") ")
		if f := strings.Fields(rest); len(f) > 2 && wanted(f) {
			out = append(out, name)
		}
	}
	return out
}

// E10: a daemon that was stopped for a while catches up once, and there is no herd.
func TestWatchE10StoppedAndContinued(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, `{"v":1}`, `"1"`)
	m := newModule(t, "main.hcl", fmt.Sprintf(`
source "http" "app" {
  url      = "%s/app.json"
  interval = "100ms"
}
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.http.app.value)
}`, o.URL))
	s := m.serve()
	asked := func() int { full, same := o.counts(); return full + same }
	eventually(t, "it asks", func() bool { return asked() > 3 })
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond) // the pause itself
	o.set(`{"v":2}`, `"2"`, 200)
	before, from := asked(), time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new value arrives", func() bool { return m.v("out.json") == 2 })
	eventually(t, "it asks on", func() bool { return asked() > before+5 })
	if n, most := asked()-before, int(time.Since(from)/(85*time.Millisecond))+3; n > most {
		t.Errorf("%d requests in %s", n, time.Since(from))
	}
	s.stop(0)
}

// E14: a crash loop. Nothing is written again and again, and what is known is not lost.
func TestWatchE14CrashLoop(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile+`
source "file" "gone" {
  path     = "gone.json"
  interval = "100ms"
}
sink "exec" "reload" {
  command  = ["/bin/sh", "-c", "echo ran >>runs"]
  triggers = [sink.file.out]
}`, "app.json", `{"v":1}`)
	s := m.serve()
	eventually(t, "it runs", func() bool { text, _ := m.read("runs"); return text == "ran\n" })
	s.stop(0)
	before, err := os.Stat(m.path("out.json"))
	if err != nil {
		t.Fatal(err)
	}
	rounds := 10
	if raceEnabled || testing.Short() {
		rounds = 3
	}
	for range rounds {
		s := m.serve()
		s.says("every source was tried")
		s.kill()
	}
	after, err := os.Stat(m.path("out.json"))
	if err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the target was written again: %v", err)
	}
	m.wantFile("runs", "ran\n")
	if failures := m.ledger().Sources[parsed(t, "source.file.gone")].Failures; failures == 0 {
		t.Errorf("no failure is known after %d starts", rounds)
	}
}

// E16: nobody reads what the daemon says, and it says much.
func TestWatchE16NobodyReadsTheLog(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":0}`)
	m.environ = append(m.environ, "TIDEGATE_LOG=trace")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if _, err := unix.FcntlInt(write.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	cmd := m.command("apply", "--watch", "--json")
	cmd.Stderr, cmd.Stdout = write, write
	s := m.serveAs(cmd)
	write.Close()
	for v := 1; v <= 100; v++ {
		m.replace("app.json", fmt.Sprintf(`{"v":%d}`, v))
		eventually(t, fmt.Sprintf("value %d arrives", v), func() bool { return m.v("out.json") == v })
	}
	s.stop(0)
}

// S14: a slow disk under one target. Others are delivered meanwhile, and the end is bounded.
func TestWatchS14SlowDisk(t *testing.T) {
	t.Parallel()
	strace := needStrace(t)
	m := newModule(t, "app.json", `{"v":1}`, "main.hcl", copyOfFile+`
sink "file" "slow" {
  path    = "slow/out.json"
  content = jsonencode(source.file.app.value)
}`)
	if err := os.Mkdir(m.path("slow"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := m.serveAs(m.traced(strace, []string{
		"-o", os.DevNull, "-P", m.path("slow"), "-e", "trace=fsync", "-e", "inject=fsync:delay_enter=6s",
	}, "apply", "--watch", "--grace", "10s"))
	for v := 1; v <= 3; v++ {
		from := time.Now()
		m.replace("app.json", fmt.Sprintf(`{"v":%d}`, v))
		eventually(t, fmt.Sprintf("value %d arrives elsewhere", v), func() bool { return m.v("out.json") == v })
		if took := time.Since(from); v > 1 && took > 5500*time.Millisecond {
			t.Errorf("value %d took %s elsewhere", v, took)
		}
	}
	eventually(t, "the slow one begins", func() bool { return m.v("slow/out.json") > 0 })
	from := time.Now()
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.wait()
	if took := time.Since(from); took > time.Minute {
		t.Errorf("it took %s to end\n%s", took, s.log)
	}
}

// S17: no file descriptors are left. Everything stays as it is, and goes on when there are.
func TestWatchS17NoFileDescriptors(t *testing.T) {
	m := newModule(t, "app.json", `{"v":1}`, "main.hcl", copyOfFile+pushedToFileAt("hook.json"))
	s := m.serve("--listen", "127.0.0.1:0")
	address := s.address()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	send := func(v int) int {
		return postTo(t.Context(), client, address, fmt.Sprintf(`{"config_name":"app","config_data":{"v":%d}}`, v), "")
	}
	eventually(t, "it runs", func() bool { return m.v("out.json") == 1 && send(1) == 200 && m.v("hook.json") == 1 })
	pid := s.cmd.Process.Pid
	var before unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: before.Max}, nil); err != nil {
		t.Fatal(err)
	}
	m.replace("app.json", `{"v":2}`)
	s.says("too many open files")
	if code := send(2); code == 200 && m.v("hook.json") == 2 {
		t.Error("there are file descriptors after all")
	}
	m.wantFile("out.json", `{"v":1}`)
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the file travels again", func() bool { return m.v("out.json") == 2 })
	eventually(t, "the listener takes in again", func() bool { return send(3) == 200 })
	eventually(t, "what was sent travels", func() bool { return m.v("hook.json") == 3 })
	s.stop(0)
}

// E18, I9: after many cycles, with a reload now and then, there are as many goroutines, file
// descriptors, children and files as before, and no more memory is in use.
func TestWatchE18NothingLeaks(t *testing.T) {
	o := newOrigin(t, "", "")
	m := newModule(t, "app.json", `{"v":0}`, "main.hcl", copyOfFile+fmt.Sprintf(`
sink "exec" "run" {
  command  = ["/bin/true"]
  triggers = [sink.file.out]
}
sink "http" "post" {
  url  = "%s/hook"
  body = jsonencode(source.file.app.value)
}`, o.URL)+pushedToFileAt("hook.json"))
	m.environ = append(m.environ, "TMPDIR="+m.dir)
	d := m.watch()
	config, _ := m.read("main.hcl")
	cycle := func(n int) {
		text := fmt.Sprintf(`{"v":%d}`, n%97) // decoded values are kept for a time, within bounds
		if n%20 == 0 {
			m.write("main.hcl", config+fmt.Sprintf("\noutput \"n\" { value = %d }\n", n))
			d.mustReload()
		}
		m.replace("app.json", text)
		if got := d.push("app", text, fmt.Sprint("id", n)); got.Outcome > engine.PushUnchanged {
			t.Fatal(got)
		}
		d.awaitFile("out.json", text)
		d.awaitFile("hook.json", text)
		d.mutex.Lock()
		d.seen = nil
		d.mutex.Unlock()
	}
	count := func() (goroutines, files int, heapInUse int64) {
		d.await("it rests", func() bool {
			for _, name := range []string{"sink.file.out", "sink.file.hook", "sink.exec.run", "sink.http.post"} {
				if d.sink(name).State != engine.StateOK {
					return false
				}
			}
			return true
		})
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return runtime.NumGoroutine(), len(entries), heap()
	}
	cycles := 500
	switch {
	case os.Getenv("TIDEGATE_TEST_CYCLES") != "": // 10000 take a few minutes
		var err error
		if cycles, err = strconv.Atoi(os.Getenv("TIDEGATE_TEST_CYCLES")); err != nil {
			t.Fatal(err)
		}
	case raceEnabled || testing.Short():
		cycles = 50
	}
	for n := range 30 {
		cycle(n + 1)
	}
	goroutines, files, memory := count()
	for n := range cycles {
		cycle(n + 100)
	}
	var g, f int
	var mem int64
	d.await("goroutines and files are as before", func() bool {
		g, f, mem = count()
		return g <= goroutines+8 && f <= files+4 // idle workers and connections come and go
	})
	if mem > memory+6<<20 {
		t.Errorf("%d cycles took %d KiB of memory", cycles, (mem-memory)>>10)
	}
	if left := regular(t, m.dir); len(left) > 9 {
		t.Errorf("files were left behind: %q", left)
	}
	if children := childrenOf(t, os.Getpid()); len(children) > 0 {
		t.Errorf("children are left: %q", children)
	}
	t.Logf("goroutines %d -> %d, files %d -> %d, memory %d -> %d KiB", goroutines, g, files, f, memory>>10, mem>>10)
}

// childrenOf lists the commands of the children of a process, dead ones included.
func childrenOf(t *testing.T, pid int) []string {
	t.Helper()
	return processes(t, func(fields []string) bool { return fields[1] == fmt.Sprint(pid) })
}
