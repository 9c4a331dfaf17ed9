package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"tidegate/hclspec/address"
)

// snapshot reads a private copy of a state. It stays at the moment it was opened.
type snapshot struct {
	path string // of the original, for messages
	copy *privateCopy
	db   *sql.DB
	keys *keyring

	mu      sync.Mutex
	checked bool // the documents are all there
}

var _ Reader = (*snapshot)(nil)

// OpenReader opens a state as it is at this moment, without its lock and without writing
// anything beside it: also in a directory that is read-only, for a user who may only read
// it, next to a running writer, and after one was killed. A state that does not exist reads
// as an empty one without lineage.
//
// Without the key (it does not exist, or belongs to another user) sealed content is
// ErrSealed and Keyed matches nothing.
func OpenReader(ctx context.Context, o Options) (Reader, error) {
	r, err := openReader(ctx, o, current)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func openReader(ctx context.Context, o Options, sc schema) (Reader, error) {
	f, err := filesOf(o.Path)
	if err != nil {
		return nil, err
	}
	h, err := f.inspect()
	if errors.Is(err, fs.ErrNotExist) {
		return newNothing()
	}
	if err != nil {
		return nil, explain("read the state", f.db, err)
	}
	if err := f.refuseNewer(h.schema, sc); err != nil {
		return nil, err
	}
	c, err := copyState(ctx, f)
	if err != nil {
		return nil, explain("read the state", f.db, err)
	}
	s := &snapshot{path: f.db, copy: c}
	if err := s.connect(ctx, f, sc); err != nil {
		return nil, errors.Join(explain("read the state", f.db, err), s.Close())
	}
	return s, nil
}

// connect opens the copy. An older schema is migrated there.
func (s *snapshot) connect(ctx context.Context, f files, sc schema) (err error) {
	if s.db, err = openDB(s.copy.db, "mode=rw&_busy_timeout=10000&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&_pragma=synchronous(0)"); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(4)
	found, err := userVersion(ctx, s.db)
	if err != nil {
		return err
	}
	if err := f.refuseNewer(found, sc); err != nil {
		return err
	}
	if found < sc.version {
		if err := s.upgrade(ctx, found, sc); err != nil {
			return err
		}
	}
	m, err := readMeta(ctx, s.db)
	if err != nil {
		return err
	}
	if m.schema != sc.version {
		return corrupt("table meta has schema %d, the database %d", m.schema, found)
	}
	s.keys = &keyring{path: f.key, sealed: func() (string, bool, error) {
		return hasSealed(context.Background(), s.db)
	}}
	return nil
}

func (s *snapshot) upgrade(ctx context.Context, found int, sc schema) error {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return sc.upgrade(ctx, c, found)
}

func (s *snapshot) Load(ctx context.Context) (*Ledger, error) {
	l, err := load(ctx, s.db)
	if err != nil {
		return nil, explain("read the state", s.path, err)
	}
	return l, nil
}

func (s *snapshot) Blob(ctx context.Context, hash string) ([]byte, error) {
	data, err := readBlob(ctx, s.db, s.keys, hash)
	if err != nil {
		return nil, explain("read from the state", s.path, err)
	}
	return data, nil
}

func (s *snapshot) History(ctx context.Context, of address.Address, limit int) ([]Entry, error) {
	entries, err := readHistory(ctx, s.db, of, limit)
	if err != nil {
		return nil, explain("read the history in the state", s.path, err)
	}
	return entries, nil
}

func (s *snapshot) Keyed(hash string) string { return s.keys.keyed(hash) }

// KeyError is the reason for which the key cannot be read.
func (s *snapshot) KeyError() error {
	_, err := s.keys.get()
	return err
}

// Signer implements Reader.
func (s *snapshot) Signer() (*Signer, error) { return s.keys.signer() }

// Close removes the copy.
func (s *snapshot) Close() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	return errors.Join(err, s.copy.remove())
}

// nothing reads a state that does not exist.
type nothing struct {
	keys *keyring
}

func newNothing() (Reader, error) {
	none := fmt.Errorf("%w: there is no state yet", ErrSealed)
	return &nothing{keys: &keyring{failed: none}}, nil
}

func (n *nothing) Load(context.Context) (*Ledger, error) { return New(), nil }

func (n *nothing) Blob(_ context.Context, hash string) ([]byte, error) {
	return nil, fmt.Errorf("%w: %s (there is no state yet)", ErrNoBlob, hash)
}

func (n *nothing) History(context.Context, address.Address, int) ([]Entry, error) { return nil, nil }

func (n *nothing) Keyed(hash string) string { return n.keys.keyed(hash) }

func (n *nothing) KeyError() error { return nil }

func (n *nothing) Signer() (*Signer, error) { return n.keys.signer() }

func (n *nothing) Close() error { return nil }
