package durable

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A disk that is dead for days is looked at again and again, and may not cost a thread each
// time.
func TestHungDiskCostsNoMoreWithTime(t *testing.T) {
	dir := t.TempDir()
	answer := make(chan struct{})
	var begun atomic.Int32
	look := func(path string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		_, err := Await(ctx, path, func() (int, error) {
			begun.Add(1)
			<-answer
			return 0, nil
		})
		return err
	}
	for range 5 {
		err := look(filepath.Join(dir, "a"))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "does not answer") {
			t.Fatal(err)
		}
	}
	if n := begun.Load(); n != 1 {
		t.Errorf("%d looks at one file are under way", n)
	}
	for i := range 3 * maxLeft {
		_ = look(filepath.Join(dir, fmt.Sprint(i)))
	}
	if n := begun.Load(); n != maxLeft {
		t.Errorf("%d looks into one directory are under way, want %d", n, maxLeft)
	}
	// Elsewhere nobody waits.
	if v, err := Await(t.Context(), filepath.Join(t.TempDir(), "a"), func() (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Errorf("elsewhere: %d, %v", v, err)
	}
	// Who comes before the disk answers gets his turn when it does.
	late := make(chan error, 1)
	go func() {
		_, err := Await(t.Context(), filepath.Join(dir, "a"), func() (int, error) { return 0, nil })
		late <- err
	}()
	close(answer)
	if err := <-late; err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		left.mu.Lock()
		n := len(left.calls)
		left.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d calls are left", n)
		}
	}
}

func TestAwaitOfACancelledContextBeginsNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopping")
	cancel(stop)
	_, err := Await(ctx, "/x", func() (int, error) { t.Error("begun"); return 0, nil })
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}
