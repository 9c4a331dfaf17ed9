//go:build unix

package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tidegate/engine"
	"tidegate/engine/plan"
)

func TestRegressionInterruptedDestroyCanBeFinished(t *testing.T) {
	for _, moment := range []string{"before the apply", "at the first delete", "after the first delete"} {
		t.Run(moment, func(t *testing.T) {
			var config strings.Builder
			for i := range 3 {
				fmt.Fprintf(&config, "sink \"file\" \"f%d\" {\n  path = \"f%d.txt\"\n  content = \"x\"\n  on_destroy = \"delete\"\n}\n", i, i)
			}
			m := newModule(t, "main.hcl", config.String())
			m.mustApply()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if moment == "before the apply" {
				cancel()
			}
			guarded(t, "the interrupted destroy", func() {
				m.applyWith(ctx, engine.PlanOptions{Destroy: true}, func(o *engine.Options) {
					o.Parallelism = 1
					o.Events = func(e engine.Event) {
						switch e.(type) {
						case engine.DeliveryStarted:
							if moment == "at the first delete" {
								cancel()
							}
						case engine.DeliveryFinished:
							cancel()
						}
					}
				})
			})
			guarded(t, "the second destroy", func() {
				if _, _, diags := m.run(engine.PlanOptions{Destroy: true}); diags.HasErrors() {
					t.Error(texts(diags))
				}
			})
			for i := range 3 {
				if _, ok := m.read(fmt.Sprintf("f%d.txt", i)); ok {
					t.Errorf("f%d.txt is still there", i)
				}
			}
			if n := len(m.ledger().Sinks); n != 0 {
				t.Errorf("the ledger still knows %d sinks", n)
			}
		})
	}
}

func TestRegressionRenamedSinkKeepsItsFile(t *testing.T) {
	config := func(name, path, content string) string {
		return fmt.Sprintf("sink \"file\" %q {\n  path = %q\n  content = %q\n  on_destroy = \"delete\"\n}\n", name, path, content)
	}
	for _, c := range []struct{ what, name, path, content string }{
		{"same content", "new", "f.txt", "x"},
		{"other content", "new", "f.txt", "y"},
		{"sorts before", "a", "f.txt", "x"},
		{"other spelling", "new", "./dir/../f.txt", "x"},
	} {
		t.Run(c.what, func(t *testing.T) {
			m := newModule(t, "dir/keep", "", "main.hcl", config("old", "f.txt", "x"))
			m.mustApply()
			m.write("main.hcl", config(c.name, c.path, c.content))
			p, result := m.mustApply()
			if result.Destroyed != 0 || result.Forgotten != 1 {
				t.Errorf("%+v; the old address is to be forgotten and nothing deleted", result)
			}
			if a := sinkChange(t, p, "sink.file.old").Action; a != plan.Forget {
				t.Errorf("the old address: %s", a)
			}
			m.wantFile("f.txt", c.content)
			m.wantNoChanges()
			m.write("main.hcl", "locals { nothing = 1 }")
			m.mustApply()
			if _, ok := m.read("f.txt"); ok {
				t.Error("the new address does not delete the file any more")
			}
		})
	}
}

func TestRegressionTriggerAddedLaterFiresOnTheNextChange(t *testing.T) {
	for _, c := range []struct {
		onCreate string
		first    int
	}{{"run", 1}, {"skip", 0}} {
		for _, trigger := range []string{"sink.file.target", "source.file.in"} {
			t.Run(c.onCreate+" "+trigger, func(t *testing.T) {
				config := func(triggers string) string {
					return fmt.Sprintf(`
source "file" "in" { path = "in.txt" }
sink "file" "target" {
  path    = "target.txt"
  content = source.file.in.text
}
sink "exec" "reload" {
  command   = ["/bin/sh", "-c", "echo ran >> ran.log"]
  on_create = %q
  %s
}
`, c.onCreate, triggers)
				}
				m := newModule(t, "in.txt", "one", "main.hcl", config(""))
				m.mustApply()
				m.wantRuns("first apply", "ran.log", c.first)
				m.write("main.hcl", config("triggers = ["+trigger+"]"))
				m.mustApply()
				m.wantRuns("the trigger is new", "ran.log", c.first)
				m.wantNoChanges()
				for i, value := range []string{"two", "three"} {
					m.write("in.txt", value)
					m.mustApply()
					m.wantRuns(value, "ran.log", c.first+i+1)
					m.wantNoChanges()
				}
			})
		}
	}
}

