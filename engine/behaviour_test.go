package engine_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"tidegate/engine/plan"
)

// origin is a real HTTP server with one document and an ETag.
type origin struct {
	*httptest.Server
	mutex  sync.Mutex
	body   string
	etag   string
	status int
	full   int // answers with a body
	same   int // 304
	posts  []received
	reply  func(n int) int // status of the n-th POST, 1 for the first
}

type received struct{ key, body string }

func newOrigin(t *testing.T, body, etag string) *origin {
	o := &origin{body: body, etag: etag, status: 200}
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(o.Close)
	return o
}

func (o *origin) serve(w http.ResponseWriter, r *http.Request) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if r.Method == http.MethodPost {
		buf := new(strings.Builder)
		if _, err := fmt.Fprint(buf, readAll(r)); err != nil {
			panic(err)
		}
		o.posts = append(o.posts, received{r.Header.Get("Idempotency-Key"), buf.String()})
		status := 200
		if o.reply != nil {
			status = o.reply(len(o.posts))
		}
		w.WriteHeader(status)
		return
	}
	if o.status != 200 {
		http.Error(w, "no", o.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if o.etag != "" {
		w.Header().Set("ETag", o.etag)
		if r.Header.Get("If-None-Match") == o.etag {
			o.same++
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	o.full++
	fmt.Fprint(w, o.body)
}

func readAll(r *http.Request) string {
	buf := new(strings.Builder)
	data := make([]byte, 4096)
	for {
		n, err := r.Body.Read(data)
		buf.Write(data[:n])
		if err != nil {
			return buf.String()
		}
	}
}

func (o *origin) set(body, etag string, status int) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.body, o.etag, o.status = body, etag, status
}

func (o *origin) counts() (full, same int) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.full, o.same
}

func (o *origin) received() []received {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return append([]received(nil), o.posts...)
}

func httpToFile(url string) string {
	return fmt.Sprintf(`
source "http" "app" {
  url   = %q
  rules = [rule.assert.sane]
  retry { attempts = 1 }
}
rule "assert" "sane" {
  assertion {
    condition     = value.port > 0
    error_message = "port must be positive, got ${value.port}."
  }
  assertion {
    condition     = can(regex("^[a-z]+$", value.name))
    error_message = "name is odd: ${value.name}."
  }
}
sink "file" "app" {
  path    = "app.json"
  content = jsonencode(source.http.app.value)
}
sink "file" "other" {
  path    = "other.txt"
  content = "independent"
}
`, url+"/config.json")
}

func TestSecondApplyAsksWithTheValidatorAndDoesNothing(t *testing.T) {
	o := newOrigin(t, `{"name":"app","port":1}`, `"v1"`)
	m := newModule(t, "main.hcl", httpToFile(o.URL))
	m.mustApply()
	before, _ := os.Stat(m.path("app.json"))
	state, _ := m.read(".tidegate/state.db")
	p, result := m.mustApply()
	if full, same := o.counts(); full != 1 || same != 1 {
		t.Errorf("the server answered %d times in full and %d times 304, want 1 and 1", full, same)
	}
	if p.HasChanges() || result.Added+result.Changed+result.Adopted+result.Accepted != 0 {
		t.Errorf("the second apply did something: %+v %+v", p.Summary(), result)
	}
	after, _ := os.Stat(m.path("app.json"))
	if !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Error("the second apply wrote the file")
	}
	if again, _ := m.read(".tidegate/state.db"); again != state {
		t.Error("the second apply wrote the state")
	}
}

func TestFormatOnlyIsNoChange(t *testing.T) {
	o := newOrigin(t, `{"name":"app","port":1}`, `"v1"`)
	m := newModule(t, "main.hcl", httpToFile(o.URL))
	m.mustApply()
	o.set("{ \"port\": 1.0,\n \"name\": \"app\" }", `"v2"`, 200)
	p, result := m.mustApply()
	if result.Changed+result.Accepted != 0 {
		t.Errorf("other spelling of one value was delivered: %+v", result)
	}
	if c := sourceChange(t, p, "source.http.app"); !c.FormatOnly || c.Action != plan.NoOp {
		t.Errorf("the plan says %+v, want format only", c)
	}
	m.mustApply()
	if _, same := o.counts(); same != 1 {
		t.Errorf("the renewed validator was not used: %d answers of 304, want 1", same)
	}
}

