package view

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"tidegate/engine/graph"
	"tidegate/hclspec/address"
)

// Sizes of the drawing, in pixels.
const (
	svgMargin    = 24
	svgCharacter = 7.3 // width of one at svgFont
	svgFont      = 12
	svgPadding   = 12
	svgTall      = 42 // a box with a state below the address
	svgLow       = 26
	svgLabel     = 48 // characters of an address that are drawn
)

// GraphSVG draws a graph from left to right, the way that values go, with a legend. It needs
// nothing but itself: no script, no style sheet, no font. Whatever strangers named stands in it as text.
func GraphSVG(w io.Writer, g Graph) error {
	p := newPage(w, Style{})
	d := g.Layout(g.svgSize, graph.Spacing{Column: 64, Row: 16, Lane: 9})
	if d == nil {
		d = &graph.Drawing[address.Address]{}
	}
	legend := g.svgLegend()
	width := max(d.Width, legend.width) + 2*svgMargin
	height := d.Height + legend.height + 3*svgMargin
	p.line(0, "", fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" `+
		`font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="%d" role="img" aria-label="%s">`,
		width, height, width, height, svgFont, svgText(g.title())))
	p.line(2, "", "<title>"+svgText(g.title())+"</title>")
	p.line(2, "", `<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0.5 L8 4 L0 7.5 z" fill="#71717a"/></marker></defs>`)
	p.line(2, "", `<rect width="100%" height="100%" fill="#ffffff"/>`)
	p.line(2, "", fmt.Sprintf(`<g transform="translate(%d %d)">`, svgMargin, svgMargin))
	for _, r := range d.Routes {
		p.line(4, "", svgRoute(r))
	}
	for _, b := range d.Boxes {
		p.svgBox(b, g)
	}
	p.line(2, "", "</g>")
	p.line(2, "", fmt.Sprintf(`<g transform="translate(%d %.0f)">`, svgMargin, d.Height+2*svgMargin))
	for _, l := range legend.lines {
		p.line(4, "", l)
	}
	p.line(2, "", "</g>")
	p.line(0, "", "</svg>")
	return p.done()
}

func (g Graph) title() string {
	text := fmt.Sprintf("Tidegate: %d blocks and what depends on what", g.Len())
	if g.AsOf != "" {
		text += ", as of " + g.AsOf
	}
	return text
}

func (g Graph) svgSize(n address.Address) (w, h float64) {
	length := columns(cut(n.String(), svgLabel))
	if s, ok := g.States[n]; ok {
		return float64(max(length, columns(s.State)+2))*svgCharacter + 2*svgPadding, svgTall
	}
	return float64(length)*svgCharacter + 2*svgPadding, svgLow
}

// svgRoute is a line that leaves and enters boxes level, straight where it passes through a
// column and curved between two.
func svgRoute(r graph.Route[address.Address]) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%.1f %.1f", r.Points[0].X, r.Points[0].Y)
	for i := 1; i < len(r.Points); i++ {
		from, to := r.Points[i-1], r.Points[i]
		if i%2 == 0 {
			fmt.Fprintf(&b, " L%.1f %.1f", to.X, to.Y)
			continue
		}
		middle := (from.X + to.X) / 2
		fmt.Fprintf(&b, " C%.1f %.1f %.1f %.1f %.1f %.1f", middle, from.Y, middle, to.Y, to.X, to.Y)
	}
	return fmt.Sprintf(`<path d="%s" fill="none" stroke="#a1a1aa" stroke-width="1.4" marker-end="url(#arrow)"><title>%s</title></path>`,
		b.String(), svgText(r.From.String()+" to "+r.To.String()))
}

func (p *page) svgBox(b graph.Box[address.Address], g Graph) {
	l, s := g.look(b.Node), g.States[b.Node]
	title := b.Node.String()
	if s.State != "" {
		title += ": " + s.State
	}
	if s.Reason != "" {
		title += " (" + s.Reason + ")"
	}
	p.line(4, "", "<g><title>"+svgText(title)+"</title>")
	p.line(6, "", svgShape(b.Node.Type, b.X, b.Y, b.W, b.H, l))
	label := cut(b.Node.String(), svgLabel)
	middle := b.Y + b.H/2 + 4
	if s.State == "" {
		p.line(6, "", svgWords(b.X+svgPadding, middle, label, "#3f3f46", ""))
	} else {
		p.line(6, "", svgWords(b.X+svgPadding, middle-8, label, "#18181b", ` font-weight="600"`))
		p.line(6, "", fmt.Sprintf(`<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`, b.X+svgPadding+4, middle+4.5, l.stroke))
		p.line(6, "", svgWords(b.X+svgPadding+13, middle+8.5, s.State, l.stroke, ""))
	}
	p.line(4, "", "</g>")
}

// svgShape is round for sources and square for sinks.
func svgShape(t address.Type, x, y, w, h float64, l look) string {
	radius, stroke := 4.0, 1.5
	switch t {
	case address.Source:
		radius = h / 2
	case address.Sink:
		stroke = 2
	default:
		stroke = 1
	}
	return fmt.Sprintf(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%.0f" fill="%s" stroke="%s" stroke-width="%.1f"/>`,
		x, y, w, h, radius, l.fill, l.stroke, stroke)
}

// svgWords has its length given, so that it fits its box in whatever font there is.
func svgWords(x, y float64, text, color, more string) string {
	return fmt.Sprintf(`<text x="%.1f" y="%.1f" fill="%s" textLength="%.1f" lengthAdjust="spacingAndGlyphs"%s>%s</text>`,
		x, y, color, float64(columns(text))*svgCharacter, more, svgText(text))
}

// svgText writes a text so that it is neither markup nor anything XML does not allow.
func svgText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(Escape(s)))
	return b.String()
}

// legend is what stands below the graph.
type legend struct {
	lines         []string
	width, height float64
}

func (g Graph) svgLegend() legend {
	const row = 24.0
	var out legend
	y := 0.0
	words := func(x float64, text, color, more string) {
		out.lines = append(out.lines, svgWords(x, y+12, text, color, more))
		out.width = max(out.width, x+float64(columns(text))*svgCharacter)
	}
	if g.AsOf != "" {
		words(0, "States as of "+g.AsOf, "#18181b", ` font-weight="600"`)
		y += row
	}
	entry := func(t address.Type, l look, head, text string) {
		out.lines = append(out.lines, svgShape(t, 0, y, 30, 16, l))
		words(40, head, "#18181b", "")
		words(40+13*svgCharacter, text, "#52525b", "")
		y += row
	}
	for _, l := range g.used() {
		entry(address.Sink, l, l.state, l.meaning)
	}
	white := look{fill: "#ffffff", stroke: "#52525b"}
	for _, t := range []struct {
		typ        address.Type
		look       look
		head, text string
	}{
		{address.Source, white, "source", "where a value comes from"},
		{address.Sink, white, "sink", "where it goes"},
		{address.Local, plainLook, "other", plainLook.meaning},
	} {
		if slices.ContainsFunc(g.Nodes(), func(n address.Address) bool {
			return n.Type == t.typ || t.typ == address.Local && n.Type != address.Source && n.Type != address.Sink
		}) {
			entry(t.typ, t.look, t.head, t.text)
		}
	}
	out.height = y
	return out
}
