package view

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
)

// StateList writes the addresses of a ledger, one a line, sorted.
func StateList(w io.Writer, l *state.Ledger) error {
	p := newPage(w, Style{})
	for _, a := range Addresses(l) {
		p.line(0, "", Escape(a.String()))
	}
	return p.done()
}

// StateText writes a ledger for people.
func StateText(w io.Writer, s State, style Style) error {
	p := newPage(w, style)
	all := Addresses(s.Ledger)
	if len(all)+len(s.Ledger.Outputs) == 0 {
		p.text(0, "The state is empty: nothing was applied yet.")
		return p.done()
	}
	for i, a := range all {
		if i > 0 {
			p.blank()
		}
		p.row(s, a)
	}
	if len(all) > 0 && len(s.Ledger.Outputs) > 0 {
		p.blank()
	}
	p.storedOutputs(s)
	return p.done()
}

func (p *page) storedOutputs(s State) {
	if len(s.Ledger.Outputs) == 0 {
		return
	}
	p.line(0, bold, "Outputs:")
	p.blank()
	for _, a := range slices.SortedFunc(maps.Keys(s.Ledger.Outputs), address.Address.Compare) {
		value := unreadable
		switch v := s.Values[a]; {
		case s.Ledger.Outputs[a].Sensitive:
			value = mark.Redacted
		case !v.IsAbsent():
			value = inline(v.Value)
		}
		p.line(2, "", Escape(a.Name)+" = "+value)
	}
}

// StateRow writes one row of a ledger for people.
func StateRow(w io.Writer, s State, a address.Address, style Style) error {
	p := newPage(w, style)
	p.row(s, a)
	return p.done()
}

func (p *page) row(s State, a address.Address) {
	p.line(0, bold, Escape(a.String()))
	if row := s.Ledger.Sources[a]; row != nil {
		p.sourceRow(row)
		return
	}
	if row := s.Ledger.Sinks[a]; row != nil {
		p.sinkRow(row, s.Values[a])
	}
}

func (p *page) sourceRow(row *state.Source) {
	if row.Current() == nil {
		p.prose(2, "", "nothing accepted yet")
	}
	for i, s := range row.Snapshots {
		word := "accepted"
		if i > 0 {
			word = "before"
		}
		p.prose(2, "", fmt.Sprintf("%s: %s at %s, %s, %s", word, version(s.Version), moment(s.AcceptedAt), s.Format, snapshotSize(s)))
	}
	if !row.LastSuccess.IsZero() {
		p.prose(2, "", "last good look: "+moment(row.LastSuccess))
	}
	if row.LastError != "" {
		p.prose(2, red, fmt.Sprintf("last error (%d in a row): %s", row.Failures, row.LastError))
	}
	for _, r := range row.Rejected {
		p.prose(2, yellow, fmt.Sprintf("rejected: %s at %s", version(r.Version), moment(r.Time)))
		for _, f := range r.Findings {
			p.prose(4, yellow, f)
		}
	}
}

func snapshotSize(s state.Snapshot) string {
	if s.Sensitive {
		return "sensitive"
	}
	return count(s.Size, "byte")
}

func (p *page) sinkRow(row *state.Sink, values plan.Value) {
	p.prose(2, "", "target: "+Escape(row.Target))
	switch d := row.Acknowledged; {
	case d == nil:
		p.prose(2, "", "nothing delivered yet")
	case d.Adopted:
		p.delivered("adopted", d)
	default:
		p.delivered("delivered", d)
	}
	if d := row.Pending; d != nil {
		p.prose(2, yellow, fmt.Sprintf("pending: %s since %s, %s", d.ID, moment(d.At), count(d.Attempts, "attempt")))
		switch {
		case d.Error != "":
			p.prose(4, red, "error: "+d.Error)
		case d.Unknown:
			p.prose(4, yellow, "its outcome is unknown")
		}
	}
	p.rowValues(values)
	for _, r := range row.Revisions {
		text := fmt.Sprintf("revision %d: %s, %s, %s", r.Number, moment(r.Time), count(r.Size, "byte"), short(r.Hash))
		if r.Cause != "" {
			text += ", " + shortAll(r.Cause)
		}
		p.prose(2, "", text)
	}
}

func (p *page) delivered(word string, d *state.Delivery) {
	p.prose(2, "", fmt.Sprintf("%s: %s at %s", word, d.ID, moment(d.At)))
	for _, c := range d.Causes {
		p.prose(4, "", fmt.Sprintf("from: %s at %s", c.Source, version(c.Version)))
	}
}

func (p *page) rowValues(values plan.Value) {
	v := values.Value
	if values.IsAbsent() || v.IsMarked() || !v.IsKnown() || v.IsNull() || !v.Type().IsObjectType() {
		return
	}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if !e.IsMarked() && e.IsKnown() && e.IsNull() {
			continue
		}
		p.prose(2, "", key(k)+" = "+inline(e))
	}
}

// Ledger writes the whole ledger as JSON, for backups and programs.
func Ledger(w io.Writer, l *state.Ledger) error {
	out := struct {
		FormatVersion string                   `json:"format_version"`
		Lineage       string                   `json:"lineage"`
		Serial        int64                    `json:"serial"`
		Sources       []*state.Source          `json:"sources"`
		Sinks         []*state.Sink            `json:"sinks"`
		Outputs       []*state.Output          `json:"outputs"`
		Shared        map[string]state.Counter `json:"shared,omitempty"`
	}{
		FormatVersion: "1.0", Lineage: l.Lineage, Serial: l.Serial, Shared: l.Shared,
		Sources: sorted(l.Sources), Sinks: sorted(l.Sinks), Outputs: sorted(l.Outputs),
	}
	return writeJSON(w, out)
}

func sorted[T any](rows map[address.Address]*T) []*T {
	out := make([]*T, 0, len(rows))
	for _, a := range slices.SortedFunc(maps.Keys(rows), address.Address.Compare) {
		out = append(out, rows[a])
	}
	return out
}

// StateRowJSON writes one row as JSON, with its attributes where they can be read.
func StateRowJSON(w io.Writer, s State, a address.Address) error {
	return writeJSON(w, s.resource(a))
}