func TestFailingSourceChangesNothingElse(t *testing.T) {
	o := newOrigin(t, `{"name":"app","port":1}`, `"v1"`)
	m := newModule(t, "main.hcl", httpToFile(o.URL))
	m.mustApply()
	for _, status := range []int{500, 404, 401} {
		o.set("", "", status)
		m.write("other.txt", "edited behind our back")
		p, result, diags := m.apply()
		wantError(t, diags, "Source failed", "source.http.app", fmt.Sprint(status), "The accepted value stays in use")
		if c := sourceChange(t, p, "source.http.app"); c.Standing != plan.Accepted || c.Problem != plan.Failed {
			t.Errorf("status %d: the source stands on %s (%s)", status, c.Standing, c.Problem)
		}
		if result.Changed != 1 {
			t.Errorf("status %d: the independent sink was not repaired: %+v", status, result)
		}
		m.wantFile("app.json", `{"name":"app","port":1}`)
		m.wantFile("other.txt", "independent")
	}
}

func TestRejectedCandidateReportsAllFindingsAndKeepsTheValue(t *testing.T) {
	o := newOrigin(t, `{"name":"app","port":1}`, `"v1"`)
	m := newModule(t, "main.hcl", httpToFile(o.URL))
	m.mustApply()
	o.set(`{"name":"A P P","port":-1}`, `"v2"`, 200)
	_, _, diags := m.apply()
	wantError(t, diags, "Candidate rejected", "port must be positive, got -1", "name is odd: A P P")
	m.wantFile("app.json", `{"name":"app","port":1}`)
	o.set(`{"name":"good","port":3}`, `"v3"`, 200)
	m.mustApply()
	m.wantFile("app.json", `{"name":"good","port":3}`)
}

func TestAbsenceIsNotEmptiness(t *testing.T) {
	for _, body := range []string{"", "{}", "null", "[]", `""`, "{"} {
		o := newOrigin(t, `{"name":"app","port":1}`, "")
		m := newModule(t, "main.hcl", httpToFile(o.URL))
		m.mustApply()
		o.set(body, "", 200)
		_, _, diags := m.apply()
		if !diags.HasErrors() {
			t.Errorf("body %q: no error", body)
		}
		m.wantFile("app.json", `{"name":"app","port":1}`)
	}
}

func TestSourceWithoutAnyValueBlocks(t *testing.T) {
	o := newOrigin(t, "", "")
	o.set("", "", 503)
	m := newModule(t, "main.hcl", httpToFile(o.URL))
	p, result, diags := m.apply()
	wantError(t, diags, "Source failed", "503")
	c := sinkChange(t, p, "sink.file.app")
	if c.Wait == nil || c.Wait.Kind != plan.BlockedBy || !strings.Contains(c.Wait.Reason, "source.http.app") {
		t.Errorf("wait = %+v, want blocked by source.http.app", c.Wait)
	}
	if _, ok := m.read("app.json"); ok {
		t.Error("a blocked sink was written")
	}
	m.wantFile("other.txt", "independent")
	if result.Added != 1 {
		t.Errorf("result = %+v", result)
	}
}

func TestFallbackStandsInOnlyWhereNothingWasAccepted(t *testing.T) {
	o := newOrigin(t, `{"port":5}`, "")
	o.set("", "", 503)
	config := fmt.Sprintf(`
source "http" "app" {
  url      = "%s/c.json"
  fallback = { port = 1 }
  retry { attempts = 1 }
}
sink "file" "app" {
  path    = "app.json"
  content = jsonencode(source.http.app.value)
}
sink "file" "theirs" {
  path    = "theirs.json"
  content = source.http.app.text
}
`, o.URL)
	m := newModule(t, "main.hcl", config, "theirs.json", "somebody else's")
	p, _, diags := m.apply()
	wantError(t, diags, "Source failed", "The fallback stands in")
	m.wantFile("app.json", `{"port":1}`)
	m.wantFile("theirs.json", "somebody else's")
	if c := sinkChange(t, p, "sink.file.theirs"); c.Wait == nil || !strings.Contains(c.Wait.Reason, "fallback") {
		t.Errorf("wait = %+v", c.Wait)
	}
	o.set(`{"port":5}`, "", 200)
	m.mustApply()
	m.wantFile("app.json", `{"port":5}`)
	m.wantFile("theirs.json", `{"port":5}`)
	o.set("", "", 503)
	m.apply()
	m.wantFile("app.json", `{"port":5}`)
}

