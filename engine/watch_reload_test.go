package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
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

// E2: a configuration that does not parse, or does not hold, changes nothing. What is wrong
// is told with its place.
func TestFaultE2BrokenReload(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	before := d.source("source.file.app")
	for _, broken := range []struct{ text, want string }{
		{"sink \"file\" \"x\" {\n", "main.hcl:1: Unclosed configuration block"},
		{"\n\nsink \"file\" \"x\" { path = local.none }\n", "main.hcl:3: Undeclared local value"},
		{"sink \"file\" \"x\" {\n  path    = \"x\"\n  content = 1\n  mode    = \"rwx\"\n}\n", "main.hcl:4: "},
		{"sink \"fiel\" \"x\" {}\n", `Did you mean "file"?`},
		{copyOfFile + "\nsink \"file\" \"x\" {\n  path = \"out.json\"\n  content = 1\n}\n", "main.hcl:7: Two sinks write one path"},
		{"", "No configuration files"},
	} {
		if broken.text == "" {
			if err := os.Remove(m.path("main.hcl")); err != nil {
				t.Fatal(err)
			}
		} else {
			m.write("main.hcl", broken.text)
		}
		err := d.Reload(context.Background())
		if err == nil || !strings.Contains(err.Error(), broken.want) {
			t.Errorf("%s: reload says %v, want %q", broken.text, err, broken.want)
			continue
		}
		if s := d.status(); s.Reload.Success || s.Reload.Error != err.Error() || len(s.Sources) != 1 || len(s.Sinks) != 1 {
			t.Errorf("%s: %+v", broken.text, s.Reload)
		}
	}
	if got := d.source("source.file.app"); got.Looks != before.Looks || !got.NextLook.Equal(before.NextLook) {
		t.Errorf("the source was disturbed: %+v, was %+v", got, before)
	}
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
	m.write("main.hcl", copyOfFile)
	d.mustReload()
	if s := d.status().Reload; !s.Success || s.Error != "" || s.Failed != 6 || s.Count != 7 {
		t.Errorf("after the mending: %+v", s)
	}
}

