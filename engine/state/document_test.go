package state

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func document(name, data string) *Document { return &Document{Name: name, Data: []byte(data)} }

func sealedDocument(name, data string) *Document {
	return &Document{Name: name, Data: []byte(data), Sealed: true}
}

func mustDocuments(t testing.TB, r Reader, prefix string) []*Document {
	t.Helper()
	got, err := r.Documents(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestDocumentsAreKeptByName(t *testing.T) {
	path := testPath(t)
	s := mustOpen(t, path)
	if got := mustDocuments(t, mustRead(t, testPath(t)), ""); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	mustCommit(t, s, &Batch{Documents: []*Document{
		document("push/b", "1"), sealedDocument("push/a", "2"), document("pushed", "3"), document("pauses", ""), document("push/é", "4"),
	}})
	mustCommit(t, s, &Batch{
		Documents:       []*Document{document("push/b", "old"), document("push/b", "new"), document("back", "5")},
		DeleteDocuments: []string{"push/é", "back", "never there"},
	})
	all := []*Document{document("back", "5"), document("pauses", ""), sealedDocument("push/a", "2"), document("push/b", "new"), document("pushed", "3")}
	check := func(r Reader) {
		t.Helper()
		for prefix, want := range map[string][]*Document{"": all, "push/": all[2:4], "push": all[2:], "pauses": all[1:2], "z": nil, "push/b/": nil} {
			if diff := diffOf(want, mustDocuments(t, r, prefix)); diff != "" {
				t.Errorf("%q: %s", prefix, diff)
			}
		}
	}
	check(s)
	check(mustRead(t, path))
	if serial := mustLoad(t, s).Serial; serial != 2 || s.Serial() != 2 {
		t.Errorf("serial %d, stored %d, want 2", s.Serial(), serial)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(mustRead(t, path))
	s = mustOpen(t, path)
	check(s)
	if s.Serial() != 2 {
		t.Errorf("serial %d after opening", s.Serial())
	}
}

func TestABadNameOfADocumentChangesNothing(t *testing.T) {
	s := mustOpen(t, testPath(t))
	for _, name := range []string{"", "a\xff"} {
		if err := s.Commit(t.Context(), &Batch{Documents: []*Document{document("good", "x"), document(name, "x")}}); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	if got := mustDocuments(t, s, ""); len(got) != 0 || s.Serial() != 0 {
		t.Errorf("%d documents, serial %d", len(got), s.Serial())
	}
}

func TestMergeKeepsTheNewestDocument(t *testing.T) {
	b := &Batch{Documents: []*Document{document("a", "1"), document("b", "1"), document("c", "1")}, DeleteDocuments: []string{"d", "e"}}
	b.Merge(&Batch{Documents: []*Document{document("a", "2"), document("d", "2")}, DeleteDocuments: []string{"b"}})
	want := &Batch{Documents: []*Document{document("c", "1"), document("a", "2"), document("d", "2")}, DeleteDocuments: []string{"e", "b"}}
	if diff := diffOf(want, b); diff != "" {
		t.Error(diff)
	}
	for _, b := range []*Batch{{Documents: want.Documents}, {DeleteDocuments: []string{"a"}}} {
		if b.Empty() {
			t.Errorf("empty: %+v", b)
		}
	}
}

func TestSealedDocumentsAreNowhereInTheClear(t *testing.T) {
	path := testPath(t)
	s := mustOpen(t, path)
	const secret = "correct horse battery staple"
	mustCommit(t, s, &Batch{Documents: []*Document{sealedDocument("push/x", secret), sealedDocument("push/y", secret)}})
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
	stored, err := storedDocuments(t.Context(), s.readDB, "")
	if err != nil || len(stored) != 2 || bytes.Equal(stored[0].Data, stored[1].Data) {
		t.Errorf("equal contents are to look different: %v", err)
	}
}

// A sealed document alone ties a state to its key, as sealed content does.
func TestWithoutItsKeySealedDocumentsStayShut(t *testing.T) {
	for name, meddle := range map[string]func(key string) error{
		"missing": os.Remove,
		"another": func(key string) error {
			other := mustOpen(t, testPath(t))
			other.Keyed("x")
			data, err := os.ReadFile(other.files.key)
			if err != nil {
				return err
			}
			return os.WriteFile(key, data, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := testPath(t)
			s := mustOpen(t, path)
			mustCommit(t, s, &Batch{Documents: []*Document{sealedDocument("push/x", "secret"), document("pauses", "p")}})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := meddle(keyOf(path)); err != nil {
				t.Fatal(err)
			}
			s = mustOpen(t, path)
			for _, r := range []Reader{s, mustRead(t, path)} {
				if _, err := r.Documents(t.Context(), ""); !errors.Is(err, ErrSealed) {
					t.Errorf("got %v", err)
				}
				if got := mustDocuments(t, r, "pauses"); len(got) != 1 {
					t.Errorf("got %d documents that are not sealed", len(got))
				}
			}
			if err := s.Commit(t.Context(), &Batch{Documents: []*Document{sealedDocument("push/y", "secret")}}); !errors.Is(err, ErrSealed) {
				t.Errorf("sealed with a key that is not the state's: %v", err)
			}
			if s.Serial() != 1 {
				t.Errorf("serial %d", s.Serial())
			}
		})
	}
}

func TestDamagedDocumentsAreNoticed(t *testing.T) {
	for name, query := range map[string]string{
		"edited":         "UPDATE documents SET data = 'x' WHERE name = 'a'",
		"edited, sealed": "UPDATE documents SET data = zeroblob(60) WHERE name = 'b'",
		"unsealed":       "UPDATE documents SET sealed = 0 WHERE name = 'b'",
		"renamed":        "UPDATE documents SET name = 'bb' WHERE name = 'b'",
		"lost":           "DELETE FROM documents WHERE name = 'c'",
		"no table":       "DROP TABLE documents",
	} {
		t.Run(name, func(t *testing.T) {
			path := testPath(t)
			s := mustOpen(t, path)
			mustCommit(t, s, &Batch{Documents: []*Document{document("a", "1"), sealedDocument("b", "2"), document("c", "3")}})
			s.Close()
			meddle(t, path, query)
			r := mustRead(t, path)
			if _, err := r.Documents(t.Context(), ""); !errors.Is(err, ErrCorrupt) {
				t.Errorf("got %v", err)
			}
			mustLoad(t, r) // the ledger itself does not rest on them
			if name != "lost" {
				return
			}
			if _, err := Open(t.Context(), Options{Path: path}); !errors.Is(err, ErrCorrupt) {
				t.Errorf("Open: %v", err)
			}
		})
	}
}

// What was swapped together with its checksum is still not the document of that name.
func TestASealedDocumentBelongsToItsName(t *testing.T) {
	s := mustOpen(t, testPath(t))
	mustCommit(t, s, &Batch{Documents: []*Document{sealedDocument("a", "1")}})
	k, err := s.keys.get()
	if err != nil {
		t.Fatal(err)
	}
	data := k.sealDocument("a", []byte("1"))
	if plain, err := k.openDocument("a", data); err != nil || string(plain) != "1" {
		t.Errorf("opens as %q, %v", plain, err)
	}
	if _, err := k.openDocument("b", data); err == nil {
		t.Error("opens under another name")
	}
	for _, bad := range [][]byte{nil, data[:10], data[:len(data)-1]} {
		if _, err := k.openDocument("a", bad); err == nil {
			t.Errorf("%d of %d bytes open", len(bad), len(data))
		}
	}
}

// Names that are written together with rows stay out of each other's way.
func TestDocumentsBesideRows(t *testing.T) {
	s := mustOpen(t, testPath(t))
	b := bigBatch(2, 2, 0)
	for i := range 100 {
		b.Documents = append(b.Documents, document(fmt.Sprintf("replay/%03d", i), strings.Repeat("x", i*100)))
	}
	mustCommit(t, s, b)
	mustCommit(t, s, &Batch{DeleteDocuments: []string{"replay/000"}})
	if got := mustDocuments(t, s, "replay/"); len(got) != 99 || len(got[98].Data) != 9900 {
		t.Errorf("%d documents", len(got))
	}
	checkRefs(t, s)
}
