package modules_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"go.uber.org/goleak"

	"tidegate/engine/modules"
	"tidegate/hclspec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a directory with a root module in app, and repositories beside it.
type world struct {
	t   *testing.T
	dir string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	return &world{t, t.TempDir()}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// write writes files (name, text, name, text ...), with WORLD for the directory.
func (w *world) write(files ...string) {
	w.t.Helper()
	for i := 0; i+1 < len(files); i += 2 {
		if err := os.MkdirAll(filepath.Dir(w.path(files[i])), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(w.path(files[i]), []byte(strings.ReplaceAll(files[i+1], "WORLD", w.dir)), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
}

// git runs git in a repository, which is made if need be.
func (w *world) git(repository string, args ...string) string {
	w.t.Helper()
	if _, err := os.Stat(w.path(repository + "/.git")); err != nil && args[0] != "init" {
		w.write(repository+"/README", "")
		w.git(repository, "init", "-q", "-b", "main", ".")
	}
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = w.path(repository)
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits all of a repository and returns the commit's name.
func (w *world) commit(repository string) string {
	w.t.Helper()
	w.git(repository, "add", "-A")
	w.git(repository, "commit", "-q", "--allow-empty", "-m", "change")
	return w.git(repository, "rev-parse", "HEAD")
}

func (w *world) get() *modules.Result {
	return modules.Get(context.Background(), modules.Options{Dir: w.path("app")})
}

func (w *world) mustGet() *modules.Result {
	w.t.Helper()
	r := w.get()
	if r.Diags.HasErrors() {
		w.t.Fatal(texts(r.Diags))
	}
	return r
}

// load is what every other command does.
func (w *world) load() (*hclspec.Spec, hcl.Diagnostics) { return hclspec.Load(w.path("app")) }

func (w *world) wantLoads() *hclspec.Spec {
	w.t.Helper()
	spec, diags := w.load()
	if diags.HasErrors() {
		w.t.Fatal(texts(diags))
	}
	return spec
}

func texts(diags hcl.Diagnostics) string {
	var out []string
	for _, d := range diags {
		out = append(out, d.Summary+": "+d.Detail)
	}
	return strings.Join(out, "\n")
}

func wantSaid(t *testing.T, diags hcl.Diagnostics, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !diags.HasErrors() || !strings.Contains(texts(diags), part) {
			t.Errorf("%q is not said in:\n%s", part, texts(diags))
		}
	}
}

// Whatever a ref is, the commit behind it comes, one checkout for each commit.
func TestRefs(t *testing.T) {
	w := newWorld(t)
	w.write("m/a/main.hcl", "locals { n = 1 }\n")
	first := w.commit("m")
	w.git("m", "tag", "-a", "-m", "annotated", "v1")
	w.git("m", "branch", "both", "main")
	w.write("m/a/main.hcl", "locals { n = 2 }\n")
	second := w.commit("m")
	w.git("m", "tag", "both")
	for i, ref := range []string{"v1", "main", first, "refs/heads/both", "both", ""} {
		query := "?ref=" + ref
		if ref == "" {
			query = ""
		}
		w.write("app/"+string(rune('a'+i))+".hcl", "module \""+string(rune('a'+i))+"\" { source = \"git::file://WORLD/m//a"+query+"\" }\n")
	}
	want := map[string]string{"v1": first, "main": second, first: first, "refs/heads/both": first, "both": second}
	for _, m := range w.mustGet().Modules {
		_, ref, _ := strings.Cut(m.Source, "?ref=")
		commit, known := want[ref]
		if !known {
			commit = second
		}
		if m.Commit != commit {
			t.Errorf("%s is commit %s, want %s", m.Source, m.Commit, commit)
		}
	}
	if got := len(w.wantLoads().Directories()); got != 3 {
		t.Errorf("%d directories, want the root and one for each commit", got)
	}
	if found, _ := filepath.Glob(w.path("app/.tidegate/modules/m-*")); len(found) != 2 {
		t.Errorf("checkouts: %v", found)
	}
}

// Modules of modules: beside each other, in other repositories, and in circles.
func TestNested(t *testing.T) {
	w := newWorld(t)
	w.write("app/main.hcl", "module \"a\" { source = \"git::file://WORLD/a//x/y?ref=main\" }\n",
		"a/x/y/main.hcl", "module \"inner\" { source = \"./z\" }\nmodule \"beside\" { source = \"../../b\" }\n",
		"a/x/y/z/main.hcl", "module \"other\" { source = \"git::file://WORLD/other\" }\n",
		"a/b/main.hcl", "locals { b = 1 }\n",
		"other/main.hcl", "locals { o = 1 }\n")
	w.commit("a")
	w.commit("other")
	if r := w.mustGet(); len(r.Modules) != 3 { // x/y with z in it, b, other
		t.Errorf("locked: %v", r.Modules)
	}
	if got := len(w.wantLoads().Directories()); got != 5 {
		t.Errorf("%d directories, want 5", got)
	}

	w.write("other/main.hcl", "module \"back\" { source = \"git::file://WORLD/a//x/y?ref=main\" }\n")
	w.commit("other")
	r := modules.Get(context.Background(), modules.Options{Dir: w.path("app"), Upgrade: true})
	wantSaid(t, r.Diags, "call each other as modules without end")
	_, diags := w.load()
	wantSaid(t, diags, "call each other as modules without end")
}

// What leads out of a repository is refused, by get and by every load.
func TestOutOfTheRepository(t *testing.T) {
	for name, c := range map[string]struct {
		source, want string
		make         func(w *world)
	}{
		"dots":            {"//dots", "leads out of the repository", func(w *world) { w.write("m/dots/main.hcl", "module \"out\" { source = \"../../../../..\" }\n") }},
		"a linked file":   {"//file", "out of the repository", func(w *world) { w.write("m/file/a.hcl", ""); w.link("m/file/main.hcl", "WORLD/secret/main.hcl") }},
		"a linked module": {"//link", "out of the repository", func(w *world) { w.link("m/link", "WORLD/secret") }},
		"a relative link": {"//relative", "out of the repository", func(w *world) { w.link("m/relative", "../../../../secret") }},
		"through a link": {"//via", "out of the repository", func(w *world) {
			w.write("m/via/main.hcl", "module \"out\" { source = \"../link2/secret\" }\n")
			w.link("m/link2", "WORLD")
		}},
		"a missing module": {"//none", "no directory none", func(w *world) {}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("secret/main.hcl", "locals { s = 1 }\n")
			c.make(w)
			w.commit("m")
			w.write("app/main.hcl", "module \"m\" { source = \"git::file://WORLD/m"+c.source+"\" }\n")
			wantSaid(t, w.get().Diags, c.want)
			if _, diags := w.load(); !diags.HasErrors() {
				t.Error("it loads")
			}
		})
	}
}

func (w *world) link(name, target string) {
	w.t.Helper()
	w.write(filepath.Dir(name)+"/.keep", "")
	if err := os.Symlink(strings.ReplaceAll(target, "WORLD", w.dir), w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

// A repository runs nothing: no hook, no filter, no submodule; the one around has no say.
func TestNothingRuns(t *testing.T) {
	w := newWorld(t)
	w.write("sub/main.hcl", "")
	w.commit("sub")
	w.write("m/.gitattributes", "* text eol=crlf filter=evil ident\n", "m/main.hcl", "locals { id = \"$Id$\" }\n", "m/run.sh", "#!/bin/sh\n")
	if err := os.Chmod(w.path("m/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.git("m", "submodule", "add", "-q", "file://"+w.path("sub"), "inner")
	w.commit("m")
	w.write("hooks/post-checkout", "#!/bin/sh\ntouch WORLD/ran\n", "app/main.hcl", "module \"m\" { source = \"git::file://WORLD/m\" }\n")
	if err := os.Chmod(w.path("hooks/post-checkout"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, setting := range [][2]string{{"core.hooksPath", w.path("hooks")}, {"filter.evil.smudge", "touch " + w.path("ran")}, {"core.sshCommand", "touch " + w.path("ran")}} {
		w.git("app", "config", setting[0], setting[1])
	}
	t.Setenv("GIT_DIR", w.path("app/.git")) // as in a hook
	t.Setenv("GIT_INDEX_FILE", w.path("app/.git/index"))
	r := w.mustGet()
	dir := hclspec.CheckoutDir(w.path("app"), "file://"+w.path("m"), r.Modules[0].Commit)
	if data, err := os.ReadFile(filepath.Join(dir, "main.hcl")); err != nil || string(data) != "locals { id = \"$Id$\" }\n" {
		t.Errorf("main.hcl holds %q, %v", data, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "run.sh")); err != nil || info.Mode().Perm()&0o111 == 0 {
		t.Errorf("run.sh: %v, %v", info, err)
	}
	for _, name := range []string{filepath.Join(dir, "inner", "main.hcl"), filepath.Join(dir, ".git"), w.path("ran")} {
		if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
}

// Several at once do not disturb each other, and what a killed one left behind goes.
func TestAtOnce(t *testing.T) {
	w := newWorld(t)
	w.write("m/main.hcl", "locals { m = 1 }\n", "app/main.hcl", "module \"m\" { source = \"git::file://WORLD/m\" }\n",
		"app/.tidegate/modules/.get-1/git/HEAD", "half", "app/.tidegate/modules/.get-1/tree/main.hcl", "half")
	w.commit("m")
	var wait sync.WaitGroup
	results := make([]*modules.Result, 3)
	for i := range results {
		wait.Go(func() { results[i] = w.get() })
	}
	wait.Wait()
	fetched := 0
	for _, r := range results {
		if fetched += len(r.Fetched); r.Diags.HasErrors() {
			t.Error(texts(r.Diags))
		}
	}
	if fetched != 1 {
		t.Errorf("it was fetched %d times", fetched)
	}
	w.wantLoads()
	if left, _ := filepath.Glob(w.path("app/.tidegate/modules/.get-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w.write("app/main.hcl", "module \"m\" { source = \"git::file://WORLD/m?ref=main\" }\n")
	if r := modules.Get(ctx, modules.Options{Dir: w.path("app")}); !r.Diags.HasErrors() {
		t.Error("an interrupted one succeeded")
	}
	if left, _ := filepath.Glob(w.path("app/.tidegate/modules/.get-*")); len(left) > 0 {
		t.Errorf("an interrupted one left %v", left)
	}
}

// A lock file that names another content than the commit has is refused.
func TestForgedLock(t *testing.T) {
	w := newWorld(t)
	w.write("m/main.hcl", "locals { m = 1 }\n", "app/main.hcl", "module \"m\" { source = \"git::file://WORLD/m\" }\n")
	w.commit("m")
	at := w.mustGet().Modules[0]
	forged := "sha256:" + strings.Repeat("0", 64)
	w.write("app/tidegate.lock.hcl", string(hclspec.ModuleLock{at.Source: {Source: at.Source, Commit: at.Commit, Hash: forged}}.Bytes()))
	_, diags := w.load()
	wantSaid(t, diags, at.Hash, forged)
	wantSaid(t, w.get().Diags, at.Hash, forged, "tampered")
	w.write("app/tidegate.lock.hcl", "module \"x\" {")
	wantSaid(t, w.get().Diags, "the lock file cannot be read")
	_, diags = w.load()
	wantSaid(t, diags, "Unclosed configuration block")
}
