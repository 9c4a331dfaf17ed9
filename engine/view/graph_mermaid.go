package view

import (
	"fmt"
	"io"
	"strings"

	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// GraphMermaid writes a graph as a flowchart of Mermaid, which code hosts draw where it stands in a
// fenced block of their Markdown. Arrows go the way that values go.
func GraphMermaid(w io.Writer, g Graph) error {
	p := newPage(w, Style{})
	p.line(0, "", "flowchart LR")
	nodes := g.Nodes()
	name := make(map[address.Address]string, len(nodes))
	for i, n := range nodes {
		name[n] = fmt.Sprintf("n%d", i)
		p.line(2, "", name[n]+g.mermaidBox(n))
	}
	for _, n := range nodes {
		for _, d := range g.Dependencies(n) {
			p.line(2, "", name[d]+" --> "+name[n])
		}
	}
	used := g.used()
	if len(used) > 0 {
		p.line(2, "", "subgraph legend [\""+mermaidText("As of "+g.AsOf)+"\"]")
		for _, l := range used {
			p.line(4, "", "legend_"+l.state+"[\""+mermaidText(l.state+": "+l.meaning)+"\"]:::"+l.state)
		}
		p.line(2, "", "end")
	}
	for _, l := range append(used, plainLook) {
		class := l.state
		if class == "" {
			class = "plain"
		}
		p.line(2, "", "classDef "+class+" fill:"+l.fill+",stroke:"+l.stroke+",color:#18181b")
	}
	return p.done()
}

// mermaidBox is a node's shape: rounded for a source, where values come from.
func (g Graph) mermaidBox(n address.Address) string {
	text, class := mermaidText(n.String()), "plain"
	if s, ok := g.States[n]; ok {
		text, class = text+"<br/>"+mermaidText(s.State), s.State
	}
	from, to := "[", "]"
	if n.Type == address.Source {
		from, to = "([", "])"
	}
	return from + `"` + text + `"` + to + ":::" + class
}

// mermaidText writes a text so that nothing in it is Mermaid's, Markdown's or HTML's.
func mermaidText(s string) string {
	var b strings.Builder
	for _, r := range Escape(s) {
		if strings.ContainsRune("\"#&<>`\\[]{}()|*~;", r) {
			fmt.Fprintf(&b, "#%d;", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

type graphJSON struct {
	FormatVersion string           `json:"format_version"`
	AsOf          string           `json:"as_of,omitempty"`
	Nodes         []graphNodeJSON  `json:"nodes"`
	Legend        []graphStateJSON `json:"legend,omitempty"`
}

type graphNodeJSON struct {
	Address   string   `json:"address"`
	Type      string   `json:"type"`
	Kind      string   `json:"kind,omitempty"`
	Name      string   `json:"name"`
	State     string   `json:"state,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	DependsOn []string `json:"depends_on"`
}

type graphStateJSON struct {
	State   string `json:"state"`
	Meaning string `json:"meaning"`
}

// GraphJSON writes a graph for programs: each node with what it depends on.
func GraphJSON(w io.Writer, g Graph) error {
	out := graphJSON{FormatVersion: plan.FormatVersion, AsOf: g.AsOf, Nodes: []graphNodeJSON{}}
	for _, n := range g.Nodes() {
		s := g.States[n]
		node := graphNodeJSON{
			Address: n.String(), Type: string(n.Type), Kind: n.Kind, Name: n.Name,
			State: s.State, Reason: s.Reason, DependsOn: []string{},
		}
		for _, d := range g.Dependencies(n) {
			node.DependsOn = append(node.DependsOn, d.String())
		}
		out.Nodes = append(out.Nodes, node)
	}
	for _, l := range g.used() {
		out.Legend = append(out.Legend, graphStateJSON{l.state, l.meaning})
	}
	return writeJSON(w, out)
}
