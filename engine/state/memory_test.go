package state

import (
	"errors"
	"testing"
	"time"

	"tidegate/hclspec/address"
)

// What a durable state answers after some commits, a state in memory answers too.
func TestAMemoryIsLikeAState(t *testing.T) {
	a, b, secret := blobOf("a"), blobOf("b"), []byte("secret")
	at := time.Unix(1e9, 0).UTC()
	counter := Counter{at}
	run := func(s Store) (*Ledger, []string) {
		t.Helper()
		var said []string
		say := func(err error) {
			said = append(said, map[bool]string{true: "refused", false: "done"}[err != nil])
		}
		sealed := Blob{Hash: s.Keyed(HashOf(secret)), Data: secret, Sealed: true}
		x, y, out := source("x", a.Hash, b.Hash), source("y", sealed.Hash), sink("x", b.Hash)
		x.Counters = map[string]Counter{"c": counter}
		say(s.Commit(t.Context(), &Batch{
			Sources: []*Source{x, y}, Sinks: []*Sink{out}, Blobs: []Blob{a, b, sealed, blobOf("nobody's")},
			Shared:  map[string]Counter{"one": counter, "two": counter},
			History: []Entry{{Address: x.Address, Time: at, Action: "accept"}, {Address: out.Address, Time: at, Action: "create"}},
			Outputs: []*Output{{Address: address.Of(address.Output, "", "o"), Blob: a.Hash}},
		}))
		if x.Revision != 1 {
			t.Errorf("revision %d", x.Revision)
		}
		// What a caller does to its rows later is not in the state.
		x.Counters["c"][0] = at.Add(time.Hour)
		x.Counters["c"][0] = at
		say(s.Commit(t.Context(), &Batch{}))
		say(s.Commit(t.Context(), &Batch{Sources: []*Source{source("z", HashOf([]byte("never given")))}}))
		wrong := Blob{Hash: HashOf([]byte("d")), Data: []byte("e")}
		say(s.Commit(t.Context(), &Batch{Sources: []*Source{source("z", wrong.Hash)}, Blobs: []Blob{wrong}}))
		say(s.Commit(t.Context(), &Batch{Sources: []*Source{{}}}))
		say(s.Commit(t.Context(), &Batch{Documents: []*Document{document("", "x")}}))
		say(s.Commit(t.Context(), &Batch{
			DeleteSources: []address.Address{y.Address, x.Address}, Sources: []*Source{source("x", b.Hash)},
			Shared:        map[string]Counter{"two": nil},
			DeleteOutputs: []address.Address{address.Of(address.Output, "", "o")},
			Documents:     []*Document{document("push/b", "1"), sealedDocument("push/a", "2"), document("p", "")},
		}))
		say(s.Commit(t.Context(), &Batch{
			DeleteDocuments: []string{"push/b", "none"}, History: []Entry{{Address: x.Address, Time: at, Action: "fail"}},
		}))
		for _, hash := range []string{a.Hash, b.Hash, sealed.Hash, HashOf([]byte("nobody's"))} {
			data, err := s.Blob(t.Context(), hash)
			if err != nil && !errors.Is(err, ErrNoBlob) {
				t.Error(err)
			}
			said = append(said, string(data))
		}
		for _, prefix := range []string{"", "push/", "q"} {
			for _, d := range mustDocuments(t, s, prefix) {
				said = append(said, prefix, d.Name, string(d.Data))
			}
		}
		for _, of := range []address.Address{{}, x.Address} {
			for _, limit := range []int{0, 1} {
				entries, err := s.History(t.Context(), of, limit)
				if err != nil {
					t.Error(err)
				}
				for _, e := range entries {
					said = append(said, e.Address.String(), e.Action, string(rune('0'+e.ID)))
				}
			}
		}
		l := mustLoad(t, s)
		if l.Lineage == "" || s.Serial() != l.Serial {
			t.Errorf("lineage %q, serial %d and %d", l.Lineage, l.Serial, s.Serial())
		}
		l.Lineage = ""
		return l, said
	}
	want, wantSaid := run(mustOpen(t, testPath(t)))
	m := NewMemory()
	got, gotSaid := run(m)
	if diff := diffOf(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := diffOf(wantSaid, gotSaid); diff != "" {
		t.Error(diff)
	}
	// A ledger that was loaded is the caller's own.
	for _, row := range got.Sources {
		row.Snapshots[0].Version = "changed"
	}
	if again := mustLoad(t, m); again.Sources[mustSources(again)[0]].Snapshots[0].Version == "changed" {
		t.Error("a change of a loaded ledger is in the state")
	}
}
