package review

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar"

	"tidegate/engine/git"
	"tidegate/hclspec"
)

// Revision is the tree of a commit, read out of its repository: nothing is checked out.
type Revision struct {
	Ref    string // as it was asked for
	Commit string // its full name
	Dirty  bool   // the working tree has changes that are not committed
	// Changed are the paths, links resolved, that are under version control and hold something
	// else in the working tree, or nothing.
	Changed []string

	dir     string // of the module, absolute
	top     string // of the working tree
	prefix  string // of the module below it, "" or ending with a slash
	entries map[string]object
	tracked map[string]bool // in the index, so not just lying around
	differ  map[string]bool // as Changed
	blobs   *blobs
}

// object is one entry of a tree.
type object struct{ mode, name string }

const (
	modeLink      = "120000"
	modeSubmodule = "160000"
)

// OpenRevision finds the repository that dir is in, and a commit of it. It must be closed.
func OpenRevision(ctx context.Context, dir, ref string) (*Revision, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if git.Found() != nil {
		return nil, errors.New("a base is read out of a git repository, and there is no git on this machine; install it")
	}
	found, err := git.Run(ctx, dir, "rev-parse", "--show-toplevel", "--show-prefix")
	if err != nil {
		return nil, fmt.Errorf("find the git repository of %s: %w", dir, err)
	}
	lines := strings.Split(found, "\n")
	r := &Revision{Ref: ref, dir: dir, top: lines[0], tracked: map[string]bool{}, entries: map[string]object{}, differ: map[string]bool{}}
	if len(lines) > 1 {
		r.prefix = lines[1]
	}
	commit, err := git.Run(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return nil, r.unknown(ctx)
	}
	r.Commit = strings.TrimSpace(commit)
	if err := r.list(ctx); err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", ref, err)
	}
	contents, err := git.OpenBlobs(r.top)
	if err != nil {
		return nil, fmt.Errorf("read the files of %s: %w", ref, err)
	}
	r.blobs = &blobs{from: contents, known: map[string][]byte{}}
	return r, nil
}

// unknown says what may help where a commit is not there.
func (r *Revision) unknown(ctx context.Context) error {
	if shallow, _ := git.Run(ctx, r.dir, "rev-parse", "--is-shallow-repository"); strings.TrimSpace(shallow) == "true" {
		return fmt.Errorf("there is no commit %q in this shallow clone; get it with: git fetch --depth=1 origin %s", r.Ref, r.Ref)
	}
	return fmt.Errorf("there is no commit %q in the repository %s; \"git branch -a\" and \"git tag\" list what there is", r.Ref, r.top)
}

func (r *Revision) list(ctx context.Context) error {
	tree, err := git.Run(ctx, r.top, "ls-tree", "-r", "-z", "--full-tree", r.Commit)
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(tree, "\x00") {
		head, name, ok := strings.Cut(line, "\t")
		fields := strings.Fields(head)
		if ok && len(fields) == 3 && fields[0] != modeSubmodule {
			r.entries[name] = object{fields[0], fields[2]}
		}
	}
	index, err := git.Run(ctx, r.top, "ls-files", "-z")
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(index, "\x00") {
		r.tracked[name] = true
	}
	changed, err := git.Run(ctx, r.top, "status", "--porcelain", "-z", "--untracked-files=normal", "--", r.prefixOrDot())
	if r.Dirty = changed != ""; err != nil {
		return err
	}
	differ, err := git.Run(ctx, r.top, "diff", "--name-only", "-z", "--no-ext-diff", "--no-renames", "--ignore-submodules", r.Commit, "--")
	for name := range strings.SplitSeq(differ, "\x00") {
		if name != "" {
			r.Changed = append(r.Changed, filepath.Join(r.top, filepath.FromSlash(name)))
			r.differ[name] = true
		}
	}
	return err
}

func (r *Revision) prefixOrDot() string {
	if r.prefix == "" {
		return "."
	}
	return r.prefix
}

// Close ends the reading of the repository.
func (r *Revision) Close() error { return r.blobs.from.Close() }

// Tree is the configuration as it was at the commit. flags are the files of --var-file.
func (r *Revision) Tree(flags []hclspec.InputFlag) (hclspec.Tree, error) {
	stored, err := r.stored(r.prefix, r.dir)
	if err != nil {
		return hclspec.Tree{}, err
	}
	for _, f := range flags {
		if f.Name != "var-file" {
			continue
		}
		abs, err := filepath.Abs(f.Value)
		if err != nil {
			return hclspec.Tree{}, err
		}
		read := hclspec.Read{Kind: hclspec.ReadInput, Path: abs}
		found, ok := r.Find(read)
		if !ok {
			found = hclspec.FunctionOptions{}.Again(read)
		}
		stored[read] = found
	}
	return hclspec.Tree{Stored: stored, Find: r.Find, Directory: r.module}, nil
}

