package view

import (
	"fmt"
	"html"
	"strings"

	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// shortCommit is how much of a commit's name is shown.
const shortCommit = 12

// baseWords says what a plan for a change is compared with.
func baseWords(b *plan.Base) string {
	commit := b.Commit
	if len(commit) > shortCommit {
		commit = commit[:shortCommit]
	}
	text := fmt.Sprintf("Compared with %s (%s): this is what the change to the configuration does, with the same values of all sources. ", Escape(b.Ref), commit)
	if b.Dirty {
		text += "Changes that are not committed are in it. "
	}
	return text + "What the targets hold was not looked at."
}

// base lists the blocks that the change touches, and where they lead.
func (p *page) base(b *plan.Base) {
	p.prose(0, "", "Changes to the configuration:")
	if len(b.Changes) == 0 {
		p.prose(2, "", "none that mean anything")
	}
	for i, c := range b.Changes {
		words := c.Address.String() + othersWords(c)
		color := markColor(c.Action.Mark())
		if c.Direction != plan.Altered {
			words += ": " + string(c.Direction)
		}
		p.item(c.Action.Mark(), color, words)
		for _, d := range c.Details {
			p.prose(6, "", d)
		}
		if text := reachWords(b, i); text != "" {
			p.prose(6, "", text)
		}
	}
	p.blank()
}

// othersWords says of how many more instances of a block a change tells.
func othersWords(c plan.BlockChange) string {
	if len(c.Others) == 0 {
		return ""
	}
	return " and " + count(len(c.Others), "other instance")
}

// maxReached is how many sinks are named that a block reaches.
const maxReached = 5

// reachWords says to which sinks a changed block leads, "" where it is one itself.
func reachWords(b *plan.Base, i int) string {
	if i >= len(b.Reach) || b.Changes[i].Address.Type == address.Sink && len(b.Reach[i].Sinks) <= 1+len(b.Changes[i].Others) {
		return ""
	}
	r := b.Reach[i]
	if len(r.Sinks) == 0 {
		return "reaches no sink"
	}
	var names []string
	for _, a := range r.Sinks {
		names = append(names, a.String())
	}
	more := ""
	if n := len(names) - maxReached; n > 0 {
		names, more = names[:maxReached], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("reaches %s: %s%s", count(len(r.Sinks), "sink"), strings.Join(names, ", "), more)
}

// base is the section of a comment about the configuration itself.
func (m *comment) base(b *plan.Base) string {
	if b == nil || len(b.Changes) == 0 {
		return ""
	}
	loosened := 0
	var rows strings.Builder
	for i, c := range b.Changes {
		if c.Direction == plan.Loosened {
			loosened++
		}
		row := fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", c.Action.Mark(), mdCode(c.Address.String())+othersWords(c), c.Direction,
			mdCells(c.Details), html.EscapeString(reachWords(b, i)))
		if !m.fits(row) {
			fmt.Fprintf(&rows, "| | and %d more | | | |\n", len(b.Changes)-i)
			break
		}
		rows.WriteString(row)
	}
	title := count(len(b.Changes), "block") + " of the configuration changed"
	if loosened > 0 {
		title += fmt.Sprintf(", <b>%d loosened</b>", loosened)
	}
	return "<details><summary>" + title + "</summary>\n\n| | block | | what | reach |\n|:-:|---|---|---|---|\n" + rows.String() + "\n</details>\n\n"
}

// mdCells writes texts as code, one below the other in a cell.
func mdCells(texts []string) string {
	var out []string
	for _, t := range texts {
		out = append(out, mdCode(t))
	}
	return strings.Join(out, "<br>")
}
