//go:build unix

package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

var heldSink = address.Of(address.Sink, "file", "a")

// rollback does what the command does.
func (m *module) rollback(to int64) (*plan.Plan, engine.Result, hcl.Diagnostics) {
	m.t.Helper()
	return m.rollbackOf(heldSink, to)
}

func (m *module) rollbackOf(sink address.Address, to int64) (*plan.Plan, engine.Result, hcl.Diagnostics) {
	m.t.Helper()
	ctx := context.Background()
	e, diags := m.load()
	defer e.Close()
	if diags.HasErrors() {
		m.t.Fatal(texts(diags))
	}
	if err := e.Lock(ctx); err != nil {
		m.t.Fatal(err)
	}
	p, diags := e.PlanRollback(ctx, sink, to)
	if diags.HasErrors() {
		return p, engine.Result{}, diags
	}
	result, more := e.Apply(ctx, p)
	return p, result, append(diags, more...)
}

func (m *module) mustRollback(to int64) engine.Result {
	m.t.Helper()
	_, result, diags := m.rollback(to)
	if diags.HasErrors() {
		m.t.Fatal(texts(diags))
	}
	return result
}

func (m *module) release() error {
	m.t.Helper()
	e, _ := m.load()
	defer e.Close()
	if err := e.Lock(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	return e.Release(m.t.Context(), heldSink)
}

const heldConfiguration = `
source "file" "v" {
  path = "v.json"
}
rule "assert" "small" {
  assertion {
    condition     = meta.size < 100
    error_message = "too long"
  }
}
sink "file" "a" {
  path    = "a.txt"
  content = "n = ${source.file.v.value.n}\n"
}
sink "exec" "after" {
  command  = ["/bin/sh", "-c", "cat a.txt >> ran"]
  triggers = [sink.file.a]
}
sink "file" "b" {
  path    = "b.txt"
  content = "n = ${source.file.v.value.n}\n"
}
`

// deliveredThrice is a module whose sinks have the revisions 1 to 3.
func deliveredThrice(t *testing.T) *module {
	m := newModule(t, "main.hcl", heldConfiguration)
	for n := range 3 {
		m.write("v.json", fmt.Sprintf(`{"n":%d}`, n+1))
		m.mustApply()
	}
	return m
}

// A rollback puts the revision before back, what is triggered follows, and nothing else. What
// was rolled back from stays away, drift from what was put back is repaired, and a new value is
// delivered. When the old value comes again, what was delivered last stays.
func TestRollbackHolds(t *testing.T) {
	m := deliveredThrice(t)
	m.write("b.txt", "somebody else's")
	if got := m.mustRollback(engine.RevisionBefore); got.Changed != 2 {
		t.Errorf("rolled back: %+v", got)
	}
	m.wantFile("a.txt", "n = 2\n")
	m.wantFile("ran", "n = 1\nn = 2\nn = 3\nn = 2\n")
	m.wantFile("b.txt", "somebody else's")
	for range 2 {
		m.mustApply()
		m.wantFile("a.txt", "n = 2\n")
		m.wantFile("b.txt", "n = 3\n")
		m.wantNoChanges()
	}
	m.write("a.txt", "drifted")
	m.mustApply()
	m.wantFile("a.txt", "n = 2\n")

	m.write("v.json", `{"n":4}`)
	m.mustApply()
	m.wantFile("a.txt", "n = 4\n")
	m.write("v.json", `{"n":3}`)
	m.mustApply()
	m.wantFile("a.txt", "n = 4\n")
	m.wantFile("b.txt", "n = 3\n")
	m.write("v.json", `{"n":2}`)
	m.mustApply()
	m.wantFile("a.txt", "n = 2\n")
	m.write("v.json", `{"n":3}`)
	m.mustApply()
	m.wantFile("a.txt", "n = 2\n")

	if err := m.release(); err != nil {
		t.Fatal(err)
	}
	m.mustApply()
	m.wantFile("a.txt", "n = 3\n")
	if err := m.release(); err == nil || !strings.Contains(err.Error(), "not held") {
		t.Errorf("released twice: %v", err)
	}
	entries := m.history(heldSink)
	actions := make([]string, len(entries))
	for i, e := range entries {
		actions[i] = e.Action
	}
	want := []string{"update", "release", "update", "update", "repair", "update", "rollback", "update", "update", "create"}
	if !slices.Equal(actions, want) {
		t.Errorf("the history is %q, want %q", actions, want)
	}
}

// One rollback after the other goes further back, and never to what was rolled back from.
func TestRollbackAgain(t *testing.T) {
	m := deliveredThrice(t)
	m.mustRollback(engine.RevisionBefore)
	m.mustRollback(engine.RevisionBefore)
	m.wantFile("a.txt", "n = 1\n")
	_, _, diags := m.rollback(engine.RevisionBefore)
	wantError(t, diags, "no revision before the one in use", "1, 2, 3, 4, 5")
	m.mustApply()
	m.wantFile("a.txt", "n = 1\n")

	// Forward again, by number: what is asked for is no longer refused, the others are.
	m.mustRollback(3)
	m.mustApply()
	m.wantFile("a.txt", "n = 3\n")
	m.write("v.json", `{"n":2}`)
	m.mustApply()
	m.wantFile("a.txt", "n = 3\n")
}

// A revision outlives the values that it was made from.
func TestRollbackFarBack(t *testing.T) {
	m := newModule(t, "main.hcl", heldConfiguration)
	for n := range state.KeepSnapshots + 3 {
		m.write("v.json", fmt.Sprintf(`{"n":%d}`, n+1))
		m.mustApply()
	}
	m.mustRollback(1)
	m.wantFile("a.txt", "n = 1\n")
	m.mustApply()
	m.wantNoChanges()
	m.wantFile("a.txt", "n = 1\n")
}

func TestRollbackRefuses(t *testing.T) {
	m := newModule(t, "main.hcl", heldConfiguration, "v.json", `{"n":1}`)
	_, _, diags := m.rollback(engine.RevisionBefore)
	wantError(t, diags, "nothing was delivered to sink.file.a so far")
	m.mustApply()
	_, _, diags = m.rollback(engine.RevisionBefore)
	wantError(t, diags, "no revision before")
	_, _, diags = m.rollback(7)
	wantError(t, diags, "has no revision 7: it keeps 1")
	_, _, diags = m.rollback(1)
	wantError(t, diags, "has the content of revision 1 already")
	if m.ledger().Sinks[heldSink].Hold != nil {
		t.Error("a refused rollback holds the sink")
	}
}

// The sink's own rules judge what is put back; what does not pass leaves everything as it was.
func TestRollbackPassesTheRules(t *testing.T) {
	m := newModule(t, "main.hcl", heldConfiguration, "v.json", `{"n":"`+strings.Repeat("x", 200)+`"}`)
	m.mustApply()
	m.write("v.json", `{"n":2}`)
	m.write("main.hcl", strings.Replace(heldConfiguration, `path    = "a.txt"`, `path    = "a.txt"
  rules   = [rule.assert.small]`, 1))
	m.mustApply()
	_, _, diags := m.rollback(1)
	wantError(t, diags, "Sink rejected", "too long")
	m.wantFile("a.txt", "n = 2\n")
	if m.ledger().Sinks[heldSink].Hold != nil {
		t.Error("a rejected rollback holds the sink")
	}
	m.wantNoChanges()
}

// Revision 0 is what was there before the first delivery.
func TestRollbackToWhatWasThereBefore(t *testing.T) {
	m := newModule(t, "main.hcl", heldConfiguration, "v.json", `{"n":1}`, "a.txt", "written by hand\n")
	m.mustApply()
	m.wantFile("a.txt", "n = 1\n")
	m.mustRollback(engine.RevisionBefore)
	m.wantFile("a.txt", "written by hand\n")
	m.mustApply()
	m.wantFile("a.txt", "written by hand\n")
}

// A rollback from a delivery that fails ends its repetitions.
func TestRollbackFromAFailure(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "v" {
  path = "v.json"
}
sink "exec" "a" {
  command = ["/bin/sh", "-c", "echo $0 >> ran; test $0 != 3", tostring(source.file.v.value.n)]
  retry {
    attempts = 1
  }
}
`)
	for n := range 2 {
		m.write("v.json", fmt.Sprintf(`{"n":%d}`, n+1))
		m.mustApply()
	}
	m.write("v.json", `{"n":3}`)
	_, _, diags := m.apply()
	wantError(t, diags, "sink.exec.a")
	m.wantFile("ran", "1\n2\n3\n")
	if _, _, diags := m.rollbackOf(address.Of(address.Sink, "exec", "a"), 2); diags.HasErrors() {
		t.Fatal(texts(diags))
	}
	m.wantFile("ran", "1\n2\n3\n2\n")
	m.mustApply()
	m.wantNoChanges()
	m.wantFile("ran", "1\n2\n3\n2\n")
}

// With a daemon it is carried out by that, survives its restart, and ends with a new value.
func TestRollbackByTheDaemon(t *testing.T) {
	m := deliveredThrice(t)
	d := m.watch()
	d.awaitSink("sink.file.a", engine.StateOK)
	ctx := t.Context()
	if n, err := d.Rollback(ctx, heldSink, engine.RevisionBefore); err != nil || n != 2 {
		t.Fatalf("%d, %v", n, err)
	}
	holds := func(text string) func() bool { return func() bool { got, _ := m.read("a.txt"); return got == text } }
	d.await("the revision before is back", holds("n = 2\n"))
	d.await("what is triggered follows", func() bool { got, _ := m.read("ran"); return strings.HasSuffix(got, "n = 2\n") })
	d.await("status says so", func() bool { return d.sink("sink.file.a").Reason == "held at revision 2 by a rollback" })
	m.replace("a.txt", "drifted")
	d.await("drift is repaired", holds("n = 2\n"))
	d.halt()
	d = m.watch()
	d.awaitSink("sink.file.a", engine.StateOK)
	d.awaitSink("sink.file.b", engine.StateOK)
	m.wantFile("a.txt", "n = 2\n")
	m.wantFile("b.txt", "n = 3\n")
	m.replace("v.json", `{"n":6}`)
	d.await("a new value comes", holds("n = 6\n"))
	m.replace("v.json", `{"n":3}`)
	d.await("the other sink has the old one", func() bool { got, _ := m.read("b.txt"); return got == "n = 3\n" })
	d.awaitSink("sink.file.a", engine.StateOK)
	m.wantFile("a.txt", "n = 6\n")
	if err := d.Release(ctx, heldSink); err != nil {
		t.Fatal(err)
	}
	d.await("it is released", holds("n = 3\n"))
	if err := d.Release(ctx, heldSink); err == nil {
		t.Error("released twice")
	}
	if _, err := d.Rollback(ctx, address.Of(address.Sink, "file", "none"), 1); err == nil {
		t.Error("an unknown sink was rolled back")
	}
}

// history reads what happened to an address, the newest first.
func (m *module) history(a address.Address) []state.Entry {
	m.t.Helper()
	r, err := state.OpenReader(m.t.Context(), state.Options{Path: m.path(engine.DefaultState)})
	if err != nil {
		m.t.Fatal(err)
	}
	defer r.Close()
	entries, err := r.History(m.t.Context(), a, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	return entries
}
