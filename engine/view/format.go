package view

import (
	"io"
	"strings"

	"tidegate/engine/diff"
)

// FormatDiff writes what formatting changes in a file, as diff -u does, for patch to take. With
// a style, which only a terminal has, control characters are written out and lines coloured.
func FormatDiff(w io.Writer, name string, before, after []byte, s Style) error {
	lines := diff.LineDiff(before, after, 3)
	text := lines.Unified("old/"+name, "new/"+name)
	if s == (Style{}) {
		_, err := io.WriteString(w, text)
		return err
	}
	p := newPage(w, s)
	for line := range strings.Lines(text) {
		color := ""
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
			color = bold
		case strings.HasPrefix(line, "@@"):
			color = cyan
		case line[0] == '-':
			color = red
		case line[0] == '+':
			color = green
		}
		p.line(0, color, escapeLine(strings.TrimSuffix(line, "\n")))
	}
	return p.done()
}
