package view

import (
	"bufio"
	"io"
	"strings"
)

// The colours are ANSI codes that every terminal knows.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// page writes lines and keeps the first error.
type page struct {
	w *bufio.Writer
	s Style
}

func newPage(w io.Writer, s Style) *page { return &page{w: bufio.NewWriter(w), s: s} }

func (p *page) done() error { return p.w.Flush() }

func (p *page) paint(color, s string) string {
	if !p.s.Color || color == "" || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

func (p *page) blank() { p.w.WriteByte('\n') }

// line writes text as it stands. It must have been escaped.
func (p *page) line(indent int, color, text string) {
	p.w.WriteString(strings.Repeat(" ", p.indent(indent)))
	p.w.WriteString(p.paint(color, text))
	p.w.WriteByte('\n')
}

// indent gives way on narrow terminals.
func (p *page) indent(n int) int {
	if p.s.Width > 0 && n > p.s.Width/4 {
		return p.s.Width / 4
	}
	return n
}

// prose writes untrusted text, wrapped; lines after the first are indented by two more.
func (p *page) prose(indent int, color, text string) {
	indent = p.indent(indent)
	for _, paragraph := range strings.Split(strings.TrimRight(escapeText(text), "\n"), "\n") {
		for i, l := range wrap(paragraph, p.room(indent+2)) {
			if i == 0 {
				p.line(indent, color, l)
			} else {
				p.line(indent+2, color, l)
			}
		}
	}
}

// text writes untrusted prose flush left within the indent.
func (p *page) text(indent int, text string) {
	indent = p.indent(indent)
	for _, paragraph := range strings.Split(strings.TrimRight(escapeText(text), "\n"), "\n") {
		for _, l := range wrap(paragraph, p.room(indent)) {
			p.line(indent, "", l)
		}
	}
}

// room is how many columns are left after an indent, 0 for no limit.
func (p *page) room(indent int) int {
	if p.s.Width <= 0 {
		return 0
	}
	return max(p.s.Width-indent, 8)
}

// item writes the head of one entry of a plan: a painted mark, then bold text.
func (p *page) item(mark, color, text string) {
	if len(mark) < 2 {
		mark = " " + mark
	}
	head := wrap(Escape(text), p.room(5))
	p.w.WriteString(" " + p.paint(color, mark) + " " + p.paint(bold, head[0]) + "\n")
	for _, l := range head[1:] {
		p.line(6, bold, l)
	}
}

// tableLeast is how wide a terminal must be for a table that is wider than it: its lines then break
// somewhere, and can still be read.
const tableLeast = 60

// narrow reports whether a table with columns so wide is written as records instead.
func (p *page) narrow(widths []int) bool {
	all := 0
	for _, w := range widths {
		all += w + 2
	}
	return p.s.Width > 0 && p.s.Width < tableLeast && all > p.s.Width
}

// record writes one line of a table as lines of its own: the first cell, and below it what the
// others say.
func (p *page) record(indent int, head, cells []string) {
	p.prose(indent, bold, cells[0])
	for i, cell := range cells[1:] {
		if cell != "-" {
			p.prose(indent+2, "", strings.ToLower(head[i+1])+": "+cell)
		}
	}
}

// Prose writes untrusted text, wrapped and indented.
func Prose(w io.Writer, indent int, text string, s Style) error {
	p := newPage(w, s)
	p.prose(indent, "", text)
	return p.done()
}
