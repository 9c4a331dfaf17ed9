package view

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"tidegate/engine"
)

// StatusRows is how many sources and how many sinks Status lists, unless more are asked for.
const StatusRows = 50

// StatusJSON writes a daemon's status as one document.
func StatusJSON(w io.Writer, st *engine.Status) error {
	out := *st
	if out.Sources == nil {
		out.Sources = []*engine.SourceStatus{}
	}
	if out.Sinks == nil {
		out.Sinks = []*engine.SinkStatus{}
	}
	return writeJSON(w, out)
}

// Status writes a daemon's status for people: the daemon itself, its sources and sinks with
// those that have a problem first, and what somebody asked of it or is to allow. Of each table
// it shows that many rows at most, 0 for all. Times are relative to the daemon's own clock.
func Status(w io.Writer, st *engine.Status, rows int, s Style) error {
	p := newPage(w, s)
	p.daemon(st)
	sources, sinks := sourceRows(st), sinkRows(st)
	p.statusTable("source", []string{"SOURCE", "STATE", "LAST SUCCESS", "VERSION", "NEXT LOOK"}, sources, rows)
	p.statusTable("sink", []string{"SINK", "STATE", "LAST SUCCESS", "REVISION", "NEXT"}, sinks, rows)
	p.daemonChecks(st)
	p.pauses(st)
	p.approvals(st)
	return p.done()
}

func (p *page) daemon(st *engine.Status) {
	up := "up " + age(st.Time.Sub(st.Started))
	p.prose(0, "", fmt.Sprintf("Daemon: process %d, version %s, %s, since %s", st.PID, st.Version, up, moment(st.Started)))
	p.prose(0, "", "Configuration: "+st.Dir+loads(st))
	if !st.Reload.Success {
		p.prose(2, red, "broken, and the old one goes on: "+st.Reload.Error)
	}
	p.prose(0, "", "State: "+st.State)
	if st.StateError != "" {
		p.prose(2, red, "it cannot be written, and nothing new is begun: "+st.StateError)
	}
	if st.Listener != "" {
		p.prose(0, "", "Listener: "+st.Listener)
	}
	if st.Queue > 0 {
		p.prose(0, "", "Queue: "+count(st.Queue, "job")+" waiting for a worker")
	}
	if !st.Ready {
		p.prose(0, yellow, "Not every source was tried yet.")
	}
}

// loads tells of the newest attempt to load the configuration after the start.
func loads(st *engine.Status) string {
	if st.Reload.Count == 0 || st.Reload.Time.IsZero() {
		return ""
	}
	word := "loaded"
	if !st.Reload.Success {
		word = "tried"
	}
	return fmt.Sprintf(", %s again %s", word, ago(st.Time, st.Reload.Time))
}

// statusRow is one line of a table, and what stands below it.
type statusRow struct {
	cells []string
	state string
	notes []string
}

const stateColumn = 1

func sourceRows(st *engine.Status) []statusRow {
	out := make([]statusRow, 0, len(st.Sources))
	for _, s := range st.Sources {
		out = append(out, sourceRow(st.Time, s))
	}
	return out
}

func sourceRow(now time.Time, s *engine.SourceStatus) statusRow {
	notes := noteList(s.Reason)
	if s.LastErrorTime.After(s.LastSuccess) || s.State == engine.StateDegraded {
		notes = addNote(notes, s.LastError)
	}
	notes = addNote(notes, s.LostPush)
	if s.Failures > 1 && len(notes) > 0 {
		notes[len(notes)-1] += fmt.Sprintf(" (%d times in a row)", s.Failures)
	}
	if left := s.CertificateEnds.Sub(now); !s.CertificateEnds.IsZero() && left < certificateSoon {
		notes = append(notes, "the server's certificate ends "+moment(s.CertificateEnds))
	}
	return statusRow{
		cells: []string{s.Address.String(), s.State, ago(now, s.LastSuccess), dash(cut(short(s.Version), versionColumns)), ahead(now, s.NextLook)},
		state: s.State, notes: notes,
	}
}

// certificateSoon is when the end of a server's certificate is worth a line.
const certificateSoon = 14 * 24 * time.Hour

// versionColumns is the room for a version; "sha256:" and twelve digits fit.
const versionColumns = 22

func sinkRows(st *engine.Status) []statusRow {
	out := make([]statusRow, 0, len(st.Sinks))
	for _, s := range st.Sinks {
		out = append(out, sinkRow(st.Time, s))
	}
	return out
}

func sinkRow(now time.Time, s *engine.SinkStatus) statusRow {
	notes := noteList(s.Reason)
	if s.State != engine.StateOK || s.LastErrorTime.After(s.LastSuccess) {
		notes = addNote(notes, s.LastError)
	}
	revision := "-"
	if s.Revision > 0 {
		revision = grouped(s.Revision)
	}
	return statusRow{
		cells: []string{s.Address.String(), s.State, ago(now, s.LastSuccess), revision, ahead(now, s.Next)},
		state: s.State, notes: notes,
	}
}

func noteList(reason string) []string { return addNote(nil, reason) }

// addNote adds a text unless one that is there says the same.
func addNote(notes []string, text string) []string {
	if text == "" || slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, text) }) {
		return notes
	}
	return append(notes, text)
}

// mildest is the urgency of what is well.
const mildest = 5

