package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/providers"
	"tidegate/providers/all"
)

func (d *daemon) status() *engine.Status {
	d.m.t.Helper()
	s, err := d.Status(context.Background())
	if err != nil {
		d.m.t.Fatal(err)
	}
	return s
}

func (d *daemon) mustReload() {
	d.m.t.Helper()
	if err := d.Reload(context.Background()); err != nil {
		d.m.t.Fatalf("reload: %s", err)
	}
}

// reloads counts those that were told of, good and broken.
func (d *daemon) reloads() (good, broken int) {
	for _, ev := range events[engine.Reloaded](d) {
		if ev.Err == "" {
			good++
		} else {
			broken++
		}
	}
	return good, broken
}

// tryWatch returns why a daemon does not start.
func (m *module) tryWatch() error {
	m.t.Helper()
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		m.t.Fatal(err)
	}
	d, diags := engine.NewDaemon(context.Background(), engine.Options{Dir: m.dir, Registry: registry, Environ: m.environ, Version: "0.1.0"}, engine.WatchOptions{})
	if d != nil {
		if err := d.Close(); err != nil {
			m.t.Error(err)
		}
		return nil
	}
	return errors.New(texts(diags))
}

func quickly(_ *engine.Options, w *engine.WatchOptions) { w.ConfigInterval = 20 * time.Millisecond }

// A directory that is replaced file by file is waited for: no half of it is taken over. A writer
// whose machine lets it wait for longer than the quiet time says nothing of that: he begins anew.
func TestReloadWaitsForAReplacedDirectory(t *testing.T) {
	t.Parallel()
	for replaceFileByFile(t) > time.Second {
	}
}

// replaceFileByFile returns the longest time between two files.
func replaceFileByFile(t *testing.T) (longest time.Duration) {
	t.Helper()
	m := newModule(t, "conf/a.hcl", onlySource, "conf/b.hcl", strings.Replace(copyOfFile, onlySource, "", 1), "conf/app.json", `{"v":1}`)
	d := m.watch(quickly, func(o *engine.Options, _ *engine.WatchOptions) {
		o.Dir, o.StatePath = m.path("conf"), m.path("state.db")
	})
	defer d.halt()
	d.awaitFile("conf/out.json", `{"v":1}`)
	d.awaitSink("sink.file.out", engine.StateOK)
	aside := m.path("aside")
	last := time.Now()
	lap := func() { longest, last = max(longest, time.Since(last)), time.Now() }
	if err := os.Rename(m.path("conf"), aside); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // it is missing for a while, which is seen
	for _, name := range []string{"b.hcl", "app.json", "out.json", "a.hcl"} {
		data, err := os.ReadFile(filepath.Join(aside, name))
		if err != nil {
			t.Fatal(err)
		}
		m.write("conf/"+name, string(data))
		lap()
		time.Sleep(200 * time.Millisecond)
	}
	m.write("conf/c.hcl", "sink \"file\" \"c\" {\n  path = \"c\"\n  content = \"new\"\n}\n")
	lap()
	d.awaitFile("conf/c", "new")
	if longest > time.Second {
		return longest
	}
	if good, broken := d.reloads(); good != 1 || broken != 0 {
		t.Errorf("%d good and %d broken reloads", good, broken)
	}
	if ev := events[engine.Reloaded](d); len(ev) == 0 || ev[0].Added != 1 || ev[0].Changed != 0 || ev[0].Removed != 0 {
		t.Errorf("%+v", ev)
	}
	m.replace("conf/app.json", `{"v":2}`)
	d.awaitFile("conf/out.json", `{"v":2}`)
	return longest
}

// A directory that is gone for longer is told of once; what runs goes on, and the directory
// is used again when it is back.
func TestReloadOfAMissingDirectory(t *testing.T) {
	t.Parallel()
	m := newModule(t, "conf/main.hcl", strings.Replace(copyOfFile, `"app.json"`, `"../app.json"`, 1), "app.json", `{"v":1}`)
	d := m.watch(quickly, func(o *engine.Options, _ *engine.WatchOptions) {
		o.Dir, o.StatePath = m.path("conf"), m.path("state.db")
	})
	d.awaitFile("conf/out.json", `{"v":1}`)
	d.awaitSink("sink.file.out", engine.StateOK)
	if err := os.Rename(m.path("conf"), m.path("aside")); err != nil {
		t.Fatal(err)
	}
	d.await("it is told of", func() bool { _, broken := d.reloads(); return broken > 0 })
	if s := d.status(); s.Reload.Success || !strings.Contains(s.Reload.Error, "Directory not found") || len(s.Sinks) != 1 {
		t.Errorf("%+v", s.Reload)
	}
	time.Sleep(3 * time.Second) // longer than the quiet time: nothing is said again
	if err := os.Rename(m.path("aside"), m.path("conf")); err != nil {
		t.Fatal(err)
	}
	d.await("it is well again", func() bool { return d.status().Reload.Success })
	if good, broken := d.reloads(); good != 1 || broken != 1 {
		t.Errorf("%d good and %d broken reloads", good, broken)
	}
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("conf/out.json", `{"v":2}`)
}

