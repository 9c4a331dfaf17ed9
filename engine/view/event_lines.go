package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// slow is how long something may take before it deserves a line of its own.
const slow = time.Second

// ProgressLine is EventLine for a command that shows a plan and diagnostics, too: why
// something failed in the end or was refused is told there and not here.
func ProgressLine(e engine.Event) string {
	switch f := e.(type) {
	case engine.LookFinished:
		f.Reason = ""
		e = f
	case engine.DeliveryFinished:
		if f.Err != "" {
			return failedLine(f.Address, f.Elapsed, "")
		}
	}
	return EventLine(e)
}

// EventLine writes an event as one line of text, "" if there is nothing to say.
func EventLine(e engine.Event) string {
	switch e := e.(type) {
	case engine.LookFinished:
		return lookLine(e)
	case engine.Accepted:
		return fmt.Sprintf("%s: accepted %s", Escape(e.Address.String()), version(e.Version))
	case engine.DeliveryStarted:
		return fmt.Sprintf("%s: %s %s ...", Escape(e.Address.String()), verbsOf(e.Address.Kind, e.Action).present, Escape(e.Target))
	case engine.DeliveryRetried:
		return fmt.Sprintf("%s: attempt %d failed, next in %s: %s", Escape(e.Address.String()), e.Attempt, elapsed(e.Wait), Escape(e.Err))
	case engine.DeliveryFinished:
		if e.Err != "" {
			return failedLine(e.Address, e.Elapsed, e.Err)
		}
		return fmt.Sprintf("%s: %s in %s", Escape(e.Address.String()), verbsOf(e.Address.Kind, e.Action).past, elapsed(e.Elapsed))
	case engine.DeliverySkipped:
		if !e.Until.IsZero() {
			return fmt.Sprintf("%s: deferred until %s: %s", Escape(e.Address.String()), moment(e.Until), Escape(e.Reason))
		}
		return fmt.Sprintf("%s: skipped: %s", Escape(e.Address.String()), Escape(e.Reason))
	}
	return ""
}

func lookLine(e engine.LookFinished) string {
	switch {
	case e.Problem == plan.Failed:
		return failedLine(e.Address, e.Elapsed, e.Reason)
	case e.Problem == plan.Rejected:
		return Escape(e.Address.String()) + ": rejected" + because(e.Reason)
	case e.Elapsed >= slow:
		return fmt.Sprintf("%s: read in %s", Escape(e.Address.String()), elapsed(e.Elapsed))
	}
	return ""
}

// failedLine says how long a failure took where that tells something.
func failedLine(a address.Address, took time.Duration, reason string) string {
	text := Escape(a.String()) + ": failed"
	if took >= time.Millisecond {
		text += " after " + elapsed(took)
	}
	return text + because(reason)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + Escape(reason)
}

// Lines writes events as plain lines.
type Lines struct{ w io.Writer }

// NewLines returns a writer of plain lines.
func NewLines(w io.Writer) *Lines { return &Lines{w} }

// Event writes one event. Errors of the writer are passed over: progress never stops work.
func (l *Lines) Event(e engine.Event) {
	if text := ProgressLine(e); text != "" {
		fmt.Fprintln(l.w, text)
	}
}

// ApplyText is the last line of an apply: "Apply complete: 1 added, 2 changed, 0 destroyed."
func ApplyText(r engine.Result, destroy bool) string {
	head := "Apply complete:"
	switch {
	case r.Interrupted:
		head = "Interrupted:"
	case r.Failed > 0:
		head = "Apply incomplete:"
	case destroy:
		head = "Destroy complete:"
	}
	parts := []string{
		fmt.Sprintf("%d added", r.Added), fmt.Sprintf("%d changed", r.Changed), fmt.Sprintf("%d destroyed", r.Destroyed),
	}
	for _, c := range []struct {
		n     int
		words string
	}{
		{r.Moved, "moved"},
		{r.Forgotten, "forgotten"},
		{r.Adopted, "adopted"},
		{r.Accepted, plural(r.Accepted, "value") + " accepted"},
		{r.Deferred, "deferred"},
		{r.Skipped, "skipped"},
		{r.Failed, "failed"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.words))
		}
	}
	return head + " " + strings.Join(parts, ", ") + "."
}
