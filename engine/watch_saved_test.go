//go:build unix

package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// slowConfiguration is a configuration whose daemon does not hear of new values by itself.
const slowConfiguration = `
detector "hash" "slow" { interval = "1h" }
source "file" "v" {
  path      = "v.json"
  detectors = [detector.hash.slow]
}
sink "file" "app" {
  path    = "app"
  content = "n = ${source.file.v.value.n}\n"
}
sink "exec" "run" {
  command    = ["/bin/sh", "-c", "cat >> ran; [ ! -e broken ]"]
  stdin      = "run ${source.file.v.value.n}\n"
  depends_on = [sink.file.app]
  retry {
    attempts = 1
  }
}
sink "file" "after" {
  path       = "after"
  content    = "after ${source.file.v.value.n}"
  depends_on = [sink.exec.run]
}
sink "file" "other" {
  path    = "other"
  content = "other ${try(env.OTHER, "")}"
}
`

// besideModule is that configuration with a daemon that delivered its first value, and a saved
// plan for the second one, of which the daemon does not know.
func besideModule(t *testing.T, configuration string) (m *module, d *daemon, saved []byte) {
	m = newModule(t, "main.hcl", configuration, "v.json", `{"n":1}`)
	d = m.watch()
	d.inStep()
	m.write("v.json", `{"n":2}`)
	return m, d, m.savePlan()
}

// inStep waits until the daemon has nothing to do.
func (d *daemon) inStep() {
	d.m.t.Helper()
	d.await("everything is as it should be", func() bool {
		s, err := d.Status(context.Background())
		if err != nil || !s.Ready || s.Queue > 0 {
			return false
		}
		for _, snk := range s.Sinks {
			if snk.State != engine.StateOK {
				return false
			}
		}
		return true
	})
}

func (d *daemon) applySaved(data []byte) (engine.Result, hcl.Diagnostics, error) {
	return d.ApplySaved(d.m.t.Context(), data, func(engine.Event) {})
}

// The daemon delivers exactly what was planned, and neither undoes nor repeats it: not at once, and
// not after a restart.
func TestWatchAppliesASavedPlan(t *testing.T) {
	m, d, saved := besideModule(t, slowConfiguration)
	m.write("v.json", `{"n":3}`)
	var told []engine.Event
	result, diags, err := d.ApplySaved(t.Context(), saved, func(ev engine.Event) { told = append(told, ev) })
	if err != nil || len(diags) > 0 || result != (engine.Result{Accepted: 1, Changed: 3}) {
		t.Fatalf("%+v %v %v", result, diags, err)
	}
	m.wantFile("app", "n = 2\n")
	m.wantFile("ran", "run 1\nrun 2\n")
	m.wantFile("after", "after 2")
	if len(told) != 9 { // a phase, an acceptance, thrice two of a delivery, the end
		t.Errorf("told %+v", told)
	}
	_, _, err = d.applySaved(saved)
	wantRefusal(t, err, "Stale plan", "source.file.v accepted the value of this plan already", "sink.file.app has its delivery of this plan already")

	m.write("v.json", `{"n":2}`)
	m.wantNoChanges()
	d.inStep()
	d.halt()
	d = m.watch()
	d.inStep()
	d.halt()
	m.wantFile("ran", "run 1\nrun 2\n")
	if n := len(m.revisions("sink.file.app")); n != 2 {
		t.Errorf("%d revisions of sink.file.app", n)
	}
	m.wantNoChanges()
}

