package state

import (
	"context"
	"database/sql"
	"encoding/json"

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
	return l, loadShared(ctx, tx, m.shared, l.Shared)
}

// loadRows reads the table of sources or sinks into a map.
func loadRows[T any](ctx context.Context, q querier, table string, want digest, into map[address.Address]*T, id func(*T) (address.Address, int64)) error {
	rows, err := q.QueryContext(ctx, "SELECT address, revision, data, sum FROM "+table)
	if err != nil {
		return err
	}
	defer rows.Close()
	var got digest
	for rows.Next() {
		var name, data string
		var revision, sum int64
		if err := rows.Scan(&name, &revision, &data, &sum); err != nil {
			return err
		}
		if sum != rowSum(table, name, revision, data) {
			return corrupt("the row %s does not match its checksum", name)
		}
		got.add(sum)
		row := new(T)
		if err := json.Unmarshal([]byte(data), row); err != nil {
			return corrupt("the row %s: %v", name, err)
		}
		a, r := id(row)
		if a.String() != name || r != revision {
			return corrupt("the row %s holds another row", name)
		}
		into[a] = row
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return compare(table, got, want, len(into))
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
