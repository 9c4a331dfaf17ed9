//go:build unix

package engine_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
	"tidegate/providers"
	"tidegate/providers/all"
)

// savePlan plans as "plan --out" does and returns what would be in the file.
func (m *module) savePlan(change ...func(*plan.Plan)) []byte {
	m.t.Helper()
	ctx := context.Background()
	e, diags := m.load()
	defer e.Close()
	if diags.HasErrors() {
		m.t.Fatal(texts(diags))
	}
	if err := e.PrepareState(ctx); err != nil {
		m.t.Fatal(err)
	}
	p, _ := e.Plan(ctx, engine.PlanOptions{})
	for _, f := range change {
		f(p)
	}
	data, err := e.Save(ctx, p, time.Now().Add(time.Hour))
	if err != nil {
		m.t.Fatal(err)
	}
	return data
}

// applySaved applies what savePlan returned.
func (m *module) applySaved(data []byte, change ...func(*engine.Options)) (engine.Result, hcl.Diagnostics, error) {
	m.t.Helper()
	ctx := context.Background()
	s, err := plan.Decode(data)
	if err != nil {
		return engine.Result{}, nil, err
	}
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		m.t.Fatal(err)
	}
	opts := engine.Options{Registry: registry, Environ: m.environ, Command: "test", Version: "0.1.0", StatePath: m.path(engine.DefaultState)}
	for _, f := range change {
		f(&opts)
	}
	e := engine.OpenSaved(opts, s)
	defer e.Close()
	if err := e.CheckSaved(ctx, s, time.Now()); err != nil {
		return engine.Result{}, nil, err
	}
	if err := e.Lock(ctx); err != nil {
		m.t.Fatal(err)
	}
	return e.ApplySaved(ctx, s)
}

func (m *module) mustApplySaved(data []byte) engine.Result {
	m.t.Helper()
	result, diags, err := m.applySaved(data)
	if err != nil || diags.HasErrors() {
		m.t.Fatalf("%v\n%s", err, texts(diags))
	}
	return result
}

const savedConfiguration = `
variable "name" {
  default   = "canary-variable"
  sensitive = true
}
rate_limit "token_bucket" "few" {
  scope = "shared"
  burst = 1
  rate  = 1
  per   = "1h"
}
source "file" "v" {
  path = "v.json"
}
source "file" "limited" {
  path        = "limited.json"
  rate_limits = [rate_limit.token_bucket.few]
}
sink "file" "app" {
  path    = "out/app.json"
  content = templatefile("app.tpl", { v = source.file.v.value.n })
}
sink "file" "limited" {
  path    = "out/limited.json"
  content = source.file.limited.value.n
}
sink "file" "secret" {
  path    = "out/secret"
  mode    = "0600"
  content = "${var.name} ${source.file.v.value.password}"
}
sink "exec" "run" {
  command = ["/bin/sh", "-c", "cat >> ran; echo $0 $1 >&2", sensitive(source.file.v.value.password), var.name]
  stdin   = "run ${source.file.v.value.n}\n"
}
output "password" {
  value     = source.file.v.value.password
  sensitive = true
}
sink "file" "other" {
  path    = "out/other"
  content = "other"
}
`

func savedModule(t *testing.T) *module {
	m := newModule(
		t, "main.hcl", savedConfiguration, "app.tpl", "n = ${v}\n",
		"v.json", `{"n":1,"password":"canary-password"}`, "limited.json", `{"n":"few"}`,
	)
	if err := os.Mkdir(m.path("out"), 0o755); err != nil {
		t.Fatal(err)
	}
	return m
}

