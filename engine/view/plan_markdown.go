package view

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
	"tidegate/hclspec/mark"
)

// CommentLimit is how many characters a comment on GitHub may have.
const CommentLimit = 65536

// MinCommentLimit is the shortest comment that still says what matters.
const MinCommentLimit = 2000

// MarkdownOptions say how much Markdown to write.
type MarkdownOptions struct {
	Limit int  // characters, 0 for no limit
	Brief bool // the table alone
}

// PlanMarkdown writes a plan as a comment on a change: what it comes to, a table of what is
// touched with the most important first, what was wrong, and the details of each item, folded.
// What does not fit the limit is left out from the end, and a note below the head says what.
func PlanMarkdown(w io.Writer, p *plan.Plan, diags hcl.Diagnostics, src Sources, o MarkdownOptions) error {
	m := &comment{items: items(p), dir: p.Dir, limit: o.Limit}
	head := marker + "\n" + markdownHead(p)
	foot := markdownFoot(p)
	m.left = m.limit - characters(head) - characters(foot) - noteRoom
	table := m.table(o.Brief)
	trouble := m.diagnostics(diags, src)
	details := ""
	if !o.Brief {
		details = m.base(p.Base) + m.outputs(p.Outputs) + m.checkBlocks(p.Checks) + m.details()
	}
	_, err := io.WriteString(w, head+m.note()+table+trouble+details+foot)
	return err
}

const (
	// marker lets a pipeline find its own comment again, to replace it.
	marker = "<!-- tidegate plan -->"
	// noteRoom is kept for the note of what was cut.
	noteRoom = 400
)

func markdownHead(p *plan.Plan) string {
	v := verdictOf(p)
	title, text := "no changes", ""
	switch {
	case p.Incomplete && len(p.Sources)+len(p.Sinks)+len(p.ForgetSources) == 0:
		title, text = "failed", "There is no plan, because of the errors below."
	case p.Outcome() == plan.InStep:
		text = v.text
	case v.head == "":
		title, text = "new output values", v.text
	default:
		var more string
		title, more, _ = strings.Cut(strings.TrimSuffix(v.text, "."), " to destroy")
		title += " to destroy"
		if more != "" {
			v.more = append([]string{"Also " + strings.TrimPrefix(more, ", ") + "."}, v.more...)
		}
		text = strings.ReplaceAll(strings.Join(v.more, " "), `"!"`, "`!`")
	}
	kind := "plan"
	if p.Destroy {
		kind = "plan to destroy"
	}
	out := "### Tidegate " + kind + ": " + title + "\n\n"
	if text != "" {
		out += text + "\n\n"
	}
	if p.Base != nil {
		out += html.EscapeString(baseWords(p.Base)) + "\n\n"
	}
	if text := leftOut(p.Selection, mdCode); text != "" {
		out += text + "\n\n"
	}
	return out
}

func markdownFoot(p *plan.Plan) string {
	text := "Tidegate"
	if p.ToolVersion != "" {
		text += " " + html.EscapeString(Escape(p.ToolVersion))
	}
	if !p.Time.IsZero() {
		text += ", planned at " + moment(p.Time)
	}
	return "<sub>" + text + "</sub>\n"
}

// comment is Markdown under way, and what of it had to be left out.
type comment struct {
	items []item
	dir   string // of the configuration; paths below it are shown relative to it
	limit int
	left  int // characters, meaningless without a limit

	rows, folded, shortened int // what was cut: rows of the table, details, parts of details
	trouble                 bool
}

// fits takes text out of what is left, if there is room.
func (m *comment) fits(s string) bool {
	n := characters(s)
	if m.limit > 0 && n > m.left {
		return false
	}
	m.left -= n
	return true
}

// table lists the items; those that do not fit are counted. It leaves room for details.
func (m *comment) table(brief bool) string {
	if len(m.items) == 0 {
		return ""
	}
	var b strings.Builder
	head := "| | what | change | diff | target |\n|:-:|---|---|---|---|\n"
	m.left -= characters(head)
	b.WriteString(head)
	kept := 0 // for the details
	if !brief {
		kept = m.left / 2
	}
	m.left -= kept
	for i, it := range m.items {
		row := it.markdownRow(m.dir)
		if brief && i == maxBrief || !m.fits(row) {
			m.rows = len(m.items) - i
			fmt.Fprintf(&b, "| | | and %s more | | |\n", grouped(int64(m.rows)))
			if brief && i == maxBrief {
				m.rows = 0 // as asked for, not for want of room
			}
			break
		}
		b.WriteString(row)
	}
	m.left += kept
	b.WriteString("\n")
	return b.String()
}

func (it item) markdownRow(dir string) string {
	target, size := "", ""
	switch {
	case it.sink != nil:
		target, size = it.sink.Target, diffSize(it.sink)
	case it.source != nil:
		target = it.source.Identity
	}
	target = below(dir, target)
	name := mdCode(cut(it.name, maxCell))
	return "| " + mdCode(strings.TrimSpace(it.sign)) + " | " + name + " | " + it.markdownWords(mdCode) + " | " + size + " | " + mdCode(cut(target, maxCell)) + " |\n"
}

// maxCell bounds text within a table, in columns.
const maxCell = 100

// diffSize says how much of a sink's content changes.
func diffSize(c *plan.SinkChange) string {
	switch {
	case c.Sensitive && c.ContentChanged:
		return "sensitive"
	case driftShown(c):
		return fmt.Sprintf("`+%d -%d`", c.Drift.Lines.Added, c.Drift.Lines.Removed)
	case c.Lines == nil || c.Lines.Added+c.Lines.Removed == 0:
		return ""
	case c.Keys != nil && rewritten(c.Keys, c.Lines):
		if len(c.Keys.Changes) == 0 {
			return "order, layout"
		}
		return count(len(c.Keys.Changes), "value")
	}
	return fmt.Sprintf("`+%d -%d`", c.Lines.Added, c.Lines.Removed)
}

