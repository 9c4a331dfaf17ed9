package providertest

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegate/providers"
)

// SourceOptions say how to make the source under test.
type SourceOptions struct {
	// New returns a source whose origin holds something, the same at each call.
	New func(t *testing.T) providers.Source
	// Missing returns a source whose origin is not there; nil where that cannot be.
	Missing func(t *testing.T) providers.Source
}

// Source checks what the engine relies on in every source.
func Source(t *testing.T, o SourceOptions) {
	t.Helper()
	t.Run("fetch", func(t *testing.T) { checkFetch(t, o.New(t)) })
	t.Run("limit", func(t *testing.T) { checkLimit(t, o.New(t)) })
	t.Run("cancelled", func(t *testing.T) {
		s := o.New(t)
		snapshot, err := fetchCancelled(t, s)
		if err == nil && snapshot.NotModified {
			t.Error("a cancelled look says that nothing changed")
		}
	})
	t.Run("concurrent", func(t *testing.T) { checkConcurrent(t, o) })
	if o.Missing == nil {
		return
	}
	t.Run("missing", func(t *testing.T) {
		// Fail static: absence is an error, never an empty value.
		if snapshot, err := o.Missing(t).Fetch(t.Context(), ""); err == nil {
			t.Errorf("an origin that is not there gave %+v", snapshot)
		}
	})
}

func checkFetch(t *testing.T, s providers.Source) {
	first, err := s.Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if first.NotModified {
		t.Error("the first look, which holds nothing yet, says that nothing changed")
	}
	if first.Data != nil && first.Parts != nil {
		t.Error("a snapshot holds both Data and Parts")
	}
	if id, ok := s.(providers.Identifier); ok && id.Identity() == "" {
		t.Error("Identity is empty")
	}
	again, err := s.Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.Data, again.Data); diff != "" || !cmp.Equal(first.Parts, again.Parts) {
		t.Errorf("two looks at an unchanged origin differ: %s", diff)
	}
	checkValidator(t, s, first)
}

func checkValidator(t *testing.T, s providers.Source, first providers.Snapshot) {
	again, err := s.Fetch(t.Context(), first.Validator)
	switch {
	case err != nil:
		t.Fatal(err)
	case again.NotModified && first.Validator == "":
		t.Error("NotModified without a validator")
	case again.NotModified && (again.Data != nil || again.Parts != nil || again.Version != ""):
		t.Errorf("NotModified comes with more than a validator: %+v", again)
	case !again.NotModified && !cmp.Equal(again.Data, first.Data):
		t.Error("a look with a validator at an unchanged origin gave other bytes")
	}
	// The engine may hand back a validator of long ago, or of another configuration.
	if foreign, err := s.Fetch(t.Context(), "\x00no validator of ours"); err == nil && foreign.NotModified {
		t.Error("NotModified for a validator that the source never gave")
	}
}

func checkLimit(t *testing.T, s providers.Source) {
	whole, err := s.Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.Data) < 2 {
		t.Skip("the origin is too small to exceed a limit")
	}
	if got, err := s.Fetch(providers.WithFetchLimit(t.Context(), int64(len(whole.Data))), ""); err != nil || len(got.Data) != len(whole.Data) {
		t.Errorf("a limit of exactly the size: %v", err)
	}
	_, err = s.Fetch(providers.WithFetchLimit(t.Context(), int64(len(whole.Data)-1)), "")
	if class, _ := providers.Classify(err); err == nil || class != providers.ClassPermanent {
		t.Errorf("a limit of one byte less: got %v, want a permanent error", err)
	}
}

func fetchCancelled(t *testing.T, s providers.Source) (providers.Snapshot, error) {
	var snapshot providers.Snapshot
	ctx := cancelled(t)
	err := promptly(t, "Fetch", func() (err error) {
		snapshot, err = s.Fetch(ctx, "")
		return err
	})
	return snapshot, err
}

// checkConcurrent lets distinct instances look at once; the race detector does the rest.
func checkConcurrent(t *testing.T, o SourceOptions) {
	var wg sync.WaitGroup
	for range 4 {
		s := o.New(t)
		wg.Go(func() {
			if _, err := s.Fetch(context.WithoutCancel(t.Context()), ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
