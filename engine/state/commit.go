package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"tidegate/hclspec/address"
)

// Commit implements Store.
//
// The context is asked once, at the beginning: what has begun is finished, so that an
// interrupt never leaves it open whether an outcome was recorded. A row that a batch
// deletes and writes is written. The revision of a written row is the serial of the commit,
// so a row that was deleted and made again is never mistaken for the old one. An empty
// shared counter is removed. Given and restored blobs that no row names are not stored.
func (s *Local) Commit(ctx context.Context, b *Batch) error {
	if b.Empty() {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit to the state %s: %w", s.files.db, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("commit to the state %s: it is closed", s.files.db)
	}
	// What was hashed with a stand-in for the key must not be kept.
	if len(b.Sources)+len(b.Sinks)+len(b.Outputs)+len(b.Documents) > 0 {
		if err := s.keys.fellBack(); err != nil {
			return fmt.Errorf("commit to the state %s: %w", s.files.db, err)
		}
	}
	serial := s.serial.Load() + 1
	undo := number(b, serial)
	if err := s.commit(context.WithoutCancel(ctx), b, serial); err != nil {
		undo()
		return explain("commit to the state", s.files.db, err)
	}
	s.serial.Store(serial)
	return nil
}

// number gives the rows of a batch their revision and returns what takes it back.
func number(b *Batch, serial int64) (undo func()) {
	rows := make([]*int64, 0, len(b.Sources)+len(b.Sinks)+len(b.Outputs))
	for _, s := range b.Sources {
		rows = append(rows, &s.Revision)
	}
	for _, s := range b.Sinks {
		rows = append(rows, &s.Revision)
	}
	for _, o := range b.Outputs {
		rows = append(rows, &o.Revision)
	}
	before := make([]int64, len(rows))
	for i, revision := range rows {
		before[i], *revision = *revision, serial
	}
	return func() {
		// Backwards, because a row may be in the batch twice.
		for i := len(rows) - 1; i >= 0; i-- {
			*rows[i] = before[i]
		}
	}
}

func (s *Local) commit(ctx context.Context, b *Batch, serial int64) (err error) {
	size, err := s.stillOurs()
	if err != nil {
		return err
	}
	s.boundLog(ctx, size)
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// After some errors SQLite has rolled back itself; then this one says so.
			_, _ = s.stmts.rollback.ExecContext(ctx)
		}
	}()
	w := &work{Local: s, serial: serial, refs: map[string]int64{}, sums: map[string]*int64{}}
	if err := w.start(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context, *Batch) error{w.rows, w.shared, w.blobs, w.history, w.documents} {
		if err := step(ctx, b); err != nil {
			return err
		}
	}
	if err := w.meta.writeWith(ctx, s.stmts.putMeta, &w.before); err != nil {
		return err
	}
	if _, err := s.stmts.commit.ExecContext(ctx); err != nil {
		return err
	}
	w.replaced()
	return nil
}

// stillOurs notices that the state was replaced (restored from a copy, moved away) or its
// lock file removed while we hold it: SQLite would go on writing to a file without a name.
// It returns the size of the database.
func (s *Local) stillOurs() (size int64, err error) {
	now, err := os.Stat(s.files.db)
	if err != nil {
		return 0, err
	}
	if !os.SameFile(s.identity, now) || !isNamed(s.lock.file, s.files.lock) {
		return 0, errors.New("it was replaced or its lock file removed while this process held it; start again")
	}
	return now.Size(), nil
}

// begin starts a transaction, after ending one whose end failed.
func (s *Local) begin(ctx context.Context) error {
	_, err := s.stmts.begin.ExecContext(ctx)
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code() == lib.SQLITE_ERROR {
		_, _ = s.stmts.rollback.ExecContext(ctx)
		_, err = s.stmts.begin.ExecContext(ctx)
	}
	return err
}

// work is one commit under way.
type work struct {
	*Local
	serial int64
	meta   meta
	before meta              // as it is stored
	refs   map[string]int64  // how many more or fewer rows name a blob
	sums   map[string]*int64 // of the documents written, nil of those deleted
}

// start reads what the state says about itself. The lock keeps others out; if somebody
// wrote all the same our picture of the world is wrong and nothing may be built on it.
func (w *work) start(ctx context.Context) error {
	rows, err := w.stmts.getMeta.QueryContext(ctx)
	if err != nil {
		return err
	}
	if w.meta, err = scanMeta(rows); err != nil {
		return err
	}
	newest := w.Serial()
	if w.meta.serial != newest || w.meta.lineage != w.lineage {
		return fmt.Errorf("somebody else changed it (serial %d, expected %d); start again", w.meta.serial, newest)
	}
	w.before = w.meta
	w.meta.serial = w.serial
	w.meta.version = w.version
	return nil
}

