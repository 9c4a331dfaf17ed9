package modules

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tidegate/engine/git"
	"tidegate/hclspec"
)

// Bounds of fetching.
const (
	maxRepository = 1 << 30 // bytes on the disk while one commit is fetched
	maxTime       = 10 * time.Minute
	sizeLook      = 200 * time.Millisecond
)

// lookUp asks a repository what a branch, a tag or the default branch stands for: the commit and
// the full name, with a blank between them. As for git, a tag goes before a branch. The directory
// nowhere is no repository.
func lookUp(ctx context.Context, s hclspec.ModuleSource, nowhere string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, errTime)
	defer cancel()
	want := []string{"HEAD"}
	switch {
	case strings.HasPrefix(s.Ref, "refs/"):
		want = []string{s.Ref}
	case s.Ref != "":
		want = []string{"refs/tags/" + s.Ref, "refs/heads/" + s.Ref}
	}
	args := []string{"ls-remote", "--quiet", "--", s.URL}
	for _, name := range want {
		args = append(args, name, name+"^{}")
	}
	said, err := git.RunOwn(ctx, nowhere, args...)
	if err != nil {
		return "", fmt.Errorf("git cannot read the repository: %w", err)
	}
	found := map[string]string{}
	for line := range strings.Lines(said) {
		commit, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		found[name] = commit
	}
	for _, name := range want {
		for _, as := range []string{name + "^{}", name} { // an annotated tag names a commit
			if commit := found[as]; commit != "" {
				return commit + " " + name, nil
			}
		}
	}
	if s.Ref == "" {
		return "", errors.New("the repository has no default branch; name a branch, a tag or a commit with ?ref=")
	}
	return "", fmt.Errorf("the repository has no branch or tag %s; a commit is written in full, with all of its digits", s.Ref)
}

var (
	errTime = fmt.Errorf("it took more than %s", maxTime)
	errSize = fmt.Errorf("what is fetched is larger than %d MiB", maxRepository>>20)
)

// checkOut puts the tree of a commit into dir.
func (g *getter) checkOut(s hclspec.ModuleSource, commit, ref, dir string) error {
	temp, err := os.MkdirTemp(filepath.Dir(dir), temporary)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	ctx, cancel := context.WithTimeoutCause(g.ctx, maxTime, errTime)
	defer cancel()
	repository := filepath.Join(temp, "git")
	if err := bounded(ctx, temp, func(ctx context.Context) error {
		return fetchCommit(ctx, repository, s.URL, commit, ref)
	}); err != nil {
		return fmt.Errorf("git cannot fetch commit %s: %w", commit, err)
	}
	tree := filepath.Join(temp, "tree")
	if err := extract(ctx, repository, commit, tree); err != nil {
		return fmt.Errorf("write commit %s: %w", commit, err)
	}
	return place(tree, dir, filepath.Join(temp, "old"))
}

// fetchCommit brings a commit into a repository that is made for it. Servers may refuse to hand
// out a commit by its name; then all branches and tags are fetched.
func fetchCommit(ctx context.Context, repository, url, commit, ref string) error {
	format := "sha1"
	if len(commit) > 40 {
		format = "sha256"
	}
	if _, err := git.RunOwn(ctx, repository, "init", "--quiet", "--bare", "--template=", "--object-format="+format); err != nil {
		return err
	}
	fetch := func(args ...string) error {
		_, err := git.RunOwn(ctx, repository, append([]string{
			"fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance", "--no-write-fetch-head",
		}, args...)...)
		return err
	}
	err := fetch("--depth=1", "--", url, "+"+ref+":refs/tidegate/wanted")
	if err != nil && ref == commit && ctx.Err() == nil {
		if again := fetch("--", url, "+refs/heads/*:refs/tidegate/heads/*", "+refs/tags/*:refs/tidegate/tags/*"); again != nil {
			return err
		}
		err = nil
	}
	if err != nil {
		return err
	}
	if _, err := git.RunOwn(ctx, repository, "rev-parse", "--verify", "--quiet", "--end-of-options", commit+"^{commit}"); err != nil {
		if ctx.Err() != nil {
			return err
		}
		if ref == commit {
			return errors.New("no branch or tag of the repository leads to it")
		}
		return fmt.Errorf("%s moved meanwhile; try again", ref)
	}
	return nil
}

// bounded ends what it calls when a directory becomes too large.
func bounded(ctx context.Context, dir string, call func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		ticker := time.NewTicker(sizeLook)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				if sizeOf(dir) > maxRepository {
					cancel(errSize)
					return
				}
			}
		}
	}()
	err := call(ctx)
	close(done)
	<-watched
	cancel(nil)
	return err
}

// sizeOf adds up the files in a directory, as far as they are still there.
func sizeOf(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if info, err := e.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

// place gives a tree its name. An equal one stays as it is: somebody may be reading it.
func place(tree, dir, aside string) error {
	want, err := hclspec.HashModule(tree, tree)
	if err == nil {
		if held, err := hclspec.HashModule(dir, dir); err == nil && held == want {
			return nil
		}
	}
	if err := os.Rename(dir, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(tree, dir)
}
