package state

import (
	"context"
	"database/sql"
	"fmt"
)

// applicationID marks our databases in SQLite's header ("Tide"), so that a database of
// another program is refused instead of filled with our tables.
const applicationID = 0x54696465

// schema is a version of the tables and the way to it from older ones.
type schema struct {
	version int
	steps   map[int]migration // steps[n] leads from version n to n+1
}

// migration changes tables and rows inside the transaction that it is given.
type migration func(ctx context.Context, tx *sql.Conn) error

// current is the schema this program writes. It stands in PRAGMA user_version, where it can
// be read without opening the database, and in meta, where the seal covers it.
var current = schema{version: 3, steps: map[int]migration{1: addOutputs, 2: addDocuments}}

// outputsSchema is the first schema with a table of outputs, and its digest in meta.
const outputsSchema = 2

// outputsTable holds the values of outputs as of the last apply.
const outputsTable = "CREATE TABLE outputs (address TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, data TEXT NOT NULL, sum INTEGER NOT NULL);"

// addOutputs leads from schema 1, which kept no outputs, to 2.
func addOutputs(ctx context.Context, c *sql.Conn) error { return execute(ctx, c, outputsTable) }

// documentsSchema is the first schema with a table of documents, and its digest in meta.
const documentsSchema = 3

// documentsTable has the data last, so that the sums are read without it.
const documentsTable = "CREATE TABLE documents (name TEXT NOT NULL PRIMARY KEY, sealed INTEGER NOT NULL, sum INTEGER NOT NULL, data BLOB NOT NULL);"

// addDocuments leads from schema 2, which kept no documents, to 3.
func addDocuments(ctx context.Context, c *sql.Conn) error { return execute(ctx, c, documentsTable) }

// tables is the current schema. The rows of sources, sinks, outputs and shared are JSON documents, history has
// columns: both are meant to be queried with the sqlite3 shell.
//
// sum is a checksum of the row; meta holds for each table the number of rows and the sum of
// their checksums, and a seal over itself, so a row that is flipped, lost, doubled or
// brought back from yesterday is noticed.
const tables = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (address TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, data TEXT NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE sinks (address TEXT NOT NULL PRIMARY KEY, revision INTEGER NOT NULL, data TEXT NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE shared (address TEXT NOT NULL PRIMARY KEY, data TEXT NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE blobs (hash TEXT NOT NULL PRIMARY KEY, sealed INTEGER NOT NULL, refs INTEGER NOT NULL, size INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX blobs_sealed ON blobs (hash) WHERE sealed = 1;
CREATE TABLE history (
	id INTEGER PRIMARY KEY, address TEXT NOT NULL, time TEXT NOT NULL, action TEXT NOT NULL,
	revision INTEGER NOT NULL, cause TEXT NOT NULL, size INTEGER NOT NULL, hash TEXT NOT NULL,
	delivery TEXT NOT NULL, error TEXT NOT NULL, sum INTEGER NOT NULL);
CREATE INDEX history_address ON history (address, id);
` + outputsTable + documentsTable

// create fills an empty database.
func create(ctx context.Context, c *sql.Conn, m meta) error {
	if err := execute(ctx, c, tables); err != nil {
		return err
	}
	if err := execute(ctx, c, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return err
	}
	if err := execute(ctx, c, fmt.Sprintf("PRAGMA user_version = %d", m.schema)); err != nil {
		return err
	}
	return m.write(ctx, c)
}

func execute(ctx context.Context, c *sql.Conn, query string, args ...any) error {
	_, err := c.ExecContext(ctx, query, args...)
	return err
}