// chain is c after b after a, where a and c are made of the input and b is not.
const chain = `
rate_limit "sliding_window" "slow" {
  max = 1
  per = "1h"
}
source "file" "in" { path = "in.txt" }
sink "exec" "a" {
  command = ["/bin/sh", "-c", "test ! -e broken"]
  stdin   = source.file.in.text
  retry { attempts = 1 }
  %s
}
sink "file" "b" {
  path       = "b.txt"
  content    = "b"
  depends_on = [sink.exec.a]
}
sink "file" "c" {
  path       = "c.txt"
  content    = source.file.in.text
  depends_on = [sink.file.b]
}
`

func TestRegressionFailureReachesThroughASinkThatIsInStep(t *testing.T) {
	m := newModule(t, "in.txt", "one", "main.hcl", fmt.Sprintf(chain, ""))
	m.mustApply()
	m.write("in.txt", "two")
	m.write("broken", "")
	for range 2 {
		_, result, diags := m.apply()
		wantError(t, diags, "sink.exec.a")
		if result.Failed != 1 {
			t.Errorf("result = %+v", result)
		}
		m.wantFile("c.txt", "one")
	}
	if err := os.Remove(m.path("broken")); err != nil {
		t.Fatal(err)
	}
	m.mustApply()
	m.wantFile("c.txt", "two")
	m.wantNoChanges()
}

func TestRegressionDeferralReachesThroughASinkThatIsInStep(t *testing.T) {
	m := newModule(t, "in.txt", "one", "main.hcl", fmt.Sprintf(chain, "rate_limits = [rate_limit.sliding_window.slow]"))
	m.mustApply()
	m.write("in.txt", "two")
	for range 2 {
		p, _ := m.mustApply()
		wantWait(t, p, "sink.exec.a", plan.Deferred, "slow")
		wantWait(t, p, "sink.file.c", plan.Deferred, "sink.exec.a")
		m.wantFile("c.txt", "one")
	}
}

func TestRegressionFileThatMovesIsAFirstContact(t *testing.T) {
	config := func(policy, path, content string) string {
		return fmt.Sprintf("sink \"file\" \"f\" {\n  path = %q\n  content = %q\n  on_drift = %q\n}\n", path, content, policy)
	}
	for _, policy := range []string{"repair", "warn", "ignore"} {
		for _, c := range []struct{ what, held, old, content string }{
			{"to a new name", "", "x", "x"},
			{"over a foreign file", "theirs", "x", "x"},
			{"from a drifted file", "", "edited", "x"},
			{"with other content", "theirs", "edited", "y"},
		} {
			t.Run(policy+" "+c.what, func(t *testing.T) {
				m := newModule(t, "main.hcl", config(policy, "old.txt", "x"))
				m.mustApply()
				m.write("old.txt", c.old)
				if c.held != "" {
					m.write("new.txt", c.held)
				}
				m.write("main.hcl", config(policy, "new.txt", c.content))
				p, _ := m.mustApply()
				change := sinkChange(t, p, "sink.file.f")
				if change.Repair || change.Drift != nil {
					t.Errorf("what lies at another path is no drift: repair %t, %+v", change.Repair, change.Drift)
				}
				want := plan.Create
				if c.held != "" {
					want = plan.Update
				}
				if change.Action != want {
					t.Errorf("%s, want %s", change.Action, want)
				}
				if c.held != "" && (change.Lines == nil || !strings.Contains(change.Lines.Unified("a", "b"), "-theirs")) {
					t.Error("the plan does not show what is lost")
				}
				m.wantFile("new.txt", c.content)
				m.wantFile("old.txt", c.old)
				if target := m.ledger().Sinks[parsed(t, "sink.file.f")].Target; filepath.Base(target) != "new.txt" {
					t.Errorf("the ledger's target is %s", target)
				}
				if c.held != "" && !slices.ContainsFunc(m.revisions("sink.file.f"), func(r revision) bool { return r.content == c.held }) {
					t.Errorf("what was there is not kept: %+v", m.revisions("sink.file.f"))
				}
				m.wantNoChanges()
			})
		}
	}
}

