package modules

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tidegate/hclspec"
)

// prune removes checkouts that neither the lock file nor the one before it names. Those of the one
// before stay once more: a daemon may run with them until it has read the configuration again, and
// a review compares with them.
func (g *getter) prune() error {
	if _, err := os.Stat(hclspec.ModulesDir(g.opts.Dir)); err != nil {
		return nil
	}
	if err := g.begin(); err != nil {
		return err
	}
	named := map[string]bool{}
	for _, lock := range []hclspec.ModuleLock{g.lock, g.locked} {
		for _, at := range lock {
			s, err := hclspec.ParseModuleSource(at.Source)
			if err != nil {
				return fmt.Errorf("the lock file names %s, which is no source: %w", at.Source, err)
			}
			named[filepath.Base(hclspec.CheckoutDir(g.opts.Dir, s.URL, at.Commit))] = true
		}
	}
	dir := hclspec.ModulesDir(g.opts.Dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var wrong []error
	for _, e := range entries {
		if !e.IsDir() || named[e.Name()] || !hclspec.IsCheckout(e.Name()) {
			continue
		}
		if err := discard(dir, e.Name()); err != nil {
			wrong = append(wrong, err)
			continue
		}
		g.result.Pruned++
	}
	return errors.Join(wrong...)
}

// discard removes a checkout. It is given another name first, so that nobody finds half of it.
func discard(dir, name string) error {
	temp, err := os.MkdirTemp(dir, temporary)
	if err != nil {
		return err
	}
	err = os.Rename(filepath.Join(dir, name), filepath.Join(temp, "old"))
	return errors.Join(err, os.RemoveAll(temp))
}