// What the plan rests on and what moved is told, all of it, and nothing is done.
func TestWatchRefusesASavedPlanThatMoved(t *testing.T) {
	for name, c := range map[string]struct {
		move    func(m *module, d *daemon)
		summary string
		parts   []string
	}{
		"configuration edited": {func(m *module, _ *daemon) { m.write("main.hcl", slowConfiguration+"# a remark\n") }, "Stale plan", []string{"main.hcl was edited"}},
		"variables added":      {func(m *module, _ *daemon) { m.write("x.auto.hclvars", "") }, "Stale plan", []string{"x.auto.hclvars is new"}},
		"target edited": {func(m *module, d *daemon) {
			if err := d.Pause(m.t.Context(), engine.Pause{Pattern: "sink.file.app", Reason: "the disk is moved"}); err != nil {
				m.t.Fatal(err)
			}
			m.write("app", "mine")
		}, "Stale plan", []string{"sink.file.app is paused: the disk is moved; let it go on with: tidegate resume 'sink.file.app'"}},
		"source paused": {func(m *module, d *daemon) {
			if err := d.Pause(m.t.Context(), engine.Pause{Pattern: "source.*"}); err != nil {
				m.t.Fatal(err)
			}
		}, "Stale plan", []string{"source.file.v is paused"}},
		"rolled back": {func(m *module, d *daemon) {
			// To a value of its own, and back: what the plan says of the sink is old.
			m.replace("v.json", `{"n":7}`)
			d.restart(m)
			d.awaitFile("app", "n = 7\n")
			d.awaitFile("ran", "run 1\nrun 7\n")
			d.inStep()
		}, "Stale plan", []string{"source.file.v accepted another value", "sink.file.app was delivered meanwhile", "sink.exec.run was delivered"}},
		"another environment": {func(m *module, d *daemon) {
			m.environ = append(m.environ, "OTHER=canary")
			d.restart(m)
			d.awaitFile("other", "other canary")
			m.environ = m.environ[:len(m.environ)-1]
			m.replace("v.json", `{"n":2}`)
		}, "Stale plan", []string{"env.OTHER is another one for the daemon"}},
		"last good configuration": {func(m *module, d *daemon) {
			m.write("broken.hcl", "sink {")
			d.restart(m)
			if err := os.Remove(m.path("broken.hcl")); err != nil {
				m.t.Fatal(err)
			}
		}, "Stale plan", []string{"runs the last good configuration"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, d, saved := besideModule(t, slowConfiguration)
			if name != "rolled back" {
				m.write("v.json", `{"n":1}`)
			}
			c.move(m, d)
			ran, _ := m.read("ran")
			app, _ := m.read("app")
			_, _, err := d.applySaved(saved)
			wantRefusal(t, err, c.summary, c.parts...)
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("it tells what is in the environment: %s", err)
			}
			if now, _ := m.read("ran"); now != ran {
				t.Errorf("a program ran: %s", now)
			}
			m.wantFile("app", app)
			// The daemon goes on as ever.
			if _, err := d.Resume(t.Context(), "sink.file.app"); err == nil {
				m.write("app", "mine again")
			}
			d.await("no sink is kept for the plan", func() bool {
				s, err := d.Status(t.Context())
				return err == nil && s.Queue == 0
			})
		})
	}
}

// restart ends the daemon and starts another one in its place, which does not wait for a reload.
func (d *daemon) restart(m *module) {
	m.t.Helper()
	d.halt()
	next := m.prepareWatch(func(_ *engine.Options, w *engine.WatchOptions) { w.ConfigInterval = -1 })
	d.Daemon, d.ended = next.Daemon, next.ended
	d.start()
}

// Whatever is wrong with the file, the daemon refuses it and goes on.
func TestWatchRefusesASavedPlanThatIsNone(t *testing.T) {
	m, d, saved := besideModule(t, slowConfiguration)
	d.inStep()
	before := m.ledger().Serial
	step := 13
	for n := 0; n < len(saved); n += step {
		if _, _, err := d.applySaved(saved[:n]); err == nil {
			t.Errorf("%d of %d bytes are applied", n, len(saved))
		}
		damaged := bytes.Clone(saved)
		damaged[n] ^= 1 << (n % 8)
		if _, _, err := d.applySaved(damaged); err == nil {
			t.Errorf("a flipped bit at %d is not noticed", n)
		}
	}
	for summary, change := range map[string]func(p *plan.Plan){
		"Incomplete plan":          func(p *plan.Plan) { p.Incomplete = true },
		"Plan of another version":  func(p *plan.Plan) { p.ToolVersion = "0.0.9" },
		"A daemon holds the state": func(p *plan.Plan) { p.Destroy = true },
		"Plan for another state":   func(p *plan.Plan) { p.Lineage = "another" },
	} {
		_, _, err := d.applySaved(m.savePlan(change))
		wantRefusal(t, err, summary)
	}
	other := newModule(t, "main.hcl", slowConfiguration, "v.json", `{"n":1}`)
	_, _, err := d.applySaved(other.savePlan())
	wantRefusal(t, err, engine.InvalidPlan, "key of another state")
	moved := m.savePlan(func(p *plan.Plan) { p.Dir = other.dir })
	_, _, err = d.applySaved(moved)
	wantRefusal(t, err, "Plan for another directory")
	if got := m.ledger().Serial; got != before {
		t.Errorf("the state went from serial %d to %d", before, got)
	}
	m.wantFile("ran", "run 1\n")
	if result, _, err := d.applySaved(saved); err != nil || result.Changed != 3 {
		t.Errorf("the plan as it is: %+v %v", result, err)
	}
}

