//go:build unix

package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/testdata/bench/pairs"
)

// ledger reads the module's state.
func (m *module) ledger() *state.Ledger {
	m.t.Helper()
	r, err := state.OpenReader(m.t.Context(), state.Options{Path: m.statePath()})
	if err != nil {
		m.t.Fatal(err)
	}
	defer r.Close()
	ledger, err := r.Load(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return ledger
}

func parsed(t *testing.T, addr string) address.Address {
	t.Helper()
	a, err := address.Parse(addr)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wantRuns counts the lines that a program left behind, one for each run.
func (m *module) wantRuns(when, name string, want int) {
	m.t.Helper()
	text, _ := m.read(name)
	if n := strings.Count(text, "\n"); n != want {
		m.t.Errorf("%s: the program ran %d times, want %d", when, n, want)
	}
}

// wantWait checks that a sink does nothing in a plan and that its reason names what it waits for.
func wantWait(t *testing.T, p *plan.Plan, addr string, kind plan.WaitKind, part string) {
	t.Helper()
	c := sinkChange(t, p, addr)
	if c.Action.Delivers() || c.Wait == nil || c.Wait.Kind != kind || !strings.Contains(c.Wait.Reason+" "+c.Wait.On, part) {
		t.Errorf("%s: %s, wait %+v; want it to be %s by %s", addr, c.Action, c.Wait, kind, part)
	}
}

// guarded runs what may panic or hang and turns both into a failure of the test.
func guarded(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		f()
	}()
	select {
	case trouble := <-done:
		if trouble != nil {
			t.Fatalf("%s: panic: %v", what, trouble)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not come back", what)
	}
}

func refusedSource(t *testing.T, p *plan.Plan, addr string) {
	t.Helper()
	if c := sourceChange(t, p, addr); c.Problem != plan.Failed && c.Problem != plan.Rejected {
		t.Errorf("%s has problem %q, want failed or rejected", addr, c.Problem)
	}
}

func TestRegressionDecoderThatDoesNotFitTheAcceptedBytesLeavesTheSink(t *testing.T) {
	for _, content := range []string{"source.file.in.text", "jsonencode(source.file.in.value)"} {
		config := func(decode string) string {
			return fmt.Sprintf(`
source "file" "in" {
  path   = "in.dat"
  decode = %q
}
sink "file" "out" {
  path    = "out.txt"
  content = %s
}
`, decode, content)
		}
		m := newModule(t, "in.dat", "hello", "main.hcl", config("text"))
		m.mustApply()
		before, _ := m.read("out.txt")
		m.write("main.hcl", config("json"))
		guarded(t, content, func() {
			for range 2 {
				p, _, diags := m.apply()
				wantError(t, diags, "source.file.in")
				refusedSource(t, p, "source.file.in")
				m.wantFile("out.txt", before)
			}
		})
		m.write("in.dat", `{"fine": true}`)
		m.mustApply()
		if after, _ := m.read("out.txt"); after == before {
			t.Errorf("%s: what the new decoder can read was not delivered", content)
		}
	}
}

func TestRegressionRuleJudgesAcceptedBytesUnderTheNewDecoder(t *testing.T) {
	config := func(decode string) string {
		return fmt.Sprintf(`
rule "assert" "sane" {
  assertion {
    condition     = !can(value.port) || try(value.port > 0, true)
    error_message = "port must be positive."
  }
}
source "file" "in" {
  path   = "in.dat"
  decode = %q
  rules  = [rule.assert.sane]
}
sink "file" "out" {
  path    = "out.txt"
  content = jsonencode(source.file.in.value)
}
`, decode)
	}
	m := newModule(t, "in.dat", `{"port": 0}`, "main.hcl", config("text"))
	m.mustApply()
	before, _ := m.read("out.txt")
	m.write("main.hcl", config("json"))
	guarded(t, "apply", func() {
		for range 2 {
			p, _, diags := m.apply()
			wantError(t, diags, "port must be positive")
			refusedSource(t, p, "source.file.in")
			m.wantFile("out.txt", before)
		}
	})
}

func TestRegressionDirectoryThatTheNewDecoderCannotReadIsNoNull(t *testing.T) {
	config := func(decode string) string {
		return fmt.Sprintf(`
source "file" "in" {
  path   = "conf"
  decode = %q
}
sink "file" "out" {
  path    = "out.txt"
  content = jsonencode(source.file.in.value)
}
`, decode)
	}
	m := newModule(t, "conf/README", "hello", "main.hcl", config("text"))
	m.mustApply()
	m.wantFile("out.txt", `{"README":"hello"}`)
	m.write("main.hcl", config("json"))
	guarded(t, "apply", func() {
		for range 2 {
			p, _, diags := m.apply()
			wantError(t, diags, "source.file.in", "README")
			refusedSource(t, p, "source.file.in")
			m.wantFile("out.txt", `{"README":"hello"}`)
		}
	})
}

func TestRegressionPreconditionOverASourceWithoutValueBlocks(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "flag" { path = "flag.json" }
sink "file" "out" {
  path    = "out.txt"
  content = "x"
  precondition {
    condition     = source.file.flag.value.go
    error_message = "not yet."
  }
}
sink "exec" "run" {
  command = ["/bin/sh", "-c", "echo ran >> ran.log"]
  precondition {
    condition     = source.file.flag.value.go
    error_message = "not yet."
  }
}
`)
	p, _, _ := m.apply()
	wantWait(t, p, "sink.file.out", plan.BlockedBy, "source.file.flag")
	wantWait(t, p, "sink.exec.run", plan.BlockedBy, "source.file.flag")
	if _, ok := m.read("out.txt"); ok {
		t.Error("the sink was written although nobody knows whether it may be")
	}
	m.wantRuns("without the flag", "ran.log", 0)
	m.write("flag.json", `{"go": false}`)
	p, _, _ = m.apply()
	wantWait(t, p, "sink.file.out", plan.RejectedByOwn, "not yet")
	m.write("flag.json", `{"go": true}`)
	m.mustApply()
	m.wantFile("out.txt", "x")
	m.wantRuns("with the flag", "ran.log", 1)
}

func TestRegressionEdgesToASourceWithoutValueWait(t *testing.T) {
	for _, edge := range []string{"depends_on", "triggers"} {
		m := newModule(t, "main.hcl", fmt.Sprintf(`
source "file" "missing" { path = "missing.txt" }
sink "exec" "run" {
  command = ["/bin/sh", "-c", "echo ran >> ran.log"]
  %s = [source.file.missing]
}
`, edge))
		p, _, diags := m.apply()
		wantError(t, diags, "source.file.missing")
		wantWait(t, p, "sink.exec.run", plan.BlockedBy, "source.file.missing")
		m.wantRuns(edge+" without a value", "ran.log", 0)
		m.write("missing.txt", "here")
		m.mustApply()
		m.wantRuns(edge+" with a value", "ran.log", 1)
		m.wantNoChanges()
	}
}

func TestRegressionLostBytesOfASourceAreNoEmptyText(t *testing.T) {
	m := newModule(t, "in.json", `{"a":1}`, "main.hcl", `
source "file" "in" { path = "in.json" }
sink "file" "out" {
  path    = "out.json"
  content = source.file.in.text
}
`)
	m.mustApply()
	m.sql("DELETE FROM blobs WHERE hash IN (SELECT json_extract(data, '$.snapshots[0].blob') FROM sources)")
	m.write("in.json", `{ "a": 1 }`) // the same value in other bytes
	guarded(t, "apply", func() { m.apply() })
	if text, _ := m.read("out.json"); text != `{"a":1}` && text != `{ "a": 1 }` {
		t.Errorf("the sink holds %q", text)
	}
}

func TestRegressionLostPayloadDoesNotTurnDeleteIntoForget(t *testing.T) {
	m := newModule(t, "main.hcl", `
sink "file" "gone" {
  path       = "gone.txt"
  content    = "x"
  on_destroy = "delete"
}
`)
	m.mustApply()
	m.sql("DELETE FROM blobs WHERE hash IN (SELECT json_extract(data, '$.acknowledged.payload') FROM sinks)")
	m.write("main.hcl", `locals { nothing = 1 }`)
	guarded(t, "apply", func() {
		_, result, diags := m.apply()
		wantError(t, diags, "sink.file.gone")
		if result.Forgotten != 0 {
			t.Errorf("it was forgotten without a word: %+v", result)
		}
	})
	m.wantFile("gone.txt", "x")
}

func TestRegressionSourceBehindADeferredSinkSeesWhatIsOnDisk(t *testing.T) {
	m := newModule(t, "in.txt", "one", "main.hcl", `
rate_limit "sliding_window" "slow" {
  max = 1
  per = "1h"
}
source "file" "in" { path = "in.txt" }
sink "file" "mid" {
  path        = "mid.txt"
  content     = source.file.in.text
  rate_limits = [rate_limit.sliding_window.slow]
}
source "file" "mid" { path = "mid.txt" }
sink "file" "out" {
  path    = "out.txt"
  content = source.file.mid.text
}
`)
	m.mustApply()
	m.wantFile("out.txt", "one")
	m.write("in.txt", "two")
	for range 2 {
		p, _ := m.mustApply()
		wantWait(t, p, "sink.file.mid", plan.Deferred, "rate_limit.sliding_window.slow")
		if c := sourceChange(t, p, "source.file.mid"); c.Action != plan.NoOp {
			t.Errorf("the source reads what is only planned: %s", c.Action)
		}
		m.wantFile("mid.txt", "one")
		m.wantFile("out.txt", "one")
	}
}

func TestRegressionDirectoryThatASinkWritesIntoSettlesInOneApply(t *testing.T) {
	m := newModule(t, "conf/b.json", `{"b":2}`, "main.hcl", `
sink "file" "a" {
  path    = "conf/a.json"
  content = jsonencode({ a = 1 })
}
source "file" "all" { path = "conf" }
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.file.all.value)
}
`)
	m.mustApply()
	m.wantNoChanges()
	m.wantFile("out.json", `{"a.json":{"a":1},"b.json":{"b":2}}`)
}

func TestRegressionDeliveryThatNeedsAnUnknownValueWaits(t *testing.T) {
	m := newModule(t, "yes.txt", "yes", "main.hcl", `
source "file" "yes" { path = "yes.txt" }
source "file" "no"  { path = "no.json" }
sink "exec" "run" {
  command = ["/bin/sh", "-c", "echo ran >> ran.log; cat > stdin.txt"]
  stdin   = length(delivery.changes) > 0 ? jsonencode(source.file.no.value) : source.file.yes.text
}
`)
	guarded(t, "apply", func() {
		p, _, _ := m.apply()
		wantWait(t, p, "sink.exec.run", plan.BlockedBy, "source.file.no")
	})
	m.wantRuns("without the value", "ran.log", 0)
	m.write("no.json", `{"a":1}`)
	m.mustApply()
	m.wantRuns("with the value", "ran.log", 1)
	m.wantFile("stdin.txt", `{"a":1}`)
}

func TestRegressionSharedLimitCountsAcrossWaves(t *testing.T) {
	// The addresses stand in the reverse order of the waves.
	config := func(limits string) string {
		return fmt.Sprintf(`
rate_limit "sliding_window" "two" {
  max   = 2
  per   = "1h"
  scope = "shared"
}
source "static" "z" {
  value = file("${path.module}/z.txt")
  %[1]s
}
source "static" "m" {
  value = "m ${source.static.z.value}"
  %[1]s
}
source "static" "a" {
  value = "a ${source.static.m.value}"
  %[1]s
}
`, limits)
	}
	m := newModule(t, "z.txt", "one", "main.hcl", config(""))
	m.mustApply()
	m.write("main.hcl", config("rate_limits = [rate_limit.sliding_window.two]"))
	m.write("z.txt", "two")
	accepted := 0
	for range 3 {
		_, result := m.mustApply()
		accepted += result.Accepted
	}
	if accepted != 2 {
		t.Errorf("%d values were accepted within the hour, want 2", accepted)
	}
	if n := len(m.ledger().Shared["rate_limit.sliding_window.two"]); n != 2 {
		t.Errorf("the shared counter says %d, want 2", n)
	}
}

func TestRegressionSourcesThatWereNotLookedAtDidNotFail(t *testing.T) {
	m := newModule(t, "in.json", `{"port":2}`, "main.hcl", `
source "file" "in" {
  path     = "in.json"
  fallback = { port = 1 }
}
sink "file" "out" {
  path    = "out.json"
  content = jsonencode(source.file.in.value)
}
sink "file" "other" {
  path    = "other.txt"
  content = "x"
}
`)
	p, _, _ := m.run(engine.PlanOptions{NoRefresh: true})
	if c := sourceChange(t, p, "source.file.in"); c.Standing != plan.Nothing {
		t.Errorf("the source stands on %s, want nothing", c.Standing)
	}
	wantWait(t, p, "sink.file.out", plan.BlockedBy, "source.file.in")
	if text, ok := m.read("out.json"); ok {
		t.Errorf("the fallback was delivered: %s", text)
	}
	m.wantFile("other.txt", "x")
	if row := m.ledger().Sources[parsed(t, "source.file.in")]; row != nil && (row.Failures != 0 || row.LastError != "") {
		t.Errorf("a failure was recorded: %+v", row)
	}
	m.mustApply()
	m.wantFile("out.json", `{"port":2}`)
}

// BenchmarkDestroyPlan plans the removal of N sinks: the cost of one must not grow with N.
func BenchmarkDestroyPlan(b *testing.B) {
	for _, n := range []int{1000, 4000} {
		dir := b.TempDir()
		if err := pairs.Generate(dir, n); err != nil {
			b.Fatal(err)
		}
		benchApply(b, dir)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e := benchEngine(b, dir)
				p, diags := e.Plan(context.Background(), engine.PlanOptions{Destroy: true})
				if diags.HasErrors() || len(p.Sinks) != n || slices.ContainsFunc(p.Sinks, func(c *plan.SinkChange) bool { return c.Action != plan.Forget }) {
					b.Fatal(texts(diags), p.Summary())
				}
				e.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "us/sink")
		})
	}
}
