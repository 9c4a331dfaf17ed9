package state

import (
	"maps"
	"slices"
	"testing"

	"tidegate/hclspec/address"
)

// checkRefs compares the stored blobs and their counts with what the rows name.
func checkRefs(t interface {
	Helper()
	Fatal(...any)
	Errorf(string, ...any)
}, s *Local,
) {
	t.Helper()
	l, err := s.Load(contextOf(t))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{}
	for _, row := range l.Sources {
		for _, hash := range names(row.Blobs()) {
			want[hash]++
		}
	}
	for _, row := range l.Sinks {
		for _, hash := range names(row.Blobs()) {
			want[hash]++
		}
	}
	for _, row := range l.Outputs {
		for _, hash := range names(row.Blobs()) {
			want[hash]++
		}
	}
	got := map[string]int64{}
	rows, err := s.readDB.Query("SELECT hash, refs FROM blobs")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var hash string
		var refs int64
		if err := rows.Scan(&hash, &refs); err != nil {
			t.Fatal(err)
		}
		got[hash] = refs
	}
	if !maps.Equal(want, got) {
		t.Errorf("stored content and its counts: %s", diffOf(want, got))
	}
}

func TestContentLivesAsLongAsARowNamesIt(t *testing.T) {
	s := mustOpen(t, testPath(t))
	a, b := blobOf("a"), blobOf("b")
	row := source("x", a.Hash, a.Hash, b.Hash)
	other := sink("x", b.Hash)
	mustCommit(t, s, &Batch{Sources: []*Source{row}, Sinks: []*Sink{other}, Blobs: []Blob{a, b, blobOf("nobody's")}})
	checkRefs(t, s)
	row.Snapshots = row.Snapshots[:1]
	mustCommit(t, s, &Batch{Sources: []*Source{row}}) // a is stored, b is the sink's now
	checkRefs(t, s)
	mustCommit(t, s, &Batch{DeleteSources: []address.Address{row.Address, row.Address}, Blobs: []Blob{a}})
	checkRefs(t, s)
	if _, err := s.Blob(t.Context(), a.Hash); err == nil {
		t.Error("content that nobody names is still there")
	}
	// In one commit the last name goes and a new one comes.
	mustCommit(t, s, &Batch{DeleteSinks: []address.Address{other.Address}, Sources: []*Source{source("y", b.Hash)}})
	checkRefs(t, s)
}

// Somebody deleted content that rows name. The state goes on: rows may name it and let go of it,
// it says which is lost, and what is had again is counted as if nothing had been.
func TestLostContentIsHadAgain(t *testing.T) {
	a, b := blobOf("a"), blobOf("b")
	lose := func(t *testing.T) *Local {
		s := mustOpen(t, testPath(t))
		mustCommit(t, s, &Batch{
			Sources: []*Source{source("x", a.Hash), source("y", a.Hash)}, Sinks: []*Sink{sink("x", b.Hash)}, Blobs: []Blob{a, b},
		})
		meddle(t, s.files.db, "DELETE FROM blobs WHERE hash = '"+a.Hash+"'")
		return s
	}
	t.Run("nobody needs it any more", func(t *testing.T) {
		s := lose(t)
		batch := &Batch{Sources: []*Source{source("x", b.Hash)}, DeleteSources: []address.Address{source("y").Address}}
		mustCommit(t, s, batch)
		if len(batch.Lost) > 0 {
			t.Errorf("it is told of %q, which nobody names", batch.Lost)
		}
		checkRefs(t, s)
	})
	t.Run("somebody else needs it", func(t *testing.T) {
		s := lose(t)
		batch := &Batch{Sinks: []*Sink{sink("x", a.Hash)}}
		mustCommit(t, s, batch)
		if !slices.Equal(batch.Lost, []string{a.Hash}) {
			t.Errorf("it is told of %q", batch.Lost)
		}
		mustCommit(t, s, &Batch{Restored: []Blob{a}})
		checkRefs(t, s)
	})
	t.Run("it is given by one and restored for the others", func(t *testing.T) {
		s := lose(t)
		mustCommit(t, s, &Batch{Sinks: []*Sink{sink("x", a.Hash)}, Blobs: []Blob{a}, Restored: []Blob{a, blobOf("nobody's")}})
		checkRefs(t, s)
	})
	t.Run("it is given by one, and the others let go of it", func(t *testing.T) {
		s := lose(t)
		mustCommit(t, s, &Batch{Sinks: []*Sink{sink("x", a.Hash)}, Blobs: []Blob{a}})
		mustCommit(t, s, &Batch{Sources: []*Source{source("x", b.Hash), source("y", b.Hash)}, Blobs: []Blob{b}})
		checkRefs(t, s)
		if got, err := s.Blob(t.Context(), a.Hash); err != nil || string(got) != "a" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("it is damaged", func(t *testing.T) {
		s := lose(t)
		mustCommit(t, s, &Batch{Restored: []Blob{a}})
		meddle(t, s.files.db, "UPDATE blobs SET data = x'00'")
		mustCommit(t, s, &Batch{Restored: []Blob{a}})
		checkRefs(t, s)
		if got, err := s.Blob(t.Context(), a.Hash); err != nil || string(got) != "a" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestUnknownContentIsRefused(t *testing.T) {
	s := mustOpen(t, testPath(t))
	before := mustLoad(t, s)
	wrong := blobOf("a")
	wrong.Data = []byte("b")
	for name, b := range map[string]*Batch{
		"neither stored nor given": {Sources: []*Source{source("x", HashOf([]byte("a")))}},
		"given under a wrong name": {Sources: []*Source{source("x", wrong.Hash)}, Blobs: []Blob{wrong}},
		"sealed under a plain hash": {
			Sources: []*Source{source("x", HashOf([]byte("a")))},
			Blobs:   []Blob{{Hash: HashOf([]byte("a")), Data: []byte("a"), Sealed: true}},
		},
		"no address":                           {Sources: []*Source{{}}},
		"an address that cannot be read again": {Sources: []*Source{source("1")}},
	} {
		if err := s.Commit(t.Context(), b); err == nil {
			t.Errorf("%s: committed", name)
		} else {
			t.Log(err)
		}
		if b.Sources[0].Revision != 0 {
			t.Errorf("%s: a failed commit set the revision", name)
		}
		if diff := diffOf(before, mustLoad(t, s)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
