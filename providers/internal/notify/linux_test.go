//go:build linux

package notify

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/providers"
	"tidegate/providers/providertest/host"
)

// F4 of the fault list. No event tells that something was mounted over a directory, and none
// that it was unmounted.
func TestFaultF4Remounted(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	dir := filepath.Join(t.TempDir(), "conf")
	mkdir(t, dir)
	path := filepath.Join(dir, "app.json")
	write(t, path, "below")
	w := listen(t, path, false)
	for range 2 {
		host.Mount(t, "-t", "tmpfs", "tmpfs", dir)
		w.want(t, providers.Lost, "mounted")
		replace(t, path, "mounted")
		w.want(t, providers.Replaced, "in what was mounted")
		w.calm(t)
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		w.want(t, providers.Lost, "unmounted")
		replace(t, path, "below")
		w.want(t, providers.Replaced, "in what was below")
		w.calm(t)
	}
}

// One directory by two paths, which have one watch in the kernel.
func TestDirectoryBoundElsewhere(t *testing.T) {
	if !host.WithMounts(t) {
		return
	}
	top := t.TempDir()
	a, b := filepath.Join(top, "a"), filepath.Join(top, "b")
	mkdir(t, a)
	mkdir(t, b)
	host.Mount(t, "--bind", a, b)
	byA, byB := listen(t, filepath.Join(a, "f"), false), listen(t, filepath.Join(b, "f"), false)
	for _, dir := range []string{a, b} {
		replace(t, filepath.Join(dir, "f"), "x")
		byA.want(t, providers.Replaced, "by the first path")
		byB.want(t, providers.Replaced, "by the second path")
	}
	if out, err := exec.Command("umount", b).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	byB.want(t, providers.Lost, "unmounted")
	byA.calm(t)
	replace(t, filepath.Join(a, "f"), "y")
	byA.want(t, providers.Replaced, "what is still there")
	byB.nothing(t, "what is elsewhere now")
}

// The kernel itself refuses.
func TestFaultF6KernelHasNoWatches(t *testing.T) {
	refused(t, "inotify_add_watch", "ENOSPC", "raise fs.inotify.max_user_watches")
}

func TestFaultF6KernelHasNoWatchers(t *testing.T) {
	refused(t, "inotify_init1", "EMFILE", "raise fs.inotify.max_user_instances")
}

func refused(t *testing.T, call, cause, want string) {
	dir, inside := host.WithStrace(t, func(string) []string {
		return []string{"-e", "trace=" + call, "-e", "inject=" + call + ":error=" + cause}
	})
	if !inside {
		return
	}
	for range 2 {
		_, err := Watch(filepath.Join(dir, "app.json"), false, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if process.session != nil || process.users != 0 {
		t.Error("something is left")
	}
}

// F7 of the fault list: a directory that may not be read cannot be watched.
func TestFaultF7UnreadableDirectory(t *testing.T) {
	if !host.AsNobody(t) {
		return
	}
	dir := filepath.Join(t.TempDir(), "a")
	mkdir(t, dir)
	check(t, os.Chmod(dir, 0o300))
	defer os.Chmod(dir, 0o700)
	if _, err := Watch(filepath.Join(dir, "app.json"), false, nil); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v, want that it is not permitted", err)
	}
}

// A directory that does not answer is given up, and the others do not wait for it.
func TestHungFileSystem(t *testing.T) {
	dir, inside := host.WithStrace(t, func(dir string) []string {
		return []string{"-P", filepath.Join(dir, "dead"), "-e", "trace=newfstatat", "-e", "inject=newfstatat:delay_enter=6000000"}
	})
	if !inside {
		return
	}
	const hangs = 6 * time.Second
	mkdir(t, filepath.Join(dir, "alive"))
	other := listen(t, filepath.Join(dir, "alive", "f"), false)
	start := time.Now()
	_, err := Watch(filepath.Join(dir, "dead", "f"), false, nil)
	if d := time.Since(start); !errors.Is(err, errMute) || d < patience || d > hangs {
		t.Errorf("after %s: %v", d, err)
	}
	start = time.Now()
	_, err = Watch(filepath.Join(dir, "dead", "g"), false, nil)
	if d := time.Since(start); !errors.Is(err, errMute) || d > patience {
		t.Errorf("again after %s: %v", d, err)
	}
	replace(t, filepath.Join(dir, "alive", "f"), "1")
	other.want(t, providers.Replaced, "what answers")
	time.Sleep(time.Until(start.Add(hangs))) // until the call returns
}
