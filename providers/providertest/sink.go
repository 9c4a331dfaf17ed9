package providertest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegate/providers"
)

// SinkOptions say how to make the sink under test.
type SinkOptions struct {
	// New returns a sink with a fresh target that does not exist yet, or whose content
	// cannot be read.
	New func(t *testing.T) providers.Sink
}

// Sink checks what the engine relies on in every sink.
func Sink(t *testing.T, o SinkOptions) {
	t.Helper()
	t.Run("names", func(t *testing.T) { checkNames(t, o.New(t)) })
	t.Run("read", func(t *testing.T) { checkRead(t, o.New(t)) })
	t.Run("write", func(t *testing.T) { checkWrite(t, o.New(t)) })
	t.Run("delete", func(t *testing.T) { checkDelete(t, o.New(t)) })
	t.Run("cancelled", func(t *testing.T) { checkCancelled(t, o.New(t)) })
}

func delivery() providers.Delivery {
	return providers.Delivery{
		ID: "01J0000000000000", Address: "sink.test.x", Attempt: 1,
		Cause:   map[string]string{"source.test.x": "v1"},
		Changes: []byte("[]"),
		Redact:  func(s string) string { return s },
	}
}

func checkNames(t *testing.T, s providers.Sink) {
	if s.Target() == "" {
		t.Error("Target is empty")
	}
	if !isHash(s.Fingerprint()) {
		t.Errorf("Fingerprint = %q, want sha256:...", s.Fingerprint())
	}
	if first, second := s.Fingerprint(), s.Fingerprint(); first != second {
		t.Error("two calls of Fingerprint differ")
	}
}

func isHash(s string) bool {
	digits, ok := strings.CutPrefix(s, "sha256:")
	raw, err := hex.DecodeString(digits)
	return ok && err == nil && len(raw) == sha256.Size
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// checkRead looks twice: a look that changes something shows in the second.
func checkRead(t *testing.T, s providers.Sink) {
	first, second := read(t, s), read(t, s)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("two looks differ: %s", diff)
	}
	if !first.Opaque && !first.Exists && (first.Data != nil || first.Hash != "" || first.Differs != nil) {
		t.Errorf("a target that does not exist holds something: %+v", first)
	}
}

func read(t *testing.T, s providers.SinkReader) providers.Observed {
	t.Helper()
	o, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func checkWrite(t *testing.T, s providers.Sink) {
	before := s.Fingerprint()
	// At least once: the same delivery may come again after a crash.
	for range 2 {
		if err := s.Write(t.Context(), delivery()); err != nil {
			t.Fatal(err)
		}
		checkWritten(t, s)
	}
	if s.Fingerprint() != before {
		t.Error("Write changed the fingerprint")
	}
}

func checkWritten(t *testing.T, s providers.Sink) {
	t.Helper()
	o := read(t, s)
	if o.Opaque {
		return
	}
	if !o.Exists || o.Hash != hashOf(o.Data) || len(o.Differs) > 0 {
		t.Errorf("after Write the target is %+v", o)
	}
	if c, ok := s.(providers.Content); ok && !cmp.Equal(o.Data, c.Content()) {
		t.Errorf("the target holds %q, want %q", o.Data, c.Content())
	}
}

func checkDelete(t *testing.T, s providers.Sink) {
	if err := s.Write(t.Context(), delivery()); err != nil {
		t.Fatal(err)
	}
	err := s.Delete(t.Context())
	if err != nil {
		if class, _ := providers.Classify(err); class != providers.ClassPermanent {
			t.Errorf("Delete: %v, want nil or a permanent error", err)
		}
		return
	}
	if o := read(t, s); !o.Opaque && o.Exists {
		t.Error("the target is still there after Delete")
	}
	if err := s.Delete(t.Context()); err != nil {
		t.Errorf("Delete of what is gone: %v", err)
	}
}

// checkCancelled wants an error and an untouched target: nil would be an acknowledgement.
func checkCancelled(t *testing.T, s providers.Sink) {
	ctx := cancelled(t)
	before := read(t, s)
	err := promptly(t, "Write", func() error { return s.Write(ctx, delivery()) })
	if err == nil {
		t.Error("Write with a cancelled context acknowledged a delivery")
	}
	if diff := cmp.Diff(before, read(t, s)); diff != "" {
		t.Errorf("a cancelled Write changed the target: %s", diff)
	}
	if err := promptly(t, "Read", func() error { _, err := s.Read(ctx); return err }); errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Read: %v", err)
	}
}
