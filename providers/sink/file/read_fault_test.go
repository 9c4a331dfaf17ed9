//go:build linux

package file

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tidegate/providers/providertest/host"
)

// A target that cannot be read is not one that is missing: it would be made anew.
func TestFaultF12ReadFails(t *testing.T) {
	dir, inside := host.WithStrace(t, func(dir string) []string {
		return []string{"-P", filepath.Join(dir, "f"), "-e", "trace=read", "-e", "inject=read:error=EIO"}
	})
	if !inside {
		return
	}
	s := newSink(t, dir, `path = "f"`+"\n"+`content = "x"`)
	put(t, s.path, "old", 0o644)
	if o, err := s.Read(t.Context()); !errors.Is(err, syscall.EIO) || o.Exists || o.Data != nil {
		t.Errorf("got %+v, %v", o, err)
	}
	other := newSink(t, dir, `path = "g"`+"\n"+`content = "x"`)
	put(t, other.path, "old", 0o644)
	if o, err := other.Read(t.Context()); err != nil || string(o.Data) != "old" {
		t.Errorf("another one: %+v, %v", o, err)
	}
}

func TestHungFileSystem(t *testing.T) {
	dir, inside := host.WithStrace(t, func(dir string) []string {
		return []string{"-P", filepath.Join(dir, "f"), "-e", "trace=newfstatat", "-e", "inject=newfstatat:delay_enter=3000000:when=1"}
	})
	if !inside {
		return
	}
	s := newSink(t, dir, `path = "f"`+"\n"+`content = "x"`)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := s.Read(ctx)
	if d := time.Since(start); d > 2*time.Second || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after %s: %v", d, err)
	}
	if err := s.Delete(ctx); err == nil {
		t.Error("deleted while the disk does not answer")
	}
	if err := write(t, s); err != nil {
		t.Errorf("when it answers again: %v", err)
	}
	holds(t, s.path, "x")
}