// A broken configuration is told of once: not at every look, and not when it is touched.
func TestReloadTellsOfABrokenConfigurationOnce(t *testing.T) {
	t.Parallel()
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch(quickly)
	d.awaitFile("out.json", `{"v":1}`)
	m.write("main.hcl", copyOfFile+"\nlocals { x = file(\"missing\") }\n")
	d.await("it is told of", func() bool { _, broken := d.reloads(); return broken > 0 })
	touch := func(name string) {
		now := time.Now()
		if err := os.Chtimes(m.path(name), now, now); err != nil {
			t.Fatal(err)
		}
	}
	touch("main.hcl")
	time.Sleep(3 * time.Second) // longer than the quiet time
	if _, broken := d.reloads(); broken != 1 {
		t.Errorf("it was told of %d times", broken)
	}
	if s := d.status().Reload; s.Count != 1 || s.Failed != 1 || s.Success {
		t.Errorf("%+v", s)
	}
	// What was missing is looked for.
	m.write("missing", "here")
	d.await("it is well again", func() bool { return d.status().Reload.Success })
	touch("main.hcl")
	time.Sleep(3 * time.Second)
	if good, broken := d.reloads(); good != 1 || broken != 1 {
		t.Errorf("%d good and %d broken reloads", good, broken)
	}
}

// Files that functions read are configuration, also where it depends on data which ones.
func TestReloadFollowsFilesOfFunctions(t *testing.T) {
	m := newModule(t, "main.hcl", onlySource+`
locals { head = file("head.txt") }
sink "file" "template" {
  path    = "template.out"
  content = templatefile("t.tpl", { v = source.file.app.value.v })
}
sink "file" "local" {
  path    = "local.out"
  content = local.head
}
sink "file" "chosen" {
  path    = "chosen.out"
  content = file("choice-${source.file.app.value.v}")
}
sink "file" "other" {
  path    = "other.out"
  content = "other"
}`, "app.json", `{"v":1}`, "t.tpl", "v is ${v}", "head.txt", "head", "choice-1", "one")
	d := m.watch()
	d.awaitFile("template.out", "v is 1")
	d.awaitFile("local.out", "head")
	d.awaitFile("chosen.out", "one")
	d.awaitFile("other.out", "other")
	for _, name := range []string{"template", "local", "chosen", "other"} {
		d.awaitSink("sink.file."+name, engine.StateOK)
	}
	for i, step := range []struct{ file, text, out, want string }{
		{"t.tpl", "v: ${v}", "template.out", "v: 1"},
		{"head.txt", "headline", "local.out", "headline"},
		{"choice-1", "first", "chosen.out", "first"},
		{"choice-1", "again", "chosen.out", "again"},
		{"t.tpl", "=${v}", "template.out", "=1"},
	} {
		m.write(step.file, step.text)
		d.mustReload()
		d.awaitFile(step.out, step.want)
		// What was looked at meanwhile for another reason has seen the new file already.
		seen := strings.HasPrefix(step.file, "choice")
		if ev := events[engine.Reloaded](d); ev[i].Changed != 1 && !seen || ev[i].Changed > 1 || ev[i].Added+ev[i].Removed != 0 {
			t.Errorf("%s: %+v", step.file, ev[i])
		}
	}
	if n := d.sink("sink.file.other").Deliveries; n != 1 {
		t.Errorf("a sink that reads none of them was delivered %d times", n)
	}
}

// Without anybody's word, too.
func TestReloadSeesATemplate(t *testing.T) {
	t.Parallel()
	m := newModule(t, "main.hcl", onlySource+`
sink "file" "out" {
  path    = "out"
  content = templatefile("t.tpl", { v = source.file.app.value.v })
}`, "app.json", `{"v":1}`, "t.tpl", "v is ${v}")
	d := m.watch(quickly)
	d.awaitFile("out", "v is 1")
	m.write("t.tpl", "v: ${v}")
	d.awaitFile("out", "v: 1")
}

