package web

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"tidegate/engine"
	"tidegate/engine/view"
	"tidegate/hclspec/address"
)

const (
	// pageAge is how old a status may be that a person is shown: who looks with several windows
	// costs the daemon one question.
	pageAge = time.Second
	// maxDrawn is how many blocks are drawn at once. More are of no use to the eye, and where to
	// put them takes a time that grows faster than they do.
	maxDrawn = 1000
)

var (
	typeHTML   = []string{"text/html; charset=utf-8"}
	typeSVG    = []string{"image/svg+xml"}
	pagePolicy = []string{view.StatusPagePolicy}
	askToken   = []string{`Basic realm="tidegate", charset="UTF-8"`, challenge[0]}
)

// frontPage shows people how everything is.
func (s *Server) frontPage(w http.ResponseWriter, r *http.Request) *answer {
	from := view.StatusPageFrom{}
	for name, row := range map[string]*int{"sources": &from.Sources, "sinks": &from.Sinks} {
		text := r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return refuse(http.StatusBadRequest, "no row", name+" is the number of the first row to be shown.")
		}
		*row = n
	}
	release, ok := s.readTurn()
	if !ok {
		return noRoom
	}
	defer release()
	st, err := s.status.get(r.Context(), pageAge)
	if err != nil {
		return s.silent(r, err)
	}
	w.Header()["Content-Security-Policy"] = pagePolicy
	return document(w, typeHTML, func(w io.Writer) error { return view.StatusPage(w, st, from) })
}

// graphPage shows what depends on what and how it stands: all of it, or what an address depends
// on and what depends on it.
func (s *Server) graphPage(w http.ResponseWriter, r *http.Request) *answer {
	query := r.URL.Query()
	write, kind := view.GraphJSON, typeJSON
	switch query.Get("format") {
	case "", "json":
	case "svg":
		write, kind = view.GraphSVG, typeSVG
	default:
		return refuse(http.StatusBadRequest, "no format", "format is json or svg.")
	}
	var of address.Address
	if text := query.Get("address"); text != "" {
		if err := of.UnmarshalText([]byte(text)); err != nil {
			return noAddress
		}
	}
	release, ok := s.readTurn()
	if !ok {
		return noRoom
	}
	defer release()
	g, err := s.graph(r.Context())
	if err != nil {
		return s.silent(r, err)
	}
	if of != (address.Address{}) {
		if !g.Has(of) {
			return refuse(http.StatusNotFound, "no block of this address", "The graph without an address has them all.")
		}
		g.Graph = g.Around(of)
	}
	if n := g.Len(); n > maxDrawn && query.Get("format") == "svg" {
		return refuse(http.StatusUnprocessableEntity, "there are "+strconv.Itoa(n)+" blocks, more than can be drawn",
			"Ask for the surroundings of one with address=ADDR, or for all with format=json.")
	}
	return document(w, kind, func(w io.Writer) error { return write(w, g) })
}

// graph asks for the graph and its states. A reload in between leaves some without one.
func (s *Server) graph(ctx context.Context) (view.Graph, error) {
	st, err := s.status.get(ctx, pageAge)
	if err != nil {
		return view.Graph{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	g, err := s.daemon.Graph(ctx)
	return view.Graph{Graph: g, States: engine.DaemonStates(st), AsOf: "the running daemon"}, err
}

// document sends what is written once all of it is there: an answer is whole or an error.
func document(w http.ResponseWriter, kind []string, write func(io.Writer) error) *answer {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return broken
	}
	w.Header()["Content-Type"] = kind
	_, _ = w.Write(b.Bytes())
	return nil
}
