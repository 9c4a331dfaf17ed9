package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/providers"
	"tidegate/providers/all"
)

func mustAddress(t *testing.T, text string) address.Address {
	t.Helper()
	a, err := address.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A transaction that is written in parts is the same as a whole: nothing is lost or doubled,
// an acceptance stays with the intents and the document that belong to it, what is counted goes
// first and what is run afterwards last.
func TestPartsOfATransaction(t *testing.T) {
	const pairs = 40
	gather := func() *transaction {
		tx := newTransaction()
		for i := range pairs {
			source, sink := mustAddress(t, fmt.Sprint("source.webhook.n", i)), mustAddress(t, fmt.Sprint("sink.file.n", i))
			accepted, payload := fmt.Sprint("accepted ", i), fmt.Sprint("payload ", i)
			for _, hash := range []string{accepted, payload, fmt.Sprint("superseded ", i)} {
				tx.blobs[hash] = state.Blob{Hash: hash}
			}
			tx.sources[source] = &state.Source{Address: source, Snapshots: []state.Snapshot{{Blob: accepted}}}
			tx.sinks[sink] = &state.Sink{Address: sink, Pending: &state.Delivery{Payload: payload, Causes: []state.Cause{{Source: source, Blob: accepted}}}}
			if i%3 == 0 { // made from the pair before it too
				before := mustAddress(t, fmt.Sprint("source.webhook.n", max(0, i-1)))
				tx.sinks[sink].Acknowledged = &state.Delivery{Causes: []state.Cause{{Source: before}}}
			}
			tx.documents[pushDocument(source)] = nil
			tx.history = append(tx.history, state.Entry{Address: source}, state.Entry{Address: sink})
		}
		tx.shared["rate_limit.token_bucket.x"] = state.Counter{}
		tx.documents["other"] = &state.Document{Name: "other"}
		tx.after = append(tx.after, func() {})
		return tx
	}
	whole := gather()
	if parts := whole.parts(0); len(parts) != 1 || parts[0] != whole {
		t.Fatalf("%d parts of one that is not to be cut", len(parts))
	}
	parts := whole.parts(10)
	if len(parts) < pairs*2/12 {
		t.Fatalf("%d parts", len(parts))
	}
	rows := map[address.Address]int{} // part that holds it
	documents, entries := 0, 0
	for i, part := range parts {
		if last := i == len(parts)-1; part.more == last || (len(part.after) == 1) != last || (part.documents["other"] != nil) != last {
			t.Errorf("part %d of %d: more %v, %d to run, documents %v", i, len(parts), part.more, len(part.after), part.documents)
		}
		if (len(part.shared) == 1) != (i == 0) {
			t.Errorf("part %d counts %v", i, part.shared)
		}
		if n := len(part.sources) + len(part.sinks); n > 14 {
			t.Errorf("part %d has %d rows", i, n)
		}
		var named []string
		for a, row := range part.sources {
			rows[a] = i
			named = append(named, row.Blobs()...)
			if _, ok := part.documents[pushDocument(a)]; !ok {
				t.Errorf("%s is without its document", a)
			}
		}
		for a, row := range part.sinks {
			rows[a] = i
			named = append(named, row.Blobs()...)
		}
		for _, hash := range named {
			if _, ok := part.blobs[hash]; !ok {
				t.Errorf("part %d is without %s", i, hash)
			}
		}
		documents += len(part.documents)
		for _, entry := range part.history {
			entries++
			if part.sources[entry.Address] == nil && part.sinks[entry.Address] == nil {
				t.Errorf("part %d tells of %s, whose row is elsewhere", i, entry.Address)
			}
		}
	}
	if len(rows) != 2*pairs || documents != pairs+1 || entries != 2*pairs {
		t.Errorf("%d rows, %d documents, %d entries", len(rows), documents, entries)
	}
	for _, part := range parts {
		for a, row := range part.sinks {
			for _, delivery := range []*state.Delivery{row.Acknowledged, row.Pending} {
				if delivery != nil && rows[delivery.Causes[0].Source] != rows[a] {
					t.Errorf("%s is apart from %s", a, delivery.Causes[0].Source)
				}
			}
		}
	}
	// Where the state cannot be written they are one again, with what was gathered since.
	last := parts[len(parts)-1]
	last.over(&transaction{shared: map[string]state.Counter{"rate_limit.token_bucket.y": {}}})
	again := parts[0]
	for _, part := range parts[1:] {
		again.over(part)
	}
	b, want := again.batch(), gather().batch()
	if len(b.Sources) != len(want.Sources) || len(b.Sinks) != len(want.Sinks) || len(b.History) != len(want.History) ||
		len(b.DeleteDocuments) != len(want.DeleteDocuments) || len(b.Documents) != 1 || len(b.Blobs) != 3*pairs || len(b.Shared) != 2 || len(again.after) != 1 {
		t.Errorf("put together again: %+v", b)
	}
}

// Rows that all hang together are not cut.
func TestPartsOfWhatHangsTogether(t *testing.T) {
	tx := newTransaction()
	source := mustAddress(t, "source.webhook.app")
	tx.sources[source] = &state.Source{Address: source}
	for i := range 100 {
		sink := mustAddress(t, fmt.Sprint("sink.file.n", i))
		tx.sinks[sink] = &state.Sink{Address: sink, Pending: &state.Delivery{Causes: []state.Cause{{Source: source}}}}
	}
	parts := tx.parts(10)
	if len(parts) != 2 || len(parts[0].sinks) != 100 || len(parts[0].sources) != 1 || !parts[1].empty() {
		t.Errorf("%d parts: %v", len(parts), slices.Collect(func(yield func(int) bool) {
			for _, p := range parts {
				yield(len(p.sinks))
			}
		}))
	}
}

// However fast a source is sent values, it is looked at once for each commit: a second acceptance
// would only supersede one that nobody has used.
func TestFloodIsAcceptedOncePerCommit(t *testing.T) {
	dir := t.TempDir()
	config := `
source "webhook" "app" {}
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.webhook.app.value)
}`
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	var d *Daemon
	var serials []int64 // of the commits after which an acceptance was told of
	d, diags := NewDaemon(context.Background(), Options{Dir: dir, Registry: registry, Version: "0.1.0", Events: func(ev Event) {
		if _, ok := ev.(Accepted); ok { // the loop says so
			serials = append(serials, d.store.Serial())
		}
	}}, WatchOptions{ConfigInterval: -1})
	if d == nil {
		t.Fatal(diags)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	r := d.Receivers().Sources["app"]
	var all sync.WaitGroup
	for sender := range 8 {
		all.Go(func() {
			for i := range 100 {
				data := fmt.Appendf(nil, `{"v":%d}`, sender*1000+i)
				if got := d.Push(ctx, Pushed{Receiver: r, Name: "app", Data: data, Digest: sha256.Sum256(data)}); got.Outcome > PushUnchanged {
					t.Errorf("push: %+v", got)
				}
			}
		})
	}
	all.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if len(serials) == 0 {
		t.Error("nothing was accepted")
	}
	if !slices.IsSorted(serials) || len(slices.Compact(slices.Clone(serials))) != len(serials) {
		t.Errorf("several acceptances in one commit: %v", serials)
	}
}
