package state

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"tidegate/hclspec/address"
)

// HashOf is the name of content that is not sensitive: "sha256:" and its SHA-256 in hex.
// That of sensitive content is Keyed of this.
func HashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// names are the blobs that one row names, each once, in no order. Rows name few, so a
// slice is searched faster than a map.
type names []string

func (n *names) add(hash string) {
	if hash == "" || n.has(hash) {
		return
	}
	*n = append(*n, hash)
}

func (n names) has(hash string) bool {
	for _, h := range n {
		if h == hash {
			return true
		}
	}
	return false
}

// Blobs lists the hashes of the contents that the row keeps alive, each once: the bytes of its
// snapshots.
func (s *Source) Blobs() []string {
	var n names
	for i := range s.Snapshots {
		n.add(s.Snapshots[i].Blob)
	}
	return n
}

// Blobs lists the hashes of the contents that the row keeps alive, each once: the payloads of its
// deliveries and revisions, and the snapshots that its deliveries were made from.
func (s *Sink) Blobs() []string {
	var n names
	for _, d := range []*Delivery{s.Acknowledged, s.Pending} {
		if d == nil {
			continue
		}
		n.add(d.Payload)
		for i := range d.Causes {
			n.add(d.Causes[i].Blob)
		}
	}
	for i := range s.Revisions {
		n.add(s.Revisions[i].Payload)
	}
	if s.Hold != nil {
		n.add(s.Hold.Payload)
	}
	return n
}

// Blobs lists the hashes of the contents that the row keeps alive: its value.
func (o *Output) Blobs() []string {
	var n names
	n.add(o.Blob)
	return n
}

// sources lists the other addresses in a row.
func (s *Source) sources() []address.Address { return nil }

func (o *Output) sources() []address.Address { return nil }

func (s *Sink) sources() []address.Address {
	var out []address.Address
	for _, d := range []*Delivery{s.Acknowledged, s.Pending} {
		if d == nil {
			continue
		}
		for i := range d.Causes {
			out = append(out, d.Causes[i].Source)
		}
	}
	return out
}

const getBlob = "SELECT sealed, data FROM blobs WHERE hash = ?"

// readBlob reads, opens and checks one blob.
func readBlob(ctx context.Context, q querier, keys *keyring, hash string) ([]byte, error) {
	var sealed bool
	var data []byte
	err := q.QueryRowContext(ctx, getBlob, hash).Scan(&sealed, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: %s", ErrNoBlob, hash)
	}
	if err != nil {
		return nil, err
	}
	if !sealed {
		if HashOf(data) != hash {
			return nil, corrupt("content %s has other bytes", hash)
		}
		return data, nil
	}
	k, err := keys.get()
	if err != nil {
		return nil, fmt.Errorf("content %s: %w", hash, err)
	}
	plain, err := k.open(data)
	if err != nil {
		return nil, corrupt("content %s does not open: %v", hash, err)
	}
	if keyed(k.mac, HashOf(plain)) != hash {
		return nil, corrupt("content %s has other bytes", hash)
	}
	return plain, nil
}

// hasSealed tells whether the state has sealed content, and for which public key.
func hasSealed(ctx context.Context, q querier) (recipient string, any bool, err error) {
	// In this order: the first sealed content comes in one commit with the public key, which may be
	// made between the two looks.
	const sealed = "SELECT EXISTS (SELECT 1 FROM blobs WHERE sealed = 1) OR EXISTS (SELECT 1 FROM documents WHERE sealed = 1)"
	if err := q.QueryRowContext(ctx, sealed).Scan(&any); err != nil {
		return "", false, err
	}
	m, err := readMeta(ctx, q)
	return m.recipient, any, err
}

// blobs brings the counts of references up to date, stores what is named for the first
// time and deletes what nobody names any more.
//
// Content can be lost while rows name it: somebody meddled with the database. Refusing every
// row that has to do with it would leave a state that can never be written again, for bytes that
// may be had again or that nobody needs. So it is let go of like any other, rows may go on naming
// it, and what is restored is counted anew.
func (w *work) blobs(ctx context.Context, b *Batch) error {
	given := make(map[string]*Blob, len(b.Blobs))
	for i := range b.Blobs {
		given[b.Blobs[i].Hash] = &b.Blobs[i]
	}
	for hash, delta := range w.refs {
		if delta == 0 {
			continue
		}
		lost, err := w.count(ctx, hash, delta, given[hash])
		if err != nil {
			return err
		}
		if lost {
			b.Lost = append(b.Lost, hash)
		}
	}
	for i := range b.Restored {
		if err := w.restore(ctx, &b.Restored[i]); err != nil {
			return err
		}
	}
	return nil
}

