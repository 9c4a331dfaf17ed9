package engine_test

import (
	"os"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
)

// replaceOld replaces a file by one that is as old as files can be: nothing but its content tells
// that it is another.
func (m *module) replaceOld(name, text string) {
	m.t.Helper()
	temp := m.path(name + ".new")
	old := time.Unix(1_000_000_000, 0)
	if err := os.WriteFile(temp, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Chtimes(temp, old, old); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(temp, m.path(name)); err != nil {
		m.t.Fatal(err)
	}
}

const readsTemplate = `sink "file" "out" {
  path    = "out.json"
  content = file("template.txt")
}
`

// The configuration changes after the daemon has read it and before it looks at its files for the
// first time: it is loaded again without any further change.
func TestWatchChangeBetweenLoadAndFirstLook(t *testing.T) {
	t.Parallel()
	other := `
sink "file" "other" {
  path    = "other.json"
  content = "other"
}
`
	holds := func(name, want string) func(d *daemon) bool {
		return func(d *daemon) bool {
			got, _ := d.m.read(name)
			return got == want
		}
	}
	for name, c := range map[string]struct {
		change func(m *module)
		loaded func(d *daemon) bool
	}{
		"changed":  {func(m *module) { m.replaceOld("main.hcl", readsTemplate+other) }, holds("other.json", "other")},
		"added":    {func(m *module) { m.replaceOld("other.hcl", other) }, holds("other.json", "other")},
		"values":   {func(m *module) { m.replaceOld("x.auto.hclvars", `word = "given"`) }, holds("word", "given")},
		"template": {func(m *module) { m.replaceOld("template.txt", "second") }, holds("out.json", "second")},
		"listed":   {func(m *module) { m.replaceOld("parts/b", "") }, holds("parts.json", "a b")},
		"removed": {func(m *module) {
			if err := os.Remove(m.path("word.hcl")); err != nil {
				m.t.Fatal(err)
			}
		}, func(d *daemon) bool { return len(d.status().Sinks) == 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", readsTemplate, "template.txt", "first", "parts/a", "", "word.hcl", `
variable "word" {
  type    = string
  default = "default"
}

sink "file" "word" {
  path    = "word"
  content = var.word
}

sink "file" "parts" {
  path    = "parts.json"
  content = join(" ", fileset("parts", "*"))
}
`)
			d := m.prepareWatch(quickly)
			c.change(m)
			d.start()
			d.await("the change is loaded", func() bool { return c.loaded(d) })
			if good, broken := d.reloads(); good == 0 || broken > 0 {
				t.Errorf("%d good reloads, %d broken ones", good, broken)
			}
		})
	}
}

// What the last good configuration stands in for is mended in that time.
func TestWatchMendedBetweenLoadAndFirstLook(t *testing.T) {
	t.Parallel()
	m := newModule(t, "main.hcl", readsTemplate, "template.txt", "first")
	d := m.watch()
	d.awaitFile("out.json", "first")
	d.halt()
	m.replaceOld("main.hcl", "sink {")
	d = m.prepareWatch(quickly)
	m.replaceOld("main.hcl", "# mended\n"+readsTemplate)
	d.start()
	d.await("the mended configuration runs", func() bool {
		s := d.status().Reload
		return s.Success && s.Count > 0
	})
}

// A file that the new configuration is the first to read changes while that is being loaded.
func TestWatchChangeWhileANewFileIsRead(t *testing.T) {
	t.Parallel()
	m := newModule(t, "main.hcl", `locals {}`, "template.txt", "first")
	d := m.watch(quickly, func(_ *engine.Options, w *engine.WatchOptions) {
		first := true
		w.Prepare = func(*engine.Engine, *engine.Receivers) (*engine.Prepared, hcl.Diagnostics) {
			if first { // it was read
				m.replaceOld("template.txt", "second")
				first = false
			}
			return nil, nil
		}
	})
	m.write("main.hcl", readsTemplate)
	d.mustReload()
	d.awaitFile("out.json", "second")
}