// urgency sorts states: what fails, what is held back by somebody, what waits, what is well.
func urgency(state string) int {
	switch state {
	case engine.StateDegraded, engine.StateFailed, engine.StateFighting:
		return 0
	case engine.StateRejected, engine.StateFailing, engine.StateFlapping, engine.StateDrifted:
		return 1
	case engine.StateBlocked:
		return 2
	case engine.StatePaused:
		return 3
	case engine.StateOK:
		return mildest
	}
	return 4
}

func stateColor(state string) string {
	switch urgency(state) {
	case 0:
		return red
	case mildest:
		return green
	}
	return yellow
}

func (p *page) statusTable(noun string, head []string, rows []statusRow, limit int) {
	p.blank()
	if len(rows) == 0 {
		p.line(0, "", "No "+noun+"s.")
		return
	}
	slices.SortStableFunc(rows, func(a, b statusRow) int { return cmp.Compare(urgency(a.state), urgency(b.state)) })
	p.line(0, bold, count(len(rows), noun)+": "+tally(rows))
	shown := rows
	if limit > 0 && len(rows) > limit {
		shown = rows[:limit]
	}
	widths := make([]int, len(head))
	for i, name := range head {
		widths[i] = columns(name)
		for _, r := range shown {
			widths[i] = max(widths[i], columns(Escape(r.cells[i])))
		}
	}
	narrow := p.narrow(widths)
	if !narrow {
		p.cells(head, widths, func(int) string { return faint })
	}
	for _, r := range shown {
		if narrow {
			p.record(2, head, r.cells)
			for _, note := range r.notes {
				p.prose(4, "", shortAll(note))
			}
			continue
		}
		p.cells(r.cells, widths, func(i int) string {
			if i == stateColumn {
				return stateColor(r.state)
			}
			return ""
		})
		for _, note := range r.notes {
			p.prose(6, "", shortAll(note))
		}
	}
	if more := rows[len(shown):]; len(more) > 0 {
		p.line(2, faint, fmt.Sprintf("... and %s more (%s); --all lists them", grouped(int64(len(more))), tally(more)))
	}
}

// cells writes one line of a table. The last cell is not padded.
func (p *page) cells(cells []string, widths []int, color func(int) string) {
	p.w.WriteString("  ")
	for i, cell := range cells {
		cell = Escape(cell)
		p.w.WriteString(p.paint(color(i), cell))
		if i < len(cells)-1 {
			p.w.WriteString(strings.Repeat(" ", widths[i]-columns(cell)+2))
		}
	}
	p.w.WriteByte('\n')
}

// tally counts states, the urgent ones first: "2 degraded, 4,998 ok".
func tally(rows []statusRow) string {
	counts := map[string]int64{}
	for _, r := range rows {
		counts[r.state]++
	}
	return tallyOf(counts)
}

func tallyOf(counts map[string]int64) string {
	states := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(urgency(a), urgency(b)), cmp.Compare(a, b))
	})
	out := make([]string, len(states))
	for i, s := range states {
		out[i] = grouped(counts[s]) + " " + s
	}
	return strings.Join(out, ", ")
}

func (p *page) pauses(st *engine.Status) {
	if len(st.Pauses) == 0 {
		return
	}
	p.blank()
	p.line(0, bold, "Paused:")
	for _, pause := range st.Pauses {
		p.prose(2, yellow, pauseText(st.Time, pause))
	}
}

func pauseText(now time.Time, pause *engine.Pause) string {
	text := fmt.Sprintf("%s since %s", pause.Pattern, moment(pause.Since))
	if !pause.Until.IsZero() {
		text += fmt.Sprintf(", ends %s at %s", ahead(now, pause.Until), moment(pause.Until))
	}
	if len(pause.Except) > 0 {
		text += ", but for " + strings.Join(pause.Except, ", ")
	}
	if pause.Reason != "" {
		text += ": " + pause.Reason
	}
	return text
}

func (p *page) approvals(st *engine.Status) {
	if len(st.Approvals) == 0 {
		return
	}
	p.blank()
	p.line(0, bold, "Waiting for approval:")
	for _, a := range st.Approvals {
		p.prose(2, yellow, approvalText(a))
	}
}

func approvalText(a *engine.Approval) string {
	return fmt.Sprintf("delete %s of %s, since %s: tidegate approve '%s'", a.Target, a.Address, moment(a.Since), a.Address)
}

// ago writes how long before now a time was, "-" for none.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return age(now.Sub(t)) + " ago"
}

// ahead writes how long after now a time is, "-" for none.
func ahead(now, t time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case t.Sub(now) < time.Second/2:
		return "now"
	}
	return "in " + age(t.Sub(now))
}

// age writes a duration in its two largest units: "12s", "3m", "2h 5m", "41d 3h".
func age(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d/time.Minute))
	case d < 24*time.Hour:
		return units(int(d/time.Hour), "h", int(d%time.Hour/time.Minute), "m")
	}
	return units(int(d/(24*time.Hour)), "d", int(d%(24*time.Hour)/time.Hour), "h")
}

func units(a int, unitA string, b int, unitB string) string {
	if b == 0 {
		return fmt.Sprintf("%d%s", a, unitA)
	}
	return fmt.Sprintf("%d%s %d%s", a, unitA, b, unitB)
}
