//go:build unix

package engine_test

import (
	"database/sql"
	"testing"

	"tidegate/engine"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// sql changes the module's state behind everybody's back.
func (m *module) sql(statements ...string) {
	m.t.Helper()
	db, err := sql.Open("sqlite", "file:"+m.path(engine.DefaultState))
	if err != nil {
		m.t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(m.t.Context(), s); err != nil {
			m.t.Fatalf("%s: %v", s, err)
		}
	}
}

var _ testing.TB
