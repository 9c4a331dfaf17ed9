package state

import (
	"errors"
	"strings"
	"testing"
)

func TestADaemonIsAnnounced(t *testing.T) {
	path := testPath(t)
	s := mustOpen(t, path)
	refusal := func() (string, Holder) {
		t.Helper()
		_, err := Open(t.Context(), Options{Path: path})
		var locked *LockedError
		if !errors.As(err, &locked) {
			t.Fatalf("got %v", err)
		}
		h, err := LockHolder(path)
		if err != nil || h == nil || *h != locked.Holder {
			t.Errorf("LockHolder gives %v, %v, the refusal %+v", h, err, locked.Holder)
		}
		return locked.Error(), locked.Holder
	}
	before, plain := refusal()
	if plain.Socket != "" || strings.Contains(before, "daemon") {
		t.Errorf("%s (%+v)", before, plain)
	}
	const socket = "/run/tidegate/control \n\".sock"
	if err := s.Announce(socket); err != nil {
		t.Fatal(err)
	}
	text, h := refusal()
	if h.Socket != socket || h.PID != plain.PID || !h.Since.Equal(plain.Since) || !strings.Contains(text, "running daemon") {
		t.Errorf("%s (%+v)", text, h)
	}
	if err := s.Announce(""); err != nil {
		t.Fatal(err)
	}
	if text, h := refusal(); h != plain || text != before {
		t.Errorf("%s (%+v)", text, h)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Announce(socket); err == nil {
		t.Error("announced after the lock was given back")
	}
	if h, err := LockHolder(path); err != nil || h != nil {
		t.Errorf("LockHolder gives %v, %v", h, err)
	}
}

// The line shrinks and grows under the eyes of who reads it.
func TestAHolderIsAlwaysLegible(t *testing.T) {
	path := testPath(t)
	s := mustOpen(t, path)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 2000 {
			if err := s.Announce(strings.Repeat("/long", i%2*20)); err != nil {
				t.Error(err)
			}
		}
	}()
	for {
		if h, err := LockHolder(path); err != nil || h == nil || h.PID == 0 {
			t.Errorf("LockHolder gives %v, %v", h, err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}
