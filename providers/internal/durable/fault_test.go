//go:build unix

package durable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tidegate/providers"
)

func TestFaultS1NoSpaceAtEveryStep(t *testing.T) {
	for step, fail := range map[string]func(*ops){
		"create": func(o *ops) {
			o.create = func(*os.Root, string) (*os.File, error) { return nil, syscall.ENOSPC }
		},
		"write": func(o *ops) {
			o.write = func(f *os.File, b []byte) (int, error) { n, _ := f.Write(b[:1]); return n, syscall.ENOSPC }
		},
		"fsync":  func(o *ops) { o.fsync = func(*os.File) error { return syscall.ENOSPC } },
		"rename": func(o *ops) { o.rename = func(*os.Root, string, string) error { return syscall.ENOSPC } },
	} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "app")
			put(t, path, "old")
			saved := system
			inject(t, fail)
			err := Replace(t.Context(), path, Options{}, []byte("new"), plain)
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "no space left on the device that holds "+dir) {
				t.Errorf("got %v", err)
			}
			if class, _ := providers.Classify(err); class != providers.ClassTemporary {
				t.Errorf("class %v", class)
			}
			holds(t, path, "old")
			only(t, dir, "app")
			system = saved // space returns
			if err := Replace(t.Context(), path, Options{}, []byte("new"), plain); err != nil {
				t.Error(err)
			}
			holds(t, path, "new")
		})
	}
}

func TestFaultS3FsyncEIO(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app")
	put(t, path, "old")
	var synced []string
	fail := true
	inject(t, func(o *ops) {
		o.fsync = func(f *os.File) error {
			synced = append(synced, f.Name())
			if fail {
				return syscall.EIO
			}
			return f.Sync()
		}
	})
	if err := Replace(t.Context(), path, Options{}, []byte("new"), plain); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v", err)
	}
	holds(t, path, "old")
	only(t, dir, "app")
	fail = false
	if err := Replace(t.Context(), path, Options{}, []byte("new"), plain); err != nil {
		t.Error(err)
	}
	holds(t, path, "new")
	if len(synced) != 2 || synced[0] == synced[1] {
		t.Errorf("synced %q: a file whose fsync failed must not be synced again", synced)
	}
}

func TestFaultS4DirectoryFsyncEIO(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app")
	put(t, path, "old")
	saved := system
	inject(t, func(o *ops) { o.syncDir = func(*os.Root) error { return syscall.EIO } })
	err := Replace(t.Context(), path, Options{}, []byte("new"), plain)
	if !errors.Is(err, ErrUnknown) || !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v", err)
	}
	if class, _ := providers.Classify(err); class != providers.ClassTemporary {
		t.Errorf("class %v", class)
	}
	holds(t, path, "new") // visible, but not acknowledged
	before, _ := os.Stat(path)
	system = saved
	if err := Replace(t.Context(), path, Options{}, []byte("new"), plain); err != nil {
		t.Error(err)
	}
	if after, _ := os.Stat(path); os.SameFile(before, after) {
		t.Error("the second try did not replace the file")
	}
	only(t, dir, "app")
}

func TestFaultS5ShortWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app")
	text := strings.Repeat("0123456789", 100)
	inject(t, func(o *ops) {
		o.write = func(f *os.File, b []byte) (int, error) { return f.Write(b[:min(7, len(b))]) }
	})
	if err := Replace(t.Context(), path, Options{}, []byte(text), plain); err != nil {
		t.Fatal(err)
	}
	holds(t, path, text)

	system.write = func(*os.File, []byte) (int, error) { return 0, nil }
	if err := Replace(t.Context(), path, Options{}, []byte("new"), plain); err == nil {
		t.Error("a disk that takes nothing was taken for success")
	}
	holds(t, path, text)
}

// steps is how many failpoints replaceAndDie has.
const steps = 6

