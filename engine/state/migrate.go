package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// migrate brings the state to the newest schema, after keeping a copy of it beside. The
// steps are one transaction: a crash leaves the old schema or the new one.
func (f files) migrate(ctx context.Context, found int, sc schema) error {
	db, err := openDB(f.db, "mode=rw&"+writerParams)
	if err != nil {
		return err
	}
	defer db.Close()
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	// Now the file alone is the whole state, before as well as after.
	if err := checkpoint(ctx, c); err != nil {
		return err
	}
	backup, err := f.backup(found)
	if err != nil {
		return fmt.Errorf("keep a copy before migrating: %w", err)
	}
	if err := sc.upgrade(ctx, c, found); err != nil {
		return fmt.Errorf("migrate from schema %d to %d (a copy is in %s): %w", found, sc.version, backup, err)
	}
	return checkpoint(ctx, c)
}

func checkpoint(ctx context.Context, c *sql.Conn) error {
	var busy, log, done int
	if err := c.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("another program, such as the sqlite3 shell, has the state open; close it")
	}
	return nil
}

// upgrade runs the steps from one schema to the newest.
func (sc schema) upgrade(ctx context.Context, c *sql.Conn, from int) error {
	if from == sc.version {
		return nil
	}
	return inTx(ctx, c, func() error {
		for v := from; v < sc.version; v++ {
			step, ok := sc.steps[v]
			if !ok {
				return fmt.Errorf("no way leads from schema %d to %d", v, v+1)
			}
			if err := step(ctx, c); err != nil {
				return fmt.Errorf("from schema %d to %d: %w", v, v+1, err)
			}
		}
		m, err := readMeta(ctx, c)
		if err != nil {
			return err
		}
		m.schema = sc.version
		if err := m.write(ctx, c); err != nil {
			return err
		}
		return execute(ctx, c, fmt.Sprintf("PRAGMA user_version = %d", sc.version))
	})
}

// backup copies the checkpointed database beside itself, durably, as
// state.db.v1.backup-20060102T150405Z. It is never written to again.
func (f files) backup(version int) (string, error) {
	name := fmt.Sprintf("%s.v%d.backup-%s", f.db, version, time.Now().UTC().Format("20060102T150405.000Z"))
	info, err := os.Stat(f.db)
	if err != nil {
		return "", err
	}
	temp, err := os.CreateTemp(filepath.Dir(f.db), filepath.Base(f.db)+tempMark+"*")
	if err != nil {
		return "", err
	}
	defer os.Remove(temp.Name())
	err = errors.Join(temp.Chmod(info.Mode().Perm()), temp.Close())
	if err == nil {
		err = copyFile(f.db, temp.Name())
	}
	if err == nil {
		err = installNew(temp.Name(), name)
	}
	return name, err
}
