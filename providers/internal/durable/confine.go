package durable

import (
	"fmt"
	"path/filepath"
	"strings"

	"tidegate/providers"
)

// Resolve returns path without links: those of its existing part are followed, the rest is
// kept as it is written.
func Resolve(path string) string {
	path = filepath.Clean(path)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	base, rest := filepath.Dir(path), filepath.Base(path)
	if base == path {
		return path
	}
	return filepath.Join(Resolve(base), rest)
}

// Confine returns the root that path lies below once all links are followed, and the path
// below it. The answer is for opening through os.Root, which holds even when a link is
// planted after it was given.
func Confine(path string, o Options) (root, rest string, err error) {
	real := Resolve(path)
	for _, r := range o.Roots {
		r = Resolve(r)
		if rel, err := filepath.Rel(r, real); err == nil && filepath.IsLocal(rel) {
			return r, rel, nil
		}
	}
	led := ""
	if real != filepath.Clean(path) {
		led = fmt.Sprintf(" (it leads to %s)", real)
	}
	return "", "", providers.Permanent(fmt.Errorf("%s%s lies outside of %s = [%s]; add its directory there, or choose another path",
		path, led, o.Setting, strings.Join(o.Roots, ", ")))
}
