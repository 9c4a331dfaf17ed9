package view

import (
	"fmt"
	"html"
	"strings"
	"unicode/utf16"
)

// Whatever strangers wrote stands inside code in Markdown, a span or a fenced block, and nowhere
// else: there no service makes it a heading, an image or a link, rings the person behind an
// @name, links an issue to #1, or takes a line that begins with a slash for an order. Its
// characters are written so that they cannot end the code they stand in.

// maxCode bounds a span of code, in columns.
const maxCode = 500

// mdCode returns text as a span of code that may also stand in the cell of a table.
func mdCode(s string) string {
	s = cut(Escape(s), maxCode)
	if s == "" {
		return ""
	}
	// A pipe would end the cell, and services do not agree about a backslash before it.
	if strings.ContainsAny(s, "`|\\") || s[0] == ' ' || s[len(s)-1] == ' ' {
		return htmlCode(s)
	}
	return "`" + s + "`"
}

// htmlCode is a span of code by tags, for where Markdown's marks would be read all the same: all
// ASCII punctuation is written as character references, which are text and never marks.
func htmlCode(s string) string {
	var b strings.Builder
	b.WriteString("<code>")
	for _, r := range s {
		if r < '0' && r > ' ' || r > '9' && r < 'A' || r > 'Z' && r < 'a' || r > 'z' && r < 0x7f {
			fmt.Fprintf(&b, "&#%d;", r)
			continue
		}
		b.WriteRune(r)
	}
	b.WriteString("</code>")
	return b.String()
}

// summaryCode is a span of code within <summary>, where Markdown is not read.
func summaryCode(s string) string {
	return "<code>" + html.EscapeString(cut(Escape(s), maxCode)) + "</code>"
}

// fence returns lines as a block of code, with a fence that is longer than every run of
// backticks in them. No line begins with a slash: those of a diff begin with their sign, and
// others are to be indented.
func fence(info string, lines []string) string {
	longest := 2
	for _, l := range lines {
		run := 0
		for i := range len(l) {
			if l[i] != '`' {
				run = 0
				continue
			}
			run++
			longest = max(longest, run)
		}
	}
	marks := strings.Repeat("`", longest+1)
	return marks + info + "\n" + strings.Join(lines, "\n") + "\n" + marks + "\n"
}

// fold hides a body behind a line of HTML.
func fold(summary, body string, open bool) string {
	tag := "<details>"
	if open {
		tag = "<details open>"
	}
	return tag + "\n<summary>" + summary + "</summary>\n\n" + body + "\n</details>\n\n"
}

// characters counts as services do that limit the length of a comment: those that count code
// points count fewer.
func characters(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// clip keeps as many of the lines as fit, says how many it drops, and reports whether it does.
func clip(lines []string, room int) (kept []string, cut bool) {
	total := 0
	for i, l := range lines {
		total += characters(l) + 1
		if total > room {
			return append(lines[:i:i], fmt.Sprintf("  ... %s cut", count(len(lines)-i, "more line"))), true
		}
	}
	return lines, false
}
