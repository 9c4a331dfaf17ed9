package state

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidegate/hclspec/address"
)

// The history is bounded: the newest KeepHistory entries stay, and of each address that the ledger
// knows the newest KeepHistoryOf besides, so that a busy sink does not push out what is known of a
// quiet one. Addresses come and go with data, so of one that was forgotten nothing stays besides.
const (
	KeepHistory   = 10_000
	KeepHistoryOf = 20
)

const (
	selectHistory = "SELECT id, address, time, action, revision, cause, size, hash, delivery, error, sum FROM history "
	putHistory    = "INSERT INTO history (id, address, time, action, revision, cause, size, hash, delivery, error, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	lastHistory   = "SELECT coalesce(max(id), 0) FROM history"
	addressOf     = "SELECT address FROM history WHERE id = ?"
	isKnown       = "SELECT EXISTS (SELECT 1 FROM sinks WHERE address = ?1) OR EXISTS (SELECT 1 FROM sources WHERE address = ?1)"
	// pruneHistory removes entries of an address (1) that left the window (2), but for its
	// newest ones (3).
	pruneHistory = "DELETE FROM history WHERE address = ?1 AND id <= ?2 AND id <= " +
		"(SELECT id FROM history WHERE address = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?3) RETURNING sum"
)

// historySum is the checksum of an entry, of its columns as they are stored.
func historySum(e *Entry, of, at string) int64 {
	return checksum("history", strconv.FormatInt(e.ID, 10), of, at, e.Action, strconv.FormatInt(e.Revision, 10),
		e.Cause, strconv.FormatInt(e.Size, 10), e.Hash, e.Delivery, e.Error)
}

const (
	actionMove = "move"
	movedFrom  = "moved from "
)

// MoveEntry says that what the ledger knows of an address belongs to another one from now on.
func MoveEntry(from, to address.Address, at time.Time) Entry {
	return Entry{Address: to, Time: at, Action: actionMove, Cause: movedFrom + from.String()}
}

// movedFrom returns the former address, of an entry that says that there was one.
func (e *Entry) movedFrom() (address.Address, bool) {
	text, ok := strings.CutPrefix(e.Cause, movedFrom)
	if e.Action != actionMove || !ok {
		return address.Address{}, false
	}
	from, err := address.Parse(text)
	return from, err == nil
}

// followMoves returns the newest entries of an address first, with those of the addresses that it
// had before. read returns those of one address before an id. limit is below 1 for all.
func followMoves(of address.Address, limit int, read func(a address.Address, before int64) ([]Entry, error)) ([]Entry, error) {
	type stretch struct {
		of     address.Address
		before int64
	}
	var out []Entry
	known := map[int64]bool{} // an address may have been given up, and taken again
	for todo := []stretch{{of, math.MaxInt64}}; len(todo) > 0; todo = todo[1:] {
		entries, err := read(todo[0].of, todo[0].before)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if known[e.ID] {
				continue
			}
			known[e.ID] = true
			out = append(out, e)
			if from, ok := e.movedFrom(); ok {
				todo = append(todo, stretch{from, e.ID})
			}
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return cmp.Compare(b.ID, a.ID) })
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, nil
}

// readHistory reads the newest entries first, of one address, with what it was called before, or
// (zero) of all.
func readHistory(ctx context.Context, db *sql.DB, of address.Address, limit int) ([]Entry, error) {
	if limit <= 0 {
		limit = -1
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	m, err := readMeta(ctx, tx)
	if err != nil {
		return nil, err
	}
	if !of.IsZero() {
		return followMoves(of, limit, func(a address.Address, before int64) ([]Entry, error) {
			entries, _, err := scanHistory(ctx, tx, selectHistory+"WHERE address = ? AND id < ? ORDER BY id DESC LIMIT ?", []any{a.String(), before, limit})
			return entries, err
		})
	}
	entries, got, err := scanHistory(ctx, tx, selectHistory+"ORDER BY id DESC LIMIT ?", []any{limit})
	if err != nil {
		return nil, err
	}
	if limit < 0 && got != m.history {
		return nil, corrupt("the history has %d entries and not the %d that belong to it, or others", got.count, m.history.count)
	}
	return entries, nil
}

func scanHistory(ctx context.Context, q querier, query string, args []any) ([]Entry, digest, error) {
	var got digest
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, got, err
	}
	defer rows.Close()
	var out []Entry
	for rows.Next() {
		e, sum, err := scanEntry(rows)
		if err != nil {
			return nil, got, err
		}
		got.add(sum)
		out = append(out, e)
	}
	return out, got, rows.Err()
}

func scanEntry(rows *sql.Rows) (Entry, int64, error) {
	var e Entry
	var of, at string
	var sum int64
	if err := rows.Scan(&e.ID, &of, &at, &e.Action, &e.Revision, &e.Cause, &e.Size, &e.Hash, &e.Delivery, &e.Error, &sum); err != nil {
		return e, 0, err
	}
	if sum != historySum(&e, of, at) {
		return e, 0, corrupt("history entry %d does not match its checksum", e.ID)
	}
	if err := e.Address.UnmarshalText([]byte(of)); err != nil {
		return e, 0, corrupt("history entry %d: %v", e.ID, err)
	}
	var err error
	if e.Time, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return e, 0, corrupt("history entry %d: %v", e.ID, err)
	}
	return e, sum, nil
}

// history appends the entries and drops those that fall out of its bounds. No entry inside
// the window is ever dropped, so the window is a range of ids.
func (w *work) history(ctx context.Context, b *Batch) error {
	if len(b.History) == 0 {
		return nil
	}
	var last int64
	if err := w.stmts.lastHistory.QueryRowContext(ctx).Scan(&last); err != nil {
		return err
	}
	touched := map[string]bool{}
	for i := range b.History {
		e := b.History[i]
		if err := readable(e.Address); err != nil {
			return err
		}
		if y := e.Time.UTC().Year(); y < 0 || y > 9999 {
			return fmt.Errorf("a history entry has the year %d", y)
		}
		e.ID = last + 1 + int64(i)
		of, at := e.Address.String(), e.Time.UTC().Format(time.RFC3339Nano)
		sum := historySum(&e, of, at)
		w.meta.history.add(sum)
		if _, err := w.stmts.putHistory.ExecContext(ctx, e.ID, of, at, e.Action, e.Revision, e.Cause, e.Size, e.Hash, e.Delivery, e.Error, sum); err != nil {
			return err
		}
		touched[of] = true
		if err := w.leaving(ctx, e.ID-KeepHistory, touched); err != nil {
			return err
		}
	}
	for of := range touched {
		if err := w.prune(ctx, of, last+int64(len(b.History))-KeepHistory); err != nil {
			return err
		}
	}
	return nil
}

// leaving notes the address of the entry that leaves the window.
func (w *work) leaving(ctx context.Context, id int64, touched map[string]bool) error {
	if id <= 0 {
		return nil
	}
	var of string
	err := w.stmts.addressOf.QueryRowContext(ctx, id).Scan(&of)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	touched[of] = true
	return err
}

func (w *work) prune(ctx context.Context, of string, window int64) error {
	if window <= 0 {
		return nil
	}
	var known bool
	if err := w.stmts.isKnown.QueryRowContext(ctx, of).Scan(&known); err != nil {
		return err
	}
	keep := 0
	if known {
		keep = KeepHistoryOf
	}
	rows, err := w.stmts.pruneHistory.QueryContext(ctx, of, window, keep)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var sum int64
		if err := rows.Scan(&sum); err != nil {
			return err
		}
		w.meta.history.remove(sum)
	}
	return rows.Err()
}