func (w *work) rows(ctx context.Context, b *Batch) error {
	for _, a := range b.DeleteSources {
		if err := deleteRow[Source](ctx, w, &w.stmts.sources, &w.meta.sources, a); err != nil {
			return err
		}
	}
	for _, a := range b.DeleteSinks {
		if err := deleteRow[Sink](ctx, w, &w.stmts.sinks, &w.meta.sinks, a); err != nil {
			return err
		}
	}
	for _, a := range b.DeleteOutputs {
		if err := deleteRow[Output](ctx, w, &w.stmts.outputs, &w.meta.outputs, a); err != nil {
			return err
		}
	}
	for _, row := range b.Sources {
		if err := putRow(ctx, w, &w.stmts.sources, &w.meta.sources, row.Address, row); err != nil {
			return err
		}
	}
	for _, row := range b.Sinks {
		if err := putRow(ctx, w, &w.stmts.sinks, &w.meta.sinks, row.Address, row); err != nil {
			return err
		}
	}
	for _, row := range b.Outputs {
		if err := putRow(ctx, w, &w.stmts.outputs, &w.meta.outputs, row.Address, row); err != nil {
			return err
		}
	}
	return nil
}

// namer is a row that names blobs.
type namer[T any] interface {
	*T
	Blobs() []string
	sources() []address.Address
}

// readable refuses an address that could be written and not be read again: the ledger
// would load never more.
func readable(a address.Address) error {
	if a.IsZero() {
		return nil
	}
	back, err := address.Parse(a.String())
	if err != nil {
		return err
	}
	if back != a {
		return fmt.Errorf("address %q reads as another one", a)
	}
	return nil
}

// putRow writes a row and counts the blobs that it names now and did not before, and the
// other way round.
func putRow[T any, P namer[T]](ctx context.Context, w *work, t *tableStmts, d *digest, a address.Address, row P) error {
	if a.IsZero() {
		return fmt.Errorf("a row of %s has no address", t.name)
	}
	for _, named := range append(row.sources(), a) {
		if err := readable(named); err != nil {
			return err
		}
	}
	data, err := json.Marshal(row)
	if err != nil {
		return err
	}
	name, text := a.String(), string(data)
	old, found, err := getRow[T, P](ctx, t, name)
	if err != nil {
		return err
	}
	if found {
		d.remove(old.sum)
	}
	sum := rowSum(t.name, name, w.serial, text)
	d.add(sum)
	now := names(row.Blobs())
	for _, hash := range now {
		if !old.names.has(hash) {
			w.refs[hash]++
		}
	}
	for _, hash := range old.names {
		if !now.has(hash) {
			w.refs[hash]--
		}
	}
	_, err = t.put.ExecContext(ctx, name, w.serial, text, sum)
	return err
}

func deleteRow[T any, P namer[T]](ctx context.Context, w *work, t *tableStmts, d *digest, a address.Address) error {
	name := a.String()
	old, found, err := getRow[T, P](ctx, t, name)
	if err != nil || !found {
		return err
	}
	d.remove(old.sum)
	for _, hash := range old.names {
		w.refs[hash]--
	}
	_, err = t.del.ExecContext(ctx, name)
	return err
}

// stored is what replacing a row needs to know of it.
type stored struct {
	sum   int64
	names names
}

// getRow verifies the row that is about to be replaced: what it names would be miscounted
// if it were damaged.
func getRow[T any, P namer[T]](ctx context.Context, t *tableStmts, name string) (stored, bool, error) {
	var out stored
	var found, data string
	var revision int64
	err := t.get.QueryRowContext(ctx, name).Scan(&found, &revision, &data, &out.sum)
	if errors.Is(err, sql.ErrNoRows) {
		return out, false, nil
	}
	if err != nil {
		return out, false, err
	}
	if found != name || out.sum != rowSum(t.name, name, revision, data) {
		return out, false, corrupt("the row %s does not match its checksum", name)
	}
	row := P(new(T))
	if err := json.Unmarshal([]byte(data), row); err != nil {
		return out, false, corrupt("the row %s: %v", name, err)
	}
	out.names = names(row.Blobs())
	return out, true, nil
}

func (w *work) shared(ctx context.Context, b *Batch) error {
	for name, counter := range b.Shared {
		var old int64
		err := w.stmts.dropShared.QueryRowContext(ctx, name).Scan(&old)
		if err == nil {
			w.meta.shared.remove(old)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if len(counter) == 0 {
			continue
		}
		data, err := json.Marshal(counter)
		if err != nil {
			return err
		}
		sum := rowSum("shared", name, 0, string(data))
		w.meta.shared.add(sum)
		if _, err := w.stmts.putShared.ExecContext(ctx, name, string(data), sum); err != nil {
			return err
		}
	}
	return nil
}
