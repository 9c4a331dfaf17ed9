//go:build unix

package state

import (
	"os/exec"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// A process that is being started has a copy of every open file until it is its own program. It must
// not keep the lock of a state that was closed meanwhile.
func TestALockEndsAlthoughItsFileIsOpenElsewhere(t *testing.T) {
	path := testPath(t)
	s := mustOpen(t, path)
	other, err := unix.Dup(int(s.lock.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(other)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, path).Close(); err != nil {
		t.Fatal(err)
	}
}

// The same with real processes, and with readers that look whether the state is locked.
func TestLocksWhileProcessesStart(t *testing.T) {
	path := testPath(t)
	over := make(chan struct{})
	var starting sync.WaitGroup
	starting.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				_ = exec.Command("/bin/sh", "-c", ":").Run()
			}
		}
	})
	defer starting.Wait()
	defer close(over)
	for range 100 {
		s := mustOpen(t, path)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if h, err := LockHolder(path); err != nil || h != nil {
			t.Fatalf("LockHolder gives %v, %v", h, err)
		}
	}
}