// stored are the files of the configuration in a directory, whose names in the tree have a prefix.
func (r *Revision) stored(prefix, dir string) (hclspec.Stored, error) {
	out := hclspec.Stored{}
	for name := range r.entries {
		rest, inside := strings.CutPrefix(name, prefix)
		if !inside || strings.Contains(rest, "/") {
			continue
		}
		kind, is := hclspec.KindOf(rest)
		if !is {
			continue
		}
		data, err := r.read(name)
		if err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", name, r.Ref, err)
		}
		out[hclspec.Read{Kind: kind, Path: filepath.Join(dir, rest)}] = hclspec.Found{Content: data, OK: true}
	}
	return out, nil
}

// module is stored for the directory of a module, and false for one that no version control
// knows. A file that cannot be read is one that is not there.
func (r *Revision) module(dir string) (hclspec.Stored, bool) {
	name, inside := r.name(dir)
	if !inside {
		return nil, false
	}
	prefix := name + "/"
	if name == "." {
		prefix = ""
	}
	stored, err := r.stored(prefix, dir)
	return stored, err != nil || len(stored) > 0 || r.tracksBelow(name)
}

// name is what a file of the working tree has as a name in the tree of a commit, false for what is
// outside.
func (r *Revision) name(file string) (string, bool) {
	if rel, err := filepath.Rel(r.dir, file); err == nil && filepath.IsLocal(rel) {
		return path.Join(r.prefix, filepath.ToSlash(rel)), true
	}
	for _, top := range []string{r.top, filepath.Join(r.dir, up(r.prefix))} {
		if rel, err := filepath.Rel(top, file); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel), true
		}
	}
	return "", false
}

// up leads from a prefix back to the top.
func up(prefix string) string { return strings.Repeat("../", strings.Count(prefix, "/")) }

// Find answers a read from the tree, and false for what lies outside of it or is not under
// version control.
func (r *Revision) Find(read hclspec.Read) (hclspec.Found, bool) {
	name, inside := r.name(read.Path)
	if !inside {
		return hclspec.Found{}, false
	}
	if read.Kind == hclspec.ReadSet {
		return r.set(read, name)
	}
	name, at, ok := r.entry(name)
	switch {
	case !ok:
		return hclspec.Found{}, r.tracked[name]
	case read.Kind == hclspec.ReadExists:
		return hclspec.Found{OK: true}, true
	}
	data, err := r.blobs.get(at.name)
	return hclspec.Found{Content: data, OK: err == nil}, true
}

// set lists the files below a directory: those of the tree, and those of the disk that no
// version control knows.
func (r *Revision) set(read hclspec.Read, dir string) (hclspec.Found, bool) {
	var names []string
	for name := range r.below(dir) {
		if ok, _ := doublestar.Match(read.Pattern, name); ok {
			names = append(names, name)
		}
	}
	lying := hclspec.FunctionOptions{ModuleDir: read.Path}.Again(read)
	for name := range strings.SplitSeq(string(lying.Content), "\x00") {
		if _, in := r.entries[path.Join(dir, name)]; name != "" && !in && !r.tracked[path.Join(dir, name)] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return hclspec.Found{Content: []byte(strings.Join(names, "\x00")), OK: true}, true
}

// below are the files of the tree in a directory, by their names relative to it.
func (r *Revision) below(dir string) map[string]object {
	out := map[string]object{}
	if dir == "." {
		dir = ""
	}
	for name, at := range r.entries {
		if rest, ok := strings.CutPrefix(name, dir); ok && (dir == "" || strings.HasPrefix(rest, "/")) {
			out[strings.TrimPrefix(rest, "/")] = at
		}
	}
	return out
}

// maxLinks bounds a chain of links.
const maxLinks = 10

// entry follows links as far as they stay in the tree.
func (r *Revision) entry(name string) (string, object, bool) {
	for range maxLinks {
		at, ok := r.entries[name]
		if !ok || at.mode != modeLink {
			return name, at, ok
		}
		target, err := r.blobs.get(at.name)
		if err != nil || path.IsAbs(string(target)) {
			return name, object{}, false
		}
		name = path.Join(path.Dir(name), string(target))
	}
	return name, object{}, false
}

func (r *Revision) read(name string) ([]byte, error) {
	_, at, ok := r.entry(name)
	if !ok {
		return nil, errors.New("it is a link that leads out of the repository")
	}
	return r.blobs.get(at.name)
}

// blobs reads contents out of a repository, each once.
type blobs struct {
	mutex sync.Mutex
	from  *git.Blobs
	known map[string][]byte
}

func (b *blobs) get(name string) ([]byte, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if data, ok := b.known[name]; ok {
		return data, nil
	}
	data, err := b.from.Get(name)
	if err == nil {
		b.known[name] = data
	}
	return data, err
}