// markdownWords are the item's words, the address at their end as code. All else in them is ours.
func (it item) markdownWords(code func(string) string) string {
	words := it.words
	if it.sink != nil && it.sink.Wait != nil && it.sink.Wait.On != "" {
		if before, ok := strings.CutSuffix(words, it.sink.Wait.On); ok {
			words = before + code(it.sink.Wait.On)
		}
	}
	if it.grave() {
		words = "<b>" + words + "</b>"
	}
	if n := it.warnings(); n > 0 {
		words += ", " + count(n, "warning")
	}
	return words
}

// below returns a path relative to a directory that it is in, else as it is.
func below(dir, path string) string {
	if rest, ok := strings.CutPrefix(path, dir+"/"); ok && dir != "" && rest != "" {
		return rest
	}
	return path
}

// mentions returns a text in which the paths below a directory are relative to it.
func mentions(dir, text string) string {
	if dir == "" || dir == "/" {
		return text
	}
	return strings.ReplaceAll(text, " "+dir+"/", " ")
}

// diagnostics writes errors and warnings as the text does.
func (m *comment) diagnostics(diags hcl.Diagnostics, src Sources) string {
	if len(diags) == 0 {
		return ""
	}
	var b bytes.Buffer
	_ = Diagnostics(&b, diags, src, Style{Width: 100}) // a buffer takes everything
	var lines []string
	for l := range strings.Lines(strings.TrimRight(b.String(), "\n")) {
		lines = append(lines, strings.TrimRight("  "+l, " \n"))
	}
	if m.limit > 0 {
		lines, m.trouble = clip(lines, m.left/2)
	}
	text := fold("<b>Errors and warnings</b>", fence("text", lines), true)
	m.fits(text)
	return text
}

// details writes what there is to say of each item. Where not all fit, no item takes more than
// a quarter of what is left for itself and those after it.
func (m *comment) details() string {
	if text, ok := m.allDetails(); ok {
		return text
	}
	var b strings.Builder
	for i, it := range m.items {
		if m.left < minLeft {
			m.folded += len(m.items) - i
			break
		}
		room := min(max(m.left/4, minDetail), m.left-minLeft)
		if i == len(m.items)-1 {
			room = m.left - minLeft
		}
		text, short := it.detail(m.dir, room, i < maxOpen)
		switch {
		case !m.fits(text):
			m.folded++
			continue
		case short:
			m.shortened++
		}
		b.WriteString(text)
	}
	return b.String()
}

// maxOpen is how many grave items stand open.
const maxOpen = 5

// minDetail is what the details of an item may take however little is left.
const minDetail = 2500

// minLeft is what the folding of an item takes beside its body.
const minLeft = 400

// allDetails tries whether everything fits as it is.
func (m *comment) allDetails() (string, bool) {
	var b strings.Builder
	total := 0
	for i, it := range m.items {
		text, _ := it.detail(m.dir, 0, i < maxOpen)
		total += characters(text)
		if m.limit > 0 && total > m.left {
			return "", false
		}
		b.WriteString(text)
	}
	m.left -= total
	return b.String(), true
}

// outputs writes the outputs whose stored values change.
func (m *comment) outputs(outputs []*plan.OutputChange) string {
	var lines []string
	for _, o := range outputs {
		if !o.Action.Delivers() {
			continue
		}
		if parts := outputParts(o); len(parts) > 0 {
			for _, ch := range parts {
				ch.Path = o.Name + "." + ch.Path
				lines = append(lines, changeLines(ch)...)
			}
			continue
		}
		lines = append(lines, outputLines(o)...)
	}
	if len(lines) == 0 {
		return ""
	}
	if m.limit > 0 {
		var cut bool
		if lines, cut = clip(lines, m.left/4); cut {
			m.shortened++
		}
	}
	text := fold("Changes to outputs", fence("diff", lines), false)
	m.fits(text)
	return text
}

// outputLines writes an output that changes as a whole.
func outputLines(o *plan.OutputChange) []string {
	name := Escape(o.Name) + ": "
	before, after := "- "+name+inline(o.Before.Value), "+ "+name+inline(o.Value.Value)
	switch {
	case o.Hidden() && o.Action == plan.Update:
		return []string{"! " + name + "(sensitive value, changed)"}
	case o.Hidden():
		return []string{o.Action.Mark() + " " + name + mark.Redacted}
	case o.Action == plan.Create:
		return []string{after}
	case o.Before.IsAbsent(): // stored, and not readable
		before = "- " + name + unreadable
	}
	if o.Action == plan.Delete {
		return []string{before}
	}
	return []string{before, after}
}

// note says what was cut.
func (m *comment) note() string {
	var parts []string
	if m.rows > 0 {
		parts = append(parts, fmt.Sprintf("%s of the table", count(m.rows, "row")))
	}
	if m.folded > 0 {
		parts = append(parts, "the details of "+count(m.folded, "item"))
	}
	if m.shortened > 0 {
		parts = append(parts, "parts of the details of "+count(m.shortened, "item"))
	}
	if m.trouble {
		parts = append(parts, "errors and warnings")
	}
	if len(parts) == 0 {
		return ""
	}
	return "> **Cut to " + grouped(int64(m.limit)) + " characters.** Left out, the least important first: " +
		strings.Join(parts, ", ") + ". The text of `tidegate plan` and its JSON have more.\n\n"
}
