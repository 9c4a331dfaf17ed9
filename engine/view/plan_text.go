package view

import (
	"io"
	"slices"
	"strings"

	"tidegate/engine/plan"
	"tidegate/hclspec/mark"
)

// PlanText writes a plan for people: sources, then sinks, then outputs, then one line that
// counts. What neither changes nor waits nor fails is left out.
func PlanText(w io.Writer, p *plan.Plan, s Style) error {
	out := newPage(w, s)
	sources, sinks := listedSources(p), listedSinks(p)
	if p.Base != nil {
		out.prose(0, "", baseWords(p.Base))
		out.blank()
	}
	if len(sources)+len(sinks)+len(p.ForgetSources)+len(p.Moves) > 0 {
		out.legend(p, sources, sinks)
	}
	for _, c := range sources {
		out.source(c)
		out.blank()
	}
	for _, a := range p.ForgetSources {
		f := forgotten(p, a)
		out.item(f.sign, markColor(f.sign), f.name+" "+f.words)
		out.blank()
	}
	for _, m := range p.Moves {
		out.item(moved, cyan, movedWords(m))
	}
	if len(p.Moves) > 0 {
		out.blank()
	}
	for _, c := range sinks {
		out.sink(c)
		out.blank()
	}
	out.outputChanges(p.Outputs)
	out.checkBlocks(p.Checks)
	if p.Base != nil {
		out.base(p.Base)
	}
	out.summary(p)
	return out.done()
}

// legend explains the marks that occur.
func (p *page) legend(pl *plan.Plan, sources []*plan.SourceChange, sinks []*plan.SinkChange) {
	used := map[string]bool{}
	for _, c := range sources {
		used[sourceMark(c)] = true
	}
	for _, c := range sinks {
		used[sinkMark(c)] = true
	}
	if len(pl.ForgetSources) > 0 {
		used[plan.Forget.Mark()] = true
	}
	used[moved] = len(pl.Moves) > 0
	text := "Tidegate compared the configuration, its sources and its sinks."
	if slices.ContainsFunc(marks, func(m legendMark) bool { return used[m.sign] }) {
		text += " The signs mean:"
	}
	p.text(0, text)
	for _, m := range marks {
		if used[m.sign] {
			sign := m.sign
			if len(sign) < 2 {
				sign = " " + sign
			}
			p.line(1, "", p.paint(m.color, sign)+" "+m.meaning)
		}
	}
	p.blank()
}

type legendMark struct{ sign, color, meaning string }

// marks are all signs that stand before an item.
var marks = []legendMark{
	{plan.Read.Mark(), cyan, "accept a value"},
	{plan.Create.Mark(), green, "create"},
	{plan.Update.Mark(), yellow, "update in place"},
	{plan.Delete.Mark(), red, "delete"},
	{plan.Forget.Mark(), yellow, "forget, the target stays"},
	{plan.Adopt.Mark(), cyan, "adopt, nothing is written"},
	{moved, cyan, "moved, nothing is done"},
	{waiting, yellow, "not now"},
	{attention, red, "needs attention"},
}

// Signs beside those of actions.
const (
	waiting   = "?"
	moved     = ">"
	attention = "!"
)

func markColor(sign string) string {
	for _, m := range marks {
		if m.sign == sign {
			return m.color
		}
	}
	return ""
}

// Outputs writes the values of outputs, in their order.
func Outputs(w io.Writer, outputs []*plan.OutputChange, s Style) error {
	p := newPage(w, s)
	p.outputs(outputs)
	return p.done()
}

// outputChanges writes the outputs whose stored values change, as Terraform does.
func (p *page) outputChanges(outputs []*plan.OutputChange) {
	var changes []*plan.OutputChange
	width := 0
	for _, o := range outputs {
		if o.Action.Delivers() {
			changes = append(changes, o)
			width = max(width, columns(Escape(o.Name)))
		}
	}
	if len(changes) == 0 {
		return
	}
	p.line(0, bold, "Changes to Outputs:")
	for _, o := range changes {
		name := Escape(o.Name)
		name += strings.Repeat(" ", width-columns(name))
		sign := p.paint(markColor(o.Action.Mark()), o.Action.Mark())
		parts := outputParts(o)
		if len(parts) == 0 {
			p.line(2, "", sign+" "+name+" = "+outputChange(o))
			continue
		}
		p.line(2, "", sign+" "+Escape(o.Name))
		p.listChanges(6, parts)
	}
	p.blank()
}

// outputParts returns what changes within an object, nil where the whole is shown.
func outputParts(o *plan.OutputChange) []plan.ValueChange {
	object := func(v plan.Value) bool {
		return !v.IsAbsent() && !v.IsMarked() && v.IsWhollyKnown() && !v.IsNull() && v.Type().IsObjectType()
	}
	if o.Action != plan.Update || o.Hidden() || !object(o.Before) || !object(o.Value) {
		return nil
	}
	return plan.ValueChanges(o.Before.Value, o.Value.Value)
}

func outputChange(o *plan.OutputChange) string {
	before, after := inline(o.Before.Value), inline(o.Value.Value)
	switch {
	case o.Hidden():
		return mark.Redacted
	case o.Action == plan.Create:
		return after
	case o.Before.IsAbsent(): // stored, and not readable
		before = unreadable
	}
	if o.Action == plan.Delete {
		after = "null"
	}
	return before + " -> " + after
}

// unreadable stands for a stored value that cannot be read.
const unreadable = "(not readable)"

func (p *page) outputs(outputs []*plan.OutputChange) {
	if len(outputs) == 0 {
		return
	}
	p.line(0, bold, "Outputs:")
	p.blank()
	for _, o := range outputs {
		value := unknown
		switch {
		case o.Action == plan.Delete:
			continue
		case o.Sensitive:
			value = mark.Redacted
		case o.Known:
			value = inline(o.Value.Value)
		}
		p.line(2, "", Escape(o.Name)+" = "+value)
	}
	p.blank()
}
