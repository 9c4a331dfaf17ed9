//go:build linux

package file

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegate/providers"
	"tidegate/providers/providertest/host"
)

// A file that is there turns into something else while it is being looked at again and again.
func TestFaultF7BecomesSomethingElse(t *testing.T) {
	dir, err := os.MkdirTemp("", "f7") // the path of a socket may not be long
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app.json")
	s := newSource(t, dir, `path = "app.json"`)
	for what, make := range map[string]func() error{
		"named pipe": func() error { return syscall.Mkfifo(path, 0o644) },
		"socket": func() error {
			l, err := net.Listen("unix", path)
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return err
		},
	} {
		put(t, path, "1")
		fetch(t, s)
		os.Remove(path)
		if err := make(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		refuses(t, s, "it is a "+what)
		if d := time.Since(start); d > time.Second {
			t.Errorf("%s: took %s", what, d)
		}
		os.Remove(path)
	}
	// A directory is something that can be read, but another value: a map. What is expected
	// of it is for rules to say.
	put(t, filepath.Join(path, "a"), "1")
	if got := fetch(t, s); got.Data != nil || len(got.Parts) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestFaultF8Links(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "in", "f"), "1")
	for name, to := range map[string]string{
		"shadow": "/etc/shadow", "out": "../../" + filepath.Base(dir) + "/x", "loop": "loop", "a": "b", "b": "a",
	} {
		link(t, to, filepath.Join(dir, "in", name))
		s := newSource(t, dir, `path = "in/`+name+`"`, filepath.Join(dir, "in"))
		snapshot, err := s.Fetch(t.Context(), "")
		if err == nil || snapshot.Data != nil || snapshot.Parts != nil {
			t.Errorf("%s: got %+v, %v", name, snapshot, err)
		}
	}
}

// A disk that fails in the middle is a failed look: no part of the file.
func TestFaultF12ReadFails(t *testing.T) {
	dir, inside := host.WithStrace(t, func(dir string) []string {
		put(t, filepath.Join(dir, "f"), "x")
		return []string{"-P", filepath.Join(dir, "f"), "-e", "trace=read", "-e", "inject=read:error=EIO"}
	})
	if inside {
		failsTemporarily(t, dir, syscall.EIO)
	}
}

// A server of files that forgot us is not taken for a missing file.
func TestFaultF12StaleHandle(t *testing.T) {
	dir, inside := host.WithStrace(t, func(dir string) []string {
		put(t, filepath.Join(dir, "f"), "x")
		return []string{"-P", filepath.Join(dir, "f"), "-e", "trace=openat", "-e", "inject=openat:error=ESTALE"}
	})
	if inside {
		failsTemporarily(t, dir, syscall.ESTALE)
	}
}

func failsTemporarily(t *testing.T, dir string, want error) {
	t.Helper()
	for range 2 {
		snapshot, err := newSource(t, dir, `path = "f"`).Fetch(t.Context(), "")
		if !errors.Is(err, want) || snapshot.Data != nil || errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q, %v; want %v", snapshot.Data, err, want)
		}
		if class, _ := providers.Classify(err); class != providers.ClassTemporary {
			t.Errorf("class %v", class)
		}
		if err != nil && strings.Count(err.Error(), filepath.Join(dir, "f")) != 1 {
			t.Errorf("%v does not name the file once", err)
		}
	}
}

// A file system that hangs holds nobody longer than his deadline.
func TestHungFileSystem(t *testing.T) {
	dir, inside := host.WithStrace(t, func(dir string) []string {
		return []string{"-P", filepath.Join(dir, "f"), "-e", "trace=newfstatat", "-e", "inject=newfstatat:delay_enter=3000000:when=1"}
	})
	if !inside {
		return
	}
	put(t, filepath.Join(dir, "f"), "1")
	s := newSource(t, dir, `path = "f"`)
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		start := time.Now()
		_, err := s.Fetch(ctx, "")
		if d := time.Since(start); d > 2*time.Second || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "does not answer") {
			t.Errorf("after %s: %v", d, err)
		}
		cancel()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if got, err := s.Fetch(ctx, ""); err != nil || string(got.Data) != "1" {
		t.Errorf("when it answers again: %q, %v", got.Data, err)
	}
}
