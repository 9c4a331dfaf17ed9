package state

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"tidegate/hclspec/address"
)

// Memory is a state that is kept in memory and gone with the process: what a rehearsal writes
// down. It keeps the contract of Store but for its last promise, that a commit survives a
// power cut, and does in microseconds what a durable state does in milliseconds.
//
// Sealed content lies in it as it is: nobody reads it but through Blob.
type Memory struct {
	mu        sync.Mutex
	ledger    *Ledger
	blobs     map[string][]byte
	refs      map[string]int // how many rows name a content
	documents map[string]*Document
	history   []Entry // oldest first
	mac       []byte
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty state.
func NewMemory() *Memory {
	random := make([]byte, 48)
	rand.Read(random)
	m := &Memory{ledger: New(), blobs: map[string][]byte{}, refs: map[string]int{}, documents: map[string]*Document{}, mac: random[:32]}
	m.ledger.Lineage = hex.EncodeToString(random[32:])
	return m
}

// Load implements Reader.
func (m *Memory) Load(context.Context) (*Ledger, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := New()
	out.Lineage, out.Serial, out.Shared = m.ledger.Lineage, m.ledger.Serial, cloneCounters(m.ledger.Shared)
	for a, row := range m.ledger.Sources {
		out.Sources[a] = row.Clone()
	}
	for a, row := range m.ledger.Sinks {
		out.Sinks[a] = row.Clone()
	}
	for a, row := range m.ledger.Outputs {
		out.Outputs[a] = row.Clone()
	}
	return out, nil
}

// Blob implements Reader.
func (m *Memory) Blob(_ context.Context, hash string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.blobs[hash]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNoBlob, hash)
	}
	return bytes.Clone(data), nil
}

// History implements Reader.
func (m *Memory) History(_ context.Context, of address.Address, limit int) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !of.IsZero() {
		return followMoves(of, limit, func(a address.Address, before int64) ([]Entry, error) {
			return m.newest(limit, func(e *Entry) bool { return e.Address == a && e.ID < before }), nil
		})
	}
	return m.newest(limit, func(*Entry) bool { return true }), nil
}

func (m *Memory) newest(limit int, want func(*Entry) bool) []Entry {
	var out []Entry
	for _, e := range slices.Backward(m.history) {
		if !want(&e) {
			continue
		}
		if out = append(out, e); len(out) == limit {
			break
		}
	}
	return out
}

// Keyed implements Reader.
func (m *Memory) Keyed(hash string) string { return keyed(m.mac, hash) }

// KeyError implements Reader: the key is there.
func (m *Memory) KeyError() error { return nil }

// Signer implements Reader: there is none, since no plan outlives this state.
func (m *Memory) Signer() (*Signer, error) {
	return nil, fmt.Errorf("%w: a state in memory signs no plans", ErrSealed)
}