// E3: many reloads at once are one after the other, one serves all who wait, and nothing is
// left behind.
func TestFaultE3ManyReloads(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`, "more.hcl", "")
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc")
		}
		return len(list)
	}
	d.mustReload()
	before := descriptors()
	var wg sync.WaitGroup
	for i := range 100 {
		text := fmt.Sprintf("sink \"file\" \"second\" {\n  path    = \"second\"\n  content = \"%d\"\n}\n", i)
		if i%2 == 1 {
			text = text[:len(text)-2]
		}
		m.replace("more.hcl", text)
		wg.Go(func() { _ = d.Reload(context.Background()) })
		time.Sleep(10 * time.Millisecond) // the rate is the subject
	}
	wg.Wait()
	m.replace("more.hcl", "sink \"file\" \"second\" {\n  path    = \"second\"\n  content = \"last\"\n}\n")
	d.mustReload()
	d.awaitFile("second", "last")
	good, broken := d.reloads()
	if s := d.status().Reload; !s.Success || s.Count != int64(good+broken) || s.Failed != int64(broken) {
		t.Errorf("%+v after %d good and %d broken ones", s, good, broken)
	}
	if good+broken > 103 || broken == 0 {
		t.Errorf("%d good and %d broken reloads were told of", good, broken)
	}
	d.await("descriptors are as many as before", func() bool { return descriptors() <= before+2 })
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
}

const sinkThatWaits = `
sink "exec" "slow" {
  command = ["sh", "-c", "echo begun >begun; while [ ! -e go ]; do sleep 0.01; done; echo ${source.file.app.value.v} >>ran"]
}`

const onlySource = `
source "file" "app" { path = "app.json" }
`

// E4: what is under way when its block is removed ends as it began, and is forgotten then.
func TestFaultE4BlockRemovedWhileItIsDelivered(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile+sinkThatWaits, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitFile("begun", "begun\n")
	m.write("main.hcl", onlySource)
	d.mustReload()
	if last := events[engine.Reloaded](d); last[0].Removed != 2 || last[0].Added != 0 || last[0].Changed != 0 {
		t.Errorf("%+v", last)
	}
	m.write("go", "")
	d.awaitFile("ran", "1\n")
	d.await("both are forgotten", func() bool { return len(d.status().Sinks) == 0 })
	m.wantFile("out.json", `{"v":1}`)
	for _, ev := range events[engine.DeliveryFinished](d) {
		if ev.Err != "" || ev.Action == plan.Delete {
			t.Errorf("%+v", ev)
		}
	}
	d.halt()
	d = m.watch()
	d.awaitSource("source.file.app", engine.StateOK)
	m.wantFile("out.json", `{"v":1}`)
	m.wantFile("ran", "1\n")
}

// E4: what waits for its turn when its block is removed is let go of, with the policies it used.
func TestFaultE4BlocksRemovedWhileTheyWait(t *testing.T) {
	many := `
rule "assert" "any" {
  assertion {
    condition     = value != null
    error_message = "null"
  }
}
`
	for i := range 300 {
		many += fmt.Sprintf(`
source "exec" "s%d" {
  command = ["sh", "-c", "sleep 0.05; echo 1"]
  decode  = "json"
  rules   = [rule.assert.any]
}
sink "file" "s%d" {
  path    = "out-%d"
  content = jsonencode(try(source.file.app.value, %d))
}
`, i, i, i, i)
	}
	m := newModule(t, "main.hcl", copyOfFile+many, "app.json", `{"v":1}`)
	d := m.watch()
	m.write("main.hcl", copyOfFile)
	d.mustReload()
	d.awaitFile("out.json", `{"v":1}`)
	d.await("all others are forgotten", func() bool { s := d.status(); return len(s.Sinks) == 1 && len(s.Sources) == 1 && s.Queue == 0 })
	d.awaitSource("source.file.app", engine.StateOK)
	d.await("it is ready", d.Ready)
}

// E4: a sink that is changed while it is delivered is delivered again, as it is now.
func TestFaultE4BlockChangedWhileItIsDelivered(t *testing.T) {
	m := newModule(t, "main.hcl", onlySource+sinkThatWaits, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("begun", "begun\n")
	m.write("main.hcl", onlySource+`
sink "exec" "slow" {
  command = ["sh", "-c", "echo new ${source.file.app.value.v} >>ran"]
}`)
	d.mustReload()
	m.write("go", "")
	d.awaitFile("ran", "1\nnew 1\n")
	d.awaitSink("sink.exec.slow", engine.StateOK)
}

// E4: a renamed sink is adopted: its file stays as it is.
func TestFaultE4SinkRenamed(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitSink("sink.file.out", engine.StateOK)
	m.write("main.hcl", strings.Replace(copyOfFile, `"out"`, `"renamed"`, 1))
	info, err := os.Stat(m.path("out.json"))
	if err != nil {
		t.Fatal(err)
	}
	d.mustReload()
	d.awaitSink("sink.file.renamed", engine.StateOK)
	d.await("the old one is forgotten", func() bool { return len(d.status().Sinks) == 1 })
	if now, err := os.Stat(m.path("out.json")); err != nil || !os.SameFile(info, now) {
		t.Errorf("the file was written again: %v", err)
	}
}

// E4: a source of another kind under the same name is another source.
func TestFaultE4SourceOfAnotherKind(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	m.write("main.hcl", `
source "static" "app" { value = { v = 2 } }
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.static.app.value)
}`)
	d.mustReload()
	d.awaitFile("out.json", `{"v":2}`)
	if s := d.status(); len(s.Sources) != 1 || s.Sources[0].Kind != "static" {
		t.Errorf("%+v", s.Sources)
	}
	m.replace("app.json", `{"v":3}`)
	d.mustReload()
	m.wantFile("out.json", `{"v":2}`)
}

const deletable = `
source "file" "app" { path = "app.json" }
sink "file" "out" {
  path       = "out.json"
  content    = jsonencode(source.file.app.value)
  on_destroy = "delete"
}`

// E4: a delete waits for somebody's word, also over a restart and a change of mind.
func TestFaultE4DeleteWaitsForApproval(t *testing.T) {
	m := newModule(t, "main.hcl", deletable, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitSink("sink.file.out", engine.StateOK)
	m.write("main.hcl", onlySource)
	d.mustReload()
	d.awaitSink("sink.file.out", engine.StateBlocked)
	m.write("main.hcl", deletable)
	d.mustReload()
	d.awaitSink("sink.file.out", engine.StateOK)
	if n := len(d.status().Approvals); n != 0 {
		t.Errorf("%d approvals are asked for after it came back", n)
	}
	m.write("main.hcl", onlySource)
	d.mustReload()
	d.awaitSink("sink.file.out", engine.StateBlocked)
	d.halt()
	d = m.watch()
	d.awaitSink("sink.file.out", engine.StateBlocked)
	m.wantFile("out.json", `{"v":1}`)
	a, err := address.Parse("sink.file.out")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Approve(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	d.await("the file is gone", func() bool { _, there := m.read("out.json"); return !there })
	d.await("the sink is forgotten", func() bool { return len(d.status().Sinks) == 0 })
	if err := d.Approve(context.Background(), a); err == nil {
		t.Error("a second approval was taken")
	}
}

// E4: with --allow-delete nobody is asked.
func TestFaultE4DeleteIsAllowed(t *testing.T) {
	m := newModule(t, "main.hcl", deletable, "app.json", `{"v":1}`)
	d := m.watch(func(_ *engine.Options, w *engine.WatchOptions) { w.AllowDelete = true })
	d.awaitFile("out.json", `{"v":1}`)
	d.awaitSink("sink.file.out", engine.StateOK)
	m.write("main.hcl", onlySource)
	d.mustReload()
	d.await("the file is gone", func() bool { _, there := m.read("out.json"); return !there })
	d.await("the sink is forgotten", func() bool { return len(d.status().Sinks) == 0 })
	if n := len(events[engine.ApprovalNeeded](d)); n != 0 {
		t.Errorf("approval was asked for %d times", n)
	}
}

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

// A start with a broken configuration runs the last good one, with what its functions and
// rules read, and goes on with the next good one.
func TestBrokenStartRunsTheLastGoodConfiguration(t *testing.T) {
	m := newModule(t, "main.hcl", `
