// Package modules brings the modules of a configuration that are in git repositories into the
// directory .tidegate/modules beside it, and writes down in the lock file what they are.
//
// When bringing one fails, the lock file stays as it is. Checkouts appear whole or not at all:
// they are made under another name, and two that work at once wait for each other. What a killed
// one leaves behind is removed by the next.
package modules

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/git"
	"tidegate/engine/state"
	"tidegate/hclspec"
	"tidegate/providers/userfile"
)

// Options say what to get.
type Options struct {
	Dir     string // of the root module
	Upgrade bool   // take what branches and tags are now, instead of what is locked
}

// Result is what came of it.
type Result struct {
	Modules  []hclspec.LockedModule // all that the configuration calls, by source
	Fetched  []hclspec.LockedModule // those that were not there
	Upgraded []Upgrade
	Dropped  []string // sources that nothing calls any more
	Pruned   int      // checkouts that neither the lock file nor the one before it names
	Diags    hcl.Diagnostics
	Files    map[string]*hcl.File // for snippets
}

// Upgrade is a source that is of another commit than it was.
type Upgrade struct{ Source, Before, After string }

// Get brings what the configuration calls. With errors in the diagnostics of fetching, nothing is
// locked; other mistakes of the configuration are reported, and do not keep modules from coming.
func Get(ctx context.Context, opts Options) *Result {
	g := &getter{
		opts: opts, ctx: ctx, result: &Result{}, got: hclspec.ModuleLock{},
		commits: map[string]string{}, fresh: map[string]bool{},
	}
	defer g.end()
	spec, diags := hclspec.LoadWith(opts.Dir, hclspec.LoadOptions{Fetch: g.fetch})
	g.result.Diags, g.result.Files = diags, spec.Files
	if g.failed {
		return g.result
	}
	if err := g.write(diags.HasErrors()); err != nil {
		g.result.Diags = append(g.result.Diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Cannot lock the modules", Detail: err.Error() + ".",
		})
		return g.result
	}
	if diags.HasErrors() {
		return g.result
	}
	if err := g.prune(); err != nil {
		g.result.Diags = append(g.result.Diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "An old module is left", Detail: err.Error() + ". Nothing names it any more; remove it yourself.",
		})
	}
	return g.result
}

// getter is one Get under way.
type getter struct {
	opts   Options
	ctx    context.Context
	result *Result
	failed bool

	begun   bool
	release func() error
	lock    hclspec.ModuleLock // as it was
	src     []byte             // the bytes of that, nil if there is none
	got     hclspec.ModuleLock
	locked  hclspec.ModuleLock // as it is written
	commits map[string]string  // that a reference of a repository stands for
	fresh   map[string]bool    // checkouts that were made now
}

// temporary begins the names of what is being made in the directory of modules.
const temporary = ".get-"

// begin takes the lock of the directory of modules. It is made only where there are any.
func (g *getter) begin() error {
	if g.begun {
		return nil
	}
	dir := hclspec.ModulesDir(g.opts.Dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	release, err := state.LockFile(g.ctx, filepath.Join(dir, ".lock"))
	if err != nil {
		return err
	}
	g.release = release
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), temporary) {
			// Where a git outlives whoever started it, it is left to the next.
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
	lock, file, diags := hclspec.ReadModuleLock(g.opts.Dir)
	if diags.HasErrors() {
		return fmt.Errorf("the lock file cannot be read: %s", strings.TrimSuffix(diags[0].Summary+": "+diags[0].Detail, "."))
	}
	if file != nil {
		g.src = file.Bytes
	}
	g.lock, g.begun = lock, true
	return nil
}

func (g *getter) end() {
	if g.release != nil {
		_ = g.release()
	}
}

// fetch brings one source, and says what it is.
func (g *getter) fetch(s hclspec.ModuleSource) (hclspec.LockedModule, error) {
	name := s.String()
	if at, done := g.got[name]; done {
		return at, nil
	}
	at, err := g.bring(s, name)
	if err != nil {
		g.failed = true
		return at, err
	}
	g.got[name] = at
	if was, known := g.lock[name]; known && was.Commit != at.Commit {
		g.result.Upgraded = append(g.result.Upgraded, Upgrade{name, was.Commit, at.Commit})
	}
	return at, nil
}