// What a failed delivery leaves is the daemon's to try again, with the planned bytes.
func TestWatchTriesAgainWhatFailedOfASavedPlan(t *testing.T) {
	m, d, saved := besideModule(t, slowConfiguration)
	m.write("broken", "")
	result, diags, err := d.applySaved(saved)
	if err != nil || result.Failed != 1 || result.Skipped != 1 || result.Changed != 1 || !strings.Contains(texts(diags), "the daemon tries again") {
		t.Fatalf("%+v %v\n%s", result, err, texts(diags))
	}
	m.wantFile("app", "n = 2\n")
	m.wantFile("after", "after 1")
	if err := os.Remove(m.path("broken")); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("after", "after 2")
	d.inStep()
	if ran, _ := m.read("ran"); strings.Trim(strings.ReplaceAll(ran, "run 2\n", ""), "\n") != "run 1" {
		t.Errorf("it ran %q", ran)
	}
}

// A rate limit is asked again at dispatch, and the daemon delivers when it lets it pass.
func TestWatchDefersOfASavedPlan(t *testing.T) {
	limited := strings.Replace(slowConfiguration, `stdin      =`, `rate_limits = [rate_limit.token_bucket.few]
  stdin      =`, 1) + `
rate_limit "token_bucket" "few" {
  scope = "shared"
  burst = 3
  rate  = 1
  per   = "1h"
}
source "file" "w" {
  path      = "w.json"
  detectors = [detector.hash.slow]
}
sink "file" "second" {
  path        = "second"
  content     = source.file.w.text
  rate_limits = [rate_limit.token_bucket.few]
}
`
	m := newModule(t, "main.hcl", limited, "v.json", `{"n":1}`, "w.json", `{"takes":"a place"}`)
	d := m.watch()
	d.inStep()
	m.write("v.json", `{"n":2}`)
	saved := m.savePlan()
	m.write("v.json", `{"n":1}`)
	m.write("w.json", `{"takes":"the last place"}`)
	if other, _, err := d.applySaved(m.savePlan()); err != nil || other.Changed != 1 {
		t.Fatalf("%+v %v", other, err)
	}
	got, _, err := d.applySaved(saved)
	if err != nil || got.Changed != 1 || got.Deferred != 1 || got.Skipped != 1 {
		t.Fatalf("%+v %v", got, err)
	}
	m.wantFile("app", "n = 2\n")
	m.wantFile("ran", "run 1\n")
	d.awaitSink("sink.exec.run", engine.StateDeferred)
}

