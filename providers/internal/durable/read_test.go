//go:build unix

package durable

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, _, err := Open(path, Options{}, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestReadLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for size, ok := range map[int]bool{0: true, 1: true, 99: true, 100: true, 101: false, 5000: false} {
		put(t, path, strings.Repeat("x", size))
		data, _, err := Read(t.Context(), open(t, path), 100)
		if ok && (err != nil || len(data) != size) || !ok && !errors.Is(err, ErrTooLarge) {
			t.Errorf("size %d: %d bytes, %v", size, len(data), err)
		}
	}
}

func TestFaultF7NothingBlocksOnAPipe(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() error{
		"Open":       func() error { _, _, err := Open(fifo, Options{}, true); return err },
		"confined":   func() error { _, _, err := Open(fifo, Options{Roots: []string{dir}}, true); return err },
		"OpenTarget": func() error { _, err := OpenTarget(fifo, Options{}); return err },
		"below":      func() error { _, err := OpenDir(fifo, Options{}); return err },
		"device":     func() error { _, _, err := Open("/dev/zero", Options{}, true); return err },
	} {
		done := make(chan error, 1)
		go func() { done <- open() }()
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("%s: opened", name)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s blocks", name)
		}
	}
}

func TestFaultF10SparseFileIsRefusedWithoutReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge")
	put(t, path, "")
	if err := os.Truncate(path, 5<<30); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, _, err := Read(t.Context(), open(t, path), 16<<20); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("took %v", d)
	}
}

func TestFaultF10FileGrowsWhileItIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	put(t, path, "start")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f, _ := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		defer f.Close()
		for ctx.Err() == nil {
			f.WriteString("0123456789abcdef")
		}
	}()
	f := open(t, path)
	for range 20 {
		f.Seek(0, 0)
		data, info, err := Read(t.Context(), f, 1<<40)
		if err == nil && int64(len(data)) != info.Size() {
			t.Errorf("%d bytes of a file of %d", len(data), info.Size())
		}
		if err != nil && !strings.Contains(err.Error(), "keeps changing") {
			t.Error(err)
		}
		if err != nil {
			break
		}
	}
	stop()
	<-done
	// Once it is quiet it reads.
	if _, _, err := Read(t.Context(), open(t, path), 1<<40); err != nil {
		t.Error(err)
	}
}

func TestReadPseudoFiles(t *testing.T) {
	if _, err := os.Stat("/proc/version"); err != nil {
		t.Skip("no /proc on this platform")
	}
	// A file there says that its size is 0.
	data, _, err := Read(t.Context(), open(t, "/proc/version"), 1<<20)
	if err != nil || !bytes.Contains(data, []byte("version")) {
		t.Errorf("%q, %v", data, err)
	}
}

func TestScanHashesBeyondWhatItKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	text := strings.Repeat("0123456789", 300_000)
	put(t, path, text)
	for _, keep := range []int64{10, 1 << 20, int64(len(text)), 1 << 30} {
		c, err := Scan(t.Context(), open(t, path), keep)
		if err != nil || c.Hash != sha256.Sum256([]byte(text)) || string(c.Data) != text[:min(keep, int64(len(text)))] {
			t.Errorf("keep %d: %d bytes, %v", keep, len(c.Data), err)
		}
	}
}
