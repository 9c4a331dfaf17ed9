package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tool runs the tool to its end.
func tool(t *testing.T, dir string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command("tidegate", args...)
	cmd.Dir = dir
	data, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(data), cmd.ProcessState.ExitCode()
}

// A get that is killed at any moment leaves nothing that another command takes for the module: it is
// there as a whole, or it is said that it is not. The next get brings it, and clears up.
func TestGetIsKilled(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	repository, app := t.TempDir(), filepath.Join(t.TempDir(), "app [1]")
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		cmd.Dir = repository
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	const files = 120
	for i := range files {
		writeText(t, filepath.Join(repository, fmt.Sprintf("f%03d.hcl", i)), fmt.Sprintf("locals { l%d = %q }\n", i, strings.Repeat("x", 2000)))
	}
	writeText(t, filepath.Join(repository, "main.hcl"), "output \"all\" { value = [for i in [local.l0, local.l119] : length(i)] }\n")
	git("init", "-q", "-b", "main", ".")
	git("add", "-A")
	git("commit", "-q", "-m", "one")
	if err := os.MkdirAll(app, 0o755); err != nil {
		t.Fatal(err)
	}
	writeText(t, filepath.Join(app, "main.hcl"), "module \"m\" { source = \"git::file://"+repository+"\" }\noutput \"all\" { value = module.m.all }\n")

	began := time.Now()
	if out, code := tool(t, app, "get"); code != 0 {
		t.Fatal(out)
	}
	took := time.Since(began)
	modules := filepath.Join(app, ".tidegate", "modules")
	killed, installed := 0, 0
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("never: " + what)
			}
		}
	}
	removeModules := func() {
		eventually("the modules are removed", func() bool { return os.RemoveAll(filepath.Join(app, ".tidegate")) == nil })
	}
	const kills = 24
	for i := range kills {
		// Every other one begins without anything, the others over a module that was damaged.
		if i%2 == 0 {
			removeModules() // a git may outlive whoever started it for a moment
			if err := os.RemoveAll(filepath.Join(app, "tidegate.lock.hcl")); err != nil {
				t.Fatal(err)
			}
		} else if damaged, _ := filepath.Glob(filepath.Join(strings.NewReplacer("[", `\[`).Replace(modules), "*", "f007.hcl")); len(damaged) == 1 {
			if err := os.Remove(damaged[0]); err != nil {
				t.Fatal(err)
			}
		}
		p := start(t, app, nil, "get")
		time.Sleep(took * time.Duration(i+1) / kills) // when it is killed is the subject
		_ = p.Process.Kill()
		_ = p.Wait()
		if p.ProcessState.ExitCode() != 0 {
			killed++
		}
		out, code := tool(t, app, "validate")
		switch {
		case code == 0:
			installed++
			if out, code := tool(t, app, "plan"); code != 0 || !strings.Contains(out, "2000") {
				t.Fatalf("after kill %d it validates, and a plan says %d:\n%s", i, code, out)
			}
		case !strings.Contains(out, "Module not installed") && !strings.Contains(out, "Module is not as it was locked"):
			t.Fatalf("after kill %d:\n%s", i, out)
		}
		if i%4 != 0 {
			continue // the next one is killed as well
		}
		if out, code := tool(t, app, "get"); code != 0 {
			t.Fatalf("the get after kill %d: %s", i, out)
		}
		if out, code := tool(t, app, "validate"); code != 0 {
			t.Fatalf("validate after that: %s", out)
		}
	}
	if killed == 0 {
		t.Error("no get was killed")
	}
	t.Logf("%d of %d were killed before their end, %d were installed", killed, kills, installed)
	eventually("the next get clears up", func() bool {
		if out, code := tool(t, app, "get"); code != 0 {
			t.Fatal(out)
		}
		left, err := os.ReadDir(modules)
		return err == nil && len(left) == 2 // and the lock
	})
}
