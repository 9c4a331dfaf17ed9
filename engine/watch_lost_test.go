//go:build unix

package engine_test

import (
	"database/sql"
	"fmt"
	"os"
	"testing"

	"tidegate/engine"
)

// stored counts the content that the state holds and that is what its name says it is, or that
// somebody overwrote with zeros.
func (m *module) stored(condition string) (n int) {
	m.t.Helper()
	db, err := sql.Open("sqlite", "file:"+m.path(engine.DefaultState)+"?_pragma=busy_timeout(10000)")
	if err != nil {
		m.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(m.t.Context(), "SELECT count(*) FROM blobs WHERE "+condition).Scan(&n); err != nil {
		m.t.Fatal(err)
	}
	return n
}

// Somebody deletes or damages the content of the state. Nothing that runs is
// touched for it; the source is fetched again, what is new goes on, and the state stays writable.
func TestWatchLostContentIsFetchedAgain(t *testing.T) {
	for name, damage := range map[string]string{
		"gone":    "DELETE FROM blobs",
		"damaged": "UPDATE blobs SET data = x'00112233'",
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t, `{"v":1}`, `"1"`)
			m := newModule(t, "main.hcl", polled(o.URL))
			log := &logText{}
			d := m.watch(log.option)
			d.awaitFile("out.json", `{"v":1}`)
			d.awaitSink("sink.file.c", engine.StateOK)
			if name == "gone" {
				m.sql(damage) // told by the first commit that has to do with it
			} else {
				d.halt() // told by who reads it
				m.sql(damage)
				d = m.watch(log.option)
			}
			d.useAnew(`{"v":1}`)
			d.awaitSink("sink.file.new", engine.StateOK)
			m.wantFile("out.json", `{"v":1}`)
			d.await("the content is in the state again", func() bool {
				return log.count("the lost content of a source is there again") == 1 && m.stored(`data = CAST('{"v":1}' AS BLOB)`) == 1
			})
			if n := log.count("the state has lost the accepted content"); n != 1 {
				t.Errorf("it was said %d times", n)
			}
			// More values than generations are kept: what was lost is let go of.
			for v := 2; v < 6; v++ {
				o.set(fmt.Sprintf(`{"v":%d}`, v), fmt.Sprintf(`"%d"`, v), 200)
				d.awaitFile("out.json", fmt.Sprintf(`{"v":%d}`, v))
				d.awaitFile("new.json", fmt.Sprintf(`{"v":%d}`, v))
			}
			d.awaitSink("sink.file.c", engine.StateOK)
			if bad := events[engine.StateTrouble](d); len(bad) > 0 {
				t.Errorf("the state cannot be written: %+v", bad)
			}
			d.halt()
			m.wantNoChanges()
		})
	}
}

// The origin has moved on when the accepted content is found to be lost, while its value was still
// in memory: the intent that names it is written all the same, and the newer value is used.
func TestWatchLostContentThatNobodyHasAnyMore(t *testing.T) {
	o := newOrigin(t, `{"v":1}`, `"1"`)
	m := newModule(t, "main.hcl", polled(o.URL))
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitSink("sink.file.c", engine.StateOK)
	o.set("", "", 500)
	d.awaitSource("source.http.c", engine.StateFailing)
	m.sql("DELETE FROM blobs")
	d.useAnew(`{"v":1}`)
	d.awaitSink("sink.file.new", engine.StateOK)
	o.set(`{"v":2}`, `"2"`, 200)
	d.awaitFile("new.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
	d.awaitSink("sink.file.c", engine.StateOK)
	if bad := events[engine.StateTrouble](d); len(bad) > 0 {
		t.Errorf("the state cannot be written: %+v", bad)
	}
	d.halt()
	m.wantNoChanges()
}

// The block that a target was written from is lost. When the target is restored it is stored again,
// so that the target can be restored also while nothing can be rendered.
func TestWatchLostPayloadIsRenderedAgain(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitSink("sink.file.out", engine.StateOK)
	m.sql("DELETE FROM blobs")
	if err := os.Remove(m.path("out.json")); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("out.json", `{"v":1}`)
	d.await("the block is in the state again", func() bool { return m.stored(`instr(CAST(data AS TEXT), 'out.json') > 0`) == 1 })
	if bad := events[engine.StateTrouble](d); len(bad) > 0 {
		t.Errorf("the state cannot be written: %+v", bad)
	}
}
