package view

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"tidegate/engine/plan"
	"tidegate/engine/state"
)

// History writes entries as a table, newest first.
func History(w io.Writer, entries []state.Entry, s Style) error {
	p := newPage(w, s)
	if len(entries) == 0 {
		p.text(0, "Nothing was delivered yet.")
		return p.done()
	}
	head := []string{"TIME", "ADDRESS", "ACTION", "REVISION", "SIZE", "HASH", "CAUSE"}
	rows := make([][]string, len(entries))
	widths := make([]int, len(head))
	for i, e := range entries {
		cause := shortAll(e.Cause)
		if e.Error != "" {
			cause = shortAll(e.Error)
		}
		rows[i] = []string{moment(e.Time), e.Address.String(), e.Action, revision(e), size(e), dash(short(e.Hash)), dash(cause)}
		for j, cell := range rows[i] {
			widths[j] = max(widths[j], columns(head[j]), columns(Escape(cell)))
		}
	}
	if p.narrow(widths) {
		for _, row := range rows {
			p.record(0, head, row)
		}
		return p.done()
	}
	table := tabwriter.NewWriter(p.w, 0, 4, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			row[i] = Escape(cell)
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return p.done()
}

// Revisions shows the way from one revision of a sink to another.
func Revisions(w io.Writer, c *plan.SinkChange, s Style) error {
	p := newPage(w, s)
	p.item(c.Action.Mark(), markColor(c.Action.Mark()), c.Address.String())
	p.prose(6, "", "from: "+c.Reasons[0])
	p.prose(6, "", "to:   "+c.Reasons[1])
	p.attributes(c)
	p.content(c)
	return p.done()
}

// revision is a dash for entries that are about no content.
func revision(e state.Entry) string {
	if e.Hash == "" {
		return "-"
	}
	return fmt.Sprint(e.Revision)
}

func size(e state.Entry) string {
	if e.Hash == "" {
		return "-"
	}
	return grouped(e.Size)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type entryJSON struct {
	ID       int64  `json:"id"`
	Revision int64  `json:"revision"`
	Address  string `json:"address"`
	Time     string `json:"time"`
	Action   string `json:"action"`
	Cause    string `json:"cause"`
	Size     int64  `json:"size"`
	Hash     string `json:"hash"`
	Delivery string `json:"delivery,omitempty"`
	Error    string `json:"error,omitempty"`
}

// HistoryJSON writes entries as a list of objects, newest first.
func HistoryJSON(w io.Writer, entries []state.Entry) error {
	out := []entryJSON{}
	for _, e := range entries {
		out = append(out, entryJSON{
			ID: e.ID, Revision: e.Revision, Address: e.Address.String(), Time: e.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00"),
			Action: e.Action, Cause: e.Cause, Size: e.Size, Hash: e.Hash, Delivery: e.Delivery, Error: e.Error,
		})
	}
	return writeJSON(w, out)
}