// Documents implements Reader.
func (m *Memory) Documents(_ context.Context, prefix string) ([]*Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*Document
	for name, d := range m.documents {
		if strings.HasPrefix(name, prefix) {
			c := *d
			c.Data = bytes.Clone(d.Data)
			out = append(out, &c)
		}
	}
	slices.SortFunc(out, func(a, b *Document) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Serial implements Store.
func (m *Memory) Serial() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ledger.Serial
}

// Announce implements Store. Nobody meets the lock of a state in memory.
func (m *Memory) Announce(string) error { return nil }

// Close implements Reader. What is in memory stays as long as it is referred to.
func (m *Memory) Close() error { return nil }

// Commit implements Store.
func (m *Memory) Commit(ctx context.Context, b *Batch) error {
	if b.Empty() {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit to the state in memory: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(b); err != nil {
		return fmt.Errorf("commit to the state in memory: %w", err)
	}
	next := m.ledger.Serial + 1
	undo := number(b, next)
	refs := map[string]int{}
	sources := changes(m.ledger.Sources, b.DeleteSources, b.Sources, func(s *Source) address.Address { return s.Address }, refs)
	sinks := changes(m.ledger.Sinks, b.DeleteSinks, b.Sinks, func(s *Sink) address.Address { return s.Address }, refs)
	outputs := changes(m.ledger.Outputs, b.DeleteOutputs, b.Outputs, func(o *Output) address.Address { return o.Address }, refs)
	blobs, err := m.missing(refs, b.Blobs)
	if err != nil {
		undo()
		return fmt.Errorf("commit to the state in memory: %w", err)
	}
	m.ledger.Serial = next
	install(m.ledger.Sources, sources, (*Source).Clone)
	install(m.ledger.Sinks, sinks, (*Sink).Clone)
	install(m.ledger.Outputs, outputs, (*Output).Clone)
	m.count(refs, blobs)
	m.note(b)
	return nil
}

// check refuses what could not be read again.
func (m *Memory) check(b *Batch) error {
	for _, s := range b.Sources {
		if err := checkRow("sources", s.Address, s.sources()); err != nil {
			return err
		}
	}
	for _, s := range b.Sinks {
		if err := checkRow("sinks", s.Address, s.sources()); err != nil {
			return err
		}
	}
	for _, o := range b.Outputs {
		if err := checkRow("outputs", o.Address, o.sources()); err != nil {
			return err
		}
	}
	for _, d := range b.Documents {
		if d.Name == "" || !utf8.ValidString(d.Name) {
			return fmt.Errorf("a document cannot be named %q", d.Name)
		}
	}
	return nil
}

func checkRow(table string, a address.Address, named []address.Address) error {
	if a.IsZero() {
		return fmt.Errorf("a row of %s has no address", table)
	}
	for _, n := range append(named, a) {
		if err := readable(n); err != nil {
			return err
		}
	}
	return nil
}

// changes returns what becomes of each row that a batch names, nil for its end, and adds up how
// many more or fewer rows will name a content. Rows are written after others were deleted.
func changes[T any, P namer[T]](rows map[address.Address]*T, deleted []address.Address, put []*T, of func(*T) address.Address, refs map[string]int) map[address.Address]*T {
	out := make(map[address.Address]*T, len(deleted)+len(put))
	for _, a := range deleted {
		out[a] = nil
	}
	for _, row := range put {
		out[of(row)] = row
	}
	for a, row := range out {
		if old := rows[a]; old != nil {
			for _, hash := range P(old).Blobs() {
				refs[hash]--
			}
		}
		if row != nil {
			for _, hash := range P(row).Blobs() {
				refs[hash]++
			}
		}
	}
	return out
}

// install puts changed rows into their table, so that they share nothing with the caller's.
func install[T any](rows, changed map[address.Address]*T, clone func(*T) *T) {
	for a, row := range changed {
		if row == nil {
			delete(rows, a)
		} else {
			rows[a] = clone(row)
		}
	}
}

// missing returns the contents that rows will name for the first time, out of those given.
func (m *Memory) missing(refs map[string]int, given []Blob) (map[string][]byte, error) {
	out := map[string][]byte{}
	index := make(map[string]*Blob, len(given))
	for i := range given {
		index[given[i].Hash] = &given[i]
	}
	for hash, more := range refs {
		if more <= 0 || m.refs[hash] > 0 {
			continue
		}
		blob := index[hash]
		if blob == nil {
			return nil, fmt.Errorf("a row names content %s, which is neither stored nor given", hash)
		}
		want := HashOf(blob.Data)
		if blob.Sealed {
			want = m.Keyed(want)
		}
		if want != hash {
			return nil, fmt.Errorf("content named %s has the hash %s", hash, want)
		}
		out[hash] = notNil(bytes.Clone(blob.Data))
	}
	return out, nil
}

// count brings the counts up to date, and drops what nobody names any more.
func (m *Memory) count(refs map[string]int, blobs map[string][]byte) {
	for hash, data := range blobs {
		m.blobs[hash] = data
	}
	for hash, more := range refs {
		if m.refs[hash] += more; m.refs[hash] == 0 {
			delete(m.refs, hash)
			delete(m.blobs, hash)
		}
	}
}

// note takes in shared counters, the history and the documents.
func (m *Memory) note(b *Batch) {
	for name, c := range b.Shared {
		if len(c) == 0 {
			delete(m.ledger.Shared, name)
		} else {
			m.ledger.Shared[name] = slices.Clone(c)
		}
	}
	for _, e := range b.History {
		e.ID = 1
		if n := len(m.history); n > 0 {
			e.ID = m.history[n-1].ID + 1
		}
		m.history = append(m.history, e)
	}
	m.history = m.history[max(0, len(m.history)-KeepHistory):]
	for _, name := range b.DeleteDocuments {
		delete(m.documents, name)
	}
	for _, d := range b.Documents {
		c := *d
		c.Data = notNil(bytes.Clone(d.Data))
		m.documents[d.Name] = &c
	}
}