func TestRegressionFileThatWaitsToMoveIsNoDrift(t *testing.T) {
	config := func(path string) string {
		return fmt.Sprintf(`
rate_limit "sliding_window" "slow" {
  max = 1
  per = "1h"
}
sink "file" "f" {
  path        = %q
  content     = "x"
  rate_limits = [rate_limit.sliding_window.slow]
}
`, path)
	}
	m := newModule(t, "main.hcl", config("old.txt"))
	m.mustApply()
	before, _ := os.Stat(m.path("old.txt"))
	m.write("main.hcl", config("new.txt"))
	p, _ := m.mustApply()
	wantWait(t, p, "sink.file.f", plan.Deferred, "slow")
	if c := sinkChange(t, p, "sink.file.f"); c.Repair || c.Drift != nil {
		t.Errorf("repair %t, drift %+v", c.Repair, c.Drift)
	}
	if after, _ := os.Stat(m.path("old.txt")); !os.SameFile(before, after) {
		t.Error("the old file was written")
	}
	if _, ok := m.read("new.txt"); ok {
		t.Error("the new file was written")
	}
}

func TestRegressionLatestOnDestroyCounts(t *testing.T) {
	config := func(policy string) string {
		return fmt.Sprintf("sink \"file\" \"f\" {\n  path = \"f.txt\"\n  content = \"x\"\n  on_destroy = %q\n}\n", policy)
	}
	for _, c := range []struct {
		from, to string
		stays    bool
	}{{"delete", "keep", true}, {"keep", "delete", false}} {
		m := newModule(t, "main.hcl", config(c.from))
		m.mustApply()
		m.write("main.hcl", config(c.to))
		m.mustApply()
		m.wantNoChanges()
		m.write("main.hcl", "locals { nothing = 1 }")
		m.mustApply()
		if _, ok := m.read("f.txt"); ok != c.stays {
			t.Errorf("from %s to %s: the file is there: %t, want %t", c.from, c.to, ok, c.stays)
		}
	}
}

func TestRegressionRetryOfAFirstDeliveryIsStillAFirstContact(t *testing.T) {
	m := newModule(t, "main.hcl", `
sink "exec" "before" { command = ["true"] } # for all that is known, it makes the directory
sink "file" "f" {
  depends_on = [sink.exec.before]
  path    = "out/x"
  content = "ours"
  retry { attempts = 1 }
}
`)
	_, _, diags := m.apply()
	wantError(t, diags, "sink.file.f")
	m.write("out/x", "theirs")
	p, _ := m.mustApply()
	if c := sinkChange(t, p, "sink.file.f"); c.Action != plan.Update || c.Lines == nil || !strings.Contains(c.Lines.Unified("a", "b"), "-theirs") {
		t.Errorf("%s does not show what is lost", c.Action)
	}
	m.wantFile("out/x", "ours")
	revisions := m.revisions("sink.file.f")
	if len(revisions) != 2 || revisions[1].number != 0 || revisions[1].content != "theirs" {
		t.Errorf("revisions = %+v, want number 0 with what was there", revisions)
	}
	m.wantNoChanges()
}