func TestDriftIsRepairedWarnedOrIgnored(t *testing.T) {
	m := newModule(t, "main.hcl", `
sink "file" "repair" {
  path    = "repair.txt"
  content = "wanted"
  mode    = "0640"
}
sink "file" "warn" {
  path     = "warn.txt"
  content  = "wanted"
  on_drift = "warn"
}
sink "file" "ignore" {
  path     = "ignore.txt"
  content  = "wanted"
  on_drift = "ignore"
}
`)
	m.mustApply()
	for _, name := range []string{"repair.txt", "warn.txt", "ignore.txt"} {
		m.write(name, "edited")
	}
	p, diags := m.plan()
	if diags.HasErrors() {
		t.Fatal(texts(diags))
	}
	if c := sinkChange(t, p, "sink.file.repair"); c.Action != plan.Update || !c.Repair || c.Drift == nil {
		t.Errorf("repair: %s %+v", c.Action, c.Drift)
	}
	if c := sinkChange(t, p, "sink.file.warn"); c.Action != plan.NoOp || c.Drift == nil {
		t.Errorf("warn: %s %+v", c.Action, c.Drift)
	}
	m.mustApply()
	m.wantFile("repair.txt", "wanted")
	m.wantFile("warn.txt", "edited")
	m.wantFile("ignore.txt", "edited")

	if err := os.Remove(m.path("repair.txt")); err != nil {
		t.Fatal(err)
	}
	m.mustApply()
	m.wantFile("repair.txt", "wanted")
	if err := os.Chmod(m.path("repair.txt"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.mustApply()
	if info, _ := os.Stat(m.path("repair.txt")); info.Mode().Perm() != 0o640 {
		t.Errorf("mode = %v after repair, want 0640", info.Mode())
	}
}

func TestFirstContactAdoptsOrKeepsRevisionZero(t *testing.T) {
	m := newModule(t, "main.hcl", `
sink "file" "same" {
  path    = "same.txt"
  content = "wanted"
}
sink "file" "other" {
  path    = "other.txt"
  content = "wanted"
}
`, "same.txt", "wanted", "other.txt", "theirs")
	before, _ := os.Stat(m.path("same.txt"))
	p, result := m.mustApply()
	if result.Adopted != 1 || result.Changed != 1 {
		t.Errorf("result = %+v", result)
	}
	if c := sinkChange(t, p, "sink.file.other"); c.Action != plan.Update || c.Lines == nil || !strings.Contains(c.Lines.Unified("a", "b"), "-theirs") {
		t.Errorf("other: %s", c.Action)
	}
	if after, _ := os.Stat(m.path("same.txt")); !os.SameFile(before, after) {
		t.Error("an adopted file was written")
	}
	m.wantFile("other.txt", "wanted")
	m.wantNoChanges()
	revisions := m.revisions("sink.file.other")
	if len(revisions) != 2 || revisions[1].number != 0 || revisions[1].content != "theirs" {
		t.Errorf("revisions = %+v, want number 0 with what was there", revisions)
	}
}

func TestRemovedSinkIsForgottenOrDeletedAsItWasApplied(t *testing.T) {
	m := newModule(t, "main.hcl", `
sink "file" "kept" {
  path    = "kept.txt"
  content = "x"
}
sink "file" "gone" {
  path       = "gone.txt"
  content    = "x"
  on_destroy = "delete"
}
`)
	m.mustApply()
	m.write("main.hcl", `locals { nothing = 1 }`)
	_, result := m.mustApply()
	if result.Forgotten != 1 || result.Destroyed != 1 {
		t.Errorf("result = %+v", result)
	}
	m.wantFile("kept.txt", "x")
	if _, ok := m.read("gone.txt"); ok {
		t.Error("on_destroy = delete left the file")
	}
	m.wantNoChanges()
}

func TestHTTPSinkSendsOncePerChangeAndRetriesWithOneKey(t *testing.T) {
	o := newOrigin(t, "", "")
	o.reply = func(n int) int {
		if n < 3 {
			return 503
		}
		return 204
	}
	m := newModule(t, "value.txt", "one", "main.hcl", fmt.Sprintf(`
source "static" "v" { value = { n = 1 } }
sink "http" "notify" {
  url  = "%s/hook"
  body = jsonencode({ value = source.static.v.value, id = delivery.id, changes = delivery.changes })
  retry {
    attempts = 1
    min = "1ms"
    max = "1ms"
  }
}
sink "file" "after" {
  path       = "after.txt"
  content    = "x"
  depends_on = [sink.http.notify]
}
`, o.URL))
	for range 2 {
		_, result, diags := m.apply()
		wantError(t, diags, "Delivery failed", "503", "stays pending")
		if result.Failed != 1 || result.Skipped != 1 {
			t.Errorf("result = %+v", result)
		}
		if _, ok := m.read("after.txt"); ok {
			t.Error("a dependant of a failed sink was written")
		}
	}
	m.mustApply()
	m.wantNoChanges()
	got := o.received()
	if len(got) != 3 {
		t.Fatalf("the server got %d requests, want 3", len(got))
	}
	for _, r := range got {
		if r.key == "" || r.key != got[0].key || r.body != got[0].body {
			t.Errorf("request %+v is no repetition of %+v", r, got[0])
		}
	}
	if !strings.Contains(got[0].body, got[0].key) || !strings.Contains(got[0].body, `"action":"add"`) {
		t.Errorf("delivery.* is not filled in: %s", got[0].body)
	}
	m.wantFile("after.txt", "x")
}

func TestTwoSinksOnOnePathAreAnError(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "static" "v" { value = "x" }
sink "file" "a" {
  path    = "out/f"
  content = source.static.v.value
}
sink "file" "b" {
  path    = "out/../out/f"
  content = "y"
}
`)
	_, _, diags := m.apply()
	wantError(t, diags, "Two sinks write one path", "sink.file.a", "sink.file.b")
	if _, ok := m.read("out/f"); ok {
		t.Error("the file was written all the same")
	}
}

func TestCycleIsPrinted(t *testing.T) {
	m := newModule(t, "main.hcl", `
locals {
  a = local.b
  b = local.c
  c = local.a
}
`)
	_, diags := m.load()
	wantError(t, diags, "Cycle", "local.a -> local.b -> local.c -> local.a")
}

func TestSecretsStayOut(t *testing.T) {
	const canary = "canary-hunter2-xyzzy"
	o := newOrigin(t, "", "")
	m := newModule(t, "main.hcl", fmt.Sprintf(`
variable "password" {
  type      = string
  sensitive = true
}
source "static" "db" {
  value = { user = "bob", password = var.password }
}
sink "file" "db" {
  path    = "db.json"
  content = jsonencode(source.static.db.value)
}
sink "http" "notify" {
  url          = "%s/hook"
  body         = jsonencode(source.static.db.value)
  bearer_token = var.password
}
`, o.URL))
	m.environ = append(m.environ, "TIDEGATE_VAR_password="+canary)
	m.mustApply()
	m.wantFile("db.json", `{"password":"`+canary+`","user":"bob"}`)
	if info, _ := os.Stat(m.path("db.json")); info.Mode().Perm() != 0o600 {
		t.Errorf("mode of a secret file = %v, want 0600", info.Mode())
	}
	m.wantNoChanges()
	m.write("db.json", "edited")
	m.mustApply()
	m.wantFile("db.json", `{"password":"`+canary+`","user":"bob"}`)
	m.wantNoChanges()
	if n := len(o.received()); n != 1 {
		t.Errorf("the server got %d requests, want 1", n)
	}
	entries, err := os.ReadDir(m.path(".tidegate"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if text, _ := m.read(".tidegate/" + e.Name()); strings.Contains(text, canary) {
			t.Errorf("the secret is in %s", e.Name())
		}
	}
}

func TestTriggeredSinkWaitsWithWhatTriggersIt(t *testing.T) {
	m := newModule(t, "v.txt", "one", "main.hcl", `
source "file" "v" { path = "v.txt" }
rate_limit "sliding_window" "slow" {
  max = 1
  per = "1h"
}
sink "file" "f" {
  path        = "f.txt"
  content     = source.file.v.text
  rate_limits = [rate_limit.sliding_window.slow]
}
sink "exec" "reload" {
  command  = ["sh", "-c", "echo run >> runs.txt"]
  triggers = [sink.file.f]
}
`)
	m.mustApply()
	m.write("v.txt", "two")
	p, _ := m.mustApply()
	c := sinkChange(t, p, "sink.exec.reload")
	if c.Wait == nil || c.Wait.Kind != plan.Deferred || c.Wait.On != "sink.file.f" {
		t.Errorf("the triggered sink: %s, wait %+v; want it deferred with sink.file.f", c.Action, c.Wait)
	}
	m.wantFile("f.txt", "one")
	m.wantFile("runs.txt", "run\n")
}