// replaceAndDie is a process of its own that is killed at the step its environment names.
func replaceAndDie() {
	step := os.Getenv("DURABLE_TEST_STEP")
	at := func(n int) {
		if step == fmt.Sprint(n) {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	real := system
	system = ops{
		create: func(r *os.Root, name string) (*os.File, error) {
			at(0)
			f, err := real.create(r, name)
			at(1)
			return f, err
		},
		write: func(f *os.File, b []byte) (int, error) {
			n, err := real.write(f, b[:1])
			at(2)
			return n, err
		},
		fsync: func(f *os.File) error {
			err := real.fsync(f)
			at(3)
			return err
		},
		rename: func(r *os.Root, from, to string) error {
			err := real.rename(r, from, to)
			at(4)
			return err
		},
		syncDir: func(r *os.Root) error {
			err := real.syncDir(r)
			at(5)
			return err
		},
	}
	if err := Replace(context.Background(), os.Getenv("DURABLE_TEST_TARGET"), Options{}, []byte("new"), plain); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(0)
}

func TestFaultS6KilledAtEveryStep(t *testing.T) {
	for step := range steps {
		dir := t.TempDir()
		path := filepath.Join(dir, "app")
		put(t, path, "old")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "DURABLE_TEST_TARGET="+path, fmt.Sprintf("DURABLE_TEST_STEP=%d", step))
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: the child was not killed: %v %s", step, err, out)
		}
		if step < 4 {
			holds(t, path, "old")
		} else {
			holds(t, path, "new")
		}
		if got := len(names(t, dir)); (step >= 1 && step <= 3) != (got == 2) {
			t.Errorf("step %d: %q", step, names(t, dir))
		}
		if err := Sweep(path, Options{}); err != nil {
			t.Error(err)
		}
		only(t, dir, "app")
	}
}

func TestFaultS9TargetIsNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	put(t, victim, "precious")
	os.Symlink(victim, filepath.Join(dir, "link"))
	os.Symlink("nowhere", filepath.Join(dir, "dangling"))
	os.Mkdir(filepath.Join(dir, "dir"), 0o755)
	syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644)
	before := names(t, dir)
	for name, want := range map[string]string{
		"link": "symbolic link", "dangling": "symbolic link", "dir": "is a directory", "fifo": "named pipe",
	} {
		err := Replace(t.Context(), filepath.Join(dir, name), Options{}, []byte("new"), plain)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	holds(t, victim, "precious")
	only(t, dir, before...)
}

// The parent directory is swapped for a link to a place outside of paths.write, again and
// again, while files are written below it. Nothing may ever arrive outside.
func TestFaultS10ParentSwappedForALink(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	real, aside := filepath.Join(in, "conf"), filepath.Join(in, "aside")
	os.MkdirAll(real, 0o755)
	os.Mkdir(out, 0o755)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	var swaps atomic.Int64
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			os.Rename(real, aside)
			os.Symlink(out, real)
			os.Remove(real)
			os.Rename(aside, real)
			swaps.Add(1)
		}
	}()
	o := Options{Roots: []string{in}, Setting: "paths.write"}
	var written, refused int
	for i := 0; i < 500 || written == 0 || refused == 0 || swaps.Load() < 500; i++ {
		if err := Replace(t.Context(), filepath.Join(real, "app"), o, []byte("x"), plain); err == nil {
			written++
		} else {
			refused++
		}
	}
	stop()
	<-done
	only(t, out)
	t.Logf("%d written, %d refused, %d swaps", written, refused, swaps.Load())
}

func TestFaultS14HungDiskDoesNotHoldTheCaller(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app")
	put(t, path, "old")
	entered, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	inject(t, func(o *ops) {
		o.fsync = func(f *os.File) error { close(entered); <-release; return f.Sync() }
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	start := time.Now()
	err := Replace(ctx, path, Options{}, []byte("new"), func(fs.FileInfo) Want {
		return Want{Mode: 0o644, UID: -1, GID: -1}
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknown) || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	// When the disk answers at last, the given-up replacement must not happen any more.
	go func() {
		defer close(left)
		for len(names(t, dir)) != 1 {
			time.Sleep(time.Millisecond)
		}
	}()
	close(release)
	<-left
	holds(t, path, "old")

	system.fsync = (*os.File).Sync
	renamed, answer, finished := make(chan struct{}), make(chan struct{}), make(chan struct{})
	system.syncDir = func(*os.Root) error { close(renamed); <-answer; close(finished); return nil }
	ctx, cancel = context.WithCancel(t.Context())
	go func() { <-renamed; cancel() }()
	if err := Replace(ctx, path, Options{}, []byte("new"), plain); !errors.Is(err, ErrUnknown) {
		t.Errorf("after the rename: %v", err)
	}
	holds(t, path, "new")
	close(answer)
	<-finished
}
