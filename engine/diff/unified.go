package diff

import (
	"fmt"
	"strings"
)

// Unified writes the diff in the format that patch(1) takes and diff -u writes, with the two
// names in its head ("/dev/null" for a side that does not exist). Names with control characters, quotes or
// backslashes are quoted as GNU diff quotes them; lines are written as they are.
// Without hunks it is empty for equal content, else one line that patch passes over.
func (l Lines) Unified(oldName, newName string) string {
	switch {
	case l.Binary:
		return fmt.Sprintf("Binary files %s and %s differ\n", fileName(oldName), fileName(newName))
	case l.Truncated != "":
		return fmt.Sprintf("Files %s and %s differ (not shown: %s)\n", fileName(oldName), fileName(newName), l.Truncated)
	case len(l.Hunks) == 0:
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", headName(oldName), headName(newName))
	for _, h := range l.Hunks {
		fmt.Fprintf(&b, "@@ -%s +%s @@\n", extent(h.OldStart, h.OldLines), extent(h.NewStart, h.NewLines))
		for _, line := range h.Lines {
			b.WriteByte(" -+"[line.Op])
			b.WriteString(line.Text)
			b.WriteByte('\n')
			if line.NoNewline {
				b.WriteString("\\ No newline at end of file\n")
			}
		}
	}
	return b.String()
}

func extent(start, lines int) string {
	if lines == 1 {
		return fmt.Sprint(start)
	}
	return fmt.Sprintf("%d,%d", start, lines)
}

// headName ends a name that holds a space with a tab, because patch else takes what
// follows the space for a time stamp.
func headName(name string) string {
	quoted := fileName(name)
	if quoted == name && strings.ContainsRune(name, ' ') {
		return name + "\t"
	}
	return quoted
}

func fileName(name string) string {
	plain := func(c byte) bool { return c >= ' ' && c != 0x7f && c != '"' && c != '\\' }
	var b strings.Builder
	changed := false
	for i := range len(name) {
		switch c := name[i]; {
		case plain(c):
			b.WriteByte(c)
			continue
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\%03o`, c)
		}
		changed = true
	}
	if !changed {
		return name
	}
	return `"` + b.String() + `"`
}
