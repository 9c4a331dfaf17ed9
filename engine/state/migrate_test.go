package state

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"tidegate/hclspec/address"
)

// next is a schema after the current one.
func next(step migration) schema {
	return schema{version: current.version + 1, steps: map[int]migration{current.version: step}}
}

func addColumn(ctx context.Context, c *sql.Conn) error {
	return execute(ctx, c, "ALTER TABLE history ADD COLUMN actor TEXT NOT NULL DEFAULT ''")
}

func TestAnOlderSchemaMigratesWithABackup(t *testing.T) {
	path, want, _, _ := damaged(t)
	before := fingerprints(t, filepath.Dir(path))

	// A reader migrates its copy and nothing else.
	r, err := openReader(t.Context(), Options{Path: path}, next(addColumn))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if diff := diffOf(want, mustLoad(t, r)); diff != "" {
		t.Error(diff)
	}
	if diff := diffOf(before, fingerprints(t, filepath.Dir(path))); diff != "" {
		t.Errorf("reading changed the state: %s", diff)
	}

	s, err := open(t.Context(), Options{Path: path}, next(addColumn))
	if err != nil {
		t.Fatal(err)
	}
	if diff := diffOf(want, mustLoad(t, s)); diff != "" {
		t.Error(diff)
	}
	mustCommit(t, s, &Batch{DeleteSinks: []address.Address{sink("s0", "").Address}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	backups, err := filepath.Glob(fmt.Sprintf("%s.v%d.backup-*", path, current.version))
	if err != nil || len(backups) != 1 {
		t.Fatalf("backups %v, %v", backups, err)
	}
	if diff := diffOf(want, mustLoad(t, mustRead(t, backups[0]))); diff != "" {
		t.Error(diff)
	}
	refuseNewer(t, path)
}

// refuseNewer opens the migrated state with the older program.
func refuseNewer(t *testing.T, path string) {
	t.Helper()
	before := fingerprints(t, filepath.Dir(path))
	if _, err := Open(t.Context(), Options{Path: path}); !errors.Is(err, ErrNewer) {
		t.Errorf("Open: %v", err)
	}
	if _, err := OpenReader(t.Context(), Options{Path: path}); !errors.Is(err, ErrNewer) {
		t.Errorf("OpenReader: %v", err)
	}
	after := fingerprints(t, filepath.Dir(path))
	delete(before, "state.lock")
	delete(after, "state.lock")
	if diff := diffOf(before, after); diff != "" {
		t.Errorf("a newer state was touched: %s", diff)
	}
}

// After a crash the newer schema may stand in the log alone.
func TestANewerSchemaInTheLogIsRefusedUntouched(t *testing.T) {
	path := testPath(t)
	s := mustOpen(t, path)
	if err := next(addColumn).upgrade(t.Context(), s.conn, current.version); err != nil {
		t.Fatal(err)
	}
	crashed := filepath.Join(t.TempDir(), "state.db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		aged(t, crashed+suffix, data)
	}
	if h, err := readHeader(crashed); err != nil || h.schema != current.version {
		t.Fatalf("the header has schema %d already, %v", h.schema, err)
	}
	refuseNewer(t, crashed)
}

func TestAFailedMigrationChangesNothing(t *testing.T) {
	path, want, _, _ := damaged(t)
	failing := func(ctx context.Context, c *sql.Conn) error {
		return errors.Join(addColumn(ctx, c), errors.New("no"))
	}
	for name, sc := range map[string]schema{"step fails": next(failing), "no step": {version: current.version + 1}} {
		if _, err := open(t.Context(), Options{Path: path}, sc); err == nil {
			t.Errorf("%s: opened", name)
		} else {
			t.Log(err)
		}
	}
	if diff := diffOf(want, mustLoad(t, mustOpen(t, path))); diff != "" {
		t.Error(diff)
	}
}

func TestANewStateStartsAtTheNewestSchema(t *testing.T) {
	path := testPath(t)
	s, err := open(t.Context(), Options{Path: path}, next(addColumn))
	if err != nil {
		t.Fatal(err)
	}
	mustLoad(t, s)
	s.Close()
	if left, _ := filepath.Glob(path + ".v*"); len(left) != 0 {
		t.Errorf("a backup of nothing: %v", left)
	}
}

// written is a state that the program of an older schema wrote: two applies of a file source, a
// file sink, one with a secret, and of v1 a program, of v2 two outputs, one of them sensitive.
func written(t *testing.T, version string) string {
	t.Helper()
	path := testPath(t)
	packed, err := os.Open(filepath.Join("testdata", version, "state.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join("testdata", version, "state.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	aged(t, path, data)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "state.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheFirstSchemaMigrates(t *testing.T) {
	path := written(t, "v1")
	if h, err := readHeader(path); err != nil || h.schema != 1 {
		t.Fatalf("the header has schema %d, %v", h.schema, err)
	}
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before := mustLoad(t, mustRead(t, path))
	if len(before.Sources) != 1 || len(before.Sinks) != 3 || len(before.Outputs) != 0 || len(before.Shared) != 1 || before.Serial == 0 {
		t.Fatalf("read %d sources, %d sinks, %d outputs, %d counters, serial %d",
			len(before.Sources), len(before.Sinks), len(before.Outputs), len(before.Shared), before.Serial)
	}
	now, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(original, now) {
		t.Errorf("reading migrated the file itself, %v", err)
	}

	s := mustOpen(t, path)
	if diff := diffOf(before, mustLoad(t, s)); diff != "" {
		t.Error(diff)
	}
	for a, row := range before.Sinks {
		payload, err := s.Blob(t.Context(), row.Acknowledged.Payload)
		if err != nil || !bytes.Contains(payload, []byte(`"values"`)) {
			t.Errorf("%s: the payload is %q, %v", a, payload, err)
		}
	}
	if history, err := s.History(t.Context(), address.Address{}, 0); err != nil || len(history) != 7 {
		t.Errorf("%d lines of history, %v", len(history), err)
	}
	secret := s.Keyed(HashOf([]byte("secret")))
	row := &Output{Address: address.Of(address.Output, "", "token"), Blob: secret, Sensitive: true}
	mustCommit(t, s, &Batch{Outputs: []*Output{row}, Blobs: []Blob{{Hash: secret, Data: []byte("secret"), Sealed: true}}})
	checkRefs(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	backups, err := filepath.Glob(path + ".v1.backup-*")
	if err != nil || len(backups) != 1 {
		t.Fatalf("backups %v, %v", backups, err)
	}
	if kept, err := os.ReadFile(backups[0]); err != nil || !bytes.Equal(original, kept) {
		t.Errorf("the backup has other bytes, %v", err)
	}
	after := mustLoad(t, mustRead(t, path))
	if got := after.Outputs[row.Address]; got == nil || got.Blob != secret || !got.Sensitive || got.Revision != after.Serial {
		t.Errorf("the output is %+v", got)
	}
}

func TestTheSecondSchemaMigrates(t *testing.T) {
	path := written(t, "v2")
	if h, err := readHeader(path); err != nil || h.schema != 2 {
		t.Fatalf("the header has schema %d, %v", h.schema, err)
	}
	r := mustRead(t, path)
	before := mustLoad(t, r)
	if len(before.Sources) != 1 || len(before.Sinks) != 2 || len(before.Outputs) != 2 || len(mustDocuments(t, r, "")) != 0 {
		t.Fatalf("read %d sources, %d sinks, %d outputs", len(before.Sources), len(before.Sinks), len(before.Outputs))
	}
	s := mustOpen(t, path)
	if diff := diffOf(before, mustLoad(t, s)); diff != "" {
		t.Error(diff)
	}
	checkRefs(t, s)
	// The key that sealed what is there seals documents too.
	want := []*Document{sealedDocument("push/source.file.app", "secret")}
	mustCommit(t, s, &Batch{Documents: want})
	if diff := diffOf(want, mustDocuments(t, mustRead(t, path), "")); diff != "" {
		t.Error(diff)
	}
	backups, err := filepath.Glob(path + ".v2.backup-*")
	if err != nil || len(backups) != 1 {
		t.Fatalf("backups %v, %v", backups, err)
	}
	if diff := diffOf(before, mustLoad(t, mustRead(t, backups[0]))); diff != "" {
		t.Error(diff)
	}
}

func TestADroppedOutputIsForgottenWithItsValue(t *testing.T) {
	s := mustOpen(t, testPath(t))
	value := blobOf("value")
	row := &Output{Address: address.Of(address.Output, "", "o"), Blob: value.Hash}
	mustCommit(t, s, &Batch{Outputs: []*Output{row}, Blobs: []Blob{value}})
	if got, err := s.Blob(t.Context(), value.Hash); err != nil || string(got) != "value" {
		t.Errorf("the value is %q, %v", got, err)
	}
	mustCommit(t, s, &Batch{DeleteOutputs: []address.Address{row.Address}})
	if l := mustLoad(t, s); len(l.Outputs) != 0 {
		t.Errorf("outputs %v", l.Outputs)
	}
	if _, err := s.Blob(t.Context(), value.Hash); !errors.Is(err, ErrNoBlob) {
		t.Errorf("the value of a forgotten output: %v", err)
	}
}