// What was planned is what is applied: the bytes of the plan, although every source says
// something else by then. Nothing is looked at.
func TestSavedPlanIsAppliedExactly(t *testing.T) {
	m := savedModule(t)
	saved := m.savePlan()
	m.write("v.json", `{"n":2,"password":"other"}`)
	if err := os.Remove(m.path("limited.json")); err != nil {
		t.Fatal(err)
	}
	if got := m.mustApplySaved(saved); got.Added != 5 || got.Accepted != 2 {
		t.Errorf("applied %+v", got)
	}
	m.wantFile("out/app.json", "n = 1\n")
	m.wantFile("out/limited.json", "few")
	m.wantFile("out/secret", "canary-variable canary-password")
	m.wantFile("ran", "run 1\n")

	// The state is as after any apply.
	m.write("limited.json", `{"n":"few"}`)
	m.write("v.json", `{"n":1,"password":"canary-password"}`)
	m.wantNoChanges()
	if row := m.ledger().Sources[address.Of(address.Source, "file", "v")]; row.Accepted != 1 || row.Current().AcceptedAt.IsZero() {
		t.Errorf("the row of the source is %+v", row)
	}
	m.write("v.json", `{"n":3,"password":"canary-password"}`)
	update := m.savePlan()
	m.mustApplySaved(update)
	m.wantFile("out/app.json", "n = 3\n")
	m.wantFile("ran", "run 1\nrun 3\n")

	// Nor is it applied twice.
	_, _, err := m.applySaved(update)
	wantRefusal(t, err, "Stale plan", "source.file.v accepted", "sink.exec.run has its delivery of this plan already")
	m.wantFile("ran", "run 1\nrun 3\n")
}

func wantRefusal(t *testing.T, err error, summary string, parts ...string) {
	t.Helper()
	var refused *engine.PlanRefusal
	if !errors.As(err, &refused) {
		t.Errorf("not refused: %v", err)
		return
	}
	if refused.Summary != summary {
		t.Errorf("refused as %q, want %q: %s", refused.Summary, summary, refused)
	}
	for _, part := range parts {
		if !strings.Contains(refused.Error(), part) {
			t.Errorf("%q is not mentioned: %s", part, refused)
		}
	}
}

// What a plan rests on and what moved is told, all of it, and nothing is changed.
func TestSavedPlanThatMovedIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		move  func(m *module)
		parts []string
	}{
		"configuration edited": {func(m *module) { m.write("main.hcl", savedConfiguration+"# a remark\n") }, []string{"main.hcl was edited"}},
		"configuration added":  {func(m *module) { m.write("more.hcl", "") }, []string{"more.hcl is new"}},
		"variables added":      {func(m *module) { m.write("x.auto.hclvars", `name = "x"`) }, []string{"x.auto.hclvars is new"}},
		"template edited":      {func(m *module) { m.write("app.tpl", "m = ${v}\n") }, []string{"app.tpl was edited"}},
		"template gone":        {func(m *module) { _ = os.Remove(m.path("app.tpl")) }, []string{"app.tpl is gone"}},
		"everything gone": {func(m *module) {
			_ = os.Remove(m.path("main.hcl"))
			_ = os.Remove(m.path("app.tpl"))
		}, []string{"main.hcl is gone", "app.tpl is gone"}},
		"target edited":   {func(m *module) { m.write("out/app.json", "mine") }, []string{"app.json was changed by somebody else"}},
		"target gone":     {func(m *module) { _ = os.Remove(m.path("out/app.json")) }, []string{"app.json was removed"}},
		"target appeared": {func(m *module) { m.write("out/other", "mine") }, []string{"other was changed by somebody else"}},
		"another value accepted": {func(m *module) {
			m.write("v.json", `{"n":9,"password":"canary-password"}`)
			m.mustApply()
		}, []string{"source.file.v accepted another value", "sink.file.app was delivered meanwhile", "sink.exec.run was delivered"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := savedModule(t)
			m.write("main.hcl", strings.Replace(savedConfiguration, `sink "file" "other"`, `sink "file" "late"`, 1))
			m.mustApply()
			m.write("main.hcl", savedConfiguration)
			if err := os.Remove(m.path("out/other")); err != nil {
				t.Fatal(err)
			}
			m.write("v.json", `{"n":2,"password":"canary-password"}`)
			saved := m.savePlan()
			c.move(m)
			serial, ran := m.ledger().Serial, strings.Join(m.lines("ran"), ",")
			app, had := m.read("out/app.json")
			_, _, err := m.applySaved(saved)
			wantRefusal(t, err, "Stale plan", c.parts...)
			if got := m.ledger().Serial; got != serial {
				t.Errorf("the state went from serial %d to %d", serial, got)
			}
			if got := strings.Join(m.lines("ran"), ","); got != ran {
				t.Errorf("the program ran: %s", got)
			}
			if now, has := m.read("out/app.json"); now != app || has != had {
				t.Errorf("the target went from %q to %q", app, now)
			}
		})
	}
}

