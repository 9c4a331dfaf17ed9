package view

import (
	"fmt"
	"strings"

	"tidegate/engine/diff"
)

// What of a diff is shown as text; the JSON view has contents in full.
const (
	maxDiffLines   = 1000 // per item
	maxLineBytes   = 400
	maxValueChange = 200 // per source
)

// diffLines writes a diff by lines under an item.
func (p *page) diffLines(indent int, l *diff.Lines) {
	switch {
	case l.Binary:
		p.prose(indent, "", fmt.Sprintf("binary content: %s -> %s", count(l.OldSize, "byte"), count(l.NewSize, "byte")))
		return
	case l.Truncated != "":
		p.prose(indent, "", "too large to show: "+l.Truncated)
		return
	}
	shown, total := 0, 0
	for _, h := range l.Hunks {
		total += len(h.Lines)
	}
	for i, h := range l.Hunks {
		if shown >= maxDiffLines {
			break
		}
		if i > 0 || h.OldStart > 1 || h.NewStart > 1 {
			p.line(indent, cyan, fmt.Sprintf("@@ -%d,%d +%d,%d @@", h.OldStart, h.OldLines, h.NewStart, h.NewLines))
		}
		shown += p.hunk(indent, h, maxDiffLines-shown)
	}
	if total > shown {
		p.prose(indent, "", fmt.Sprintf("... and %s more; --json has all", count(total-shown, "line")))
	}
}

func (p *page) hunk(indent int, h diff.Hunk, limit int) int {
	n := min(len(h.Lines), limit)
	focus := focuses(h.Lines)
	for i, line := range h.Lines[:n] {
		text := string(" -+"[line.Op]) + " " + escapeLine(window(line.Text, focus[i], maxLineBytes))
		p.line(indent, [...]string{"", red, green}[line.Op], strings.TrimRight(text, " "))
		if line.NoNewline && line.Op != diff.Equal {
			p.line(indent, faint, `\ no newline at the end`)
		}
	}
	return n
}

// focuses returns for each line where its first difference is: the removed and added lines
// of one run are paired in their order, so that long lines are cut around what changed.
func focuses(lines []diff.Line) []int {
	out := make([]int, len(lines))
	for i := 0; i < len(lines); {
		if lines[i].Op != diff.Delete {
			i++
			continue
		}
		added := i
		for added < len(lines) && lines[added].Op == diff.Delete {
			added++
		}
		for k := 0; i+k < added && added+k < len(lines) && lines[added+k].Op == diff.Insert; k++ {
			at := commonPrefix(lines[i+k].Text, lines[added+k].Text)
			out[i+k], out[added+k] = at, at
		}
		i = added
	}
	return out
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
