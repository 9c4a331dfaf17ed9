package cli

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

type stuck chan struct{}

func (s stuck) Write(p []byte) (int, error) {
	<-s
	return len(p), nil
}

// A reader that does not read makes nobody wait longer than once.
func TestPatientNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(stuck)
		w := newPatient(release)
		start := time.Now()
		for range 3 * patientPieces {
			if _, err := w.Write([]byte("x\n")); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("writing waited %s", d)
		}
		w.flush()
		w.flush()
		if d := time.Since(start); d != patience {
			t.Errorf("flushing waited %s", d)
		}
		close(release)
		w.close(time.Hour)
	})
}

func TestPatientWritesAllInOrder(t *testing.T) {
	var b bytes.Buffer
	w := newPatient(&b)
	for i := range byte(100) {
		w.Write([]byte{i})
	}
	w.flush()
	if b.Len() != 100 {
		t.Errorf("%d bytes after a flush", b.Len())
	}
	w.Write([]byte{100})
	w.drain(nil)
	for i, c := range b.Bytes() {
		if int(c) != i {
			t.Fatalf("byte %d is %d", i, c)
		}
	}
	if b.Len() != 101 {
		t.Errorf("%d bytes", b.Len())
	}
}
