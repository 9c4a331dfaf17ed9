package diff

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Op says on which side of a diff a line is.
type Op int

// A line is on both sides, only on the old one, or only on the new one.
const (
	Equal Op = iota
	Delete
	Insert
)

// LineDiff compares at most MaxBytes, both sides together, and gives hunks for at most
// MaxChanged added and removed lines: nobody reads more, and each costs memory.
const (
	MaxBytes   = 16 << 20
	MaxChanged = 200_000
)

// Line is one line of a hunk.
type Line struct {
	Op Op
	// Text is the line without its newline. A carriage return before it is part of the text.
	Text string
	// NoNewline is set for a last line that is not ended by a newline.
	NoNewline bool
}

// Hunk is a stretch of changed lines and some unchanged ones around them. Starts count from 1; with
// zero lines on a side, the start there is the line before (0 at the very beginning), as
// the unified format has it.
type Hunk struct {
	OldStart, OldLines int
	NewStart, NewLines int
	Lines              []Line
}

// Lines is a diff by lines. For equal input nothing but the sizes is set; for different input at least
// one of Hunks, Binary and Truncated is.
type Lines struct {
	Hunks []Hunk
	// Added and Removed count lines over all hunks. They are set, too, when there are too many for hunks.
	Added, Removed int
	// Binary: a side holds a NUL byte or invalid UTF-8, and there are no hunks.
	Binary bool
	// Truncated says why there are no hunks although both sides are text: too many bytes, or too many lines.
	Truncated string
	// Coarse: the hunks are right, but some stretch was too costly to search for what
	// both sides share and is given as replaced.
	Coarse bool
	// OldSize and NewSize are in bytes.
	OldSize, NewSize int
}

// LineDiff compares two texts line by line, with up to context unchanged lines around each change
// (none if negative). A line ends with a newline; a last line without one
// differs from the same line with one.
func LineDiff(old, new []byte, context int) Lines {
	l := Lines{OldSize: len(old), NewSize: len(new)}
	switch {
	case bytes.Equal(old, new):
		return l
	case isBinary(old) || isBinary(new):
		l.Binary = true
		return l
	case len(old)+len(new) > MaxBytes:
		l.Truncated = fmt.Sprintf("%d bytes on both sides, more than %d", len(old)+len(new), MaxBytes)
		return l
	}
	a, b := splitLines(old), splitLines(new)
	edits, coarse, ok := lineEdits(a, b)
	if !ok {
		l.Truncated = fmt.Sprintf("more than %d different lines", maxDistinct)
		return l
	}
	l.Coarse = coarse
	for _, e := range edits {
		l.Removed += e.a1 - e.a0
		l.Added += e.b1 - e.b0
	}
	if l.Added+l.Removed > MaxChanged {
		l.Truncated = fmt.Sprintf("%d lines added and %d removed, more than %d", l.Added, l.Removed, MaxChanged)
		return l
	}
	l.Hunks = hunks(a, b, edits, max(context, 0))
	return l
}

func isBinary(b []byte) bool { return bytes.IndexByte(b, 0) >= 0 || !utf8.Valid(b) }

// splitLines cuts text after each newline and keeps the newlines, so that lines compare whole.
func splitLines(text []byte) []string {
	s := string(text)
	out := make([]string, 0, strings.Count(s, "\n")+1)
	for s != "" {
		n := strings.IndexByte(s, '\n') + 1
		if n == 0 {
			n = len(s)
		}
		out = append(out, s[:n])
		s = s[n:]
	}
	return out
}

// edit replaces a[a0:a1] by b[b0:b1]; one of the two may be empty.
type edit struct{ a0, a1, b0, b1 int }

// lineEdits returns what turns a into b. Only lines between the common beginning and end get a
// number; ok is false if too many of those are distinct.
func lineEdits(a, b []string) (edits []edit, coarse, ok bool) {
	pre := commonPrefix(a, b)
	suf := commonSuffix(a[pre:], b[pre:])
	var in interner[string]
	midA, ok := number(&in, a[pre:len(a)-suf])
	if !ok {
		return nil, false, false
	}
	midB, ok := number(&in, b[pre:len(b)-suf])
	if !ok {
		return nil, false, false
	}
	runs, coarse := newAligner().align(midA, midB)
	return gaps(runs, len(midA), len(midB), pre), coarse, true
}

func number(in *interner[string], lines []string) ([]rune, bool) {
	out := make([]rune, len(lines))
	for i, line := range lines {
		out[i] = in.rune(line)
		if len(in.known) > maxDistinct {
			return nil, false
		}
	}
	return out, true
}

// gaps returns what lies between the runs of two sequences of lengths n and m, moved by offset.
func gaps(runs []run, n, m, offset int) []edit {
	var out []edit
	x, y := 0, 0
	for _, r := range append(runs, run{n, m, 0}) {
		if r.A > x || r.B > y {
			out = append(out, edit{x + offset, r.A + offset, y + offset, r.B + offset})
		}
		x, y = r.A+r.N, r.B+r.N
	}
	return out
}

// hunks joins edits that are so close that their context would touch.
func hunks(a, b []string, edits []edit, context int) []Hunk {
	var out []Hunk
	context = min(context, len(a)) // also keeps 2*context from overflowing
	for i := 0; i < len(edits); {
		end := i + 1
		for end < len(edits) && edits[end].a0-edits[end-1].a1 <= 2*context {
			end++
		}
		out = append(out, hunk(a, b, edits[i:end], context))
		i = end
	}
	return out
}

func hunk(a, b []string, edits []edit, context int) Hunk {
	first, last := edits[0], edits[len(edits)-1]
	lead := min(context, first.a0)
	from, to := first.a0-lead, min(last.a1+context, len(a))
	var lines []Line
	x := from
	for _, e := range edits {
		lines = appendLines(lines, Equal, a[x:e.a0])
		lines = appendLines(lines, Delete, a[e.a0:e.a1])
		lines = appendLines(lines, Insert, b[e.b0:e.b1])
		x = e.a1
	}
	lines = appendLines(lines, Equal, a[x:to])
	h := Hunk{
		OldStart: from + 1, OldLines: to - from,
		NewStart: first.b0 - lead + 1, NewLines: last.b1 + (to - last.a1) - (first.b0 - lead),
		Lines: lines,
	}
	if h.OldLines == 0 {
		h.OldStart--
	}
	if h.NewLines == 0 {
		h.NewStart--
	}
	return h
}

func appendLines(out []Line, op Op, lines []string) []Line {
	for _, line := range lines {
		text, ended := strings.CutSuffix(line, "\n")
		out = append(out, Line{Op: op, Text: text, NoNewline: !ended})
	}
	return out
}
