package state

import (
	"context"
	"database/sql"
	"errors"
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
	backups, err := filepath.Glob(path + ".v1.backup-*")
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
	for name, sc := range map[string]schema{"step fails": next(failing), "no step": {version: 3}} {
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
