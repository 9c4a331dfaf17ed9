package modules

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"tidegate/engine/git"
	"tidegate/hclspec"
)

// entry is one file of a commit.
type entry struct{ mode, object, name string }

const (
	modeLink      = "120000"
	modeProgram   = "100755"
	modeSubmodule = "160000"
)

// extract writes the files of a commit into a new directory. Git does not do it itself, so that
// nothing that a repository says of its files (filters, line ends, attributes) takes part. What
// is in submodules is left out.
func extract(ctx context.Context, repository, commit, into string) error {
	entries, err := list(ctx, repository, commit)
	if err != nil {
		return err
	}
	if err := os.Mkdir(into, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(into) // nothing is written outside of it, whatever the names and links
	if err != nil {
		return err
	}
	defer root.Close()
	blobs, err := git.OpenOwnBlobs(repository)
	if err != nil {
		return err
	}
	defer blobs.Close()
	for _, links := range []bool{false, true} { // so that no file is written through a link
		for _, e := range entries {
			if (e.mode == modeLink) != links {
				continue
			}
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if err := write(root, blobs, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func write(root *os.Root, blobs *git.Blobs, e entry) error {
	data, err := blobs.Get(e.object)
	if err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	name := filepath.FromSlash(e.name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if e.mode == modeLink {
		return root.Symlink(string(data), name)
	}
	mode := fs.FileMode(0o644)
	if e.mode == modeProgram {
		mode = 0o755
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// list returns the files of a commit, within bounds.
func list(ctx context.Context, repository, commit string) ([]entry, error) {
	tree, err := git.RunOwn(ctx, repository, "ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", commit)
	if err != nil {
		return nil, err
	}
	var out []entry
	var size int64
	for line := range strings.SplitSeq(tree, "\x00") {
		head, name, ok := strings.Cut(line, "\t")
		fields := strings.Fields(head)
		if !ok || len(fields) != 4 || fields[0] == modeSubmodule {
			continue
		}
		n, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s has the size %s", name, fields[3])
		}
		size += n
		switch {
		case !isName(name):
			return nil, fmt.Errorf("the repository holds a file named %q, which is refused", name)
		case size > hclspec.MaxModuleBytes:
			return nil, fmt.Errorf("the repository holds more than %d MiB; keep modules in one of their own", hclspec.MaxModuleBytes>>20)
		case len(out) == hclspec.MaxModuleFiles:
			return nil, fmt.Errorf("the repository holds more than %d files; keep modules in one of their own", hclspec.MaxModuleFiles)
		}
		out = append(out, entry{fields[0], fields[2], name})
	}
	return out, nil
}

// isName refuses names that git itself would not check out either.
func isName(name string) bool {
	if !fs.ValidPath(name) || name != path.Clean(name) || !filepath.IsLocal(filepath.FromSlash(name)) {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.EqualFold(part, ".git") {
			return false
		}
	}
	return true
}
