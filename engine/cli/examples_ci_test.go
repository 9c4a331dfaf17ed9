package cli_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// pipeline is a repository in which the steps of examples/ci are run, as their services would:
// a shallow clone with a change on top, and a PATH on which the services' own tools are stubs.
type pipeline struct {
	t   *testing.T
	dir string
	env []string
	log string // what the stubs were called with
}

func newPipeline(t *testing.T, e *example) *pipeline {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	if err := os.Chmod(e.path("review.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	top := t.TempDir()
	bin := filepath.Join(top, "bin")
	self, err := os.Executable()
	if err == nil {
		err = os.Mkdir(bin, 0o755)
	}
	if err == nil {
		err = os.Symlink(self, filepath.Join(bin, "tidegate"))
	}
	if err != nil {
		t.Fatal(err)
	}
	p := &pipeline{t: t, dir: filepath.Join(top, "work"), log: filepath.Join(top, "log")}
	for name, does := range map[string]string{
		"gh": "", "curl": "cat >> " + p.log, "apt-get": "", "install": "", "jq": `printf '{"body":"%s"}' "$(cat comment.md | tr -d '"\n')"`,
	} {
		script := "#!/bin/sh\necho " + name + " \"$@\" >> " + p.log + "\n" + does + "\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HOME="+top,
		"GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	origin := filepath.Join(top, "origin")
	copyTree(t, e.dir, origin)
	if err := os.Chmod(filepath.Join(origin, "review.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	const as = "git -c user.name=t -c user.email=t@example.com "
	p.in(origin, "git init -q -b main . && git add -A && "+as+"commit -q -m one")
	p.in(top, "git clone -q --depth=1 file://"+origin+" work")
	p.in(p.dir, "git checkout -q -b change && sed -i.bak s/info/debug/ defaults.yaml && rm defaults.yaml.bak && "+as+"commit -q -a -m change")
	return p
}

// in runs a line of a pipeline and expects it to work.
func (p *pipeline) in(dir, line string, env ...string) string {
	p.t.Helper()
	out, err := p.try(dir, line, env...)
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return out
}

func (p *pipeline) try(dir, line string, env ...string) (string, error) {
	cmd := exec.Command("sh", "-e", "-c", line)
	cmd.Dir, cmd.Env = dir, append(p.env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// parse reads one of the example's YAML files.
func parse(t *testing.T, e *example, name string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(e.read(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// tryCI runs each command of each pipeline.
func tryCI(t *testing.T, e *example) {
	e.says(t, 0, "Success! The configuration is valid.", "validate")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"timeout_seconds":20}`))
	}))
	defer s.Close()
	const host = "CONFIG_HOST=127.0.0.1"
	service := "TIDEGATE_VAR_service=" + s.URL + "/settings.json"
	wantComment := func(p *pipeline) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(p.dir, "comment.md"))
		if err != nil || !strings.Contains(string(data), "1 to change") || !strings.Contains(string(data), `"log_level":"debug"`) {
			t.Errorf("the comment: %v\n%s", err, data)
		}
	}
	wantLog := func(p *pipeline, parts ...string) {
		t.Helper()
		data, _ := os.ReadFile(p.log)
		for _, part := range parts {
			if !strings.Contains(string(data), part) {
				t.Errorf("%q was not called:\n%s", part, data)
			}
		}
	}

	var github struct {
		Jobs map[string]struct {
			Steps []struct{ Run string }
		}
	}
	parse(t, e, ".github/workflows/review.yml", &github)
	p := newPipeline(t, e)
	p.in(p.dir, "mkdir tools")
	ran := 0
	for _, job := range github.Jobs {
		for _, step := range job.Steps {
			if step.Run != "" {
				p.in(p.dir, step.Run, "GITHUB_BASE_REF=main", "PULL_REQUEST=7", host, service)
				ran++
			}
		}
	}
	if ran != 4 {
		t.Errorf("%d steps ran", ran)
	}
	wantComment(p)
	wantLog(p, "gh pr comment 7 --body-file comment.md --edit-last")

	var gitlab map[string]struct {
		BeforeScript []string `yaml:"before_script"`
		Script       []string
		AfterScript  []string `yaml:"after_script"`
	}
	parse(t, e, ".gitlab-ci.yml", &gitlab)
	p = newPipeline(t, e)
	job := gitlab["review configuration"]
	for _, line := range append(append(job.BeforeScript, job.Script...), job.AfterScript...) {
		p.in(p.dir, line, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME=main", "CI_API_V4_URL=https://git.example.com/api/v4",
			"CI_PROJECT_ID=1", "CI_MERGE_REQUEST_IID=2", "REVIEW_TOKEN=t", host, service)
	}
	wantComment(p)
	wantLog(p, "https://git.example.com/api/v4/projects/1/merge_requests/2/notes", `"body":"<!-- tidegate plan -->`)

	var hooks struct {
		Repos []struct {
			Hooks []struct{ ID, Entry string }
		}
	}
	parse(t, e, ".pre-commit-config.yaml", &hooks)
	for _, h := range hooks.Repos[0].Hooks {
		line := h.Entry
		if h.ID == "tidegate-fmt" {
			line += " main.hcl main.test.hcl"
		}
		p.in(p.dir, line)
	}

	// What fails is told, and the comment is written all the same.
	if err := os.WriteFile(filepath.Join(p.dir, "main.test.hcl"), []byte("run \"x\" {\nassert {\ncondition = false\nerror_message = \"no\"\n}\n}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := p.try(p.dir, "./review.sh FETCH_HEAD comment.md", host, service)
	if err == nil || !strings.Contains(out, "main.test.hcl") || !strings.Contains(out, "0 passed, 1 failed") {
		t.Errorf("a change that fails passes: %v\n%s", err, out)
	}
	wantComment(p)
}
