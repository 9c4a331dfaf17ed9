package state

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidegate/hclspec/address"
)

func contextOf(t any) context.Context {
	if t, ok := t.(interface{ Context() context.Context }); ok {
		return t.Context()
	}
	return context.Background()
}

// drawn is what random batches choose from: few names and contents, so that they collide.
type drawn struct {
	*rapid.T
	s *Local
}

func (d drawn) address(typ address.Type) address.Address {
	a := address.Of(typ, "file", fmt.Sprintf("n%d", rapid.IntRange(0, 4).Draw(d.T, "name")))
	if rapid.Bool().Draw(d.T, "keyed") {
		a.Key = address.StringKey(rapid.String().Draw(d.T, "key"))
	}
	return a
}

func (d drawn) output() address.Address {
	return address.Of(address.Output, "", fmt.Sprintf("n%d", rapid.IntRange(0, 4).Draw(d.T, "output")))
}

func (d drawn) blob() Blob {
	data := []byte(fmt.Sprintf("content %d", rapid.IntRange(0, 9).Draw(d.T, "content")))
	if rapid.IntRange(0, 3).Draw(d.T, "sealed") == 0 {
		return Blob{Hash: d.s.Keyed(HashOf(data)), Data: data, Sealed: true}
	}
	return Blob{Hash: HashOf(data), Data: data}
}

func (d drawn) time() time.Time {
	return time.Unix(rapid.Int64Range(0, 4e9).Draw(d.T, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(d.T, "nanos")).UTC()
}

func (d drawn) source() (*Source, []Blob) {
	s := &Source{Address: d.address(address.Source), Validator: rapid.String().Draw(d.T, "validator"), LastSuccess: d.time(), Polled: d.blob().Hash}
	if rapid.Bool().Draw(d.T, "flap") {
		s.Flap = &Flap{Key: rapid.String().Draw(d.T, "flapping"), Looks: rapid.IntRange(0, 5).Draw(d.T, "looks")}
	}
	var blobs []Blob
	for range rapid.IntRange(0, 3).Draw(d.T, "snapshots") {
		b := d.blob()
		blobs = append(blobs, b)
		s.Snapshots = append(s.Snapshots, Snapshot{Blob: b.Hash, Sensitive: b.Sealed, AcceptedAt: d.time()})
	}
	return s, blobs
}

func (d drawn) sink() (*Sink, []Blob) {
	s := &Sink{Address: d.address(address.Sink), Kind: "file", Sequence: rapid.Int64().Draw(d.T, "sequence")}
	a, b, c := d.blob(), d.blob(), d.blob()
	if rapid.Bool().Draw(d.T, "acknowledged") {
		s.Acknowledged = &Delivery{Payload: a.Hash, At: d.time(), Causes: []Cause{{Source: d.address(address.Source), Blob: b.Hash}}}
	}
	if rapid.Bool().Draw(d.T, "pending") {
		s.Pending = &Delivery{Payload: b.Hash, At: d.time(), Triggers: map[string]string{"payload": rapid.String().Draw(d.T, "trigger")}}
	}
	if rapid.Bool().Draw(d.T, "revision") {
		s.Revisions = []Revision{{Number: 1, Time: d.time(), Payload: c.Hash}}
	}
	return s, []Blob{a, b, c}
}

func (d drawn) document() *Document {
	return &Document{
		Name:   "push/" + rapid.SampledFrom([]string{"", "a", "b", "é", "a\x00", "\U0010ffff"}).Draw(d.T, "document"),
		Data:   append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(d.T, "data")...),
		Sealed: rapid.Bool().Draw(d.T, "sealed document"),
	}
}

// keep does to documents in memory what a commit is to do to the stored ones.
func keep(documents map[string]*Document, b *Batch) {
	for _, name := range b.DeleteDocuments {
		delete(documents, name)
	}
	for _, d := range b.Documents {
		documents[d.Name] = d
	}
}

func sortedDocuments(documents map[string]*Document) (out []*Document) {
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		out = append(out, documents[name])
	}
	return out
}

func (d drawn) batch() *Batch {
	b := &Batch{Shared: map[string]Counter{}}
	for range rapid.IntRange(0, 3).Draw(d.T, "sources") {
		row, blobs := d.source()
		b.Sources, b.Blobs = append(b.Sources, row), append(b.Blobs, blobs...)
	}
	for range rapid.IntRange(0, 3).Draw(d.T, "sinks") {
		row, blobs := d.sink()
		b.Sinks, b.Blobs = append(b.Sinks, row), append(b.Blobs, blobs...)
	}
	for range rapid.IntRange(0, 2).Draw(d.T, "deletes") {
		b.DeleteSources = append(b.DeleteSources, d.address(address.Source))
		b.DeleteSinks = append(b.DeleteSinks, d.address(address.Sink))
	}
	for range rapid.IntRange(0, 2).Draw(d.T, "outputs") {
		value := d.blob()
		b.Outputs = append(b.Outputs, &Output{Address: d.output(), Blob: value.Hash, Sensitive: value.Sealed})
		b.Blobs = append(b.Blobs, value)
		b.DeleteOutputs = append(b.DeleteOutputs, d.output())
	}
	for range rapid.IntRange(0, 2).Draw(d.T, "shared") {
		name := fmt.Sprintf("rate_limit.x.n%d", rapid.IntRange(0, 2).Draw(d.T, "limit"))
		b.Shared[name] = nil
		for range rapid.IntRange(0, 2).Draw(d.T, "events") {
			b.Shared[name] = append(b.Shared[name], d.time())
		}
	}
	for range rapid.IntRange(0, 3).Draw(d.T, "documents") {
		b.Documents = append(b.Documents, d.document())
		b.DeleteDocuments = append(b.DeleteDocuments, d.document().Name)
	}
	for range rapid.IntRange(0, 2).Draw(d.T, "history") {
		b.History = append(b.History, Entry{Address: d.address(address.Sink), Time: d.time(), Action: "update", Cause: rapid.String().Draw(d.T, "cause")})
	}
	return b
}