func (g *getter) bring(s hclspec.ModuleSource, name string) (hclspec.LockedModule, error) {
	if err := g.begin(); err != nil {
		return hclspec.LockedModule{}, err
	}
	was, locked := g.lock[name]
	if locked && !g.opts.Upgrade && g.intact(s, was) {
		return was, nil
	}
	if git.Found() != nil {
		return was, errors.New("it comes with the program git, and there is none on this machine; install it")
	}
	commit, ref, err := g.resolve(s)
	if err != nil {
		return was, err
	}
	at := hclspec.LockedModule{Source: name, Commit: commit}
	if locked && was.Commit == commit && g.intact(s, was) {
		return was, nil
	}
	dir := hclspec.CheckoutDir(g.opts.Dir, s.URL, commit)
	if !g.fresh[dir] {
		if err := g.checkOut(s, commit, ref, dir); err != nil {
			return at, err
		}
		g.fresh[dir] = true
	}
	if at.Hash, err = hclspec.HashModule(dir, filepath.Join(dir, filepath.FromSlash(s.Path))); errors.Is(err, fs.ErrNotExist) {
		return at, fmt.Errorf("commit %s has no directory %s", commit, s.Path)
	}
	if err != nil {
		return at, err
	}
	if locked && was.Commit == commit && was.Hash != at.Hash {
		return at, fmt.Errorf("commit %s is locked with the content %s, and the repository has %s for it. One of them was tampered with; restore %s from version control, or remove what it says of this source if you trust the repository",
			commit, was.Hash, at.Hash, hclspec.LockFileName)
	}
	g.result.Fetched = append(g.result.Fetched, at)
	return at, nil
}

// intact reports whether what is locked is there.
func (g *getter) intact(s hclspec.ModuleSource, at hclspec.LockedModule) bool {
	dir := hclspec.CheckoutDir(g.opts.Dir, s.URL, at.Commit)
	hash, err := hclspec.HashModule(dir, filepath.Join(dir, filepath.FromSlash(s.Path)))
	return err == nil && hash == at.Hash
}

// resolve finds the commit of a source, and what it is fetched by. One that is locked stays, and
// where the reference stands for another one by now, that is an error.
func (g *getter) resolve(s hclspec.ModuleSource) (commit, ref string, err error) {
	if s.Pinned() {
		return s.Ref, s.Ref, nil
	}
	s.Path = ""
	key := s.String()
	found, known := g.commits[key]
	if !known {
		if found, err = lookUp(g.ctx, s, hclspec.ModulesDir(g.opts.Dir)); err != nil {
			return "", "", err
		}
		g.commits[key] = found
	}
	commit, ref, _ = strings.Cut(found, " ")
	if locked := g.lockedCommit(s); locked != "" && locked != commit && !g.opts.Upgrade {
		return "", "", fmt.Errorf("%s is locked at commit %s, and %s is commit %s by now. See what changed; \"tidegate get --upgrade\" takes it, and ?ref=%s stays with what it was",
			shownRef(s), locked, shownRef(s), commit, locked)
	}
	return commit, ref, nil
}

func shownRef(s hclspec.ModuleSource) string {
	if s.Ref == "" {
		return "the default branch"
	}
	return s.Ref
}

// lockedCommit is the commit that sources of the same repository and reference are locked at.
func (g *getter) lockedCommit(s hclspec.ModuleSource) string {
	for _, at := range g.lock.Sources() {
		if other, err := hclspec.ParseModuleSource(at.Source); err == nil && other.URL == s.URL && other.Ref == s.Ref {
			return at.Commit
		}
	}
	return ""
}

// write puts the lock file in place, if it is another one. With mistakes in the configuration,
// there may be calls that were not found, so nothing is dropped from it.
func (g *getter) write(mistakes bool) error {
	if !g.begun {
		lock, _, _ := hclspec.ReadModuleLock(g.opts.Dir)
		if len(lock) == 0 || mistakes {
			return nil
		}
		if err := g.begin(); err != nil {
			return err
		}
	}
	g.result.Modules = g.got.Sources()
	next := maps.Clone(g.got)
	for _, name := range slices.Sorted(maps.Keys(g.lock)) {
		if _, called := next[name]; called {
			continue
		}
		if mistakes {
			next[name] = g.lock[name]
		} else {
			g.result.Dropped = append(g.result.Dropped, name)
		}
	}
	g.locked = next
	path := filepath.Join(g.opts.Dir, hclspec.LockFileName)
	if len(next) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if data := next.Bytes(); !bytes.Equal(data, g.src) {
		return userfile.Write(g.ctx, path, data)
	}
	return nil
}
