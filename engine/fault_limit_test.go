//go:build unix

package engine_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/state"
)

// age makes everything that a rate limit remembers so much older, as if time had passed.
func (m *module) age(by time.Duration) {
	m.t.Helper()
	ctx := context.Background()
	s, err := state.Open(ctx, state.Options{Path: m.path(engine.DefaultState), Command: "test"})
	if err != nil {
		m.t.Fatal(err)
	}
	defer s.Close()
	l, err := s.Load(ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	older := func(counters map[string]state.Counter) {
		for _, c := range counters {
			for i := range c {
				c[i] = c[i].Add(-by)
			}
		}
	}
	b := &state.Batch{Shared: maps.Clone(l.Shared)}
	older(b.Shared)
	for _, row := range l.Sinks {
		older(row.Counters)
		b.Sinks = append(b.Sinks, row)
	}
	for _, row := range l.Sources {
		older(row.Counters)
		b.Sources = append(b.Sources, row)
	}
	if err := s.Commit(ctx, b); err != nil {
		m.t.Fatal(err)
	}
}

const hourly = `
rate_limit "sliding_window" "hourly" {
  max = 1
  per = "1h"
}
`

// limitedSinks are a file and a program under one limit each, and a program behind the file.
const limitedSinks = hourly + `
source "file" "v" { path = "v.txt" }
sink "file" "c" {
  path        = "out.txt"
  content     = source.file.v.text
  rate_limits = [rate_limit.sliding_window.hourly]
}
sink "exec" "c" {
  command     = ["/bin/sh", "-c", "echo $1 >> c.log", "sh", source.file.v.text]
  rate_limits = [rate_limit.sliding_window.hourly]
}
sink "exec" "after" {
  command  = ["/bin/sh", "-c", "cat out.txt >> after.log; echo >> after.log"]
  triggers = [sink.file.c]
}
`

// wantDeferred plans and wants a sink to wait for about so long.
func (m *module) wantDeferred(addr string, about time.Duration) {
	m.t.Helper()
	p, diags := m.plan()
	if diags.HasErrors() {
		m.t.Fatal(texts(diags))
	}
	c := sinkChange(m.t, p, addr)
	if c.Action != plan.NoOp || c.Wait == nil || c.Wait.Kind != plan.Deferred {
		m.t.Fatalf("%s: %s %+v, want deferred", addr, c.Action, c.Wait)
	}
	if left := time.Until(c.Wait.Until); left > about || left < about-time.Minute {
		m.t.Errorf("%s is deferred for %v, want about %v", addr, left, about)
	}
	if p.Summary().Deferred == 0 || !p.HasChanges() || p.Failed() {
		m.t.Errorf("the plan counts %+v", p.Summary())
	}
}

func TestLimitDefersAndDeliversTheNewest(t *testing.T) {
	m := newModule(t, "v.txt", "one", "main.hcl", limitedSinks)
	m.mustApply()
	m.wantNoChanges()
	for _, v := range []string{"two", "three", "four"} {
		m.write("v.txt", v)
		m.wantDeferred("sink.file.c", time.Hour)
		m.wantDeferred("sink.exec.c", time.Hour)
		_, result := m.mustApply()
		if result.Deferred < 2 || result.Changed > 0 || result.Failed > 0 {
			t.Errorf("result = %+v", result)
		}
		m.wantFile("out.txt", "one")
		m.wantFile("after.log", "one\n") // what waits for it waits with it
	}
	m.tool("plan", "--detailed-exitcode").want(t, 2, "deferred until", " deferred")
	m.tool("apply", "--auto-approve").want(t, 0, "deferred")

	m.age(30 * time.Minute)
	m.wantDeferred("sink.file.c", 30*time.Minute)
	m.age(31 * time.Minute)
	_, result := m.mustApply()
	if result.Changed != 3 {
		t.Errorf("result = %+v", result)
	}
	m.wantFile("out.txt", "four")
	m.wantFile("c.log", "one\nfour\n")
	m.wantFile("after.log", "one\nfour\n")
	m.wantNoChanges()
}

// The time that the plan names is the time at which it works: not a minute earlier, and then
// at once.
func TestLimitIsOverWhenThePlanSays(t *testing.T) {
	m := newModule(t, "v.txt", "one", "main.hcl", limitedSinks)
	m.mustApply()
	m.write("v.txt", "two")
	p, _ := m.mustApply()
	c := sinkChange(t, p, "sink.file.c")
	if c.Wait == nil || c.Wait.Kind != plan.Deferred {
		t.Fatalf("%s %+v, want deferred", c.Action, c.Wait)
	}
	m.age(time.Until(c.Wait.Until) - time.Minute)
	m.wantDeferred("sink.file.c", time.Minute)
	m.mustApply()
	m.wantFile("out.txt", "one")
	m.age(time.Minute)
	m.mustApply()
	m.wantFile("out.txt", "two")
	m.wantNoChanges()
}

// A value that went back to what was delivered needs no delivery, and nothing in between is sent.
func TestLimitValueThatWentBack(t *testing.T) {
	m := newModule(t, "v.txt", "one", "main.hcl", limitedSinks)
	m.mustApply()
	m.write("v.txt", "two")
	m.mustApply()
	m.write("v.txt", "one")
	m.mustApply()
	m.wantNoChanges()
	m.age(2 * time.Hour)
	m.mustApply()
	m.wantFile("c.log", "one\n")
	m.wantFile("after.log", "one\n")
}

// Drift is repaired at once, to what was acknowledged, while the update waits; a repair is
// neither limited nor counted.
func TestLimitDriftIsRepairedMeanwhile(t *testing.T) {
	m := newModule(t, "v.txt", "one", "main.hcl", limitedSinks)
	m.mustApply()
	m.write("v.txt", "two")
	for n := range 3 {
		m.write("out.txt", "theirs")
		if n == 2 {
			if err := os.Remove(m.path("out.txt")); err != nil {
				t.Fatal(err)
			}
		}
		p, _ := m.mustApply()
		if c := sinkChange(t, p, "sink.file.c"); !c.Repair || c.Wait == nil || c.Wait.Kind != plan.Deferred {
			t.Errorf("%s repair %t, %+v", c.Action, c.Repair, c.Wait)
		}
		m.wantFile("out.txt", "one")
	}
	m.wantDeferred("sink.file.c", time.Hour)
	m.age(time.Hour)
	m.mustApply()
	m.wantFile("out.txt", "two")
	m.wantFile("c.log", "one\ntwo\n")
	m.wantNoChanges()
}

// One delivery counts once, at its intent: repeating it is not limited.
func TestLimitRetriesDoNotCount(t *testing.T) {
	m := newModule(t, "main.hcl", hourly+`
sink "exec" "c" {
  command     = ["/bin/sh", "-c", "echo \"$TIDEGATE_DELIVERY_ID\" >> keys; test -e fixed"]
  rate_limits = [rate_limit.sliding_window.hourly]
  retry {
    attempts = 2
    min      = "1ms"
    max      = "1ms"
  }
}
`)
	for range 2 {
		_, _, diags := m.apply()
		wantError(t, diags, "sink.exec.c", "stays pending")
	}
	m.write("fixed", "")
	m.mustApply()
	m.wantNoChanges()
	text, _ := m.read("keys")
	if keys := strings.Fields(text); len(keys) != 5 || len(slices.Compact(keys)) != 1 {
		t.Errorf("keys = %q", keys)
	}
}

// On a source a limit holds acceptance back: the accepted value stays in use everywhere.
func TestLimitOnASource(t *testing.T) {
	m := newModule(t, "v.txt", "one", "main.hcl", hourly+`
source "file" "v" {
  path        = "v.txt"
  rate_limits = [rate_limit.sliding_window.hourly]
}
sink "file" "c" {
  path    = "out.txt"
  content = source.file.v.text
}
sink "file" "late" {
  path    = "late.txt"
  content = "${source.file.v.text}!"
}
`)
	m.mustApply()
	for _, v := range []string{"two", "three"} {
		m.write("v.txt", v)
		m.write("late.txt", "theirs")
		p, _ := m.mustApply()
		c := sourceChange(t, p, "source.file.v")
		if c.Problem != plan.Limited || c.Standing != plan.Accepted || time.Until(c.Until) < 50*time.Minute {
			t.Errorf("%s %s until %v", c.Problem, c.Standing, c.Until)
		}
		m.wantFile("out.txt", "one")
		m.wantFile("late.txt", "one!") // drift is repaired with the value in use
	}
	m.tool("plan", "--detailed-exitcode").want(t, 2, "1 deferred", "waits")
	// A candidate that a rule would refuse is refused, and no place is taken.
	m.age(time.Hour)
	m.mustApply()
	m.wantFile("out.txt", "three")
	m.wantNoChanges()
}

// served tells which of the sinks s0, s1, ... hold a value.
func (m *module) served(n int, value string) []string {
	m.t.Helper()
	var out []string
	for i := range n {
		if text, _ := m.read(fmt.Sprintf("s%d.txt", i)); text == value {
			out = append(out, fmt.Sprintf("s%d", i))
		}
	}
	return out
}

func scopeModule(t *testing.T, scope string) *module {
	text := strings.Replace(hourly, "  per", "  scope = \""+scope+"\"\n  per", 1) + "source \"file\" \"v\" { path = \"v.txt\" }\n"
	for i := range 3 {
		text += fmt.Sprintf(`
sink "file" "s%[1]d" {
  path        = "s%[1]d.txt"
  content     = source.file.v.text
  rate_limits = [rate_limit.sliding_window.hourly]
}
`, i)
	}
	return newModule(t, "v.txt", "one", "main.hcl", text)
}

func TestLimitScopeEach(t *testing.T) {
	m := scopeModule(t, "each")
	m.mustApply()
	if got := m.served(3, "one"); len(got) != 3 {
		t.Errorf("served %q, want all: each has a counter of its own", got)
	}
}

// A shared counter lets one of three pass at a time, and nobody waits for ever although the
// value goes on changing: who waits longest is next.
func TestLimitScopeShared(t *testing.T) {
	m := scopeModule(t, "shared")
	ever := map[string]bool{}
	for _, v := range []string{"one", "two", "three"} {
		m.write("v.txt", v)
		_, result := m.mustApply()
		got := m.served(3, v)
		if len(got) != 1 || result.Added+result.Changed != 1 || result.Deferred != 2 {
			t.Errorf("%s: served %q, %+v", v, got, result)
		}
		again, _ := m.plan()
		if s := again.Summary(); s.Deferred != 2 && s.Deferred != 3 {
			t.Errorf("%s: the next plan counts %+v", v, s)
		}
		for _, name := range got {
			ever[name] = true
		}
		m.age(time.Hour)
	}
	if len(ever) != 3 {
		t.Errorf("after three turns only %v were ever served", slices.Sorted(maps.Keys(ever)))
	}
}

// token_bucket: a burst passes at once, then one at a time.
func TestLimitTokenBucket(t *testing.T) {
	m := newModule(t, "v.txt", "0", "main.hcl", `
rate_limit "token_bucket" "b" {
  rate  = 1
  per   = "1h"
  burst = 3
}
source "file" "v" { path = "v.txt" }
sink "exec" "c" {
  command     = ["/bin/sh", "-c", "echo $1 >> c.log", "sh", source.file.v.text]
  rate_limits = [rate_limit.token_bucket.b]
}
`)
	for n := range 5 {
		m.write("v.txt", fmt.Sprint(n))
		m.mustApply()
	}
	m.wantFile("c.log", "0\n1\n2\n")
	m.wantDeferred("sink.exec.c", time.Hour)
	m.age(time.Hour)
	m.mustApply()
	m.wantFile("c.log", "0\n1\n2\n4\n")
	m.wantNoChanges()
}

// Several limits: all must allow, and the last to do so is named.
func TestLimitAllMustAllow(t *testing.T) {
	m := newModule(t, "v.txt", "one", "main.hcl", hourly+`
rate_limit "sliding_window" "daily" {
  max = 1
  per = "24h"
}
source "file" "v" { path = "v.txt" }
sink "file" "c" {
  path        = "out.txt"
  content     = source.file.v.text
  rate_limits = [rate_limit.sliding_window.hourly, rate_limit.sliding_window.daily]
}
`)
	m.mustApply()
	m.write("v.txt", "two")
	m.wantDeferred("sink.file.c", 24*time.Hour)
	m.age(2 * time.Hour)
	m.wantDeferred("sink.file.c", 22*time.Hour)
	m.tool("plan").want(t, 0, "rate_limit.sliding_window.daily")
	m.age(22 * time.Hour)
	m.mustApply()
	m.wantFile("out.txt", "two")
}
