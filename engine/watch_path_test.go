package engine_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"tidegate/engine"
)

// Two sinks whose paths come out of data collide: the one with the lower address writes, and the
// other one as soon as that writes somewhere else, or is gone.
func TestWatchPathsThatCollide(t *testing.T) {
	const a, b = `
sink "file" "a" {
  path    = source.file.a.value.path
  content = "a"
}`, `
sink "file" "b" {
  path    = source.file.b.value.path
  content = "b"
}`
	config := `
source "file" "a" { path = "a.json" }
source "file" "b" { path = "b.json" }` + b
	m := newModule(t, "main.hcl", config+a, "a.json", `{"path":"out"}`, "b.json", `{"path":"other"}`)
	d := m.watch()
	d.awaitFile("out", "a")
	d.awaitFile("other", "b")
	n := 0
	move := func(name, path string) {
		n++ // a value that goes back and forth is held
		m.replace(name+".json", fmt.Sprintf(`{"path":%q,"n":%d}`, path, n))
	}
	collide := func() {
		t.Helper()
		move("b", "out")
		d.awaitSink("sink.file.b", engine.StateRejected)
		if s := d.sink("sink.file.b"); !strings.Contains(s.Reason, "sink.file.a writes the same path") {
			t.Errorf("%+v", s)
		}
		d.awaitSink("sink.file.a", engine.StateOK)
		m.wantFile("out", "a")
	}
	collide()
	move("a", "elsewhere")
	d.awaitFile("elsewhere", "a")
	d.awaitFile("out", "b")
	d.awaitSink("sink.file.b", engine.StateOK)

	move("b", "other")
	d.await("it has moved", func() bool {
		return strings.HasSuffix(d.sink("sink.file.b").Target, "other") && d.sink("sink.file.b").State == engine.StateOK
	})
	if err := os.Remove(m.path("out")); err != nil {
		t.Fatal(err)
	}
	move("a", "out")
	d.awaitFile("out", "a")
	collide()
	m.write("main.hcl", config)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("out", "b")

	// A path that stands in the configuration goes first.
	m.write("main.hcl", config+fmt.Sprintf("\nsink \"file\" \"z\" {\n  path    = %q\n  content = \"z\"\n}", "out"))
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("out", "z")
	d.awaitSink("sink.file.b", engine.StateRejected)
	m.write("main.hcl", config)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("out", "b")
	d.awaitSink("sink.file.b", engine.StateOK)
}
