package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tidegate/hclspec/address"
)

// Reader reads the state. It takes no lock and changes nothing.
type Reader interface {
	// Load returns everything but the bytes of blobs, as of one moment.
	Load(ctx context.Context) (*Ledger, error)
	// Blob returns the bytes of a blob, opened if they were sealed, after comparing them
	// with their hash. A missing blob is ErrNoBlob, a wrong one ErrCorrupt, a sealed one
	// whose key cannot be read ErrSealed.
	Blob(ctx context.Context, hash string) ([]byte, error)
	// History returns the newest entries first, of one address with those that it was called before,
	// or (zero) of all; limit 0 is all.
	History(ctx context.Context, of address.Address, limit int) ([]Entry, error)
	// Keyed turns the hash of something sensitive into one that tells nothing to who lacks
	// the key of the state: equal inputs give equal outputs within one state.
	Keyed(hash string) string
	// KeyError says why Keyed is of no use for comparing with what the state holds, nil if it
	// is: a reader that may not read the key cannot tell whether a secret changed.
	KeyError() error
	// Signer returns what signs and seals saved plans, or the reason for which the key cannot
	// be read, an ErrSealed.
	Signer() (*Signer, error)
	// Documents returns those whose names begin with prefix ("" is all), sorted by name and
	// opened where they were sealed. One that is damaged, or lost from anywhere in the table, is
	// ErrCorrupt; a sealed one whose key cannot be read is ErrSealed, so choose a prefix
	// without sealed ones to do without the key.
	Documents(ctx context.Context, prefix string) ([]*Document, error)
	Close() error
}

// Store reads and writes the state. Its opener holds the lock until Close.
type Store interface {
	Reader
	// Commit makes a batch durable, all of it or nothing. When it returns nil the batch
	// survives a power cut. Row revisions are assigned to the given rows.
	Commit(ctx context.Context, b *Batch) error
	// Serial is that of the newest commit, as Load would tell it. It never waits for a
	// commit that is under way.
	Serial() int64
	// Announce tells whoever meets the lock that its holder is a daemon, which answers on the
	// socket at this path; "" takes that back.
	Announce(socket string) error
}

// Batch is what one commit writes.
type Batch struct {
	Sources       []*Source
	Sinks         []*Sink
	Outputs       []*Output
	DeleteSources []address.Address
	DeleteSinks   []address.Address
	DeleteOutputs []address.Address
	Shared        map[string]Counter
	Blobs         []Blob // those already stored cost nothing
	// Restored is content that rows name already, and that the state has lost or damaged: it
	// is stored again in place of what is there.
	Restored []Blob
	History  []Entry
	// Documents are written as they are given; DeleteDocuments are names. A document that one
	// batch deletes and writes is written.
	Documents       []*Document
	DeleteDocuments []string
	// Lost is set by Commit: content that rows of this batch name, that rows named before, and
	// that is not stored any more. Its rows are written all the same.
	Lost []string
}

// Document is a small named value that belongs to no row: what a long-running apply
// remembers beside the ledger. Its Name is any text but "", by convention with a slash
// after the kind ("push/source.http.app"). It has no revisions and no history, the
// newest Data is all there is.
type Document struct {
	Name   string
	Data   []byte // as read never nil
	Sealed bool   // encrypted in the state, shut to whoever lacks its key
}

// Empty reports whether the batch writes nothing.
func (b *Batch) Empty() bool {
	return len(b.Sources)+len(b.Sinks)+len(b.Outputs)+len(b.DeleteSources)+len(b.DeleteSinks)+len(b.DeleteOutputs)+
		len(b.Shared)+len(b.Blobs)+len(b.Restored)+len(b.History)+len(b.Documents)+len(b.DeleteDocuments) == 0
}

// Merge adds what o writes to b; where both write or delete one row, o wins.
func (b *Batch) Merge(o *Batch) {
	b.DeleteSources = without(b.DeleteSources, o.Sources, func(s *Source) address.Address { return s.Address })
	b.DeleteSinks = without(b.DeleteSinks, o.Sinks, func(s *Sink) address.Address { return s.Address })
	b.DeleteOutputs = without(b.DeleteOutputs, o.Outputs, func(r *Output) address.Address { return r.Address })
	b.Sources = withoutRows(b.Sources, o.DeleteSources, func(s *Source) address.Address { return s.Address })
	b.Sinks = withoutRows(b.Sinks, o.DeleteSinks, func(s *Sink) address.Address { return s.Address })
	b.Outputs = withoutRows(b.Outputs, o.DeleteOutputs, func(r *Output) address.Address { return r.Address })
	b.Sources = append(b.Sources, o.Sources...)
	b.Sinks = append(b.Sinks, o.Sinks...)
	b.Outputs = append(b.Outputs, o.Outputs...)
	b.DeleteSources = append(b.DeleteSources, o.DeleteSources...)
	b.DeleteSinks = append(b.DeleteSinks, o.DeleteSinks...)
	b.DeleteOutputs = append(b.DeleteOutputs, o.DeleteOutputs...)
	b.Blobs = append(b.Blobs, o.Blobs...)
	b.Restored = append(b.Restored, o.Restored...)
	b.History = append(b.History, o.History...)
	b.mergeDocuments(o)
	for k, v := range o.Shared {
		if b.Shared == nil {
			b.Shared = map[string]Counter{}
		}
		b.Shared[k] = v
	}
}

