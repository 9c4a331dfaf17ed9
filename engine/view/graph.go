package view

import (
	"io"
	"strings"

	"tidegate/engine/graph"
	"tidegate/hclspec/address"
)

// GraphDot writes a graph in Graphviz's language, edges from what depends to what it depends
// on. The order is the graph's own, so equal graphs are equal files.
func GraphDot(w io.Writer, g *graph.Graph[address.Address]) error {
	p := newPage(w, Style{})
	p.line(0, "", "digraph {")
	p.line(2, "", "rankdir = \"RL\"")
	p.line(2, "", "node [shape = \"box\"]")
	nodes := g.Nodes()
	for _, n := range nodes {
		p.line(2, "", dotQuote(n.String()))
	}
	for _, n := range nodes {
		for _, d := range g.Dependencies(n) {
			p.line(2, "", dotQuote(n.String())+" -> "+dotQuote(d.String()))
		}
	}
	p.line(0, "", "}")
	return p.done()
}

// dotQuote writes a text as an ID of dot, in which only the quote is special; a backslash
// would begin an escape of the label, though.
func dotQuote(s string) string {
	s = strings.ReplaceAll(Escape(s), `\`, `\\`)
	return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
}
