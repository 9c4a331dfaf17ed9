package view

import (
	"bytes"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// snippet is the part of a file that a diagnostic is about: whole lines, and the range
// within them that is meant.
type snippet struct {
	context   string // of the block around, "" for none
	code      string
	startLine int
	from, to  int // offsets into code
}

// snippetLines bounds how much of a long block is quoted.
const snippetLines = 12

// snippetBytes bounds how much is quoted of lines that nobody wrote by hand.
const snippetBytes = 2000

// snippetOf returns false if there is nothing that may be shown.
func (s Sources) snippetOf(d *hcl.Diagnostic) (snippet, bool) {
	if d.Subject == nil || !quotable(d.Subject.Filename) {
		return snippet{}, false
	}
	file := s.Files[d.Subject.Filename]
	if file == nil || file.Bytes == nil {
		return snippet{}, false
	}
	src := file.Bytes
	from, to := clamp(d.Subject.Start.Byte, src), clamp(d.Subject.End.Byte, src)
	if to < from {
		to = from
	}
	first := bytes.LastIndexByte(src[:from], '\n') + 1
	last := lineEnd(src, max(first, to-1))
	if to == from {
		last = lineEnd(src, from)
	}
	out := snippet{startLine: d.Subject.Start.Line, from: from - first, to: to - first}
	if nav, ok := file.Nav.(interface{ ContextString(int) string }); ok {
		out.context = nav.ContextString(from)
	}
	code := src[first:last]
	if lines := bytes.SplitAfter(code, []byte("\n")); len(lines) > snippetLines {
		code = bytes.TrimSuffix(bytes.Join(lines[:snippetLines], nil), []byte("\n"))
	}
	out.code = string(code)
	out.to = min(out.to, len(out.code))
	out.from = min(out.from, out.to)
	out.cut()
	return out, true
}

// cut keeps what stands around the range. The range begins in the first line, so the lines
// keep their numbers.
func (s *snippet) cut() {
	if len(s.code) <= snippetBytes {
		return
	}
	start := s.boundary(max(0, s.from-snippetBytes/4))
	end := s.boundary(min(len(s.code), start+snippetBytes))
	s.code, s.from, s.to = s.code[start:end], s.from-start, min(s.to, end)-start
}

// boundary goes back to where a character begins.
func (s *snippet) boundary(at int) int {
	for at > 0 && at < len(s.code) && !utf8.RuneStart(s.code[at]) {
		at--
	}
	return at
}

func clamp(n int, src []byte) int { return max(0, min(n, len(src))) }

func lineEnd(src []byte, from int) int {
	if n := bytes.IndexByte(src[from:], '\n'); n >= 0 {
		return from + n
	}
	return len(src)
}