func TestRegressionRetryWithAFallbackReplacesNothingForeign(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "in" {
  path     = "in.json"
  fallback = { port = 1 }
}
sink "exec" "before" { command = ["true"] } # for all that is known, it makes the directory
sink "file" "f" {
  depends_on = [sink.exec.before]
  path    = "out/x"
  content = jsonencode(source.file.in.value)
  retry { attempts = 1 }
}
`)
	_, result, _ := m.apply()
	if result.Failed != 1 {
		t.Fatalf("result = %+v", result)
	}
	m.write("out/x", "theirs")
	p, _, _ := m.apply()
	wantWait(t, p, "sink.file.f", plan.BlockedBy, "fallback")
	m.wantFile("out/x", "theirs")
	m.write("in.json", `{"port":2}`)
	m.mustApply()
	m.wantFile("out/x", `{"port":2}`)
}

func TestRegressionSinkThatComesBackHasAnotherKey(t *testing.T) {
	o := newOrigin(t, "", "")
	config := fmt.Sprintf("sink \"http\" \"hook\" {\n  url = \"%s/hook\"\n  body = \"x\"\n}\n", o.URL)
	m := newModule(t, "main.hcl", config)
	for range 3 {
		m.mustApply()
		m.write("main.hcl", "locals { nothing = 1 }")
		m.mustApply()
		m.write("main.hcl", config)
	}
	keys := map[string]bool{}
	for _, r := range o.received() {
		keys[r.key] = true
	}
	if n := len(o.received()); n != 3 || len(keys) != 3 {
		t.Errorf("%d requests with %d different keys, want 3 and 3: a receiver would drop the later ones", n, len(keys))
	}
}

func TestRegressionPlanAndApplyAgreeOnARetryThatWasTriggeredAgain(t *testing.T) {
	m := newModule(t, "in.txt", "one", "broken", "", "main.hcl", `
rate_limit "sliding_window" "slow" {
  max = 1
  per = "1h"
}
source "file" "in" { path = "in.txt" }
sink "file" "target" {
  path    = "target.txt"
  content = source.file.in.text
}
sink "exec" "reload" {
  command     = ["/bin/sh", "-c", "echo ran >> ran.log; test ! -e broken"]
  triggers    = [sink.file.target]
  rate_limits = [rate_limit.sliding_window.slow]
  retry { attempts = 1 }
}
`)
	_, result, _ := m.apply()
	if result.Failed != 1 {
		t.Fatalf("result = %+v", result)
	}
	if err := os.Remove(m.path("broken")); err != nil {
		t.Fatal(err)
	}
	m.write("in.txt", "two")
	runs := 1
	for i := range 3 {
		p, result := m.mustApply()
		c := sinkChange(t, p, "sink.exec.reload")
		if c.Action.Delivers() {
			runs++
			if result.Deferred+result.Skipped != 0 {
				t.Errorf("apply %d: the plan says %s, but apply defers: %+v", i, c.Action, result)
			}
		} else if c.Wanted.Delivers() && result.Deferred != 1 {
			t.Errorf("apply %d: the plan defers, but apply counts %+v", i, result)
		}
		m.wantRuns(fmt.Sprintf("apply %d", i), "ran.log", runs)
	}
}

func TestRegressionHandMadeUpdateStillFiresTheTrigger(t *testing.T) {
	m := newModule(t, "in.txt", "v1", "main.hcl", `
source "file" "in" { path = "in.txt" }
sink "file" "target" {
  path    = "target.txt"
  content = source.file.in.text
}
sink "exec" "reload" {
  command  = ["/bin/sh", "-c", "echo ran >> ran.log"]
  triggers = [sink.file.target]
}
`)
	m.mustApply()
	m.write("target.txt", "v2")
	m.write("in.txt", "v2")
	before, _ := os.Stat(m.path("target.txt"))
	p, result := m.mustApply()
	if c := sinkChange(t, p, "sink.file.target"); c.Action != plan.Adopt || result.Adopted != 1 {
		t.Errorf("%s %+v, want it to be adopted", c.Action, result)
	}
	if after, _ := os.Stat(m.path("target.txt")); !os.SameFile(before, after) {
		t.Error("the file was written")
	}
	m.wantRuns("after the adoption", "ran.log", 2)
	m.wantNoChanges()
	m.mustApply()
	m.wantRuns("a further apply", "ran.log", 2)
}