// mergeDocuments keeps of each document only what is newest: a busy source that pushes
// again and again before a commit costs one write.
func (b *Batch) mergeDocuments(o *Batch) {
	if len(o.Documents)+len(o.DeleteDocuments) == 0 {
		return
	}
	written, newer := map[string]bool{}, map[string]bool{}
	for _, d := range o.Documents {
		written[d.Name], newer[d.Name] = true, true
	}
	for _, name := range o.DeleteDocuments {
		newer[name] = true
	}
	b.DeleteDocuments = slices.DeleteFunc(slices.Clone(b.DeleteDocuments), func(name string) bool { return written[name] })
	b.Documents = slices.DeleteFunc(slices.Clone(b.Documents), func(d *Document) bool { return newer[d.Name] })
	b.DeleteDocuments = append(b.DeleteDocuments, o.DeleteDocuments...)
	b.Documents = append(b.Documents, o.Documents...)
}

// without returns the deletions that no row of a later batch takes back.
func without[T any](deleted []address.Address, rows []*T, of func(*T) address.Address) []address.Address {
	if len(deleted) == 0 || len(rows) == 0 {
		return deleted
	}
	written := make(map[address.Address]bool, len(rows))
	for _, r := range rows {
		written[of(r)] = true
	}
	return slices.DeleteFunc(slices.Clone(deleted), func(a address.Address) bool { return written[a] })
}

// withoutRows returns the rows that a later batch does not delete.
func withoutRows[T any](rows []*T, deleted []address.Address, of func(*T) address.Address) []*T {
	if len(deleted) == 0 || len(rows) == 0 {
		return rows
	}
	gone := make(map[address.Address]bool, len(deleted))
	for _, a := range deleted {
		gone[a] = true
	}
	return slices.DeleteFunc(slices.Clone(rows), func(r *T) bool { return gone[of(r)] })
}

// Blob is bytes under their name: "sha256:..." of the bytes, or Keyed of that where Sealed.
type Blob struct {
	Hash   string
	Data   []byte
	Sealed bool // encrypted in the state
}

// MarshalJSON leaves the bytes of sealed blobs out: a plan that is shown or written down
// tells no secret.
func (b Blob) MarshalJSON() ([]byte, error) {
	out := struct {
		Hash   string `json:"hash"`
		Data   []byte `json:"data,omitempty"`
		Sealed bool   `json:"sealed,omitempty"`
	}{b.Hash, b.Data, b.Sealed}
	if b.Sealed {
		out.Data = nil
	}
	return json.Marshal(out)
}

// Errors of a store. They are wrapped with what was being done and what to do next.
var (
	ErrNoBlob  = errors.New("no such content in the state")
	ErrCorrupt = errors.New("the state is damaged")
	ErrSealed  = errors.New("the key of the state cannot be read")
	ErrNewer   = errors.New("the state was written by a newer version of tidegate")
)

// Holder is who has the lock.
type Holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
	// Socket is the path at which a daemon answers; "" for a command that ends by itself.
	Socket string `json:"socket,omitempty"`
}

// LockedError says that somebody else holds the state.
type LockedError struct {
	Path   string
	Holder Holder
}

func (e *LockedError) Error() string {
	if e.Holder.PID == 0 {
		return fmt.Sprintf("the state %s is locked by another process; wait for it to finish", e.Path)
	}
	if e.Holder.Socket != "" {
		return fmt.Sprintf("the state %s is held by a running daemon, process %d on %s (%s, since %s), which answers on %s; it lets go when it is stopped",
			e.Path, e.Holder.PID, e.Holder.Host, e.Holder.Command, e.Holder.Since.Format(time.RFC3339), e.Holder.Socket)
	}
	return fmt.Sprintf("the state %s is locked by process %d on %s (%s, since %s); wait for it to finish",
		e.Path, e.Holder.PID, e.Holder.Host, e.Holder.Command, e.Holder.Since.Format(time.RFC3339))
}
