package view

import (
	"fmt"
	"slices"

	"tidegate/engine/plan"
)

// verdict is what stands under a plan: the words that count first, then sentences.
type verdict struct {
	color, head, text string
	more              []string
}

// verdictOf follows from the plan's outcome, as the exit code does.
func verdictOf(pl *plan.Plan) verdict {
	s := pl.Summary()
	switch outcome := pl.Outcome(); {
	case outcome == plan.InStep:
		return verdict{color: green, head: "No changes.", text: noChanges(pl, s)}
	case outcome == plan.Changes && s.Outputs > 0 && s == (plan.Summary{Outputs: s.Outputs, Blocked: s.Blocked}) && len(pl.ForgetSources)+len(pl.Moves) == 0:
		return verdict{text: "Applying this plan saves the new output values in the state and touches no sink."}
	}
	v := verdict{color: bold, head: "Plan:", text: Counts(pl)}
	if s.Accept > 0 && s.Add+s.Change+s.Destroy+s.Forget+s.Adopt == 0 {
		v.more = append(v.more, "No sink changes by what is accepted.")
	}
	switch {
	case s.Failed+s.Rejected > 0:
		v.more = append(v.more, "Something failed or was rejected (marked \"!\"); the values that were accepted before stay in use, and the rest of the plan can be applied.")
	case pl.Incomplete:
		v.more = append(v.more, "There were errors, so the plan is not complete.")
	}
	return v
}

// Verdict is the sentence at the end of a plan, on one line.
func Verdict(pl *plan.Plan) string {
	v := verdictOf(pl)
	if v.head == "" {
		return v.text
	}
	return v.head + " " + v.text
}

// summary writes the last lines of a plan.
func (p *page) summary(pl *plan.Plan) {
	v := verdictOf(pl)
	if v.head == "" {
		p.text(0, v.text)
	} else {
		p.paintedProse(v.color, v.head, v.text)
	}
	for _, text := range v.more {
		p.text(0, text)
	}
	if text := LeftOut(pl.Selection); text != "" {
		p.text(0, text)
	}
}

func noChanges(pl *plan.Plan, s plan.Summary) string {
	switch {
	case s.Blocked > 0:
		return fmt.Sprintf("Nothing can be done now: %d blocked.", s.Blocked)
	case pl.Destroy:
		return "There is nothing to destroy."
	case pl.Selection != nil:
		return "Every sink that is selected holds what the configuration and its sources say."
	}
	if pl.Base != nil {
		return "The change does nothing to any sink."
	}
	if slices.ContainsFunc(pl.Sinks, func(c *plan.SinkChange) bool { return c.HeldBy != nil }) {
		return "Sinks that a rollback holds aside, every sink holds what the configuration and its sources say."
	}
	return "Every sink holds what the configuration and its sources say."
}

// Counts is the text after "Plan: ", for example "1 to add, 2 to change, 0 to destroy, 1 deferred."
func Counts(pl *plan.Plan) string {
	s := pl.Summary()
	text := fmt.Sprintf("%d to add, %d to change, %d to destroy", s.Add, s.Change, s.Destroy)
	more := func(n int, words string) {
		if n > 0 {
			text += fmt.Sprintf(", %d %s", n, words)
		}
	}
	more(len(pl.Moves), "moved")
	more(s.Forget, "to forget")
	more(s.Adopt, "to adopt")
	if s.Add+s.Change+s.Destroy == 0 {
		more(s.Accept, plural(s.Accept, "value")+" to accept")
	}
	failed, rejected := 0, s.Rejected
	for _, c := range pl.Sources {
		switch c.Problem {
		case plan.Failed:
			failed++
		case plan.Rejected:
			rejected++
		}
	}
	alone := 0
	for _, c := range pl.Sinks {
		if leftAlone(c) {
			alone++
		}
	}
	more(s.Deferred, "deferred")
	more(s.Blocked, "blocked")
	more(rejected, "rejected")
	more(failed, "failed")
	more(alone, "drifted")
	return text + "."
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// paintedProse writes a paragraph whose first words are painted.
func (p *page) paintedProse(color, head, text string) {
	lines := wrap(head+" "+escapeText(text), p.room(0))
	if len(lines[0]) < len(head) { // narrower than the head
		p.line(0, "", lines[0])
	} else {
		p.w.WriteString(p.paint(color, head) + lines[0][len(head):] + "\n")
	}
	for _, l := range lines[1:] {
		p.line(0, "", l)
	}
}
