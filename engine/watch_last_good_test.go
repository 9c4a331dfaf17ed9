package engine_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"tidegate/engine"
)

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
