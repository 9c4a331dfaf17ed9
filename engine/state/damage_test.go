package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/hclspec/address"
)

// damaged is a small state with something in every table, closed.
func damaged(t *testing.T) (path string, want *Ledger, content map[string]string, history []Entry) {
	t.Helper()
	path = testPath(t)
	s := mustOpen(t, path)
	content = map[string]string{}
	b := &Batch{Shared: map[string]Counter{"rate_limit.sliding_window.a": {time.Unix(5, 0).UTC()}}}
	for i := range 6 {
		blob := blobOf(fmt.Sprintf("content %d %s", i, strings.Repeat("x", 700*i)))
		content[blob.Hash] = string(blob.Data)
		b.Blobs = append(b.Blobs, blob)
		b.Sources = append(b.Sources, source(fmt.Sprintf("s%d", i), blob.Hash))
		b.Sinks = append(b.Sinks, sink(fmt.Sprintf("s%d", i), blob.Hash))
		b.History = append(b.History, Entry{Address: address.Of(address.Sink, "file", "s"), Time: time.Unix(int64(i), 0).UTC(), Action: "create"})
	}
	output := &Output{Address: address.Of(address.Output, "", "o"), Blob: b.Blobs[0].Hash}
	b.Outputs = append(b.Outputs, output)
	secret := []byte("a secret")
	name := s.Keyed(HashOf(secret))
	content[name] = string(secret)
	b.Blobs = append(b.Blobs, Blob{Hash: name, Data: secret, Sealed: true})
	b.Sources[0].Snapshots = append(b.Sources[0].Snapshots, Snapshot{Blob: name, AcceptedAt: time.Unix(1, 0).UTC()})
	mustCommit(t, s, b)
	mustCommit(t, s, &Batch{DeleteSinks: []address.Address{b.Sinks[5].Address}})
	want = mustLoad(t, s)
	history, err := s.History(t.Context(), address.Address{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, want, content, history
}

// asIfWhole reads everything of a state that may be damaged. Each answer must be the
// original one or an error.
func asIfWhole(t *testing.T, path string, want *Ledger, content map[string]string, history []Entry, what string) (loaded bool) {
	t.Helper()
	r, err := OpenReader(t.Context(), Options{Path: path})
	if err != nil {
		return false
	}
	defer r.Close()
	if got, err := r.Load(t.Context()); err == nil {
		loaded = true
		if diff := diffOf(want, got); diff != "" {
			t.Errorf("%s: another ledger: %s", what, diff)
		}
	}
	for hash, text := range content {
		if data, err := r.Blob(t.Context(), hash); err == nil && string(data) != text {
			t.Errorf("%s: content %s has other bytes", what, hash)
		}
	}
	if got, err := r.History(t.Context(), address.Address{}, 0); err == nil {
		if diff := diffOf(history, got); diff != "" {
			t.Errorf("%s: another history: %s", what, diff)
		}
	}
	return loaded
}

// everyByte makes the tests of damage try every offset and two flips of each, which takes
// half an hour. Without it they try the first quarter of the first page (its header where
// tests are to be short), the header of each page, and a steady sample of the rest.
var everyByte = os.Getenv("TIDEGATE_TEST_EVERY_BYTE") != ""

func offsets(size int) []int {
	all, step := 1024, 149
	switch {
	case everyByte:
		all = size
	case testing.Short() || raceEnabled:
		all, step = headerSize, 997
	}
	var out []int
	for i := range size {
		if i < all || i%4096 < 8 || i%step == 0 {
			out = append(out, i)
		}
	}
	return out
}

// inMemory puts the temporary files of a test that makes thousands of them in memory.
func inMemory(t testing.TB) {
	t.Helper()
	if dir, err := os.MkdirTemp("/dev/shm", "tidegate-test-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		t.Setenv("TMPDIR", dir)
	}
}

// aged makes the copies of a test old enough for the reader not to wait for the clock.
func aged(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
}

func TestAFlippedByteIsNeverBelieved(t *testing.T) {
	inMemory(t)
	path, want, content, history := damaged(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	list := offsets(len(data))
	caught := 0
	for _, i := range list {
		masks := []byte{0xff, 1 << (i % 8)}
		if !everyByte {
			masks = masks[i%2:][:1]
		}
		for _, mask := range masks {
			data[i] ^= mask
			aged(t, path, data)
			if !asIfWhole(t, path, want, content, history, fmt.Sprintf("byte %d ^ %#x", i, mask)) {
				caught++
			}
			data[i] ^= mask
		}
	}
	t.Logf("%d bytes of %d flipped, %d caught by Load, the others do not matter to it", len(list), len(data), caught)
}

func TestACutStateIsNeverBelieved(t *testing.T) {
	inMemory(t)
	path, want, content, history := damaged(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range offsets(len(data)) {
		aged(t, path, data[:n])
		asIfWhole(t, path, want, content, history, fmt.Sprintf("cut at %d", n))
	}
}

// A log that is cut anywhere ends before the commit that was cut: an older ledger, whole.
func TestACutLogEndsAtACommit(t *testing.T) {
	inMemory(t)
	path := testPath(t)
	s := mustOpen(t, path)
	known := map[int64]*Ledger{0: mustLoad(t, s)}
	for i := range 8 {
		b := blobOf(fmt.Sprint(i))
		mustCommit(t, s, &Batch{Sources: []*Source{source(fmt.Sprintf("s%d", i%3), b.Hash)}, Blobs: []Blob{b}})
		l := mustLoad(t, s)
		known[l.Serial] = l
	}
	db, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "state.db")
	aged(t, other, db)
	last := int64(0)
	step := 211
	if everyByte {
		step = 1
	}
	for n := 0; n <= len(log); n += step {
		aged(t, other+"-wal", log[:n])
		r := mustRead(t, other)
		l := mustLoad(t, r)
		r.Close() // there are more of them than one process may have open
		if diff := diffOf(known[l.Serial], l); diff != "" {
			t.Fatalf("log cut at %d: %s", n, diff)
		}
		if l.Serial < last {
			t.Fatalf("log cut at %d: serial %d after %d", n, l.Serial, last)
		}
		last = l.Serial
	}
	if last < 7 {
		t.Errorf("the log never gave more than serial %d", last)
	}
}

func TestLostAndDoubledRowsAreNoticed(t *testing.T) {
	for name, query := range map[string]string{
		"lost source":   "DELETE FROM sources WHERE rowid = 1",
		"lost sink":     "DELETE FROM sinks WHERE rowid = 1",
		"lost counter":  "DELETE FROM shared",
		"swapped rows":  "UPDATE sinks SET address = address || '2'",
		"old serial":    "UPDATE meta SET value = '1' WHERE key = 'serial'",
		"other lineage": "UPDATE meta SET value = 'x' WHERE key = 'lineage'",
		"edited row":    "UPDATE sinks SET data = replace(data, 'file', 'exec')",
		"no meta":       "DELETE FROM meta",
		"no table":      "DROP TABLE sinks",
	} {
		t.Run(name, func(t *testing.T) {
			path, _, _, _ := damaged(t)
			meddle(t, path, query)
			r, err := OpenReader(t.Context(), Options{Path: path})
			if err == nil {
				defer r.Close()
				_, err = r.Load(t.Context())
			}
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestALostHistoryEntryIsNoticed(t *testing.T) {
	path, want, _, _ := damaged(t)
	meddle(t, path, "DELETE FROM history WHERE id = 2")
	r := mustRead(t, path)
	if _, err := r.History(t.Context(), address.Address{}, 0); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	// The ledger itself does not rest on it.
	if diff := diffOf(want, mustLoad(t, r)); diff != "" {
		t.Error(diff)
	}
}

// meddle changes a state behind the store's back.
func meddle(t *testing.T, path, query string) {
	t.Helper()
	db, err := openDB(path, "mode=rw")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoStateIsRefusedUntouched(t *testing.T) {
	for name, make := range map[string]func(t *testing.T, path string) error{
		"empty": func(t *testing.T, path string) error { return os.WriteFile(path, nil, 0o644) },
		"garbage": func(t *testing.T, path string) error {
			return os.WriteFile(path, []byte(strings.Repeat("tide", 5000)), 0o644)
		},
		"directory": func(t *testing.T, path string) error { return os.Mkdir(path, 0o755) },
		"other database": func(t *testing.T, path string) error {
			db, err := openDB(path, "mode=rwc")
			if err != nil {
				return err
			}
			defer db.Close()
			_, err = db.Exec("CREATE TABLE recipes (name TEXT)")
			return err
		},
		"log without database": func(t *testing.T, path string) error { return os.WriteFile(path+"-wal", []byte("x"), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.db")
			if err := make(t, path); err != nil {
				t.Fatal(err)
			}
			before := fingerprints(t, dir)
			if _, err := Open(t.Context(), Options{Path: path}); !errors.Is(err, ErrCorrupt) {
				t.Errorf("Open: %v", err)
			}
			if _, err := OpenReader(t.Context(), Options{Path: path}); !errors.Is(err, ErrCorrupt) {
				t.Errorf("OpenReader: %v", err)
			}
			after := fingerprints(t, dir)
			delete(after, "state.lock")
			if diff := diffOf(before, after); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// fingerprints are the files of a directory with their bytes and times.
func fingerprints(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = info.ModTime().String()
		if data, err := os.ReadFile(filepath.Join(dir, e.Name())); err == nil {
			out[e.Name()] += " " + HashOf(data)
		}
	}
	return out
}
