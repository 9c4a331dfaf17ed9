package view

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"tidegate/engine"
	"tidegate/engine/graph"
	"tidegate/hclspec/address"
)

// sampleGraph has names and reasons that would be markup, or worse, if they were not text.
func sampleGraph() Graph {
	g := graph.New(address.Address.Compare)
	keyed := sink("file", "b")
	keyed.Key = address.StringKey("</text><script>alert(1)</script> \"]; x --> y \x1b[31m \u202e#`")
	limit := address.Of(address.RateLimit, "schedule", "nights")
	g.Connect(keyed, source("http", "app"))
	g.Connect(sink("exec", "reload"), keyed)
	g.Connect(sink("exec", "reload"), limit)
	g.Connect(sink("exec", "reload"), source("http", "app"))
	g.Add(source("static", "alone"))
	return Graph{Graph: g, AsOf: "the state", States: map[address.Address]engine.NodeState{
		source("http", "app"):     {State: engine.NodeFailed, Reason: "status 503 ]]> & <b>\n\x00"},
		source("static", "alone"): {State: engine.NodeAccepted},
		keyed:                     {State: engine.NodeDrifted},
		sink("exec", "reload"):    {State: engine.NodePending},
	}}
}

func TestGraphFormats(t *testing.T) {
	for name, write := range map[string]func(io.Writer, Graph) error{
		"graph_states.dot": GraphDot, "graph.svg": GraphSVG, "graph.mmd": GraphMermaid, "graph.json": GraphJSON,
	} {
		var b bytes.Buffer
		if err := write(&b, sampleGraph()); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
		for _, evil := range []string{"\x1b", "\u202e", "\x00"} {
			if strings.Contains(b.String(), evil) {
				t.Errorf("%s holds %q", name, evil)
			}
		}
	}
}

// The drawing is XML, holds no element but those of a drawing, and shows every block.
func TestGraphSVGIsADrawing(t *testing.T) {
	var b bytes.Buffer
	if err := GraphSVG(&b, sampleGraph()); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{
		"svg": true, "title": true, "defs": true, "marker": true, "path": true, "rect": true, "g": true, "circle": true, "text": true,
	}
	text := ""
	for dec := xml.NewDecoder(&b); ; {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if !known[tok.Name.Local] {
				t.Errorf("element %s", tok.Name.Local)
			}
		case xml.CharData:
			text += string(tok)
		}
	}
	for _, want := range []string{"source.static.alone", "<script>alert(1)</script>", "status 503 ]]> & <b>", "rate_limit.schedule.nights", "drifted", "States as of the state"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not shown", want)
		}
	}
}

func TestGraphOfNothing(t *testing.T) {
	for _, write := range []func(io.Writer, Graph) error{GraphDot, GraphSVG, GraphMermaid, GraphJSON} {
		var b bytes.Buffer
		if err := write(&b, Graph{Graph: graph.New(address.Address.Compare)}); err != nil || b.Len() == 0 {
			t.Errorf("%q, %v", b.String(), err)
		}
	}
	var b bytes.Buffer
	_ = GraphJSON(&b, Graph{Graph: graph.New(address.Address.Compare)})
	var out struct{ Nodes []any }
	if err := json.Unmarshal(b.Bytes(), &out); err != nil || out.Nodes == nil {
		t.Errorf("%s: nodes %v, %v", b.String(), out.Nodes, err)
	}
}
