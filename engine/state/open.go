package state

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"tidegate/hclspec/address"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// Options say which state, and who asks.
type Options struct {
	Path    string // of the database; its lock and key stand beside it
	Command string // shown to whoever meets the lock
	Version string // of the program, kept for people who look into the state
}

// Local is a state in a SQLite database on this machine, held by this process.
//
// It writes on one connection and reads on others, so readers of the same process never
// wait for a commit. When a commit fails (full disk, read-only file system) it changes
// nothing, and later ones work once the cause is gone.
type Local struct {
	files   files
	lineage string
	version string
	lock    *lock
	writeDB *sql.DB
	conn    *sql.Conn // the only connection of writeDB
	stmts   *stmts
	readDB  *sql.DB
	keys    *keyring
	// identity is that of the open file, to notice when the path names another one.
	identity fs.FileInfo

	serial atomic.Int64     // of the newest commit
	mu     sync.Mutex       // held by a commit
	sums   map[string]int64 // of the stored documents, by name
	closed bool
	// logPages is at what length of the log SQLite moves it into the database, logTried the
	// size at which boundLog last tried.
	logPages, logTried int64

	// reading is held by readers of this process, which keep the log from starting again.
	reading sync.RWMutex
}

var _ Store = (*Local)(nil)

// Open takes the lock of a state and opens it for writing, after making it (and its
// directory, 0755 minus the umask) where there is none and migrating one with an older schema. Who else
// holds it is a *LockedError, a newer schema ErrNewer, anything that is not a state
// ErrCorrupt; none of these is touched. The Store is a *Local.
func Open(ctx context.Context, o Options) (Store, error) {
	s, err := open(ctx, o, current)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func open(ctx context.Context, o Options, sc schema) (_ *Local, err error) {
	f, err := filesOf(o.Path)
	if err != nil {
		return nil, err
	}
	if err := f.prepareDir(); err != nil {
		return nil, err
	}
	l, err := takeLock(ctx, f, newHolder(o.Command))
	if err != nil {
		return nil, err
	}
	s := &Local{files: f, version: o.Version, lock: l}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := f.prepare(ctx, o, sc); err != nil {
		return nil, explain("open the state", f.db, err)
	}
	if err := s.connect(ctx, sc); err != nil {
		return nil, explain("open the state", f.db, err)
	}
	return s, nil
}

// prepare makes sure that a state with the right schema is there.
func (f files) prepare(ctx context.Context, o Options, sc schema) error {
	if err := f.sweep(); err != nil {
		return err
	}
	h, err := f.inspect()
	if errors.Is(err, fs.ErrNotExist) {
		return f.createState(ctx, o, sc)
	}
	if err != nil {
		return err
	}
	if err := f.refuseNewer(h.schema, sc); err != nil {
		return err
	}
	found, err := f.probe(ctx, h)
	if err != nil {
		return err
	}
	if err := f.refuseNewer(found, sc); err != nil {
		return err
	}
	if found < sc.version {
		return f.migrate(ctx, found, sc)
	}
	return nil
}

// probe finds out the schema where the header alone may be behind: after a crash the
// newest first page is in the write-ahead log, and opening the database would play it in.
func (f files) probe(ctx context.Context, h header) (int, error) {
	info, err := os.Stat(f.wal())
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return h.schema, nil
	}
	if err != nil {
		return 0, err
	}
	c, err := copyState(ctx, f)
	if err != nil {
		return 0, err
	}
	defer c.remove()
	db, err := openDB(c.db, "mode=rw")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	return userVersion(ctx, db)
}

func userVersion(ctx context.Context, q querier) (int, error) {
	var v int
	err := q.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v)
	return v, err
}

// createState makes a new state under another name and renames it, so that no crash leaves
// half of one.
func (f files) createState(ctx context.Context, o Options, sc schema) error {
	suffix := make([]byte, 16)
	rand.Read(suffix)
	temp := f.db + tempMark + hex.EncodeToString(suffix[:4])
	defer func() {
		for _, rest := range []string{"", "-wal", "-shm", "-journal"} {
			os.Remove(temp + rest)
		}
	}()
	m := meta{schema: current.version, lineage: hex.EncodeToString(suffix), version: o.Version}
	if err := createDB(ctx, temp, m, sc); err != nil {
		return err
	}
	return installNew(temp, f.db)
}

func createDB(ctx context.Context, path string, m meta, sc schema) error {
	db, err := openDB(path, "mode=rwc")
	if err != nil {
		return err
	}
	defer db.Close()
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := inTx(ctx, c, func() error { return create(ctx, c, m) }); err != nil {
		return err
	}
	return sc.upgrade(ctx, c, m.schema)
}

