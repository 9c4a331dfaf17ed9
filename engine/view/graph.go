package view

import (
	"io"
	"strings"

	"tidegate/engine"
	"tidegate/engine/graph"
	"tidegate/hclspec/address"
)

// Graph is a graph of blocks to be drawn. What belongs to an address that States does not have
// is drawn without one.
type Graph struct {
	*graph.Graph[address.Address]
	States map[address.Address]engine.NodeState
	AsOf   string // what the states are of, "" without any: "the state", "a plan made now"
}

// look is how a state is drawn, and what it means.
type look struct {
	state, fill, stroke, meaning string
}

// looks are all states, those that need attention last.
var looks = []look{
	{engine.NodeAccepted, "#e7f5ea", "#1f7a3a", "the newest value of a source is in use"},
	{engine.NodeDelivered, "#d6efdc", "#125c2b", "the target of a sink was brought in step"},
	{engine.NodePending, "#e4effc", "#1a5fb4", "to be accepted or delivered"},
	{engine.NodeDeferred, "#fff3d1", "#8a6100", "a rate limit lets it pass later"},
	{engine.NodeBlocked, "#ece7f8", "#5b45a8", "something it is made from has no value"},
	{engine.NodeDrifted, "#fde4f2", "#a0206b", "somebody else changed the target"},
	{engine.NodePaused, "#e8e8ea", "#3f3f46", "somebody paused it"},
	{engine.NodeRejected, "#ffe6d8", "#b04a08", "a rule or precondition refuses it"},
	{engine.NodeFailed, "#fde3e1", "#b3261e", "the look or the delivery failed"},
}

// plainLook is of what has no state: variables, locals, outputs and policies.
var plainLook = look{"", "#f4f4f5", "#71717a", "values and policies"}

func (g Graph) look(a address.Address) look {
	for _, l := range looks {
		if l.state == g.States[a].State {
			return l
		}
	}
	return plainLook
}

// used are the states that occur, in the order of the legend.
func (g Graph) used() []look {
	var out []look
	for _, l := range looks {
		for a, s := range g.States {
			if s.State == l.state && g.Has(a) {
				out = append(out, l)
				break
			}
		}
	}
	return out
}

// GraphDot writes a graph in Graphviz's language, edges from what depends to what it depends
// on, with arrows the way that values go. The order is the graph's own, so equal graphs are equal
// files.
func GraphDot(w io.Writer, g Graph) error {
	p := newPage(w, Style{})
	p.line(0, "", "digraph {")
	p.line(2, "", "rankdir = \"RL\"")
	p.line(2, "", "node [shape = \"box\"]")
	p.line(2, "", "edge [dir = \"back\"]")
	nodes := g.Nodes()
	for _, n := range nodes {
		p.line(2, "", dotQuote(n.String())+g.dotLook(n))
	}
	for _, n := range nodes {
		for _, d := range g.Dependencies(n) {
			p.line(2, "", dotQuote(n.String())+" -> "+dotQuote(d.String()))
		}
	}
	if used := g.used(); len(used) > 0 {
		p.line(2, "", "subgraph \"cluster_legend\" {")
		p.line(4, "", "label = "+dotQuote("As of "+g.AsOf))
		for _, l := range used {
			p.line(4, "", dotQuote("legend "+l.state)+" [label = "+dotQuote(l.state+": "+l.meaning)+
				", style = \"filled\", fillcolor = "+dotQuote(l.fill)+", color = "+dotQuote(l.stroke)+"]")
		}
		p.line(2, "", "}")
	}
	p.line(0, "", "}")
	return p.done()
}

func (g Graph) dotLook(n address.Address) string {
	s, ok := g.States[n]
	if !ok {
		return ""
	}
	l := g.look(n)
	out := " [label = " + dotText(n.String(), s.State)
	out += ", style = \"filled\", fillcolor = " + dotQuote(l.fill) + ", color = " + dotQuote(l.stroke)
	if s.Reason != "" {
		out += ", tooltip = " + dotQuote(s.Reason)
	}
	return out + "]"
}

// dotText is a label of several lines.
func dotText(lines ...string) string {
	for i, l := range lines {
		l = dotQuote(l)
		lines[i] = l[1 : len(l)-1]
	}
	return `"` + strings.Join(lines, `\n`) + `"`
}

// dotQuote writes a text as an ID of dot, in which only the quote is special; a backslash
// would begin an escape of the label, though.
func dotQuote(s string) string {
	s = strings.ReplaceAll(Escape(s), `\`, `\\`)
	return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
}
