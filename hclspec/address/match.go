package address

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Matches reports whether a pattern names an address: the address itself, the block or the
// module that it is an instance or a part of, or a glob in which a star stands for any text without
// a dot (one in a key does not count), or for everything at the end.
func Matches(pattern string, a Address) bool {
	text := a.String()
	switch {
	case pattern == text, a.Key != NoKey && pattern == a.Block().String():
		return true
	case strings.HasPrefix(pattern, "module.") && (strings.HasPrefix(text, pattern+".") || strings.HasPrefix(text, pattern+"[")):
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok && !strings.ContainsAny(prefix, "*?") && strings.HasPrefix(text, prefix) {
		return true
	}
	ok, err := path.Match(pathOf(pattern), pathOf(text))
	return err == nil && ok
}

// pathOf makes dots what stars do not pass, but for those in keys, and makes nothing special of
// brackets, which are those of keys, and of what stands in keys. No address has a control character.
func pathOf(s string) string {
	out := []byte(s)
	quoted, escaped := false, false
	for i, c := range out {
		switch {
		case c == '"':
			quoted = !quoted || escaped
		case c == '.' && !quoted:
			out[i] = '/'
		case c == '/':
			out[i] = 0x01
		case c == '\\':
			out[i] = 0x02
		case c == '[':
			out[i] = '('
		case c == ']':
			out[i] = ')'
		}
		escaped = c == '\\' && !escaped
	}
	return string(out)
}

// IsPattern reports whether a text may be an address or a glob over addresses, by how it begins.
func IsPattern(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r == '*' || r == '?' || r == '_' || unicode.IsLetter(r)
}

// MayMatch reports whether a pattern may match an instance of a repeated block or module call,
// given without a key, or something that one declares. It says yes where it cannot tell.
func MayMatch(pattern string, block Address) bool {
	text := block.String()
	fixed, glob := pattern, byte(0)
	if i := strings.IndexAny(pattern, "*?["); i >= 0 {
		fixed, glob = pattern[:i], pattern[i]
	}
	switch {
	case glob == 0 || glob == '[':
		return text == fixed || strings.HasPrefix(text, fixed+".") || strings.HasPrefix(text, fixed+"[")
	case strings.HasPrefix(text, fixed):
		return true
	}
	return strings.HasPrefix(fixed, text)
}
