package state

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	putDocument = "INSERT INTO documents (name, sealed, sum, data) VALUES (?, ?, ?, ?) " +
		"ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, sum = excluded.sum, data = excluded.data"
	dropDocument = "DELETE FROM documents WHERE name = ?"
	// documentSums does not read the data, which comes after the sum.
	documentSums  = "SELECT name, sum FROM documents"
	documentsFrom = "SELECT name, sealed, sum, data FROM documents WHERE name >= ? ORDER BY name"
)

// documentSum is the checksum of a document as it is stored, so that it can be verified
// without the key.
func documentSum(name string, sealed bool, data []byte) int64 {
	return checksum("documents", name, strconv.FormatBool(sealed), string(data))
}

// sealDocument encrypts with a key that is derived from the state's: age's own way costs an
// agreement of keys for each content, far too much for what a commit carries dozens of.
// The name is authenticated too, so that no document passes for another.
func (k *key) sealDocument(name string, data []byte) []byte { return sealWith(k.documents, name, data) }

func (k *key) openDocument(name string, data []byte) ([]byte, error) {
	return openWith(k.documents, name, data)
}

// sealWith encrypts under a random nonce, which goes before the result. The label is
// authenticated with it.
func sealWith(aead cipher.AEAD, label string, data []byte) []byte {
	out := make([]byte, aead.NonceSize(), aead.NonceSize()+len(data)+aead.Overhead())
	rand.Read(out)
	return aead.Seal(out, out, data, []byte(label))
}

func openWith(aead cipher.AEAD, label string, data []byte) ([]byte, error) {
	n := aead.NonceSize()
	if len(data) < n {
		return nil, errors.New("it is cut off")
	}
	return aead.Open(nil, data[:n], data[n:], []byte(label))
}

// documents writes and deletes documents. It touches no other table.
func (w *work) documents(ctx context.Context, b *Batch) error {
	for _, name := range b.DeleteDocuments {
		if !w.replace(name) {
			continue
		}
		w.sums[name] = nil
		if _, err := w.stmts.dropDocument.ExecContext(ctx, name); err != nil {
			return err
		}
	}
	for _, d := range b.Documents {
		if err := w.putDocument(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) putDocument(ctx context.Context, d *Document) error {
	if d.Name == "" || !utf8.ValidString(d.Name) {
		return fmt.Errorf("a document cannot be named %q", d.Name)
	}
	data := notNil(d.Data)
	if d.Sealed {
		k, err := w.keys.get()
		if err != nil {
			return err
		}
		data = k.sealDocument(d.Name, data)
		w.meta.recipient = k.recipient()
	}
	w.replace(d.Name)
	sum := documentSum(d.Name, d.Sealed, data)
	w.meta.documents.add(sum)
	w.sums[d.Name] = &sum
	_, err := w.stmts.putDocument.ExecContext(ctx, d.Name, d.Sealed, sum, data)
	return err
}

// replace takes a document out of the digest and reports whether there was one.
func (w *work) replace(name string) bool {
	sum, written := w.sums[name]
	if !written {
		if old, stored := w.Local.sums[name]; stored {
			sum = &old
		}
	}
	if sum != nil {
		w.meta.documents.remove(*sum)
	}
	return sum != nil
}

// replaced brings the sums up to date after the commit.
func (w *work) replaced() {
	for name, sum := range w.sums {
		if sum == nil {
			delete(w.Local.sums, name)
			continue
		}
		w.Local.sums[name] = *sum
	}
}

// readDocuments reads, checks and opens the documents whose names begin with prefix.
func readDocuments(ctx context.Context, db *sql.DB, keys *keyring, prefix string) ([]*Document, error) {
	out, err := storedDocuments(ctx, db, prefix)
	if err != nil {
		return nil, err
	}
	for _, d := range out {
		if !d.Sealed {
			d.Data = notNil(d.Data)
			continue
		}
		k, err := keys.get()
		if err != nil {
			return nil, fmt.Errorf("document %s: %w", d.Name, err)
		}
		plain, err := k.openDocument(d.Name, d.Data)
		if err != nil {
			return nil, corrupt("document %s does not open: %v", d.Name, err)
		}
		d.Data = notNil(plain)
	}
	return out, nil
}

// storedDocuments returns those whose names begin with prefix, as they are stored. It does not
// notice lost ones, see checkDocuments: who asks for one document after the other would read
// the table as often.
func storedDocuments(ctx context.Context, db *sql.DB, prefix string) ([]*Document, error) {
	rows, err := db.QueryContext(ctx, documentsFrom, prefix)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*Document
	for rows.Next() {
		d := &Document{}
		var sum int64
		if err := rows.Scan(&d.Name, &d.Sealed, &sum, &d.Data); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(d.Name, prefix) {
			break
		}
		if sum != documentSum(d.Name, d.Sealed, d.Data) {
			return nil, corrupt("the document %s does not match its checksum", d.Name)
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// readSums reads the checksums of all documents by name and compares them with their digest.
func readSums(ctx context.Context, q querier, want digest) (map[string]int64, error) {
	rows, err := q.QueryContext(ctx, documentSums)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sums := map[string]int64{}
	var got digest
	for rows.Next() {
		var name string
		var sum int64
		if err := rows.Scan(&name, &sum); err != nil {
			return nil, err
		}
		sums[name] = sum
		got.add(sum)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return sums, compare("documents", got, want, len(sums))
}

// checkDocuments compares the table with its digest.
func checkDocuments(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	m, err := readMeta(ctx, tx)
	if err != nil {
		return err
	}
	_, err = readSums(ctx, tx, m.documents)
	return err
}

// Documents implements Reader. That none is lost was found out by Open.
func (s *Local) Documents(ctx context.Context, prefix string) ([]*Document, error) {
	s.reading.RLock()
	defer s.reading.RUnlock()
	out, err := readDocuments(ctx, s.readDB, s.keys, prefix)
	if err != nil {
		return nil, explain("read from the state", s.files.db, err)
	}
	return out, nil
}

// Documents implements Reader.
func (s *snapshot) Documents(ctx context.Context, prefix string) ([]*Document, error) {
	err := s.checkOnce(ctx)
	var out []*Document
	if err == nil {
		out, err = readDocuments(ctx, s.db, s.keys, prefix)
	}
	if err != nil {
		return nil, explain("read from the state", s.path, err)
	}
	return out, nil
}

// checkOnce looks for lost documents when the first is asked for: the copy does not change,
// and who asks for none does not depend on them.
func (s *snapshot) checkOnce(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.checked {
		return nil
	}
	if err := checkDocuments(ctx, s.db); err != nil {
		return err
	}
	s.checked = true
	return nil
}

// Documents implements Reader.
func (n *nothing) Documents(context.Context, string) ([]*Document, error) { return nil, nil }
