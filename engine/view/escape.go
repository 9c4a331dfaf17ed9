package view

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Escape returns untrusted text as one printable line: control characters, terminal
// escapes, direction overrides, invisible characters and invalid UTF-8 are written as
// escapes of the language (\n, \x1b, \u202e).
func Escape(s string) string { return escape(s, "") }

// escapeText is Escape for prose of several lines.
func escapeText(s string) string { return escape(s, "\n") }

// escapeLine is Escape for a line of a file: tabs stay, as what follows depends on them less
// than a reader of Makefiles does.
func escapeLine(s string) string { return escape(s, "\t") }

func escape(s, keep string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case strings.ContainsRune(keep, r) || strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(escapeRune(r))
		}
		i += n
	}
	return b.String()
}

func escapeRune(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < utf8.RuneSelf:
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// plain reports whether s is printable ASCII, which most text is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
