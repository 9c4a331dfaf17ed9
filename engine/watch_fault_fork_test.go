//go:build linux && amd64

package engine_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tidegate/engine"
)

// forkSocket names a socket at which somebody decides whether the tool may start processes.
const forkSocket = "TIDEGATE_TEST_FORKS"

var _ = askForForks(os.Getenv(forkSocket))

// askForForks lets the kernel ask whoever listens at a socket before this process starts another
// one. Threads are not asked for: Go's runtime ends a process that cannot have one.
func askForForks(path string) error {
	if path == "" {
		return nil
	}
	const (
		argument = 16 // where a filter sees the first one
		anyOf    = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLONE, Jt: 0, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: argument},
		{Code: anyOf, K: unix.CLONE_THREAD, Jt: 1, Jf: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		panic(err)
	}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
	fd, _, errno := syscall.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		panic(errno)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		panic(err)
	}
	if _, _, err := c.(*net.UnixConn).WriteMsgUnix([]byte{0}, unix.UnixRights(int(fd)), nil); err != nil {
		panic(err)
	}
	return errors.Join(c.Close(), syscall.Close(int(fd)))
}

// forks decides whether a daemon may start processes, and counts those that it may not.
type forks struct {
	refuse  atomic.Int32 // the error, 0 to allow them
	refused atomic.Int64
	over    chan struct{}
	work    sync.WaitGroup
}

// The structures of seccomp_unotify(2).
type (
	forkQuestion struct {
		id         uint64
		pid, flags uint32
		data       [64]byte
	}
	forkAnswer struct {
		id    uint64
		value int64
		err   int32
		flags uint32
	}
)

const (
	notifyReceive  = 0xc0502100
	notifySend     = 0xc0182101
	notifyContinue = 1
)

// forks makes the tool ask before it starts a process.
func (m *module) forks() *forks {
	m.t.Helper()
	if can, err := os.ReadFile("/proc/sys/kernel/seccomp/actions_avail"); err != nil || !strings.Contains(string(can), "user_notif") {
		m.t.Skip("this kernel asks nobody")
	}
	dir, err := os.MkdirTemp("", "forks")
	if err != nil {
		m.t.Fatal(err)
	}
	path := dir + "/socket"
	ln, err := net.Listen("unix", path)
	if err != nil {
		m.t.Fatal(err)
	}
	m.environ = append(m.environ, forkSocket+"="+path)
	f := &forks{over: make(chan struct{})}
	f.work.Go(func() { f.serve(m.t, ln) })
	m.t.Cleanup(func() {
		close(f.over)
		ln.Close()
		f.work.Wait()
		os.RemoveAll(dir)
	})
	return f
}

func (f *forks) serve(t *testing.T, ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		rights := make([]byte, unix.CmsgSpace(4))
		_, n, _, _, err := c.(*net.UnixConn).ReadMsgUnix(make([]byte, 1), rights)
		c.Close()
		messages, _ := unix.ParseSocketControlMessage(rights[:n])
		if err != nil || len(messages) != 1 {
			continue
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil || len(fds) != 1 {
			t.Error("no descriptor came")
			continue
		}
		f.work.Go(func() { f.answer(fds[0]) })
	}
}

func (f *forks) answer(fd int) {
	defer unix.Close(fd)
	for {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(polled, 20); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		select {
		case <-f.over:
			return
		default:
		}
		if polled[0].Revents&unix.POLLIN == 0 {
			if polled[0].Revents != 0 {
				return // the process has ended
			}
			continue
		}
		var q forkQuestion
		if _, _, errno := syscall.Syscall(unix.SYS_IOCTL, uintptr(fd), notifyReceive, uintptr(unsafe.Pointer(&q))); errno != 0 {
			continue // who asked is gone
		}
		a := forkAnswer{id: q.id, flags: notifyContinue}
		if e := f.refuse.Load(); e != 0 {
			f.refused.Add(1)
			a = forkAnswer{id: q.id, err: -e}
		}
		_, _, _ = syscall.Syscall(unix.SYS_IOCTL, uintptr(fd), notifySend, uintptr(unsafe.Pointer(&a)))
	}
}

// X11: no process can be started any more, for want of processes or of memory. Sources and sinks
// that are programs fail and say why, what was accepted and delivered stays, everything else
// goes on, and once there are processes again the newest value is delivered by itself.
func TestWatchX11NoProcessesLeft(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EAGAIN, syscall.ENOMEM} {
		t.Run(errno.Error(), func(t *testing.T) {
			m := newModule(t, "app.json", `{"v":1}`, "main.hcl", copyOfFile+`
detector "hash" "quick" {
  interval = "100ms"
  backoff { max = "300ms" }
}
source "exec" "app" {
  command   = ["cat", "app.json"]
  decode    = "json"
  detectors = [detector.hash.quick]
}
sink "file" "of_program" {
  path    = "program.json"
  content = jsonencode(source.exec.app.value)
}
sink "exec" "run" {
  command = ["/bin/sh", "-c", "cp out.json ran.json"]
  triggers = [sink.file.out]
}`)
			f := m.forks()
			s := m.serve()
			for _, name := range []string{"out.json", "program.json", "ran.json"} {
				eventually(t, fmt.Sprintf("%s has the first value\n%s", name, s.log), func() bool { return m.v(name) == 1 })
			}
			f.refuse.Store(int32(errno))
			before := f.refused.Load()
			eventually(t, "a program was refused", func() bool { return f.refused.Load() > before }) // the one before has ended
			m.replace("app.json", `{"v":2}`)
			eventually(t, "the file travels", func() bool { return m.v("out.json") == 2 })
			s.says(errno.Error())
			eventually(t, "several programs were refused", func() bool { return f.refused.Load() > before+5 })
			from, refused := time.Now(), f.refused.Load()
			m.replace("app.json", `{"v":3}`)
			eventually(t, "the next one travels, too", func() bool { return m.v("out.json") == 3 })
			// The tool that asks is refused nothing: it starts no process.
			eventually(t, "the status tells of both", func() bool {
				out := m.tool("status").stdout
				return strings.Count(out, errno.Error()) >= 2 && strings.Contains(out, engine.StateFailed)
			})
			m.wantFile("program.json", `{"v":1}`)
			m.wantFile("ran.json", `{"v":1}`)
			if n, most := f.refused.Load()-refused, int64(time.Since(from)/(100*time.Millisecond))+20; n > most {
				t.Errorf("it tried to start %d programs in %s", n, time.Since(from))
			}
			f.refuse.Store(0)
			for _, name := range []string{"program.json", "ran.json"} {
				eventually(t, fmt.Sprintf("%s has the newest value\n%s", name, s.log), func() bool { return m.v(name) == 3 })
			}
			s.stop(0)
		})
	}
}