// apply does to a ledger in memory what a commit is to do to the stored one.
func (l *Ledger) apply(b *Batch) {
	l.Serial++
	for _, a := range b.DeleteSources {
		delete(l.Sources, a)
	}
	for _, a := range b.DeleteSinks {
		delete(l.Sinks, a)
	}
	for _, a := range b.DeleteOutputs {
		delete(l.Outputs, a)
	}
	for _, row := range b.Outputs {
		l.Outputs[row.Address] = row.Clone()
	}
	for _, row := range b.Sources {
		l.Sources[row.Address] = row.Clone()
	}
	for _, row := range b.Sinks {
		l.Sinks[row.Address] = row.Clone()
	}
	for name, c := range b.Shared {
		if len(c) == 0 {
			delete(l.Shared, name)
			continue
		}
		l.Shared[name] = c
	}
}

// likeStore returns a state in memory that names secrets as a store does.
func likeStore(t *rapid.T, s *Local) *Memory {
	k, err := s.keys.get()
	if err != nil {
		t.Fatal(err)
	}
	m := NewMemory()
	m.mac, m.ledger.Lineage = k.mac, s.lineage
	return m
}

// checkMemory compares what is kept with what the rows name.
func checkMemory(t *rapid.T, m *Memory) {
	want := map[string]int{}
	for _, row := range m.ledger.Sources {
		for _, hash := range row.Blobs() {
			want[hash]++
		}
	}
	for _, row := range m.ledger.Sinks {
		for _, hash := range row.Blobs() {
			want[hash]++
		}
	}
	for _, row := range m.ledger.Outputs {
		for _, hash := range row.Blobs() {
			want[hash]++
		}
	}
	if !maps.Equal(want, m.refs) || len(m.blobs) != len(want) {
		t.Fatalf("%d contents are kept, counted %v, named %v", len(m.blobs), m.refs, want)
	}
	for hash := range want {
		if data, err := m.Blob(context.Background(), hash); err != nil || m.Keyed(HashOf(data)) != hash && HashOf(data) != hash {
			t.Fatalf("content %s holds %q, %v", hash, data, err)
		}
	}
}

func TestRandomBatchesRoundTrip(t *testing.T) {
	inMemory(t)
	rapid.Check(t, func(rt *rapid.T) {
		path := testPath(t)
		s := mustOpen(t, path)
		model := mustLoad(t, s)
		m := likeStore(rt, s)
		var history []Entry
		documents := map[string]*Document{}
		for range rapid.IntRange(1, 8).Draw(rt, "commits") {
			b := drawn{rt, s}.batch()
			if b.Empty() {
				continue
			}
			if err := s.Commit(t.Context(), b); err != nil {
				rt.Fatal(err)
			}
			model.apply(b)
			keep(documents, b)
			for _, e := range b.History {
				e.ID = int64(len(history) + 1)
				history = append(history, e)
			}
			if rapid.IntRange(0, 4).Draw(rt, "reopen") == 0 {
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				s = mustOpen(t, path)
			}
			if diff := diffOf(model, mustLoad(t, s)); diff != "" {
				rt.Fatal(diff)
			}
			if diff := diffOf(sortedDocuments(documents), mustDocuments(t, s, "")); diff != "" {
				rt.Fatal(diff)
			}
			checkRefs(rt, s)
			if err := m.Commit(t.Context(), b); err != nil {
				rt.Fatal(err)
			}
			if diff := diffOf(model, mustLoad(t, m)); diff != "" {
				rt.Fatalf("in memory: %s", diff)
			}
			if diff := diffOf(sortedDocuments(documents), mustDocuments(t, m, "")); diff != "" {
				rt.Fatalf("in memory: %s", diff)
			}
			checkMemory(rt, m)
		}
		got, err := s.History(t.Context(), address.Address{}, 0)
		if err != nil {
			rt.Fatal(err)
		}
		for i, e := range got {
			if diff := diffOf(history[len(history)-1-i], e); diff != "" {
				rt.Fatal(diff)
			}
		}
		s.Close()
	})
}