// connect opens the connections of a state that is there and has the right schema.
func (s *Local) connect(ctx context.Context, sc schema) (err error) {
	if s.writeDB, err = openDB(s.files.db, "mode=rw&"+writerParams); err != nil {
		return err
	}
	s.writeDB.SetMaxOpenConns(1)
	if s.conn, err = s.writeDB.Conn(ctx); err != nil {
		return err
	}
	if err := checkWriter(ctx, s.conn); err != nil {
		return err
	}
	m, err := readMeta(ctx, s.conn)
	if err != nil {
		return err
	}
	if m.schema != sc.version {
		return corrupt("table meta has schema %d, the database %d", m.schema, sc.version)
	}
	s.lineage, s.logPages = m.lineage, minLogPages
	s.serial.Store(m.serial)
	if s.sums, err = readSums(ctx, s.conn, m.documents); err != nil {
		return err
	}
	if s.stmts, err = prepare(ctx, s.conn); err != nil {
		return err
	}
	if s.identity, err = os.Stat(s.files.db); err != nil {
		return err
	}
	if s.readDB, err = openDB(s.files.db, "mode=rw&"+readerParams); err != nil {
		return err
	}
	s.readDB.SetMaxOpenConns(4)
	s.keys = &keyring{path: s.files.key, mayMake: true, sealed: func() (string, bool, error) {
		return hasSealed(context.Background(), s.readDB)
	}}
	return nil
}

// Parameters of connections. In WAL mode synchronous=FULL syncs the log in each commit;
// NORMAL would lose commits in a power cut. journal_size_limit gives back what one large
// commit needed.
const (
	writerParams = "_busy_timeout=10000&_txlock=immediate&_journal_mode=WAL&_synchronous=FULL" +
		"&_pragma=cell_size_check(1)&_pragma=trusted_schema(0)&_pragma=journal_size_limit(16777216)" +
		// What is deleted is overwritten: a secret that was clear before it was marked is gone.
		"&_pragma=secure_delete(1)"
	readerParams = "_busy_timeout=10000&_pragma=cell_size_check(1)&_pragma=trusted_schema(0)&_query_only=1"
)

// openDB names a database file as a URI, in which no character of a path has a meaning.
func openDB(path, params string) (*sql.DB, error) {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/...
	}
	return sql.Open("sqlite", "file://"+(&url.URL{Path: slashed}).EscapedPath()+"?"+params)
}

// checkWriter makes sure of what durability rests on: a file system without shared memory
// leaves a database silently in another mode.
func checkWriter(ctx context.Context, c *sql.Conn) error {
	var mode string
	var level int
	if err := c.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if err := c.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil {
		return err
	}
	if mode != "wal" || level != 2 {
		return fmt.Errorf("SQLite cannot keep a write-ahead log there (mode %s, synchronous %d); put the state on a local disk", mode, level)
	}
	return nil
}

func inTx(ctx context.Context, c *sql.Conn, do func() error) error {
	if err := execute(ctx, c, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := do(); err != nil {
		return errors.Join(err, execute(context.WithoutCancel(ctx), c, "ROLLBACK"))
	}
	return execute(ctx, c, "COMMIT")
}

// Load implements Reader.
func (s *Local) Load(ctx context.Context) (*Ledger, error) {
	s.reading.RLock()
	defer s.reading.RUnlock()
	l, err := load(ctx, s.readDB)
	if err != nil {
		return nil, explain("read the state", s.files.db, err)
	}
	return l, nil
}

// Blob implements Reader.
func (s *Local) Blob(ctx context.Context, hash string) ([]byte, error) {
	s.reading.RLock()
	defer s.reading.RUnlock()
	data, err := readBlob(ctx, s.readDB, s.keys, hash)
	if err != nil {
		return nil, explain("read from the state", s.files.db, err)
	}
	return data, nil
}

// History implements Reader.
func (s *Local) History(ctx context.Context, of address.Address, limit int) ([]Entry, error) {
	s.reading.RLock()
	defer s.reading.RUnlock()
	entries, err := readHistory(ctx, s.readDB, of, limit)
	if err != nil {
		return nil, explain("read the history in the state", s.files.db, err)
	}
	return entries, nil
}

// Keyed implements Reader. It makes the key of a state that has none; where the key cannot
// be had the result matches nothing, and Commit refuses rows until it can.
func (s *Local) Keyed(hash string) string { return s.keys.keyed(hash) }

// KeyError is the reason for which the key cannot be read.
func (s *Local) KeyError() error {
	_, err := s.keys.get()
	return err
}

// Signer implements Reader. It makes the key of a state that has none.
func (s *Local) Signer() (*Signer, error) { return s.keys.signer() }

// Serial implements Store.
func (s *Local) Serial() int64 { return s.serial.Load() }

// Announce implements Store.
func (s *Local) Announce(socket string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("announce the holder of the state %s: it is closed", s.files.db)
	}
	h := s.lock.holder
	h.Socket = socket
	if err := s.lock.sign(h); err != nil {
		return fmt.Errorf("announce the holder of the state %s: %w", s.files.db, err)
	}
	return nil
}

// Close ends the connections, moves the write-ahead log into the database and frees the
// lock last. It may be called again.
func (s *Local) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	if s.readDB != nil {
		errs = append(errs, s.readDB.Close())
	}
	if s.stmts != nil {
		errs = append(errs, s.stmts.close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.writeDB != nil {
		errs = append(errs, s.writeDB.Close())
	}
	return errors.Join(append(errs, s.lock.release())...)
}
