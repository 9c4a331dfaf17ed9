package engine_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

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