// What is paused, rolled back or configured anew while a plan is under way is left to the daemon.
func TestWatchLeavesOfASavedPlanWhatIsHeldMeanwhile(t *testing.T) {
	m := newModule(t, "main.hcl", strings.Replace(slowConfiguration, "cat >> ran;", `cat >> ran; if [ -e hold ]; then : > held; until [ ! -e hold ]; do sleep 0.02; done; fi;`, 1), "v.json", `{"n":1}`)
	d := m.watch()
	d.inStep()
	m.write("v.json", `{"n":2}`)
	saved := m.savePlan()
	m.write("hold", "")
	end := make(chan string, 1)
	go func() {
		result, diags, err := d.applySaved(saved)
		end <- fmt.Sprintf("%d changed, %d skipped, %v %s", result.Changed, result.Skipped, err, texts(diags))
	}()
	d.await("the program runs", func() bool { return exists(m.path("held")) })
	if err := d.Pause(t.Context(), engine.Pause{Pattern: "sink.file.after"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(m.path("hold")); err != nil {
		t.Fatal(err)
	}
	if got := <-end; !strings.Contains(got, "2 changed, 1 skipped, <nil>") || !strings.Contains(got, "sink.file.after: it was paused meanwhile") {
		t.Error(got)
	}
	m.wantFile("after", "after 1")
	if _, err := d.Resume(t.Context(), "sink.file.after"); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("after", "after 2")
}

// One plan at a time, and one delivery for each sink: a plan waits for what is under way. Who
// asked may leave; the plan goes on.
func TestWatchCarriesOneSavedPlanOutAtATime(t *testing.T) {
	m := newModule(t, "main.hcl", strings.Replace(slowConfiguration, "cat >> ran;", `cat >> ran; if [ -e hold ]; then : > held; until [ ! -e hold ]; do sleep 0.02; done; fi;`, 1), "v.json", `{"n":1}`)
	d := m.watch()
	d.inStep()
	m.write("v.json", `{"n":2}`)
	saved := m.savePlan()
	m.write("hold", "")
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, _, err := d.ApplySaved(ctx, saved, func(engine.Event) {})
		left <- err
	}()
	d.await("the program runs", func() bool { return exists(m.path("held")) })
	if _, _, err := d.applySaved(saved); err == nil || !strings.Contains(err.Error(), "another saved plan is being carried out") {
		t.Errorf("a second plan: %v", err)
	}
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the daemon goes on with the plan") {
		t.Errorf("who left is told: %v", err)
	}
	m.wantFile("after", "after 1")
	if err := os.Remove(m.path("hold")); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("after", "after 2")
	d.inStep()
	m.wantFile("ran", "run 1\nrun 2\n")
}

// A daemon that is stopped in the middle finishes what is under way; the rest goes on with the
// next one, from what the plan accepted.
func TestWatchStopsInTheMiddleOfASavedPlan(t *testing.T) {
	m, d, saved := besideModule(t, strings.Replace(slowConfiguration, "cat >> ran;", "cat >> ran; : > held; until [ -e go ]; do sleep 0.02; done;", 1)+"\n"+
		`sink "file" "go" {
  path    = "go"
  content = ""
}
`)
	if err := d.Pause(t.Context(), engine.Pause{Pattern: "sink.file.go"}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(m.path("go")), os.Remove(m.path("held"))); err != nil {
		t.Fatal(err)
	}
	type ended struct {
		result engine.Result
		err    error
	}
	end := make(chan ended, 1)
	go func() {
		result, _, err := d.applySaved(saved)
		end <- ended{result, err}
	}()
	d.await("the program runs", func() bool { return exists(m.path("held")) })
	stopped := make(chan struct{})
	go func() {
		d.halt()
		close(stopped)
	}()
	d.await("the daemon is stopping", func() bool { return len(events[engine.DaemonStopping](d)) > 0 })
	m.write("go", "")
	<-stopped
	if got := <-end; got.err == nil && (got.result.Changed != 2 || got.result.Skipped != 1 || !got.result.Interrupted) || got.err != nil && !strings.Contains(got.err.Error(), "stopped") {
		t.Errorf("%+v", got)
	}
	m.wantFile("after", "after 1")
	d = m.watch()
	d.awaitFile("after", "after 2")
	m.wantFile("ran", "run 1\nrun 2\n")
}

// A plan that deletes what waits for approval is that approval.
func TestWatchDeletesWhatASavedPlanDeletes(t *testing.T) {
	m := newModule(t, "main.hcl", `
sink "file" "old" {
  path       = "old"
  content    = "old"
  on_destroy = "delete"
}
`)
	m.mustApply()
	m.write("main.hcl", "")
	d := m.watch()
	d.await("it waits for approval", func() bool { return len(events[engine.ApprovalNeeded](d)) == 1 })
	result, _, err := d.applySaved(m.savePlan())
	if err != nil || result.Destroyed != 1 || exists(m.path("old")) {
		t.Errorf("%+v %v", result, err)
	}
	if s, err := d.Status(t.Context()); err != nil || len(s.Sinks)+len(s.Approvals) > 0 {
		t.Errorf("%+v %v", s, err)
	}
}

// A target that somebody wrote is not overwritten, also where the daemon did not notice yet.
func TestWatchRefusesASavedPlanForATargetThatMoved(t *testing.T) {
	m := newModule(t, "main.hcl", slowConfiguration, "v.json", `{"n":1}`)
	m.write("main.hcl", strings.Replace(slowConfiguration, `path    = "app"`, `path     = "app"
  on_drift = "ignore"`, 1))
	d := m.watch()
	d.inStep()
	m.write("v.json", `{"n":2}`)
	saved := m.savePlan()
	m.write("app", "mine")
	_, _, err := d.applySaved(saved)
	wantRefusal(t, err, "Stale plan", "app was changed by somebody else (sink.file.app)")
	m.wantFile("app", "mine")
	m.wantFile("ran", "run 1\n")
}

