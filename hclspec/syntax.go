package hclspec

import (
	"bytes"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A mistake in the syntax of a file makes the parser say several things of one place, and the
// rest of us say things of what it could not read. What follows tells the cause from that.

// damage is what a file with mistakes in its syntax may be missing.
type damage struct {
	parts  []part // of the file that could not be read as they are meant
	all    bool   // anything may be missing
	locals bool   // local values may be
}

// part is a stretch of a file.
type part struct{ from, to int }

// essential returns of what the parser says about a file what is no consequence of the rest, in
// better words where there are any, and the damage.
func essential(src []byte, body hcl.Body, diags hcl.Diagnostics) (hcl.Diagnostics, *damage) {
	if !diags.HasErrors() {
		return diags, nil
	}
	native, ok := body.(*hclsyntax.Body)
	if !ok { // JSON, or nothing that could be parsed: the first is the innermost
		return diags[:1], &damage{parts: []part{{0, len(src)}}, all: true}
	}
	diags = slices.Clone(diags)
	for i, d := range diags {
		diags[i] = reworded(src, d)
	}
	sortDiagnostics(diags)
	var out hcl.Diagnostics
	lost := &damage{}
	for i, d := range diags {
		if i > 0 && follows(d, diags[i-1], out) {
			if last := len(out) - 1; d.Summary == "Invalid character" && out[last].Subject.Start.Line == d.Subject.Start.Line {
				out[last] = d // the reason for what the parser expected instead
			}
			continue
		}
		out = append(out, d)
		if d.Subject != nil {
			lost.around(native, d.Subject.Start.Byte, len(src))
		}
	}
	return out, lost
}

// repeats are what the parser says of each line anew.
var repeats = map[string]bool{"Text without an end": true, "Argument or block definition required": true, "Invalid character": true}

// follows reports whether a complaint comes from an earlier one: it is of the same line as one
// that stands, or says the same as the one before of the next line.
func follows(d, before *hcl.Diagnostic, kept hcl.Diagnostics) bool {
	if d.Subject == nil || before.Subject == nil {
		return false
	}
	line := d.Subject.Start.Line
	if d.Summary == before.Summary && repeats[d.Summary] && line <= before.Subject.Start.Line+1 {
		return true
	}
	return slices.ContainsFunc(kept, func(k *hcl.Diagnostic) bool { return k.Subject != nil && k.Subject.Start.Line == line })
}

// around notes the top-level block in which the byte at an offset stands.
func (l *damage) around(body *hclsyntax.Body, at, end int) {
	p := part{0, end}
	var within *hclsyntax.Block
	blocks := slices.Clone(body.Blocks)
	slices.SortFunc(blocks, func(a, b *hclsyntax.Block) int { return a.TypeRange.Start.Byte - b.TypeRange.Start.Byte })
	for _, b := range blocks {
		if start := b.TypeRange.Start.Byte; start <= at {
			p.from, within = start, b
		} else {
			p.to = start
			break
		}
	}
	l.parts = append(l.parts, p)
	switch {
	case within == nil || p.to == end:
		l.all = true
	case within.Type == "locals":
		l.locals = true
	}
}

const unclosed = "This text is not closed on its line. Close it with a quote; a text of several lines is written with \\n, or as a heredoc: <<EOT, the lines, and a line with EOT alone."

// reworded says what the parser says in words that show the way out.
func reworded(src []byte, d *hcl.Diagnostic) *hcl.Diagnostic {
	out := *d
	switch d.Summary {
	case "Invalid multi-line string":
		out.Summary = "Text without an end"
		out.Detail = unclosed
	case "Unterminated template string":
		out.Summary = "Text without an end"
		out.Detail = "The text that begins here is not closed before the end of the file. A heredoc ends with a line that holds its marker and nothing else."
		if d.Context == nil {
			break
		}
		start := min(d.Context.Start.Byte, len(src))
		at := bytes.LastIndexByte(src[:min(start+1, len(src))], '"')
		if at >= start-1 && at >= 0 {
			out.Detail = unclosed
		} else if at = bytes.LastIndex(src[:start], []byte("<<")); at < 0 {
			break
		}
		end := at + 1
		for end < len(src) && src[end] != '\n' && src[end] != '\r' && src[at] == '<' {
			end++
		}
		out.Subject = &hcl.Range{Filename: d.Subject.Filename, Start: positionAt(src, at), End: positionAt(src, end)}
	case "Invalid block definition":
		out.Detail += " To set an argument, write an equals sign after its name."
	case "Invalid escape sequence":
		out.Detail += ` Write \\ for a backslash.`
	case "Invalid template control keyword":
		out.Detail += " Directives are if, else, endif, for and endfor. Write %%{ for a text with %{ in it."
	case "Argument or block definition required":
		if text := bytes.TrimSpace(src); len(text) > 0 && strings.IndexByte("{[", text[0]) >= 0 {
			out.Detail = "A file begins with a block. If this one is written in JSON, let its name end in .hcl.json."
		}
	}
	return &out
}

// WithoutConsequences leaves out what is said of parts of files that could not be read as they
// are meant, and of names that may be declared there: one mistake makes one complaint.
func (s *Spec) WithoutConsequences(diags hcl.Diagnostics) hcl.Diagnostics {
	damaged := map[string]*damage{}
	stand := map[*hcl.Diagnostic]bool{}
	all, locals := false, false
	for _, spec := range append([]*Spec{s}, s.children...) {
		for _, p := range spec.parsed {
			if p.damage == nil {
				continue
			}
			damaged[p.path] = p.damage
			all, locals = all || p.damage.all, locals || p.damage.locals
			for _, d := range p.diags {
				stand[d] = true
			}
		}
	}
	if len(damaged) == 0 {
		return diags
	}
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool {
		switch {
		case stand[d] || d.Subject == nil:
			return false
		case strings.HasPrefix(d.Summary, "Undeclared") && (all || locals && d.Summary == "Undeclared local value"):
			return true
		}
		l := damaged[d.Subject.Filename]
		return l != nil && slices.ContainsFunc(l.parts, func(p part) bool {
			return p.from <= d.Subject.Start.Byte && d.Subject.Start.Byte < max(p.to, p.from+1)
		})
	})
}
