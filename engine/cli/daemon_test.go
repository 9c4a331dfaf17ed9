package cli_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// process is the real tool, running in the background.
type process struct {
	*exec.Cmd
	out together // stdout and stderr
}

// start starts the tool in a directory. It is killed at the end of the test at the latest.
func start(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there are no such signals")
	}
	p := &process{Cmd: exec.Command("tidegate", args...)}
	p.Dir, p.Env = dir, append(os.Environ(), env...)
	p.Stdout, p.Stderr = &p.out, &p.out
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	return p
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// ends waits for the end and expects an exit code.
func (p *process) ends(t *testing.T, code int) {
	t.Helper()
	kill := time.AfterFunc(2*time.Minute, func() { _ = p.Process.Kill() })
	defer kill.Stop()
	_ = p.Wait()
	if got := p.ProcessState.ExitCode(); got != code {
		t.Fatalf("exit code %d, want %d:\n%s", got, code, p.out.String())
	}
}

// eventually waits for a condition and shows what the process said where it never comes.
func (p *process) eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s\n%s", what, p.out.String())
		}
	}
}

func (p *process) says(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	p.eventually(t, pattern, func() bool { return re.MatchString(p.out.String()) })
}

// stops ends a daemon as a service manager does.
func (p *process) stops(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	p.ends(t, 0)
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// slowSink runs for some seconds, in the foreground of its shell.
func slowSink(t *testing.T, seconds string) string {
	t.Helper()
	dir := t.TempDir()
	writeText(t, filepath.Join(dir, "main.hcl"), `sink "exec" "slow" { command = ["sh", "-c", "touch started; sleep `+seconds+`; touch finished"] }`)
	return dir
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A delivery under way is finished within the grace period, and the end is a good one.
func TestDaemonFinishesWhenStopped(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		dir := slowSink(t, "1")
		p := start(t, dir, nil, "apply", "--watch")
		p.eventually(t, "started", func() bool { return there(filepath.Join(dir, "started")) })
		p.signal(t, s)
		p.ends(t, 0)
		if !there(filepath.Join(dir, "finished")) {
			t.Errorf("%v: the delivery was not finished\n%s", s, p.out.String())
		}
		if !strings.Contains(p.out.String(), "daemon stopped: parked=0") || strings.Contains(p.out.String(), "Interrupted") {
			t.Errorf("%v: %s", s, p.out.String())
		}
	}
}

// One that takes longer is cut short, and the next start delivers it.
func TestDaemonParksAfterGrace(t *testing.T) {
	dir := slowSink(t, "60")
	p := start(t, dir, nil, "apply", "--watch", "--grace", "200ms")
	p.eventually(t, "started", func() bool { return there(filepath.Join(dir, "started")) })
	began := time.Now()
	p.stops(t)
	if took := time.Since(began); took > 50*time.Second {
		t.Errorf("it took %v", took)
	}
	if there(filepath.Join(dir, "finished")) || !strings.Contains(p.out.String(), "daemon stopped: parked=1") {
		t.Error(p.out.String())
	}
	_ = os.Remove(filepath.Join(dir, "started"))
	p = start(t, dir, nil, "apply", "--watch", "--grace", "200ms")
	p.eventually(t, "started again", func() bool { return there(filepath.Join(dir, "started")) })
	p.stops(t)
}

// A second signal ends at once.
func TestDaemonEndsAtOnceWhenToldTwice(t *testing.T) {
	dir := slowSink(t, "60")
	p := start(t, dir, nil, "apply", "--watch", "--grace", "1m")
	p.eventually(t, "started", func() bool { return there(filepath.Join(dir, "started")) })
	p.signal(t, syscall.SIGTERM)
	p.says(t, "daemon is stopping")
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.ends(t, 1)
	if took := time.Since(began); took > 50*time.Second {
		t.Errorf("it took %v", took)
	}
}

// listenManager stands for the service manager: it keeps what it is told.
func listenManager(t *testing.T) (path string, told func() []string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path = filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	var mutex sync.Mutex
	var list []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<16)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			mutex.Lock()
			list = append(list, string(buf[:n]))
			mutex.Unlock()
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return path, func() []string {
		mutex.Lock()
		defer mutex.Unlock()
		return append([]string(nil), list...)
	}
}

func TestDaemonNotifiesTheServiceManager(t *testing.T) {
	socket, told := listenManager(t)
	dir := t.TempDir()
	// Many sources: a burst of events must not drown what the manager waits for.
	var text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&text, "source \"static\" \"s%d\" { value = \"v\" }\n", i)
	}
	writeText(t, filepath.Join(dir, "main.hcl"), text.String())
	p := start(t, dir, []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=200000"}, "apply", "--watch")
	hears := func(pattern string) {
		t.Helper()
		re := regexp.MustCompile("(?m)^" + pattern + "$")
		p.eventually(t, pattern, func() bool { return re.MatchString(strings.Join(told(), "\n")) })
	}
	hears("READY=1")
	hears("MAINPID=[0-9]+")
	hears("WATCHDOG=1")
	hears("STATUS=every source was tried")
	p.signal(t, syscall.SIGHUP)
	hears("RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]+")
	hears("READY=1\nSTATUS=running")
	writeText(t, filepath.Join(dir, "bad.hcl"), "x {")
	p.signal(t, syscall.SIGHUP)
	hears("READY=1\nSTATUS=the configuration is broken and the old one goes on: .*bad.hcl:1.*")
	p.stops(t)
	hears("STOPPING=1")
	var order []string
	for _, text := range told() {
		first, _, _ := strings.Cut(text, "\n")
		if word, _, _ := strings.Cut(first, "="); word != "WATCHDOG" && word != "STATUS" {
			order = append(order, word)
		}
	}
	if diff := cmp.Diff([]string{"READY", "RELOADING", "READY", "RELOADING", "READY", "STOPPING"}, order); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A daemon whose output nobody reads works on, and ends.
func TestDaemonWithoutReaders(t *testing.T) {
	dir := t.TempDir()
	writeText(t, filepath.Join(dir, "in.json"), `{"a": 0}`)
	writeText(t, filepath.Join(dir, "main.hcl"), `
source "file" "in" { path = "in.json" }
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.file.in.value)
}
`)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := &process{Cmd: exec.Command("tidegate", "apply", "--watch", "--json")}
	p.Dir, p.Stdout, p.Stderr = dir, w, w
	p.Env = append(os.Environ(), "TIDEGATE_LOG=trace")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { _ = p.Process.Kill() })
	holds := func(want string) {
		t.Helper()
		p.eventually(t, want, func() bool {
			data, _ := os.ReadFile(filepath.Join(dir, "out.json"))
			return string(data) == want
		})
	}
	holds(`{"a":0}`)
	r.Close() // from now on every write fails
	writeText(t, filepath.Join(dir, "in.json"), `{"a": 1}`)
	holds(`{"a":1}`)
	_ = p.Process.Signal(syscall.SIGTERM)
	_ = p.Wait()
	if code := p.ProcessState.ExitCode(); code < 0 {
		t.Errorf("it was killed by %v", p.ProcessState)
	}
}
