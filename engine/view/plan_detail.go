package view

import (
	"fmt"
	"strings"

	"tidegate/engine/diff"
	"tidegate/engine/plan"
)

// detail is what Markdown says of one item, folded, "" where the table says it all. With a room
// it is cut to about so many characters, and short says so. What went wrong may stand open.
func (it item) detail(dir string, room int, open bool) (text string, short bool) {
	d := &detail{dir: dir, room: room}
	switch {
	case it.sink != nil:
		d.sink(it.sink)
	case it.source != nil:
		d.source(it.source)
	}
	if d.b.Len() == 0 {
		return "", false
	}
	summary := it.markdownWords(summaryCode)
	if it.sign != plan.NoOp.Mark() {
		summary = summaryCode(it.sign) + " " + summaryCode(it.name) + " " + summary
	} else {
		summary = summaryCode(it.name) + " " + summary
	}
	if it.sink != nil {
		if n := strings.Trim(diffSize(it.sink), "`"); n != "" {
			summary += " (" + n + ")"
		}
	}
	return fold(summary, d.b.String(), open && it.wrong()), d.short
}

// detail is the body of an item under way.
type detail struct {
	b     strings.Builder
	dir   string
	room  int
	short bool
}

// fact writes one line of a list: a word of ours and text of strangers.
func (d *detail) fact(name, text string) {
	fmt.Fprintf(&d.b, "- %s: %s\n", name, mdCode(text))
}

// say writes one line of a list in our own words.
func (d *detail) say(text string) { fmt.Fprintf(&d.b, "- %s\n", text) }

// block writes lines as a diff, cut to what room is left.
func (d *detail) block(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	if d.room > 0 {
		var cut bool
		lines, cut = clip(lines, max(d.room-characters(d.b.String()), minBlock))
		d.short = d.short || cut
	}
	d.b.WriteString("\n")
	if title != "" {
		d.b.WriteString(title + ":\n\n")
	}
	d.b.WriteString(fence("diff", lines))
}

// minBlock is what a diff may take however little is left.
const minBlock = 500

func (d *detail) source(c *plan.SourceChange) {
	if c.Identity != "" {
		d.fact("from", below(d.dir, c.Identity))
	}
	switch {
	case c.Version == "" && c.PreviousVersion == "":
	case c.PreviousVersion == "" || c.PreviousVersion == c.Version:
		d.fact("version", short(c.Version))
	default:
		fmt.Fprintf(&d.b, "- version: %s to %s\n", mdCode(short(c.PreviousVersion)), mdCode(short(c.Version)))
	}
	if c.Reason != "" && !(c.Problem == plan.Rejected && findings(c.Checks)) {
		d.fact("reason", mentions(d.dir, c.Reason))
	}
	if c.Problem != plan.NoProblem {
		d.say(standing(c.Standing))
	}
	d.checks(namedChecks(c.Address.Type, c.Checks))
	d.block("", valueLines(spread(c.Changes)))
}

func (d *detail) sink(c *plan.SinkChange) {
	for _, f := range sinkFacts(c) {
		d.fact(f.name, mentions(d.dir, below(d.dir, f.text)))
	}
	d.checks(namedChecks(c.Address.Type, c.Checks))
	if c.FilledLater && len(c.Filled) == 0 {
		d.say("`delivery.*` is filled at delivery")
	}
	if contentShown(c) && c.Sensitive {
		d.say("content: " + sensitiveContent(c))
	}
	d.block("", valueLines(changedAttributes(c)))
	if contentShown(c) && !c.Sensitive && c.Lines != nil {
		d.content("Content, "+sizes(c), c.Keys, c.Lines)
	}
	if driftShown(c) {
		d.content("What somebody else changed since the last delivery", c.Drift.Keys, &c.Drift.Lines)
	}
}

func (d *detail) checks(checks []namedCheck) {
	for _, c := range checks {
		fmt.Fprintf(&d.b, "- %s %s\n", mdCode(c.name), c.word)
		for i, f := range c.Findings {
			if i == maxFindings {
				fmt.Fprintf(&d.b, "  - and %d more\n", len(c.Findings)-i)
				break
			}
			fmt.Fprintf(&d.b, "  - %s\n", mdCode(f))
		}
	}
}

// maxFindings bounds what one rule may say of one item.
const maxFindings = 20

// content writes a diff by keys, where there is one, and one by lines, which is folded where it
// says little more.
func (d *detail) content(title string, k *plan.KeyDiff, l *diff.Lines) {
	if k == nil {
		d.lines(title, l)
		return
	}
	if len(k.Changes) > 0 {
		d.block(title+", by key", valueLines(k.Changes))
		title = "By line"
	} else {
		title += ", " + sameValues
	}
	if !rewritten(k, l) {
		d.lines(title, l)
		return
	}
	inner := &detail{room: d.room}
	if d.room > 0 {
		inner.room = max(d.room-characters(d.b.String())-minLeft, minBlock)
	}
	inner.lines("", l)
	if inner.b.Len() > 0 {
		d.b.WriteString("\n" + fold(fmt.Sprintf("%s (+%d -%d)", title, l.Added, l.Removed), strings.TrimLeft(inner.b.String(), "\n"), false))
	}
	d.short = d.short || inner.short
}

// lines writes a diff by lines.
func (d *detail) lines(title string, l *diff.Lines) {
	switch {
	case l.Binary:
		d.say(fmt.Sprintf("%s: binary, %s to %s", title, grouped(int64(l.OldSize)), count(l.NewSize, "byte")))
		return
	case l.Truncated != "":
		d.say(strings.TrimPrefix(title+": ", ": ") + "too large to show, " + l.Truncated)
		return
	}
	var out []string
	for _, h := range l.Hunks {
		out = append(out, fmt.Sprintf("@@ -%d,%d +%d,%d @@", h.OldStart, h.OldLines, h.NewStart, h.NewLines))
		focus := focuses(h.Lines)
		for i, line := range h.Lines {
			out = append(out, string(" -+"[line.Op])+escapeLine(window(line.Text, focus[i], maxLineBytes)))
			if line.NoNewline {
				out = append(out, `\ No newline at end of file`)
			}
		}
		if len(out) > maxDiffLines {
			break
		}
	}
	if len(out) > maxDiffLines {
		out = append(out[:maxDiffLines], "  ... more lines cut")
		d.short = true
	}
	d.block(title, out)
}

// valueLines writes changes of values as lines of a diff.
func valueLines(changes []plan.ValueChange) []string {
	var out []string
	for i, ch := range changes {
		if i == maxValueChange {
			return append(out, fmt.Sprintf("  ... and %s", count(len(changes)-i, "more change")))
		}
		out = append(out, changeLines(ch)...)
	}
	return out
}

func changeLines(ch plan.ValueChange) []string {
	path := Escape(ch.Path)
	if path == "" {
		path = "value"
	}
	before, after := path+": "+inline(ch.Before.Value), path+": "+afterOf(ch)
	switch {
	case ch.Action == diff.ActionAdd:
		return []string{"+ " + after}
	case ch.Action == diff.ActionRemove:
		return []string{"- " + before + volatileNote(ch)}
	case ch.Sensitive:
		return []string{"! " + path + ": (sensitive value, changed)"}
	}
	return []string{"- " + before, "+ " + after}
}