// count notes that so many more or fewer rows name a blob. It reports whether one is lost that
// rows named before and go on naming.
func (w *work) count(ctx context.Context, hash string, delta int64, given *Blob) (lost bool, err error) {
	var refs int64
	err = w.stmts.countBlob.QueryRowContext(ctx, delta, hash).Scan(&refs)
	switch {
	case errors.Is(err, sql.ErrNoRows) && delta > 0 && given != nil:
		return false, w.store(ctx, given, delta)
	case errors.Is(err, sql.ErrNoRows) && delta > 0:
		all, err := w.namers(ctx, hash)
		if err != nil {
			return false, err
		}
		if all <= delta { // nobody named it before
			return false, fmt.Errorf("a row names content %s, which is neither stored nor given", hash)
		}
		return true, nil
	case errors.Is(err, sql.ErrNoRows):
		return false, nil // it was lost, and is needed by fewer now
	case err != nil:
		return false, err
	case refs < 0: // it was lost and given again by one row, while others named it
		all, err := w.namers(ctx, hash)
		if err != nil {
			return false, err
		}
		if err := w.stmts.countBlob.QueryRowContext(ctx, all-refs, hash).Scan(&refs); err != nil {
			return false, err
		}
	}
	if refs == 0 {
		_, err = w.stmts.dropBlob.ExecContext(ctx, hash)
	}
	return false, err
}

// restore stores content that rows name in place of what is there, if anything is.
func (w *work) restore(ctx context.Context, b *Blob) error {
	refs, err := w.namers(ctx, b.Hash)
	if err != nil || refs == 0 {
		return err
	}
	if _, err := w.stmts.dropBlob.ExecContext(ctx, b.Hash); err != nil {
		return err
	}
	return w.store(ctx, b, refs)
}

// namers counts the rows that name a blob. It reads every row, and is asked only where
// something was lost.
func (w *work) namers(ctx context.Context, hash string) (int64, error) {
	sources, err := namersIn[Source](ctx, &w.stmts.sources, hash)
	if err != nil {
		return 0, err
	}
	sinks, err := namersIn[Sink](ctx, &w.stmts.sinks, hash)
	if err != nil {
		return 0, err
	}
	outputs, err := namersIn[Output](ctx, &w.stmts.outputs, hash)
	return sources + sinks + outputs, err
}

func namersIn[T any, P namer[T]](ctx context.Context, t *tableStmts, hash string) (n int64, err error) {
	rows, err := t.naming.QueryContext(ctx, hash)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, data string
		if err := rows.Scan(&name, &data); err != nil {
			return 0, err
		}
		row := P(new(T))
		if err := json.Unmarshal([]byte(data), row); err != nil {
			return 0, corrupt("the row %s: %v", name, err)
		}
		if names(row.Blobs()).has(hash) { // it may also stand there as a version
			n++
		}
	}
	return n, rows.Err()
}

// store inserts a blob after comparing it with its name.
func (w *work) store(ctx context.Context, b *Blob, refs int64) error {
	if !b.Sealed {
		if HashOf(b.Data) != b.Hash {
			return fmt.Errorf("content named %s has the hash %s", b.Hash, HashOf(b.Data))
		}
		_, err := w.stmts.putBlob.ExecContext(ctx, b.Hash, false, refs, len(b.Data), notNil(b.Data))
		return err
	}
	k, err := w.keys.get()
	if err != nil {
		return err
	}
	if keyed(k.mac, HashOf(b.Data)) != b.Hash {
		return fmt.Errorf("sealed content is named %s, which is not Keyed of its hash", b.Hash)
	}
	data, err := k.seal(b.Data)
	if err != nil {
		return err
	}
	w.meta.recipient = k.recipient()
	_, err = w.stmts.putBlob.ExecContext(ctx, b.Hash, true, refs, len(b.Data), data)
	return err
}

// notNil keeps empty content from becoming NULL.
func notNil(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}
