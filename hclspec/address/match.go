package address

import (
	"path"
	"strings"
)

// Matches reports whether a pattern names an address: the address itself, the block or the
// module that it is an instance or a part of, or a glob in which a star stands for any text without
// a dot, or for everything at the end.
func Matches(pattern string, a Address) bool {
	text := a.String()
	switch {
	case pattern == text, a.Key != NoKey && pattern == a.Block().String():
		return true
	case strings.HasPrefix(pattern, "module.") && strings.HasPrefix(text, pattern+"."):
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok && !strings.ContainsAny(prefix, "*?") && strings.HasPrefix(text, prefix) {
		return true
	}
	ok, err := path.Match(pathOf(pattern), pathOf(text))
	return err == nil && ok
}

// pathOf makes dots what stars do not pass, and brackets, which are those of keys, nothing
// special.
func pathOf(s string) string {
	return strings.NewReplacer(".", "/", "[", "(", "]", ")", `\`, "|").Replace(s)
}
