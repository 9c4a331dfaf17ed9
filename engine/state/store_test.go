package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegate/hclspec/address"
)

func testPath(t testing.TB) string { return filepath.Join(t.TempDir(), "s", "state.db") }

func mustOpen(t testing.TB, path string) *Local {
	t.Helper()
	s, err := Open(t.Context(), Options{Path: path, Command: "test", Version: "0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.(*Local)
}

func mustCommit(t testing.TB, s Store, b *Batch) {
	t.Helper()
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func mustLoad(t testing.TB, r Reader) *Ledger {
	t.Helper()
	l, err := r.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustRead(t testing.TB, path string) Reader {
	t.Helper()
	r, err := OpenReader(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func source(name string, blobs ...string) *Source {
	s := &Source{Address: address.Of(address.Source, "http", name)}
	for _, b := range blobs {
		s.Snapshots = append(s.Snapshots, Snapshot{Blob: b, AcceptedAt: time.Unix(1e9, 0).UTC()})
	}
	return s
}

func sink(name, payload string) *Sink {
	return &Sink{Address: address.Of(address.Sink, "file", name), Kind: "file",
		Acknowledged: &Delivery{ID: "d", Payload: payload, At: time.Unix(1e9, 0).UTC()}}
}

func blobOf(text string) Blob { return Blob{Hash: HashOf([]byte(text)), Data: []byte(text)} }

func TestWhatIsCommittedIsLoaded(t *testing.T) {
	path := testPath(t)
	s := mustOpen(t, path)
	b := blobOf("hello")
	row := source("app", b.Hash)
	mustCommit(t, s, &Batch{Sources: []*Source{row}, Sinks: []*Sink{sink("a", b.Hash)}, Blobs: []Blob{b},
		Shared: map[string]Counter{"rate_limit.x.y": {time.Unix(1, 0).UTC()}}})
	if row.Revision != 1 {
		t.Errorf("revision %d, want 1", row.Revision)
	}
	want := mustLoad(t, s)
	if len(want.Sources) != 1 || len(want.Sinks) != 1 || len(want.Shared) != 1 || want.Serial != 1 || want.Lineage == "" {
		t.Fatalf("loaded %+v", want)
	}
	if diff := diffOf(row, want.Sources[row.Address]); diff != "" {
		t.Error(diff)
	}
	for name, r := range map[string]Reader{"beside the writer": mustRead(t, path), "writer": s} {
		if diff := diffOf(want, mustLoad(t, r)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		data, err := r.Blob(t.Context(), b.Hash)
		if err != nil || string(data) != "hello" {
			t.Errorf("%s: blob %q, %v", name, data, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := diffOf(want, mustLoad(t, mustRead(t, path))); diff != "" {
		t.Error(diff)
	}
	if diff := diffOf(want, mustLoad(t, mustOpen(t, path))); diff != "" {
		t.Error(diff)
	}
}

func TestSealedContentIsNowhereInTheClear(t *testing.T) {
	path := testPath(t)
	s := mustOpen(t, path)
	const secret = "correct horse battery staple"
	name := s.Keyed(HashOf([]byte(secret)))
	if !strings.HasPrefix(name, "hmac-sha256:") || name != s.Keyed(HashOf([]byte(secret))) {
		t.Fatalf("Keyed gives %s", name)
	}
	mustCommit(t, s, &Batch{Sources: []*Source{source("app", name)}, Blobs: []Blob{{Hash: name, Data: []byte(secret), Sealed: true}}})
	files, err := filepath.Glob(filepath.Dir(path) + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), secret) {
			t.Errorf("%s holds the secret", f)
		}
	}
	for _, r := range []Reader{s, mustRead(t, path)} {
		if data, err := r.Blob(t.Context(), name); err != nil || string(data) != secret {
			t.Errorf("blob %q, %v", data, err)
		}
		if r.Keyed("x") != s.Keyed("x") {
			t.Error("Keyed differs between a store and its reader")
		}
	}
}

func TestAMissingStateReadsAsAnEmptyOne(t *testing.T) {
	path := testPath(t)
	r := mustRead(t, path)
	if diff := diffOf(New(), mustLoad(t, r)); diff != "" {
		t.Error(diff)
	}
	if _, err := r.Blob(t.Context(), "sha256:00"); !errors.Is(err, ErrNoBlob) {
		t.Errorf("blob: %v", err)
	}
	if r.Keyed("x") != r.Keyed("x") || r.Keyed("x") == mustRead(t, path).Keyed("x") {
		t.Error("Keyed without a key must be steady within a reader and match nothing else")
	}
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("reading made the directory: %v", err)
	}
}

// diffOf compares ledgers or parts of them.
func diffOf(want, got any) string {
	return cmp.Diff(want, got, cmp.Comparer(func(a, b address.Address) bool { return a == b }))
}
