package view

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tidegate/engine"
)

// StatusPageRows is how many sources and how many sinks one page lists; the page says so, and
// leads to the others.
const StatusPageRows = 200

// StatusPageFrom says at which row the tables begin; those with a problem come first.
type StatusPageFrom struct{ Sources, Sinks int }

//go:embed status.html
var statusHTML string

//go:embed status.css
var statusCSS string

var statusTemplate = template.Must(template.New("status").Parse(strings.Replace(statusHTML, "/*style*/", statusCSS, 1)))

// StatusPagePolicy is the Content-Security-Policy of the page: nothing is loaded, run or framed,
// and its own style is known by its hash.
var StatusPagePolicy = func() string {
	sum := sha256.Sum256([]byte(statusCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// statusPage is what the template shows. Every text of it has been escaped for the eye; the
// template escapes it for HTML.
type statusPage struct {
	Title, Summary string
	Alerts         []pageNote
	Facts          []pageFact
	Tables         []pageTable
}

type pageNote struct{ Tone, Text string }

type pageFact struct{ Name, Text string }

type pageTable struct {
	ID, Heading, Cut string
	Before, After    string // links, "" for none
	Head             []string
	Items            []pageItem
}

type pageItem struct {
	Address, About, State, Tone string
	Cells                       []pageCell
	Notes                       []pageNote
}

type pageCell struct{ Name, Text, Exact string }

// StatusPage writes a daemon's status as a page for a browser, which needs nothing but itself and
// asks again every 15 seconds. Whatever strangers named stands in it as text.
func StatusPage(w io.Writer, st *engine.Status, from StatusPageFrom) error {
	sources := order(len(st.Sources), func(i int) string { return st.Sources[i].State })
	sinks := order(len(st.Sinks), func(i int) string { return st.Sinks[i].State })
	p := statusPage{
		Summary: fmt.Sprintf("version %s, process %d, up %s", Escape(st.Version), st.PID, age(st.Time.Sub(st.Started))),
		Alerts:  alerts(st), Facts: facts(st),
	}
	link := func(from StatusPageFrom) string {
		return "/?" + url.Values{"sources": {strconv.Itoa(from.Sources)}, "sinks": {strconv.Itoa(from.Sinks)}}.Encode()
	}
	p.Tables = append(p.Tables,
		sources.table("source", []string{"Source", "State", "Last success", "Version", "Next look", "More"}, from.Sources,
			func(first int) string { return link(StatusPageFrom{first, from.Sinks}) },
			func(i int) pageItem { return sourceItem(st.Time, st.Sources[i]) }),
		sinks.table("sink", []string{"Sink", "State", "Last success", "Revision", "Next", "More"}, from.Sinks,
			func(first int) string { return link(StatusPageFrom{from.Sources, first}) },
			func(i int) pageItem { return sinkItem(st.Time, st.Sinks[i]) }))
	p.Title = "Tidegate: all is well"
	if n := sources.problems + sinks.problems + len(p.Alerts); n > 0 {
		p.Title = "Tidegate: " + count(n, "problem")
	}
	return statusTemplate.Execute(w, p)
}

// alerts are what concerns the daemon as a whole, or waits for somebody.
func alerts(st *engine.Status) []pageNote {
	var out []pageNote
	add := func(tone, text string) { out = append(out, pageNote{tone, escapeText(shortAll(text))}) }
	if !st.Reload.Success {
		add("bad", "The configuration is broken, and the old one goes on: "+st.Reload.Error)
	}
	if st.StateError != "" {
		add("bad", "The state cannot be written, and nothing new is begun: "+st.StateError)
	}
	if !st.Ready {
		add("warn", "Not every source was tried yet.")
	}
	for _, c := range st.Checks {
		switch findings := strings.Join(c.Findings, "\n"); c.Status {
		case "fail":
			add("warn", c.Address.String()+" does not hold: "+findings)
		case "error":
			add("warn", c.Address.String()+" cannot be evaluated: "+findings)
		}
	}
	for _, a := range st.Approvals {
		add("warn", "Waiting for approval: "+approvalText(a))
	}
	for _, pause := range st.Pauses {
		add("warn", "Paused: "+pauseText(st.Time, pause))
	}
	return out
}

func facts(st *engine.Status) []pageFact {
	out := []pageFact{{"Configuration", Escape(st.Dir + loads(st))}, {"State", Escape(st.State)}}
	if st.Listener != "" {
		out = append(out, pageFact{"Listener", Escape(st.Listener)})
	}
	if st.Queue > 0 {
		out = append(out, pageFact{"Queue", count(st.Queue, "job") + " waiting for a worker"})
	}
	return append(out, pageFact{"As of", moment(st.Time)})
}

// ordered are the places of a table's rows, those with a problem first.
type ordered struct {
	places   []int
	counts   map[string]int64
	problems int
}

// order sorts by urgency, of which there are few: it is done for each page that is asked for.
func order(n int, state func(i int) string) ordered {
	out := ordered{counts: map[string]int64{}}
	var by [mildest + 1][]int
	for i := range n {
		s := state(i)
		out.counts[s]++
		u := urgency(s)
		by[u] = append(by[u], i)
		if u <= urgency(engine.StateBlocked) {
			out.problems++
		}
	}
	out.places = make([]int, 0, n)
	for _, places := range by {
		out.places = append(out.places, places...)
	}
	return out
}

// table is the part of the rows that begins at first. Rows that do not exist any more are those at
// the end.
func (o ordered) table(noun string, head []string, first int, link func(first int) string, item func(i int) pageItem) pageTable {
	n := len(o.places)
	t := pageTable{ID: noun + "s", Head: head, Heading: "No " + noun + "s"}
	if n == 0 {
		return t
	}
	t.Heading = count(n, noun) + ": " + tallyOf(o.counts)
	first = max(0, min(first, n-1)) / StatusPageRows * StatusPageRows
	end := min(n, first+StatusPageRows)
	for _, i := range o.places[first:end] {
		t.Items = append(t.Items, item(i))
	}
	if end-first < n {
		t.Cut = fmt.Sprintf("%s to %s of %s", grouped(int64(first+1)), grouped(int64(end)), grouped(int64(n)))
	}
	if first > 0 {
		t.Before = link(first - StatusPageRows)
	}
	if end < n {
		t.After = link(end)
	}
	return t
}

func sourceItem(now time.Time, s *engine.SourceStatus) pageItem {
	i := itemOf(sourceRow(now, s), []string{"last success", "version", "next look"}, now, s.LastError, s.LastErrorTime)
	i.About = Escape(s.Identity)
	i.Cells[0].Exact, i.Cells[1].Exact, i.Cells[2].Exact = exact(s.LastSuccess), Escape(s.Version), exact(s.NextLook)
	return i
}

func sinkItem(now time.Time, s *engine.SinkStatus) pageItem {
	row := sinkRow(now, s)
	if s.Attempts > 1 && s.State != engine.StateOK {
		row.notes = append(row.notes, fmt.Sprintf("pending, tried %d times", s.Attempts))
	}
	i := itemOf(row, []string{"last success", "revision", "next"}, now, s.LastError, s.LastErrorTime)
	i.About = Escape(s.Target)
	i.Cells[0].Exact, i.Cells[2].Exact = exact(s.LastSuccess), exact(s.Next)
	return i
}

// itemOf shows a row of the table that a terminal has, and the last error even where all is well
// again.
func itemOf(row statusRow, names []string, now time.Time, lastError string, at time.Time) pageItem {
	i := pageItem{Address: row.cells[0], State: row.state, Tone: tone(row.state)}
	for _, note := range row.notes {
		i.Notes = append(i.Notes, pageNote{i.Tone, escapeText(shortAll(note))})
	}
	if len(addNote(row.notes, lastError)) > len(row.notes) {
		i.Notes = append(i.Notes, pageNote{"", escapeText(shortAll("last error " + ago(now, at) + ": " + lastError))})
	}
	for j, name := range names {
		i.Cells = append(i.Cells, pageCell{Name: name, Text: Escape(row.cells[j+stateColumn+1])})
	}
	return i
}

// tone is the class of a state's colour.
func tone(state string) string {
	switch urgency(state) {
	case 0:
		return "bad"
	case mildest:
		return "good"
	}
	return "warn"
}

func exact(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return moment(t)
}
