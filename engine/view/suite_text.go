package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/scenario"
)

// SuiteText writes tests for people as they are run: one line for each run, below it what is
// wrong with it in one line each, and in full to another writer.
type SuiteText struct {
	out, full           io.Writer
	outStyle, fullStyle Style
	src                 Sources
}

// NewSuiteText returns a writer of results to out and of diagnostics in full to full.
func NewSuiteText(out, full io.Writer, outStyle, fullStyle Style, src Sources) *SuiteText {
	return &SuiteText{out, full, outStyle, fullStyle, src}
}

// Event writes one event.
func (t *SuiteText) Event(e scenario.Event) {
	p := newPage(t.out, t.outStyle)
	switch e := e.(type) {
	case scenario.FileStarted:
		p.line(0, "", Escape(e.File.Name)+"... in progress")
	case scenario.RunFinished:
		r := e.Result
		p.line(2, "", fmt.Sprintf("run %s... %s", quoted(r.Run.Name), p.paint(statusColor(r.Status), string(r.Status))))
		for _, d := range SortDiagnostics(r.Diagnostics) {
			p.prose(4, "", brief(d, t.src))
		}
	case scenario.FileFinished:
		p.line(0, "", Escape(e.Result.File.Name)+"... "+p.paint(statusColor(e.Result.Status), string(e.Result.Status)))
	}
	_ = p.done() // what cannot be written is known to whoever gave the writer
	if e, is := e.(scenario.RunFinished); is {
		if e.Result.Plan != nil {
			fmt.Fprintln(t.out)
			_ = PlanText(t.out, e.Result.Plan, t.outStyle)
			fmt.Fprintln(t.out)
		}
		_ = Diagnostics(t.full, e.Result.Diagnostics, t.src, t.fullStyle)
	}
}

// Summary writes the last line.
func (t *SuiteText) Summary(r *scenario.Report) error {
	p := newPage(t.out, t.outStyle)
	if len(r.Files) > 0 {
		p.blank()
	}
	head, color := "Success!", green
	if suiteStatus(r) != scenario.Pass {
		head, color = "Failure!", red
	}
	p.line(0, "", p.paint(color, head)+" "+suiteCounts(r))
	return p.done()
}

// brief says what a diagnostic says in one line, with its place.
func brief(d *hcl.Diagnostic, src Sources) string {
	text := d.Detail
	if d.Summary != scenario.AssertionFailed || text == "" {
		text = strings.TrimSuffix(d.Summary, ".") + ": " + text
	}
	text = strings.Join(strings.Fields(text), " ")
	if d.Subject == nil {
		return text
	}
	return fmt.Sprintf("%s:%d: %s", src.name(d.Subject.Filename), d.Subject.Start.Line, text)
}

func statusColor(s scenario.Status) string {
	switch s {
	case scenario.Pass:
		return green
	case scenario.Skip:
		return faint
	}
	return red
}

// suiteStatus is the worst of its files'.
func suiteStatus(r *scenario.Report) scenario.Status {
	switch {
	case r.Count(scenario.Err) > 0:
		return scenario.Err
	case r.Count(scenario.Fail) > 0:
		return scenario.Fail
	case r.Count(scenario.Skip) > 0:
		return scenario.Skip
	}
	return scenario.Pass
}

// suiteCounts is the sentence at the end. What could not be judged counts as failed.
func suiteCounts(r *scenario.Report) string {
	text := fmt.Sprintf("%d passed, %d failed", r.Count(scenario.Pass), r.Count(scenario.Fail)+r.Count(scenario.Err))
	if n := r.Count(scenario.Skip); n > 0 {
		text += fmt.Sprintf(", %d skipped", n)
	}
	return text + "."
}