// A look that began before a plan was accepted tells nothing of the value in use since.
func TestWatchForgetsALookThatASavedPlanOvertook(t *testing.T) {
	body := make(chan string, 1)
	body <- `{"n":1}`
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	var holding bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := <-body
		body <- now
		if r.Header.Get("If-None-Match") == now && holding {
			holding = false
			held <- struct{}{}
			<-hold
		}
		if r.Header.Get("If-None-Match") == now {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", now)
		_, _ = w.Write([]byte(now))
	}))
	defer server.Close()
	m := newModule(t, "main.hcl", `
detector "etag" "slow" { interval = "1h" }
detector "webhook" "now" {}
source "http" "v" {
  url       = "`+server.URL+`/v.json"
  detectors = [detector.etag.slow, detector.webhook.now]
}
sink "file" "app" {
  path    = "app"
  content = "n = ${source.http.v.value.n}"
}
`)
	d := m.watch()
	d.awaitFile("app", "n = 1")
	d.inStep()
	<-body
	body <- `{"n":2}`
	saved := m.savePlan()
	<-body
	holding = true
	body <- `{"n":1}`
	d.Notify(address.Of(address.Detector, "webhook", "now"))
	<-held // the daemon hears that nothing changed since {"n":1}, but later
	if result, _, err := d.applySaved(saved); err != nil || result.Changed != 1 {
		t.Errorf("%+v %v", result, err)
	}
	m.wantFile("app", "n = 2")
	close(hold)
	d.awaitFile("app", "n = 1")
}

// A plan whose values make other instances delivers to them, and settles those that are gone.
func TestWatchAppliesASavedPlanOfOtherInstances(t *testing.T) {
	m := newModule(t, "main.hcl", `
detector "hash" "slow" { interval = "1h" }
source "file" "services" {
  path      = "services.json"
  detectors = [detector.hash.slow]
}
sink "file" "app" {
  for_each   = source.file.services.value
  path       = "out-${each.key}"
  content    = "${file("greeting")} ${each.value}"
  on_destroy = "delete"
}
sink "file" "index" {
  path    = "index"
  content = join(",", keys(sink.file.app))
}
`, "greeting", "hello", "services.json", `{"a":1,"b":2}`)
	d := m.watch()
	d.awaitFile("index", "a,b")
	d.inStep()
	m.write("services.json", `{"a":1,"c":3}`)
	saved := m.savePlan()
	m.write("services.json", `{"a":1,"b":2}`)
	result, diags, err := d.applySaved(saved)
	if err != nil || len(diags) > 0 || result != (engine.Result{Accepted: 1, Added: 1, Changed: 1, Destroyed: 1}) {
		t.Fatalf("%+v %v\n%s", result, err, texts(diags))
	}
	m.wantFile("out-c", "hello 3")
	m.wantFile("index", "a,c")
	if exists(m.path("out-b")) {
		t.Error("out-b is still there")
	}
	d.inStep()
	m.write("services.json", `{"a":1,"c":3}`)
	m.wantNoChanges()
}

// What a plan says is called otherwise, the daemon calls so as soon as it takes the configuration up.
func TestWatchRefusesASavedPlanOfWhatItMovedItself(t *testing.T) {
	m, d, _ := besideModule(t, slowConfiguration)
	renamed := strings.Replace(slowConfiguration, `sink "file" "other"`, `sink "file" "another"`, 1) + `
moved {
  from = sink.file.other
  to   = sink.file.another
}
`
	m.write("main.hcl", strings.Replace(renamed, `"other ${`, `"another ${`, 1))
	saved := m.savePlan()
	_, _, err := d.applySaved(saved)
	wantRefusal(t, err, "Stale plan", "the daemon runs another configuration")
	m.wantFile("other", "other ")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.awaitFile("other", "another ")
	_, _, err = d.applySaved(saved)
	wantRefusal(t, err, "Stale plan", "the state does not know sink.file.other any more, which was to be called sink.file.another")
	m.wantFile("app", "n = 1\n")
}