// What a plan does not touch may move.
func TestSavedPlanOutlivesWhatItDoesNotTouch(t *testing.T) {
	m := savedModule(t)
	m.mustApply()
	m.write("v.json", `{"n":2,"password":"canary-password"}`)
	saved := m.savePlan()
	m.write("v.json", `{"n":1,"password":"canary-password"}`) // as it was: the apply accepts nothing
	m.write("out/other", "drifted")
	if _, result := m.mustApply(); result.Changed != 1 {
		t.Fatalf("the unrelated apply did %+v", result)
	}
	m.mustApplySaved(saved)
	m.wantFile("out/app.json", "n = 2\n")
	m.wantFile("out/other", "other")
}

// Rate limits are asked again: others may have passed meanwhile.
func TestSavedPlanAsksRateLimitsAgain(t *testing.T) {
	m := savedModule(t)
	m.write("main.hcl", strings.NewReplacer(`rate_limits = [`, `# `, "burst = 1", "burst = 2").Replace(savedConfiguration))
	m.mustApply()
	// Not used up so far: the limit was not the source's.
	m.write("main.hcl", strings.Replace(savedConfiguration, `path = "v.json"`, `path = "v.json"
  rate_limits = [rate_limit.token_bucket.few]`, 1))
	m.write("limited.json", `{"n":"again"}`)
	saved := m.savePlan()
	limited, _ := m.read("limited.json")
	m.write("limited.json", `{"n":"few"}`)
	m.write("v.json", `{"n":7,"password":"canary-password"}`)
	m.mustApply() // takes the only place
	m.write("limited.json", limited)
	_, _, err := m.applySaved(saved)
	wantRefusal(t, err, "Stale plan", "rate_limit.token_bucket.few lets the next value of source.file.limited pass at")
	m.wantFile("out/limited.json", "few")
}

func TestSavedPlanForSomethingElseIsRefused(t *testing.T) {
	m := savedModule(t)
	saved := m.savePlan()
	_, _, err := m.applySaved(saved, func(o *engine.Options) { o.Version = "0.2.0" })
	wantRefusal(t, err, "Plan of another version", "0.1.0", "0.2.0")

	incomplete := m.savePlan(func(p *plan.Plan) { p.Incomplete = true })
	_, _, err = m.applySaved(incomplete)
	wantRefusal(t, err, "Incomplete plan")

	other := savedModule(t)
	other.savePlan()
	_, _, err = m.applySaved(saved, func(o *engine.Options) { o.StatePath = other.path(engine.DefaultState) })
	wantRefusal(t, err, engine.InvalidPlan, "key of another state")

	// The same key, and a state that was made anew.
	if err := os.Remove(m.path(engine.DefaultState)); err != nil {
		t.Fatal(err)
	}
	m.savePlan()
	_, _, err = m.applySaved(saved)
	wantRefusal(t, err, "Plan for another state", "lineage")

	// No state at all: none is made.
	if err := os.RemoveAll(m.path(".tidegate")); err != nil {
		t.Fatal(err)
	}
	if _, _, err = m.applySaved(saved); err == nil || !strings.Contains(err.Error(), "there is no state yet") {
		t.Errorf("without a state: %v", err)
	}
	if exists(m.path(".tidegate")) || exists(m.path("out/app.json")) {
		t.Error("something was made from a plan that nobody could verify")
	}
}

