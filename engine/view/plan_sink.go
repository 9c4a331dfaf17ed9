package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/diff"
	"tidegate/engine/plan"
)

// listedSinks returns the sinks of which there is something to say.
func listedSinks(p *plan.Plan) []*plan.SinkChange {
	var out []*plan.SinkChange
	for _, c := range p.Sinks {
		if c.Action != plan.NoOp || c.Wait != nil || leftAlone(c) || c.HeldBy != nil || len(remarks(c.Checks)) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// leftAlone reports drift that the plan reports and does not repair.
func leftAlone(c *plan.SinkChange) bool {
	return c.Drift != nil && c.Drift.Policy == "warn" && !c.Repair
}

func sinkMark(c *plan.SinkChange) string {
	switch {
	case c.Action != plan.NoOp:
		return c.Action.Mark()
	case c.Wait != nil && c.Wait.Kind == plan.RejectedByOwn, c.Wait == nil && leftAlone(c):
		return attention
	case c.Wait != nil:
		return waiting
	}
	return attention
}

func sinkWords(c *plan.SinkChange) string {
	words := ""
	switch {
	case c.Repair && c.Action.Delivers():
		words = "will be repaired"
	case c.Action != plan.NoOp:
		words = verbsOf(c.Kind, c.Action).future
	}
	if c.Wait != nil {
		if words != "" {
			words += "; its new value "
		}
		words += waitWords(c)
	}
	if words == "" && leftAlone(c) {
		return "has drifted and is left alone (on_drift is warn)"
	}
	if words == "" && c.HeldBy != nil {
		return fmt.Sprintf("is held at revision %d", c.HeldBy.Revision)
	}
	if words == "" {
		return "is unchanged"
	}
	return words
}

func waitWords(c *plan.SinkChange) string {
	switch {
	case c.Wait.Kind == plan.Deferred && !c.Wait.Until.IsZero():
		return "is deferred until " + moment(c.Wait.Until)
	case c.Wait.Kind == plan.BlockedBy && c.Wait.On != "":
		return "is blocked by " + c.Wait.On
	}
	return "is " + string(c.Wait.Kind)
}

func (p *page) sink(c *plan.SinkChange) {
	sign := sinkMark(c)
	p.item(sign, markColor(sign), c.Address.String()+" "+sinkWords(c))
	for _, f := range sinkFacts(c) {
		p.prose(6, f.color, f.name+": "+f.text)
	}
	p.drift(c)
	p.attributes(c)
	p.content(c)
	if c.FilledLater && len(c.Filled) == 0 {
		p.prose(6, "", "delivery.* is filled at delivery")
	}
	p.checks(c.Address.Type, c.Checks)
}

// fact is one line about an item: a word of ours, and text that strangers may have a part in.
type fact struct{ color, name, text string }

// sinkFacts is what is said of a sink in every format.
func sinkFacts(c *plan.SinkChange) []fact {
	var out []fact
	if c.Target != "" {
		out = append(out, fact{"", "target", Escape(c.Target)})
	}
	for _, r := range c.Reasons {
		out = append(out, fact{"", "reason", r})
	}
	if h := c.HeldBy; h != nil {
		out = append(out, fact{"", "held", fmt.Sprintf("at revision %d since %s, until its value is another one than what was rolled back from, or: tidegate rollback '%s' --release", h.Revision, moment(h.Since), c.Address)})
	}
	if c.Wait != nil && (c.Wait.Kind != plan.RejectedByOwn || !findings(c.Checks)) {
		out = append(out, fact{yellow, string(c.Wait.Kind), c.Wait.Reason})
	}
	if c.Wait != nil && c.Wanted != plan.NoOp && c.Wanted != c.Action {
		out = append(out, fact{"", "then", string(c.Wanted)})
	}
	if text := driftRemark(c); text != "" {
		out = append(out, fact{yellow, "drift", text})
	}
	return out
}

// drift says what somebody else did. Where it is repaired, the content's diff already shows
// the same lines the other way round.
func (p *page) drift(c *plan.SinkChange) {
	if driftShown(c) {
		p.prose(6, yellow, "drift: somebody else changed the content since the last delivery:")
		p.contentDiff(c.Drift.Keys, &c.Drift.Lines)
	}
}

// driftRemark says of drift what its lines do not.
func driftRemark(c *plan.SinkChange) string {
	if c.Drift == nil || c.Drift.Policy == "ignore" {
		return ""
	}
	return driftWords(c.Drift, c.Sensitive)
}

func driftWords(d *plan.Drift, sensitive bool) string {
	switch {
	case d.Missing:
		return "the target is missing"
	case len(d.Differs) > 0:
		return strings.Join(d.Differs, "; ")
	case sensitive:
		return "the content (sensitive value) was changed by somebody else"
	}
	return ""
}

// driftShown reports whether the lines of a drift are shown: there are some, and the content's
// diff does not show them the other way round.
func driftShown(c *plan.SinkChange) bool {
	d := c.Drift
	return d != nil && d.Policy != "ignore" && !c.Repair && differ(&d.Lines)
}

// differ reports whether a diff has anything to show.
func differ(l *diff.Lines) bool { return len(l.Hunks) > 0 || l.Binary || l.Truncated != "" }

// contentNames are attributes that are shown as a diff by lines, or not at all.
var contentNames = []string{"content", "content_base64", "body", "stdin"}

func (p *page) attributes(c *plan.SinkChange) {
	for _, ch := range changedAttributes(c) {
		p.valueChange(6, ch)
	}
}

// changedAttributes is what changes beside the content: for a first delivery what is set.
func changedAttributes(c *plan.SinkChange) []plan.ValueChange {
	if c.After.IsAbsent() || c.Action == plan.Delete || c.Action == plan.Forget {
		return nil
	}
	var out []plan.ValueChange
	before := c.Before.Value
	if c.Before.IsAbsent() {
		before = cty.EmptyObjectVal
	}
	after := c.Shown().Value
	for _, ch := range wholeCommand(plan.ValueChanges(before, after), before, after) {
		name, _, _ := strings.Cut(ch.Path, ".")
		name, _, _ = strings.Cut(name, "[")
		hidden := slices.Contains(contentNames, name) && (c.Lines != nil || c.Sensitive || !c.Wanted.Delivers())
		if hidden || name == "precondition" || nullAdd(ch) || repeatsTarget(c, ch) {
			continue
		}
		ch.Volatile = c.FilledLater && !ch.After.IsAbsent() && !ch.After.IsWhollyKnown()
		out = append(out, ch)
	}
	return out
}

// wholeCommand shows an argument vector as a whole: its members mean little alone.
func wholeCommand(changes []plan.ValueChange, before, after cty.Value) []plan.ValueChange {
	var out []plan.ValueChange
	done := false
	for _, ch := range changes {
		if !strings.HasPrefix(ch.Path, "command[") {
			out = append(out, ch)
			continue
		}
		if !done {
			done = true
			was, is := before.GetAttr("command"), after.GetAttr("command")
			out = append(out, plan.ValueChange{Path: "command", Action: diff.ActionChange, Before: plan.Of(was), After: plan.Of(is)})
		}
	}
	return out
}

func nullAdd(ch plan.ValueChange) bool {
	v := ch.After
	return ch.Before.IsAbsent() && !v.IsAbsent() && !v.IsMarked() && v.IsKnown() && v.IsNull()
}

func repeatsTarget(c *plan.SinkChange, ch plan.ValueChange) bool {
	v := ch.After
	return ch.Before.IsAbsent() && !v.IsAbsent() && !v.IsMarked() && v.IsKnown() && !v.IsNull() &&
		v.Type() == cty.String && (v.AsString() == c.Target || strings.HasSuffix(c.Target, "/"+strings.TrimPrefix(v.AsString(), "./")))
}

// contentShown reports whether there is something to say of the content.
func contentShown(c *plan.SinkChange) bool {
	return c.Action != plan.Delete && (c.Action.Delivers() || c.Wait != nil && c.Wanted.Delivers())
}

// sensitiveContent is all that is said of a content that may not be shown.
func sensitiveContent(c *plan.SinkChange) string {
	if c.ContentChanged {
		return "(sensitive value, changed)"
	}
	return "(sensitive value, unchanged)"
}

func (p *page) content(c *plan.SinkChange) {
	switch {
	case !contentShown(c):
	case c.Sensitive && c.ContentChanged:
		p.prose(6, yellow, "content: "+sensitiveContent(c))
	case c.Sensitive:
		p.prose(6, "", "content: "+sensitiveContent(c))
	case c.Lines == nil:
	case c.Lines.OldSize == c.Lines.NewSize && len(c.Lines.Hunks) == 0 && !c.Lines.Binary && c.Lines.Truncated == "":
		p.prose(6, "", "content: unchanged, "+count(c.Lines.NewSize, "byte"))
	default:
		p.prose(6, "", "content: "+sizes(c))
		p.contentDiff(c.Keys, c.Lines)
	}
}

func sizes(c *plan.SinkChange) string {
	after := count(c.Lines.NewSize, "byte")
	if c.Lines.OldSize == 0 || c.Lines.OldSize == c.Lines.NewSize {
		return after
	}
	return grouped(int64(c.Lines.OldSize)) + " -> " + after
}
