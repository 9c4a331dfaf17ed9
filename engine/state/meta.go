package state

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
)

// meta is what the state says about itself.
type meta struct {
	schema    int
	lineage   string
	serial    int64
	version   string // of the program that wrote last
	recipient string // public half of the key that sealed blobs are encrypted to
	sources   digest
	sinks     digest
	shared    digest
	history   digest
	outputs   digest // since schema 2
	documents digest // since schema 3
}

// pairs are the rows of the table, without the seal.
func (m *meta) pairs() [][2]string {
	pairs := [][2]string{
		{"schema", strconv.Itoa(m.schema)},
		{"lineage", m.lineage},
		{"serial", strconv.FormatInt(m.serial, 10)},
		{"version", m.version},
		{"recipient", m.recipient},
		{"sources", m.sources.String()},
		{"sinks", m.sinks.String()},
		{"shared", m.shared.String()},
		{"history", m.history.String()},
	}
	if m.schema >= outputsSchema {
		pairs = append(pairs, [2]string{"outputs", m.outputs.String()})
	}
	if m.schema >= documentsSchema {
		pairs = append(pairs, [2]string{"documents", m.documents.String()})
	}
	return pairs
}

// seal is a checksum over all pairs.
func (m *meta) seal() string {
	var parts []string
	for _, p := range m.pairs() {
		parts = append(parts, p[0], p[1])
	}
	return strconv.FormatInt(checksum(parts...), 10)
}

const putMeta = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value"

func (m *meta) write(ctx context.Context, c *sql.Conn) error {
	stmt, err := c.PrepareContext(ctx, putMeta)
	if err != nil {
		return err
	}
	defer stmt.Close()
	return m.writeWith(ctx, stmt, nil)
}

// writeWith writes the rows that differ from those stored, all of them if these are not known.
func (m *meta) writeWith(ctx context.Context, put *sql.Stmt, stored *meta) error {
	var same map[[2]string]bool
	if stored != nil {
		same = map[[2]string]bool{}
		for _, p := range stored.pairs() {
			same[p] = true
		}
	}
	for _, p := range append(m.pairs(), [2]string{"seal", m.seal()}) {
		if same[p] {
			continue
		}
		if _, err := put.ExecContext(ctx, p[0], p[1]); err != nil {
			return err
		}
	}
	return nil
}

// querier is a connection, a transaction or a pool.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

const getMeta = "SELECT key, value FROM meta"

func readMeta(ctx context.Context, q querier) (meta, error) {
	rows, err := q.QueryContext(ctx, getMeta)
	if err != nil {
		return meta{}, err
	}
	return scanMeta(rows)
}

// scanMeta reads the rows and compares them with their seal.
func scanMeta(rows *sql.Rows) (meta, error) {
	defer rows.Close()
	values := map[string]string{}
	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return meta{}, err
		}
		values[key] = value
	}
	if err := rows.Err(); err != nil {
		return meta{}, err
	}
	m, err := parseMeta(values)
	if err != nil {
		return meta{}, corrupt("table meta: %v", err)
	}
	if values["seal"] != m.seal() {
		return meta{}, corrupt("table meta does not match its seal")
	}
	return m, nil
}

func parseMeta(values map[string]string) (meta, error) {
	m := meta{lineage: values["lineage"], version: values["version"], recipient: values["recipient"]}
	var err error
	if m.schema, err = strconv.Atoi(values["schema"]); err != nil {
		return m, fmt.Errorf("schema: %w", err)
	}
	if m.serial, err = strconv.ParseInt(values["serial"], 10, 64); err != nil {
		return m, fmt.Errorf("serial: %w", err)
	}
	digests := map[string]*digest{"sources": &m.sources, "sinks": &m.sinks, "shared": &m.shared, "history": &m.history}
	if m.schema >= outputsSchema {
		digests["outputs"] = &m.outputs
	}
	if m.schema >= documentsSchema {
		digests["documents"] = &m.documents
	}
	for key, d := range digests {
		if *d, err = parseDigest(values[key]); err != nil {
			return m, fmt.Errorf("%s: %w", key, err)
		}
	}
	return m, nil
}
