package review_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/engine/review"
	"tidegate/providers"
	"tidegate/providers/all"
)

// repository is a git repository with a module in a directory of it.
type repository struct {
	t   testing.TB
	top string
	dir string // of the module
}

func newRepository(t testing.TB) *repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &repository{t, top, filepath.Join(top, "infra", "app")}
	r.git("init", "-q", "-b", "main", ".")
	return r
}

func (r *repository) git(args ...string) {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Dir = r.top
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// write writes files of the module (name, text, name, text ...).
func (r *repository) write(files ...string) {
	r.t.Helper()
	for i := 0; i+1 < len(files); i += 2 {
		path := filepath.Join(r.dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *repository) commit(files ...string) {
	r.t.Helper()
	r.write(files...)
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", "change")
}

func (r *repository) options() engine.Options {
	r.t.Helper()
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		r.t.Fatal(err)
	}
	return engine.Options{Dir: r.dir, Registry: registry, Environ: []string{"PATH=" + os.Getenv("PATH")}, Version: "0.1.0"}
}

func (r *repository) compare(ref string, look ...review.Look) *review.Result {
	r.t.Helper()
	return review.Compare(context.Background(), r.options(), ref, append(look, review.Look{})[0])
}

func (r *repository) mustCompare(ref string, look ...review.Look) *plan.Plan {
	r.t.Helper()
	got := r.compare(ref, look...)
	if got.Diags.HasErrors() {
		r.t.Fatal(texts(got.Diags))
	}
	return got.Plan
}

func texts(diags hcl.Diagnostics) string {
	var out []string
	for _, d := range diags {
		out = append(out, d.Summary+": "+d.Detail)
	}
	return strings.Join(out, "\n")
}

// actions says what the plan does with each sink that it does something with.
func actions(p *plan.Plan) []string {
	var out []string
	for _, c := range p.Sinks {
		if c.Action != plan.NoOp {
			out = append(out, c.Address.String()+" "+string(c.Action))
		}
	}
	slices.Sort(out)
	return out
}

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func added(t *testing.T, p *plan.Plan, sink string) string {
	t.Helper()
	for _, c := range p.Sinks {
		if c.Address.String() == sink && c.Lines != nil {
			var out []string
			for _, h := range c.Lines.Hunks {
				for _, l := range h.Lines {
					out = append(out, fmt.Sprint(l.Op)+l.Text)
				}
			}
			return strings.Join(out, "\n")
		}
	}
	return ""
}

const before = `
rate_limit "token_bucket" "few" {
  rate  = 1
  per   = "1h"
  burst = 1
}
rule "assert" "sane" {
  assertion {
    condition     = value.n > 0
    error_message = "not sane"
  }
  assertion {
    condition     = value.n < 100
    error_message = "too many"
  }
}
source "file" "v" {
  path  = "v.json"
  rules = [rule.assert.sane]
}
locals {
  port = 80 # the usual one
}
sink "file" "app" {
  path        = "out/app.conf"
  content     = templatefile("app.tpl", { v = source.file.v.value, port = local.port })
  rate_limits = [rate_limit.token_bucket.few]
}
sink "file" "two" {
  path        = "out/two.conf"
  content     = join(" ", fileset(path.module, "parts/*"))
  rate_limits = [rate_limit.token_bucket.few]
}
sink "exec" "reload" {
  command  = ["/bin/sh", "-c", "echo ran >> ran"]
  triggers = [sink.file.app]
}
sink "file" "old" {
  path       = "out/old.conf"
  content    = "old"
  on_destroy = "delete"
}
sink "file" "moves" {
  path    = "out/moves.conf"
  content = "the same"
}
`

// What the change does is told, and nothing else: sinks, contents, what is loosened, and how
// far it reaches. Nothing is delivered and no state is made.
func TestCompare(t *testing.T) {
	r := newRepository(t)
	r.commit("main.hcl", before, "v.json", `{"n":1}`, "app.tpl", "n = ${v.n}\nport = ${port}\n", "parts/a", "", "parts/b", "")
	equal(t, "without a change", actions(r.mustCompare("HEAD")))
	if p := r.mustCompare("HEAD"); p.HasChanges() || len(p.Base.Changes) > 0 || p.Base.Dirty || len(p.Base.Commit) != 40 {
		t.Errorf("without a change: %+v", p.Base)
	}

	after := strings.NewReplacer(
		"port = 80 # the usual one", "port =  8080",
		"rate  = 1", "rate  = 5",
		"out/moves.conf", "out/moved.conf",
		`  assertion {
    condition     = value.n < 100
    error_message = "too many"
  }
`, "",
	).Replace(before[:strings.Index(before, `sink "file" "old"`)]+before[strings.Index(before, `sink "file" "moves"`):]) + `
sink "file" "new" {
  path    = "out/new.conf"
  content = "new"
}
`
	r.write("main.hcl", after, "v.json", `{"n":2}`, "app.tpl", "number = ${v.n}\nport = ${port}\n", "parts/c", "")
	r.git("add", "-A")
	if err := os.Remove(filepath.Join(r.dir, "parts/a")); err != nil {
		t.Fatal(err)
	}
	p := r.mustCompare("HEAD")
	equal(t, "actions", actions(p),
		"sink.exec.reload update", "sink.file.app update", "sink.file.moves create", "sink.file.new create", "sink.file.old delete", "sink.file.two update")
	for sink, want := range map[string]string{
		"sink.file.app": "1n = 1\n1port = 80\n2number = 2\n2port = 8080",
		"sink.file.two": "1parts/a parts/b\n2parts/b parts/c",
		"sink.file.new": "2new",
	} {
		if got := added(t, p, sink); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", sink, got, want)
		}
	}
	var changes []string
	for _, c := range p.Base.Changes {
		changes = append(changes, fmt.Sprint(c.Address, " ", c.Action, " ", c.Direction, " ", strings.Join(c.Details, "; ")))
	}
	equal(t, "changes", changes,
		"local.port update  value: 80 -> 8080",
		"rate_limit.token_bucket.few update loosened rate: 1 -> 5",
		`rule.assert.sane update loosened assertion.condition: value.n > 0, value.n < 100 -> value.n > 0; assertion.error_message: "not sane", "too many" -> "not sane"`,
		`sink.file.moves update  path: "out/moves.conf" -> "out/moved.conf"`,
		"sink.file.new create  ",
		"sink.file.old delete  ",
	)
	reach := p.Base.Reach[1]
	equal(t, "reach", []string{fmt.Sprint(reach.Sinks), fmt.Sprint(len(reach.Targets))}, "[sink.exec.reload sink.file.app sink.file.two]", "3")
	if !p.Base.Dirty {
		t.Error("nobody is told that not everything is committed")
	}
	for _, name := range []string{"out", "ran", ".tidegate"} {
		if _, err := os.Lstat(filepath.Join(r.dir, name)); err == nil {
			t.Errorf("%s was made", name)
		}
	}

	// Committed, the other way round: what was loosened is tightened.
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "after")
	r.write("main.hcl", before)
	p = r.mustCompare("HEAD")
	for _, c := range p.Base.Changes {
		if c.Address.Type == "rule" || c.Address.Type == "rate_limit" {
			if c.Direction != plan.Tightened {
				t.Errorf("%s is %q", c.Address, c.Direction)
			}
		}
	}
}

