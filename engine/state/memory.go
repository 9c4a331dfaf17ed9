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
	documents map[string]*Document
	history   []Entry // oldest first
	mac       []byte
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty state.
func NewMemory() *Memory {
	random := make([]byte, 48)
	rand.Read(random)
	m := &Memory{ledger: New(), blobs: map[string][]byte{}, documents: map[string]*Document{}, mac: random[:32]}
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
	var out []Entry
	for _, e := range slices.Backward(m.history) {
		if !of.IsZero() && e.Address != of {
			continue
		}
		if out = append(out, e); len(out) == limit {
			break
		}
	}
	return out, nil
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
	rows := m.after(b)
	blobs, err := m.named(rows, b)
	if err != nil {
		undo()
		return fmt.Errorf("commit to the state in memory: %w", err)
	}
	rows.Serial = next
	m.ledger, m.blobs = rows, blobs
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

// after returns the ledger as a batch leaves it; m is not changed.
func (m *Memory) after(b *Batch) *Ledger {
	out := New()
	out.Lineage = m.ledger.Lineage
	copyRows(out.Sources, m.ledger.Sources, b.DeleteSources)
	copyRows(out.Sinks, m.ledger.Sinks, b.DeleteSinks)
	copyRows(out.Outputs, m.ledger.Outputs, b.DeleteOutputs)
	for _, row := range b.Sources {
		out.Sources[row.Address] = row.Clone()
	}
	for _, row := range b.Sinks {
		out.Sinks[row.Address] = row.Clone()
	}
	for _, row := range b.Outputs {
		out.Outputs[row.Address] = row.Clone()
	}
	out.Shared = cloneCounters(m.ledger.Shared)
	for name, c := range b.Shared {
		if len(c) == 0 {
			delete(out.Shared, name)
		} else {
			out.Shared[name] = slices.Clone(c)
		}
	}
	return out
}

func copyRows[T any](into, from map[address.Address]*T, without []address.Address) {
	for a, row := range from {
		into[a] = row
	}
	for _, a := range without {
		delete(into, a)
	}
}

// named returns the content that rows name, of what is there and what a batch gives.
func (m *Memory) named(l *Ledger, b *Batch) (map[string][]byte, error) {
	given := make(map[string]*Blob, len(b.Blobs))
	for i := range b.Blobs {
		given[b.Blobs[i].Hash] = &b.Blobs[i]
	}
	out := map[string][]byte{}
	keep := func(list names) error {
		for _, hash := range list {
			if out[hash] != nil {
				continue
			}
			if data, ok := m.blobs[hash]; ok {
				out[hash] = data
				continue
			}
			blob := given[hash]
			if blob == nil {
				return fmt.Errorf("a row names content %s, which is neither stored nor given", hash)
			}
			want := HashOf(blob.Data)
			if blob.Sealed {
				want = m.Keyed(want)
			}
			if want != hash {
				return fmt.Errorf("content named %s has the hash %s", hash, want)
			}
			out[hash] = notNil(bytes.Clone(blob.Data))
		}
		return nil
	}
	for _, row := range l.Sources {
		if err := keep(names(row.Blobs())); err != nil {
			return nil, err
		}
	}
	for _, row := range l.Sinks {
		if err := keep(names(row.Blobs())); err != nil {
			return nil, err
		}
	}
	for _, row := range l.Outputs {
		if err := keep(names(row.Blobs())); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// note takes in the history and the documents.
func (m *Memory) note(b *Batch) {
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