variable "word" {}
rule "schema" "app" { path = "schema.json" }
source "file" "app" {
  path  = "app.json"
  rules = [rule.schema.app]
}
sink "file" "out" {
  path    = "out"
  content = "${var.word} ${file("sub/part")} ${fileexists("flag")} ${join(",", fileset("sub", "*"))} ${source.file.app.value.v}"
}`, "app.json", `{"v":1}`, "schema.json", `{"type":"object","properties":{"v":{"maximum":5}}}`, "sub/part", "part", "tidegate.hclvars", "word = \"good\"\n")
	d := m.watch()
	d.awaitFile("out", "good part false part 1")
	d.halt()
	m.write("main.hcl", "sink \"file\" {\n")
	m.write("tidegate.hclvars", "word = \"bad\"\n")
	m.write("schema.json", `{"type":"object","properties":{"v":{"minimum":5}}}`)
	m.write("sub/part", "other")
	m.write("sub/more", "")
	m.write("flag", "")
	d = m.watch()
	if !strings.Contains(d.started, "main.hcl:1") || !strings.Contains(d.started, "last good configuration runs") {
		t.Errorf("it says %q", d.started)
	}
	d.awaitSource("source.file.app", engine.StateOK)
	if s := d.status().Reload; s.Success || !strings.Contains(s.Error, "main.hcl:1: ") {
		t.Errorf("%+v", s)
	}
	if ev := events[engine.DaemonStarted](d); len(ev) != 1 || !ev[0].LastGood || ev[0].Sinks != 1 {
		t.Errorf("%+v", ev)
	}
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out", "good part false part 2")
	m.write("main.hcl", `
sink "file" "out" {
  path    = "out"
  content = file("sub/part")
}`)
	d.mustReload()
	d.awaitFile("out", "other")
	if s := d.status(); !s.Reload.Success || s.Reload.Error != "" || len(s.Sources) != 0 {
		t.Errorf("%+v", s.Reload)
	}
	// And that is the last good one now.
	d.halt()
	m.write("main.hcl", "}")
	d = m.watch()
	d.awaitSink("sink.file.out", engine.StateOK)
	if n := len(d.status().Sources); n != 0 {
		t.Errorf("%d sources", n)
	}
	d.halt()
	m.write("main.hcl", copyOfFile)
	d = m.watch()
	if ev := events[engine.DaemonStarted](d); len(ev) > 0 && ev[0].LastGood {
		t.Error("a good configuration is taken for a broken one")
	}
	d.awaitSource("source.file.app", engine.StateOK)
}

// Where none ran, a start with a broken configuration ends with what is wrong, and leaves no state.
func TestBrokenStartWithoutALastGoodConfiguration(t *testing.T) {
	m := newModule(t, "main.hcl", "sink \"file\" {\n")
	if err := m.tryWatch(); err == nil || !strings.Contains(err.Error(), "Missing label") {
		t.Errorf("it says %v", err)
	}
	if _, err := os.Stat(m.path(engine.DefaultState)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a state was made: %v", err)
	}
	// A state that no daemon ever used holds none.
	m.write("main.hcl", copyOfFile)
	m.write("app.json", `{"v":1}`)
	m.mustApply()
	m.write("main.hcl", "sink \"file\" {\n")
	if err := m.tryWatch(); err == nil || !strings.Contains(err.Error(), "Missing label") || !strings.Contains(err.Error(), "none ran with it") {
		t.Errorf("it says %v", err)
	}
}

// No files at all are no empty configuration.
func TestStartWithoutFilesRunsTheLastGoodConfiguration(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.halt()
	if err := os.Remove(m.path("main.hcl")); err != nil {
		t.Fatal(err)
	}
	d = m.watch()
	m.replace("app.json", `{"v":2}`)
	d.awaitFile("out.json", `{"v":2}`)
	if s := d.status().Reload; s.Success || !strings.Contains(s.Error, "No configuration files") {
		t.Errorf("%+v", s)
	}
	m.write("main.hcl", copyOfFile)
	d.mustReload()
	if ev := events[engine.Reloaded](d); len(ev) != 1 || ev[0].Err != "" || ev[0].Changed+ev[0].Added+ev[0].Removed != 0 {
		t.Errorf("%+v", ev)
	}
}

// The default state is not meant where the block that names another cannot be read.
func TestBrokenStartDoesNotTakeAnotherState(t *testing.T) {
	m := newModule(t, "main.hcl", copyOfFile, "app.json", `{"v":1}`)
	d := m.watch()
	d.awaitFile("out.json", `{"v":1}`)
	d.halt()
	m.write("main.hcl", copyOfFile+"\ntidegate {\n  state \"local\" { path = \"new.db\" }\n")
	if err := m.tryWatch(); err == nil {
		t.Error("the configuration of a state that is not named runs")
	}
}
