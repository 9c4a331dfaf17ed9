package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Diagnostics writes diagnostics for people: what is wrong, the line with the offending part
// underlined, the values that took part, and the way out.
func Diagnostics(w io.Writer, diags hcl.Diagnostics, src Sources, s Style) error {
	p := newPage(w, s)
	for _, d := range SortDiagnostics(diags) {
		p.diagnostic(d, src)
	}
	return p.done()
}

func (p *page) diagnostic(d *hcl.Diagnostic, src Sources) {
	head, color := "Error:", red
	if d.Severity == hcl.DiagWarning {
		head, color = "Warning:", yellow
	}
	p.paintedProse(color, head, Escape(d.Summary))
	p.blank()
	if d.Subject != nil {
		p.place(d, src)
		p.blank()
	}
	if values := expressionValues(d); len(values) > 0 {
		for _, v := range values {
			p.prose(4, faint, v.Traversal+" "+v.Statement)
		}
		p.blank()
	}
	if d.Detail != "" {
		p.text(0, src.inText(d.Detail))
		p.blank()
	}
}

func (p *page) place(d *hcl.Diagnostic, src Sources) {
	where := fmt.Sprintf("on %s line %d", Escape(src.name(d.Subject.Filename)), d.Subject.Start.Line)
	snip, ok := src.snippetOf(d)
	if snip.context != "" {
		where += ", in " + Escape(snip.context)
	}
	if !ok {
		p.prose(2, "", where)
		return
	}
	p.prose(2, "", where+":")
	offset := 0
	for i, line := range strings.Split(snip.code, "\n") {
		p.sourceLine(snip.startLine+i, line, snip.from-offset, snip.to-offset)
		offset += len(line) + 1
	}
}

// sourceLine writes one line of source and underlines the part between two offsets.
func (p *page) sourceLine(number int, line string, from, to int) {
	line = strings.TrimSuffix(line, "\r")
	from, to = max(0, min(from, len(line))), max(0, min(to, len(line)))
	before, part, after := tabs(line[:from]), tabs(line[from:to]), tabs(line[to:])
	if trimmed := strings.TrimLeft(part, " "); before == "" { // a range's later lines
		before, part = part[:len(part)-len(trimmed)], trimmed
	}
	head := fmt.Sprintf("%4d: ", number)
	room := 0
	if p.s.Width > 0 {
		room = max(p.s.Width-len(head), 8)
	}
	before, part, after = fit(before, part, after, room)
	p.w.WriteString(strings.TrimRight(head+before+part+after, " ") + "\n")
	if n := columns(part); n > 0 || to == from && from > 0 && after == "" {
		p.w.WriteString(strings.Repeat(" ", len(head)+columns(before)) + p.paint(red, strings.Repeat("^", max(n, 1))) + "\n")
	}
}

// fit cuts a line so that the underlined part stays visible.
func fit(before, part, after string, room int) (string, string, string) {
	if room <= 0 || columns(before+part+after) <= room {
		return before, part, after
	}
	if columns(before) > room/2 {
		keep := []rune(before)
		keep = keep[len(keep)-min(len(keep), max(room/2-3, 0)):]
		before = "..." + string(keep)
	}
	part = cut(part, max(room-columns(before), 4))
	left := room - columns(before) - columns(part)
	if left <= 3 {
		return before, part, ""
	}
	return before, part, cut(after, left)
}

func tabs(s string) string {
	return escape(strings.ReplaceAll(s, "\t", "    "), "")
}
