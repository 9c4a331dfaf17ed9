package view

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// columns returns how many columns of a terminal s takes. It is for layout only: nothing
// breaks where a terminal is of another opinion.
func columns(s string) int {
	if plain(s) {
		return len(s)
	}
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	if r == '\t' {
		return 4
	}
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// wrap breaks one paragraph at blanks into lines of at most the given columns. Words that
// are longer stay whole, so that addresses and paths can be copied. What the paragraph begins with,
// blanks and the dash of a list, the lines after the first leave room for.
func wrap(s string, limit int) []string {
	if limit <= 0 || columns(s) <= limit {
		return []string{s}
	}
	indent := len(s) - len(strings.TrimLeft(s, " "))
	if indent > limit/2 {
		indent = 0
	}
	first := strings.Repeat(" ", indent)
	if strings.HasPrefix(strings.TrimLeft(s, " "), "- ") {
		indent += 2
	}
	next := strings.Repeat(" ", indent)
	var lines []string
	line, used, begun := first, len(first), false
	for _, word := range strings.Fields(s) {
		n := columns(word)
		if begun && used+1+n > limit {
			lines = append(lines, line)
			line, used, begun = next, len(next), false
		}
		if begun {
			line += " "
			used++
		}
		line += word
		used, begun = used+n, true
	}
	return append(lines, line)
}

// cut shortens s to the given columns and says so by three dots.
func cut(s string, limit int) string {
	if limit <= 0 || columns(s) <= limit {
		return s
	}
	const dots = "..."
	if limit <= len(dots) {
		return dots[:limit]
	}
	used := 0
	for i, r := range s {
		used += runeColumns(r)
		if used > limit-len(dots) {
			return s[:i] + dots
		}
	}
	return s
}

// window shows at most limit bytes of a long line, a little before focus and what follows,
// and says how much it leaves out. It never cuts inside a character.
func window(s string, focus, limit int) string {
	if len(s) <= limit {
		return s
	}
	const lead = 40
	from := max(0, min(focus, len(s))-lead)
	if from < lead {
		from = 0
	}
	from = runeStart(s, from)
	to := runeStart(s, min(len(s), from+limit))
	out := s[from:to]
	if from > 0 {
		out = "[" + count(from, "byte") + " ...] " + out
	}
	if to < len(s) {
		out += " [... " + count(len(s)-to, "byte") + "]"
	}
	return out
}

func runeStart(s string, i int) int {
	for i > 0 && i < len(s) && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}