// Both configurations meet one world: what changes while they are compared is not their doing.
// Each value is fetched once.
func TestCompareFetchesOnce(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"n":%d}`, asked.Add(1))
	}))
	defer s.Close()
	r := newRepository(t)
	config := fmt.Sprintf(`
source "http" "v" {
  url          = "%s/v.json"
  bearer_token = "one"
}
sink "file" "a" {
  path    = "a"
  content = source.http.v.value.n
}
`, s.URL)
	r.commit("main.hcl", config)
	r.write("main.hcl", strings.Replace(config, `"one"`, `"two"`, 1)+`
source "http" "renamed" {
  url = "`+s.URL+`/v.json"
}
`)
	p := r.mustCompare("HEAD")
	equal(t, "actions", actions(p))
	if asked.Load() != 1 {
		t.Errorf("the server was asked %d times", asked.Load())
	}
	if d := p.Base.Changes; len(d) != 2 || strings.Join(d[1].Details, "") != "bearer_token changed" {
		t.Errorf("%+v", d)
	}
}

func TestCompareWhatCannotBe(t *testing.T) {
	r := newRepository(t)
	r.commit("main.hcl", `sink "file" "a" {`)
	r.commit("main.hcl", before, "v.json", `{"n":1}`, "app.tpl", "", "parts/a", "")
	want := func(got *review.Result, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !got.Diags.HasErrors() || !strings.Contains(texts(got.Diags), part) {
				t.Errorf("no error mentions %q: %s", part, texts(got.Diags))
			}
		}
		if !got.Plan.Incomplete {
			t.Error("the plan counts as complete")
		}
	}
	want(r.compare("nowhere"), `no commit "nowhere"`, "git branch -a")
	want(r.compare("--help"), `no commit "--help"`)
	want(r.compare("HEAD:infra"), "no commit")

	// A change that mends what was broken is a good one.
	got := r.compare("HEAD~1")
	if got.Diags.HasErrors() || !strings.Contains(texts(got.Diags), "Everything counts as new") || len(actions(got.Plan)) != 5 {
		t.Errorf("a broken base: %q, %s", actions(got.Plan), texts(got.Diags))
	}
	r.git("clone", "-q", "--depth=1", "file://"+r.top, "shallow")
	shallow := &repository{t, filepath.Join(r.top, "shallow"), filepath.Join(r.top, "shallow", "infra", "app")}
	want(shallow.compare("HEAD~1"), "shallow clone", "git fetch --depth=1 origin HEAD~1")
	equal(t, "in a shallow clone", actions(shallow.mustCompare("HEAD")))

	r.write("main.hcl", "sink {")
	want(r.compare("HEAD"), "main.hcl"[:0])
	r.write("main.hcl", before, "v.json", `{"n":`)
	got = r.compare("HEAD")
	want(got, "source.file.v")
	if len(got.Plan.Sinks) != 2 {
		t.Errorf("what the source leads to is not shown: %d sinks", len(got.Plan.Sinks))
	}
	outside := &repository{t, t.TempDir(), t.TempDir()}
	outside.write("main.hcl", before, "v.json", `{"n":1}`, "app.tpl", "")
	want(outside.compare("HEAD"), "find the git repository of", "not a git repository")
}

// A stranger's change runs nothing and sends nothing where that is not allowed.
func TestCompareGuards(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, `{"n":1}`)
	}))
	defer s.Close()
	r := newRepository(t)
	r.commit("main.hcl", before, "v.json", `{"n":1}`, "app.tpl", "", "parts/a", "")
	r.write("main.hcl", before+fmt.Sprintf(`
source "exec" "evil" {
  command = ["/bin/sh", "-c", "echo ran > ran; echo '[1]'"]
  decode  = "json"
}
source "http" "evil" {
  url    = "%s/?stolen"
  decode = "json"
}
sink "file" "evil" {
  path    = "evil"
  content = jsonencode([source.exec.evil.value, source.http.evil.value])
}
`, s.URL))
	got := r.compare("HEAD", review.Look{Guard: review.Guard{NoExec: true, LimitHosts: true, Hosts: []string{"example.com"}}})
	for _, part := range []string{"source.exec.evil", "--no-exec", "no request to 127.0.0.1", "--allow-host 127.0.0.1"} {
		if !strings.Contains(texts(got.Diags), part) {
			t.Errorf("%q is not mentioned: %s", part, texts(got.Diags))
		}
	}
	if _, err := os.Stat(filepath.Join(r.dir, "ran")); err == nil || asked.Load() > 0 {
		t.Errorf("a program ran (%v), or %d requests were sent", err, asked.Load())
	}
	r.mustCompare("HEAD", review.Look{Guard: review.Guard{LimitHosts: true, Hosts: []string{"127.0.0.1"}}})
	if asked.Load() != 1 {
		t.Errorf("%d requests to an allowed host", asked.Load())
	}
}
