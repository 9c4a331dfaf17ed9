package state

import (
	"context"
	"database/sql"
	"errors"
)

// stmts are the statements of a commit, prepared once on the connection that writes.
type stmts struct {
	begin, commit, rollback                          *sql.Stmt
	getMeta, putMeta                                 *sql.Stmt
	sources, sinks, outputs                          tableStmts
	dropShared, putShared                            *sql.Stmt
	countBlob, dropBlob, putBlob                     *sql.Stmt
	putDocument, dropDocument                        *sql.Stmt
	lastHistory, putHistory, addressOf, pruneHistory *sql.Stmt
	isKnown                                          *sql.Stmt
	all                                              []*sql.Stmt
}

// tableStmts are the statements of the table of sources, sinks or outputs.
type tableStmts struct {
	name                  string
	get, put, del, naming *sql.Stmt
}

func prepare(ctx context.Context, c *sql.Conn) (*stmts, error) {
	s := &stmts{sources: tableStmts{name: "sources"}, sinks: tableStmts{name: "sinks"}, outputs: tableStmts{name: "outputs"}}
	list := []struct {
		into  **sql.Stmt
		query string
	}{
		{&s.begin, "BEGIN IMMEDIATE"},
		{&s.commit, "COMMIT"},
		{&s.rollback, "ROLLBACK"},
		{&s.getMeta, getMeta},
		{&s.putMeta, putMeta},
		{&s.dropShared, "DELETE FROM shared WHERE address = ? RETURNING sum"},
		{&s.putShared, "INSERT INTO shared (address, data, sum) VALUES (?, ?, ?)"},
		{&s.countBlob, "UPDATE blobs SET refs = refs + ? WHERE hash = ? RETURNING refs"},
		{&s.dropBlob, "DELETE FROM blobs WHERE hash = ?"},
		{&s.putBlob, "INSERT INTO blobs (hash, sealed, refs, size, data) VALUES (?, ?, ?, ?, ?)"},
		{&s.putDocument, putDocument},
		{&s.dropDocument, dropDocument},
		{&s.lastHistory, lastHistory},
		{&s.putHistory, putHistory},
		{&s.addressOf, addressOf},
		{&s.isKnown, isKnown},
		{&s.pruneHistory, pruneHistory},
	}
	for _, t := range []*tableStmts{&s.sources, &s.sinks, &s.outputs} {
		list = append(list, []struct {
			into  **sql.Stmt
			query string
		}{
			{&t.get, "SELECT address, revision, data, sum FROM " + t.name + " WHERE address = ?"},
			{&t.put, "INSERT INTO " + t.name + " (address, revision, data, sum) VALUES (?, ?, ?, ?) ON CONFLICT (address) DO UPDATE SET revision = excluded.revision, data = excluded.data, sum = excluded.sum"},
			{&t.del, "DELETE FROM " + t.name + " WHERE address = ?"},
			{&t.naming, "SELECT address, data FROM " + t.name + " WHERE instr(data, ?) > 0"},
		}...)
	}
	for _, p := range list {
		stmt, err := c.PrepareContext(ctx, p.query)
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		*p.into = stmt
		s.all = append(s.all, stmt)
	}
	return s, nil
}

func (s *stmts) close() error {
	var errs []error
	for _, stmt := range s.all {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}