func TestSavedPlanExpires(t *testing.T) {
	m := savedModule(t)
	saved := m.savePlan()
	s, err := plan.Decode(saved)
	if err != nil {
		t.Fatal(err)
	}
	e := engine.OpenSaved(engine.Options{Version: "0.1.0", StatePath: m.path(engine.DefaultState)}, s)
	defer e.Close()
	if err := e.CheckSaved(t.Context(), s, s.Expires); err != nil {
		t.Errorf("at its last moment: %v", err)
	}
	wantRefusal(t, e.CheckSaved(t.Context(), s, s.Expires.Add(time.Nanosecond)), "Expired plan")
}

// A file that is cut off at any byte, or in which any bit is another one, is refused, and
// nothing crashes.
func TestSavedPlanDamaged(t *testing.T) {
	m := newModule(t, "main.hcl", `
sink "file" "a" {
  path    = "a"
  content = sensitive("x")
}
`)
	saved := m.savePlan()
	s, err := plan.Decode(saved)
	if err != nil {
		t.Fatal(err)
	}
	e := engine.OpenSaved(engine.Options{Version: "0.1.0", StatePath: m.path(engine.DefaultState)}, s)
	defer e.Close()
	check := func(data []byte) error {
		s, err := plan.Decode(data)
		if err != nil {
			return err
		}
		return e.CheckSaved(t.Context(), s, time.Now())
	}
	if err := check(saved); err != nil {
		t.Fatal(err)
	}
	for n := range saved {
		if err := check(saved[:n]); err == nil || n > 40 && !errors.Is(err, plan.ErrCutOff) {
			t.Errorf("%d of %d bytes: %v", n, len(saved), err)
		}
	}
	step := 1
	if raceEnabled {
		step = 7
	}
	for n := 0; n < len(saved); n += step {
		damaged := bytes.Clone(saved)
		damaged[n] ^= 1 << (n % 8)
		if check(damaged) == nil {
			t.Errorf("a flipped bit at %d is not noticed", n)
		}
	}
	for _, other := range []string{"", "{}", "\n", `{"format":"tidegate plan","format_version":"2"}` + "\n", "PK\x03\x04", strings.Repeat("[", 1<<20)} {
		if check([]byte(other)) == nil {
			t.Errorf("%.20q passes for a plan", other)
		}
	}
}

// The file tells no secret to who lacks the key: neither in clear nor in base64.
func TestSavedPlanTellsNoSecret(t *testing.T) {
	m := savedModule(t)
	m.mustApply()
	m.write("v.json", `{"n":2,"password":"canary-new"}`)
	m.write("main.hcl", strings.Replace(savedConfiguration, `path = "v.json"`, `path      = "v.json"
  sensitive = true`, 1))
	saved := m.savePlan()
	if at := bytes.Index(saved, []byte("canary")); at >= 0 {
		t.Errorf("...%s", saved[max(0, at-200):at+50])
	}
	for _, text := range regexp.MustCompile(`[A-Za-z0-9+/]{16,}=*`).FindAllString(string(saved), -1) {
		data, _ := base64.StdEncoding.DecodeString(text)
		if bytes.Contains(data, []byte("canary")) {
			t.Errorf("in base64: %s", data)
		}
	}
	m.mustApplySaved(saved)
	m.wantFile("out/secret", "canary-variable canary-new")
}

// The files of modules are part of what a plan was made from, new ones too.
func TestSavedPlanOfModules(t *testing.T) {
	m := serviceModule(t, "module \"one\" {\n  source = \"./service\"\n  name = \"one\"\n  port = 1\n}\n")
	saved := m.savePlan()
	m.write("service/more.hcl", "locals { more = 1 }\n")
	_, _, err := m.applySaved(saved)
	wantRefusal(t, err, "Stale plan", "more.hcl is new")
}
