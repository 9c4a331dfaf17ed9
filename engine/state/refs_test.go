package state

import (
	"maps"
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
		for _, hash := range row.blobs() {
			want[hash]++
		}
	}
	for _, row := range l.Sinks {
		for _, hash := range row.blobs() {
			want[hash]++
		}
	}
	for _, row := range l.Outputs {
		for _, hash := range row.blobs() {
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
