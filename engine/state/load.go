package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"tidegate/hclspec/address"
)

// load reads the whole ledger in one transaction and compares it with its digests.
func load(ctx context.Context, db *sql.DB) (*Ledger, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	m, err := readMeta(ctx, tx)
	if err != nil {
		return nil, err
	}
	l := New()
	l.Lineage, l.Serial = m.lineage, m.serial
	if err := loadRows(ctx, tx, "sources", m.sources, l.Sources, func(s *Source) (address.Address, int64) { return s.Address, s.Revision }); err != nil {
		return nil, err
	}
	if err := loadRows(ctx, tx, "sinks", m.sinks, l.Sinks, func(s *Sink) (address.Address, int64) { return s.Address, s.Revision }); err != nil {
		return nil, err
	}
	if err := loadRows(ctx, tx, "outputs", m.outputs, l.Outputs, func(o *Output) (address.Address, int64) { return o.Address, o.Revision }); err != nil {
		return nil, err
	}
	return l, loadShared(ctx, tx, m.shared, l.Shared)
}

// rawRow is a row as it is stored.
type rawRow struct {
	name, data    string
	revision, sum int64
}

// decodeBatch rows go to a decoder at once, to make the hand-over cheap.
const decodeBatch = 200

// loadRows reads the table of sources, sinks or outputs into a map. Most of the time goes into
// JSON, so the rows are decoded beside the reading, on all processors.
func loadRows[T any, P sharing[T]](ctx context.Context, q querier, table string, want digest, into map[address.Address]*T, id func(*T) (address.Address, int64)) error {
	var mu sync.Mutex
	work := make(chan []rawRow)
	g, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for batch := range work {
				rows, err := decodeRows[T, P](table, batch, id)
				if err != nil {
					return err
				}
				mu.Lock()
				for _, row := range rows {
					a, _ := id(row)
					into[a] = row
				}
				mu.Unlock()
			}
			return nil
		})
	}
	var got digest
	g.Go(func() (err error) {
		defer close(work)
		got, err = readRows(ctx, q, table, work)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return compare(table, got, want, len(into))
}

// readRows sends the rows of a table in batches until the context ends.
func readRows(ctx context.Context, q querier, table string, to chan<- []rawRow) (digest, error) {
	var got digest
	rows, err := q.QueryContext(ctx, "SELECT address, revision, data, sum FROM "+table)
	if err != nil {
		return got, err
	}
	defer rows.Close()
	for more := true; more; {
		batch := make([]rawRow, 0, decodeBatch)
		for len(batch) < decodeBatch {
			if more = rows.Next(); !more {
				break
			}
			var r rawRow
			if err := rows.Scan(&r.name, &r.revision, &r.data, &r.sum); err != nil {
				return got, err
			}
			got.add(r.sum)
			batch = append(batch, r)
		}
		select {
		case to <- batch:
		case <-ctx.Done():
			return got, context.Cause(ctx)
		}
	}
	return got, rows.Err()
}

func decodeRows[T any, P sharing[T]](table string, batch []rawRow, id func(*T) (address.Address, int64)) ([]*T, error) {
	out := make([]*T, 0, len(batch))
	for _, r := range batch {
		if r.sum != rowSum(table, r.name, r.revision, r.data) {
			return nil, corrupt("the row %s does not match its checksum", r.name)
		}
		row := new(T)
		if err := json.Unmarshal([]byte(r.data), row); err != nil {
			return nil, corrupt("the row %s: %v", r.name, err)
		}
		if a, revision := id(row); a.String() != r.name || revision != r.revision {
			return nil, corrupt("the row %s holds another row", r.name)
		}
		P(row).share()
		out = append(out, row)
	}
	return out, nil
}

// sharing is a row whose equal texts can be made one.
type sharing[T any] interface {
	*T
	share()
}

func loadShared(ctx context.Context, q querier, want digest, into map[string]Counter) error {
	rows, err := q.QueryContext(ctx, "SELECT address, data, sum FROM shared")
	if err != nil {
		return err
	}
	defer rows.Close()
	var got digest
	for rows.Next() {
		var name, data string
		var sum int64
		if err := rows.Scan(&name, &data, &sum); err != nil {
			return err
		}
		if sum != rowSum("shared", name, 0, data) {
			return corrupt("the counter %s does not match its checksum", name)
		}
		got.add(sum)
		var c Counter
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			return corrupt("the counter %s: %v", name, err)
		}
		into[name] = c
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return compare("shared", got, want, len(into))
}

func compare(table string, got, want digest, distinct int) error {
	if got != want || int64(distinct) != got.count {
		return corrupt("table %s has %d rows and not the %d that belong to it, or others", table, got.count, want.count)
	}
	return nil
}