// A rule's schema is configuration: when it changes, the accepted value is judged again.
func TestReloadJudgesByANewSchema(t *testing.T) {
	m := newModule(t, "conf/main.hcl", `
rule "schema" "app" { path = "../schema.json" }
source "file" "app" {
  path  = "../app.json"
  rules = [rule.schema.app]
}
sink "file" "out" {
  path    = "../out.json"
  content = jsonencode(source.file.app.value)
}`, "app.json", `{"v":1}`, "schema.json", `{"type":"object"}`)
	d := m.watch(func(o *engine.Options, _ *engine.WatchOptions) { o.Dir = m.path("conf") })
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitSource("source.file.app", engine.StateOK)
	m.write("schema.json", `{"type":"object","properties":{"v":{"minimum":5}}}`)
	d.mustReload()
	d.awaitSource("source.file.app", engine.StateRejected)
	m.wantFile("out.json", `{"v":1}`)
	m.replace("app.json", `{"v":7}`)
	d.awaitFile("out.json", `{"v":7}`)
	m.write("schema.json", `{"type":"object"}`)
	d.mustReload()
	m.replace("app.json", `{"v":1}`)
	d.awaitFile("out.json", `{"v":1}`)
}

// Files of values are configuration, and a secret is no less another one than any value.
func TestReloadTakesNewValues(t *testing.T) {
	t.Parallel()
	m := newModule(t, "main.hcl", `
variable "word" {}
variable "secret" { sensitive = true }
sink "file" "word" {
  path    = "word"
  content = var.word
}
sink "file" "secret" {
  path    = "secret"
  content = var.secret
}`, "tidegate.hclvars", "word = \"one\"\n", "x.auto.hclvars", "secret = \"alpha\"\n")
	d := m.watch(quickly)
	d.awaitFile("word", "one")
	d.awaitFile("secret", "alpha")
	m.write("tidegate.hclvars", "word = \"two\"\n")
	d.awaitFile("word", "two")
	m.write("x.auto.hclvars", "secret = \"beta\"\n")
	d.mustReload()
	d.awaitFile("secret", "beta")
	d.await("both are acknowledged", func() bool {
		return d.sink("sink.file.word").Deliveries >= 2 && d.sink("sink.file.secret").Deliveries >= 2
	})
	if n := d.sink("sink.file.word").Deliveries; n != 2 {
		t.Errorf("%d deliveries", n)
	}
}

// What is inside of a text counts, blanks around it do not.
func TestReloadSeesBlanksInTexts(t *testing.T) {
	const text = "sink \"file\" \"a\" {\n  path = \"a\"\n  content = \"x y\"\n}\n"
	m := newModule(t, "main.hcl", text)
	d := m.watch()
	d.awaitFile("a", "x y")
	m.write("main.hcl", strings.Replace(text, "x y", "x  y", 1))
	d.mustReload()
	d.awaitFile("a", "x  y")
	m.write("main.hcl", "# a comment\n"+strings.Replace(text, `"x y"`, `  "x  y" # another`, 1))
	d.mustReload()
	if ev := events[engine.Reloaded](d); ev[0].Changed != 1 || ev[1].Changed != 0 {
		t.Errorf("%+v", ev)
	}
}

// The state is held; a configuration that names another one is refused.
func TestReloadDoesNotMoveTheState(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	m.write("state.hcl", "tidegate {\n  state \"local\" { path = \"elsewhere.db\" }\n}\n")
	if err := d.Reload(context.Background()); err == nil || !strings.Contains(err.Error(), "elsewhere.db") {
		t.Errorf("reload says %v", err)
	}
	if _, there := m.read("elsewhere.db"); there {
		t.Error("the other state was made")
	}
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
}

// What does not change keeps its timers, its counts and its notifications, also in a file
// that did.
func TestReloadDisturbsNobody(t *testing.T) {
	const slow = `
detector "hash" "slow" { interval = "1h" }
source "file" "quiet" {
  path      = "app.json"
  detectors = [detector.hash.slow]
}
sink "file" "quiet" {
  path    = "quiet.json"
  content = jsonencode(source.file.quiet.value)
}`
	m := newModule(t, "main.hcl", copyOfFile+slow, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitFile("quiet.json", `{"v":1}`)
	d.awaitSink("sink.file.quiet", engine.StateOK)
	d.awaitSource("source.file.quiet", engine.StateOK)
	was, sink := d.source("source.file.quiet"), d.sink("sink.file.quiet")
	for i := range 5 {
		m.write("main.hcl", strings.Replace(copyOfFile, "content = ", fmt.Sprintf("mode = \"06%d0\"\n  content = ", i), 1)+slow)
		d.mustReload()
		if ev := events[engine.Reloaded](d); ev[i].Changed != 1 {
			t.Errorf("%+v", ev[i])
		}
	}
	if now := d.source("source.file.quiet"); now.Looks != was.Looks || !now.NextLook.Equal(was.NextLook) || now.Changes != was.Changes {
		t.Errorf("%+v, was %+v", now, was)
	}
	if now := d.sink("sink.file.quiet"); now.Deliveries != sink.Deliveries || now.LastSuccess != sink.LastSuccess {
		t.Errorf("%+v, was %+v", now, sink)
	}
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
	m.wantFile("quiet.json", `{"v":1}`)
}
