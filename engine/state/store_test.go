package state

import (
	"encoding/json"
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
	return &Sink{
		Address: address.Of(address.Sink, "file", name), Kind: "file",
		Acknowledged: &Delivery{ID: "d", Payload: payload, At: time.Unix(1e9, 0).UTC()},
	}
}

func blobOf(text string) Blob { return Blob{Hash: HashOf([]byte(text)), Data: []byte(text)} }

func TestWhatIsCommittedIsLoaded(t *testing.T) {
	path := testPath(t)
	s := mustOpen(t, path)
	b := blobOf("hello")
	row := source("app", b.Hash)
	mustCommit(t, s, &Batch{
		Sources: []*Source{row}, Sinks: []*Sink{sink("a", b.Hash)}, Blobs: []Blob{b},
		Shared: map[string]Counter{"rate_limit.x.y": {time.Unix(1, 0).UTC()}},
	})
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
	first := r.Keyed("x")
	if again := r.Keyed("x"); first != again || first == mustRead(t, path).Keyed("x") {
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

func mustSources(l *Ledger) (out []address.Address) {
	for a := range l.Sources {
		out = append(out, a)
	}
	return out
}

func TestMergeLetsTheLaterBatchWin(t *testing.T) {
	a, b := source("a"), source("b")
	later := source("b")
	batch := &Batch{Sources: []*Source{a, b}, DeleteSinks: []address.Address{sink("x", "").Address}}
	batch.Merge(&Batch{
		Sources: []*Source{later}, DeleteSources: []address.Address{a.Address}, Sinks: []*Sink{sink("x", "")},
		Shared: map[string]Counter{"c": {time.Unix(1, 0)}},
	})
	s := mustOpen(t, testPath(t))
	later.Validator = "later"
	mustCommit(t, s, batch)
	l := mustLoad(t, s)
	if len(l.Sources) != 1 || l.Sources[b.Address].Validator != "later" || len(l.Sinks) != 1 || len(l.Shared) != 1 {
		t.Errorf("got %+v", l)
	}
}

func TestPullShowsEverythingButContent(t *testing.T) {
	path, want, content, history := damaged(t)
	data, err := Pull(t.Context(), mustRead(t, path))
	if err != nil {
		t.Fatal(err)
	}
	var d Pulled
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	if d.Lineage != want.Lineage || d.Serial != want.Serial || len(d.Sources) != len(want.Sources) || len(d.Sinks) != len(want.Sinks) {
		t.Errorf("got %s", data)
	}
	if diff := diffOf(history, d.History); diff != "" {
		t.Error(diff)
	}
	for _, text := range content {
		if strings.Contains(string(data), text) {
			t.Errorf("content %q is in it", text)
		}
	}
	empty, err := Pull(t.Context(), mustRead(t, testPath(t)))
	if err != nil || !strings.Contains(string(empty), `"sources": []`) {
		t.Errorf("of nothing: %s, %v", empty, err)
	}
}

func TestTheHistoryIsBounded(t *testing.T) {
	if raceEnabled {
		t.Skip("20,000 entries, one goroutine")
	}
	s := mustOpen(t, testPath(t))
	quiet, busy := address.Of(address.Sink, "file", "quiet"), address.Of(address.Sink, "file", "busy")
	entries := func(a address.Address, n int) *Batch {
		b := &Batch{}
		for range n {
			b.History = append(b.History, Entry{Address: a, Time: time.Unix(1, 0).UTC(), Action: "update"})
		}
		return b
	}
	mustCommit(t, s, &Batch{Sinks: []*Sink{{Address: quiet, Kind: "file"}, {Address: busy, Kind: "file"}}})
	mustCommit(t, s, entries(quiet, KeepHistoryOf+5))
	mustCommit(t, s, entries(busy, KeepHistory-1))
	count := func(a address.Address) int {
		t.Helper()
		got, err := s.History(t.Context(), a, 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	if got := count(quiet); got != KeepHistoryOf {
		t.Errorf("%d entries of a quiet address, want %d", got, KeepHistoryOf)
	}
	for range 3 {
		mustCommit(t, s, entries(busy, KeepHistory/3))
	}
	if got := count(quiet); got != KeepHistoryOf {
		t.Errorf("%d entries of a quiet address, want %d", got, KeepHistoryOf)
	}
	if got := count(address.Address{}); got != KeepHistory+KeepHistoryOf {
		t.Errorf("%d entries, want %d", got, KeepHistory+KeepHistoryOf)
	}
	// Of what was forgotten only the newest of all stay: addresses come and go with data.
	forgotten := entries(quiet, 1)
	forgotten.DeleteSinks = []address.Address{quiet}
	mustCommit(t, s, forgotten)
	if got := count(quiet); got != 1 {
		t.Errorf("%d entries of a forgotten address in the window, want 1", got)
	}
	for range 3 {
		mustCommit(t, s, entries(busy, KeepHistory/3+1))
	}
	if got, all := count(quiet), count(address.Address{}); got != 0 || all != KeepHistory {
		t.Errorf("%d entries of a forgotten address, %d in all; want 0 and %d", got, all, KeepHistory)
	}
	newest, err := s.History(t.Context(), busy, 2)
	if err != nil || len(newest) != 2 || newest[0].ID != newest[1].ID+1 {
		t.Errorf("newest %v, %v", newest, err)
	}
}
