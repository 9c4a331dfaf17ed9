package engine_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/engine"
	"tidegate/engine/modules"
)

// gitModule is a repository with a module that writes the file out.
func gitModule(t *testing.T) (dir string, commit func(content string)) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	dir = t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	git("init", "-q", "-b", "main", ".")
	return dir, func(content string) {
		t.Helper()
		for name, text := range map[string]string{
			"main.hcl": "variable \"to\" {}\nsink \"file\" \"out\" {\n  path = \"${path.root}/${var.to}\"\n  content = file(\"text\")\n}\n",
			"text":     content,
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		git("add", "-A")
		git("commit", "-q", "-m", "change")
	}
}

func (m *module) get(upgrade bool) {
	m.t.Helper()
	if r := modules.Get(context.Background(), modules.Options{Dir: m.dir, Upgrade: upgrade}); r.Diags.HasErrors() {
		m.t.Fatal(texts(r.Diags))
	}
}

// A daemon notices what get brings, also a module that it waited for, and keeps modules from git
// with the last good configuration.
func TestModulesFromGitWhileADaemonRuns(t *testing.T) {
	dir, commit := gitModule(t)
	commit("one")
	m := newModule(t, "main.hcl", "sink \"file\" \"plain\" {\n  path = \"plain\"\n  content = \"\"\n}\n")
	d := m.watch()
	d.awaitFile("plain", "")
	m.write("main.hcl", "module \"m\" {\n  source = \"git::file://"+dir+"\"\n  to = \"out\"\n}\n")
	if err := d.Reload(context.Background()); err == nil || !strings.Contains(err.Error(), "tidegate get") {
		t.Errorf("without the module: %v", err)
	}
	m.get(false)
	d.awaitFile("out", "one")

	commit("two")
	m.get(true)
	d.awaitFile("out", "two")
	d.halt()

	if err := os.RemoveAll(m.path(".tidegate/modules")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(m.path("out")); err != nil {
		t.Fatal(err)
	}
	d = m.watch()
	if !strings.Contains(d.started, "last good configuration runs") {
		t.Errorf("it says %q", d.started)
	}
	d.awaitFile("out", "two")
	m.get(false)
	d.mustReload()
	d.awaitSink("module.m.sink.file.out", engine.StateOK)
}
