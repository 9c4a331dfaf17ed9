package view

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"pgregory.net/rapid"

	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

func planMarkdown(t testing.TB, p *plan.Plan, diags hcl.Diagnostics, o MarkdownOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := PlanMarkdown(&b, p, diags, Sources{}, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPlanMarkdown(t *testing.T) {
	diags := hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "Odd", Detail: "/close\nThat is odd."}}
	for name, o := range map[string]MarkdownOptions{
		"plan.md": {Limit: CommentLimit}, "plan_brief.md": {Limit: CommentLimit, Brief: true}, "plan_cut.md": {Limit: 4000},
	} {
		golden(t, name, []byte(planMarkdown(t, fullPlan(), diags, o)))
	}
}

func TestMarkdownOfLittle(t *testing.T) {
	for name, tt := range map[string]struct {
		plan *plan.Plan
		want string
	}{
		"nothing":   {&plan.Plan{}, "### Tidegate plan: no changes\n\nEvery sink holds"},
		"no plan":   {&plan.Plan{Incomplete: true}, "### Tidegate plan: failed\n\nThere is no plan"},
		"outputs":   {&plan.Plan{Outputs: sampleOutputs()}, "### Tidegate plan: new output values\n"},
		"destroy":   {&plan.Plan{Destroy: true, Sinks: sampleSinks()[12:13]}, "### Tidegate plan to destroy: 0 to add, 0 to change, 1 to destroy\n"},
		"one value": {&plan.Plan{Sources: sampleSources()[:1]}, "Also 1 value to accept. No sink changes by what is accepted.\n"},
	} {
		if got := planMarkdown(t, tt.plan, nil, MarkdownOptions{}); !strings.Contains(got, tt.want) {
			t.Errorf("%s: no %q in\n%s", name, tt.want, got)
		}
	}
}

// Paths below the directory are relative to it wherever a comment names them.
func TestMarkdownNamesPathsFromTheDirectory(t *testing.T) {
	c := *sampleSinks()[0]
	c.Target = "/srv/shop/out/new.conf"
	c.Reasons = []string{"first delivery to this target; what was delivered to /srv/shop/out/old.conf stays there, not /srv/shopping"}
	got := planMarkdown(t, &plan.Plan{Dir: "/srv/shop", Sinks: []*plan.SinkChange{&c}}, nil, MarkdownOptions{})
	if strings.Contains(got, "/srv/shop/") || !strings.Contains(got, "delivered to out/old.conf stays there, not /srv/shopping") {
		t.Error(got)
	}
}

// manyChanges is a plan of n updates, each with a content that changes.
func manyChanges(n int) *plan.Plan {
	p := &plan.Plan{FormatVersion: plan.FormatVersion, ToolVersion: "0.1.0", Time: day}
	for i := range n {
		before, after := fmt.Sprintf("{\n  \"port\": %d,\n  \"host\": \"h%d\"\n}\n", i, i), fmt.Sprintf("{\n  \"port\": %d,\n  \"host\": \"h%d\"\n}\n", i+1, i)
		target := fmt.Sprintf("/etc/app/%d.json", i)
		src := source("file", fmt.Sprintf("s%d", i))
		p.Sources = append(p.Sources, &plan.SourceChange{
			Address: src, Kind: "file", Identity: "/srv" + target, Action: plan.Read, Standing: plan.Candidate, Version: "v2", PreviousVersion: "v1",
			Before: plan.Of(object("port", i)), After: plan.Of(object("port", i+1)),
			Changes: plan.ValueChanges(object("port", i), object("port", i+1)),
		})
		p.Sinks = append(p.Sinks, &plan.SinkChange{
			Address: sink("file", fmt.Sprintf("s%d", i)), Kind: "file", Target: target, Action: plan.Update, Wanted: plan.Update,
			Reasons: []string{"content changed"}, Before: plan.Of(object("path", target, "content", before)),
			After: plan.Of(object("path", target, "content", after)), Lines: lines(before, after), ContentChanged: true,
		})
	}
	return p
}

func TestMarkdownKeepsTheLimit(t *testing.T) {
	long := fullPlan()
	long.Sinks[0].Lines = lines("", strings.Repeat("a line `` of 日本語 \U0001F30A\n", 5000))
	long.Sinks[2].Reasons = []string{strings.Repeat("`|\\", 500)}
	plans := []*plan.Plan{fullPlan(), long, manyChanges(3), manyChanges(400)}
	diags := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Wrong", Detail: strings.Repeat("It is wrong.\n", 900)}}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(plans).Draw(t, "plan")
		limit := rapid.IntRange(MinCommentLimit, 2*CommentLimit).Draw(t, "limit")
		d := rapid.SampledFrom([]hcl.Diagnostics{nil, diags}).Draw(t, "diagnostics")
		var b bytes.Buffer
		if err := PlanMarkdown(&b, p, d, Sources{}, MarkdownOptions{Limit: limit, Brief: rapid.Bool().Draw(t, "brief")}); err != nil {
			t.Fatal(err)
		}
		got := b.String()
		if n := characters(got); n > limit {
			t.Errorf("%d characters, at most %d may be", n, limit)
		}
		if strings.Count(got, "<details") != strings.Count(got, "</details>") || strings.Count(withoutCode(got), "```") > 0 {
			t.Errorf("something is cut in the middle:\n%s", got)
		}
		if !strings.HasSuffix(got, "</sub>\n") {
			t.Errorf("the foot is missing:\n%s", got)
		}
	})
}

func TestMarkdownSaysWhatWasCut(t *testing.T) {
	got := planMarkdown(t, manyChanges(2000), nil, MarkdownOptions{Limit: CommentLimit})
	if n := characters(got); n < CommentLimit*9/10 {
		t.Errorf("only %d characters of %d are used", n, CommentLimit)
	}
	if !regexp.MustCompile(`(?m)^> \*\*Cut to 65,536 characters\.\*\* Left out, the least important first: [0-9,]+ rows of the table, the details of [0-9,]+ items\.`).MatchString(got) {
		t.Errorf("it does not say what was cut:\n%.1000s", got)
	}
	if got := planMarkdown(t, manyChanges(2000), nil, MarkdownOptions{}); strings.Contains(got, "Cut to") || strings.Count(got, "<details>") != 4000 {
		t.Error("without a limit something is cut")
	}
	one := manyChanges(1)
	one.Sinks[0].Lines = lines("", strings.Repeat("0123456789\n", 500))
	if got := planMarkdown(t, one, nil, MarkdownOptions{Limit: 3000}); !strings.Contains(got, "more lines cut") || !strings.Contains(got, "parts of the details of 1 item") {
		t.Errorf("it does not say what was cut:\n%s", got)
	}
}

var spans = regexp.MustCompile("`[^`\n]+`|<code>[^<]*</code>")

// withoutCode leaves out what is within fences and spans of code.
func withoutCode(s string) string {
	var b strings.Builder
	closing := ""
	for l := range strings.Lines(s) {
		marks := l[:len(l)-len(strings.TrimLeft(l, "`"))]
		switch {
		case closing == "" && len(marks) >= 3:
			closing = marks
		case closing == "":
			b.WriteString(l)
		case strings.TrimRight(strings.TrimLeft(l, " "), "\n") == closing:
			closing = ""
		}
	}
	return spans.ReplaceAllString(b.String(), "")
}

// hostile is what strangers may write to be read, rung or obeyed. EVIL tells it from ours.
const hostile = "EVIL @everyone <img src=x onerror=alert(1)> ![x](http://evil.example/x.png) [y](z) #1 | \\| **b** `c` ``d`` </code></details><!-- "

// hostileLines are lines of a content that would end a fence, or be taken for an order.
const hostileLines = "EVIL\n```\n````\n~~~\n</details>\n/close EVIL\n@everyone EVIL\n    \n# EVIL\n"

func hostilePlan() *plan.Plan {
	p := fullPlan()
	for _, c := range p.Sources {
		c.Identity, c.Reason, c.Version, c.PreviousVersion = hostile, hostile, hostile, "was "+hostile
		c.Address.Key = address.StringKey(hostile)
		c.Changes = plan.ValueChanges(object("a"+hostile, hostile), object("a"+hostile, hostile+"2", hostile, hostile))
		for i := range c.Checks {
			c.Checks[i].Address, c.Checks[i].Findings = hostile, []string{hostile, hostileLines}
		}
	}
	for _, c := range p.Sinks {
		c.Address.Key = address.StringKey(hostile)
		c.Target, c.Reasons = hostile, []string{hostile, hostileLines}
		if c.Lines != nil {
			c.Lines = lines("x\n"+hostileLines+"y\n", "z\n"+hostileLines+hostile+"\n")
		}
		if c.Drift != nil && c.Drift.Differs != nil {
			c.Drift.Differs = []string{hostile}
		}
		if c.Wait != nil {
			c.Wait.Reason, c.Wait.On = hostile, hostile
		}
	}
	for _, o := range p.Outputs {
		o.Name = hostile
	}
	for i := range p.ForgetSources {
		p.ForgetSources[i].Key = address.StringKey(hostile)
	}
	p.ToolVersion = "0.1.0"
	return p
}

func TestMarkdownKeepsStrangersInCode(t *testing.T) {
	diags := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: hostile, Detail: hostileLines + hostile}}
	for _, limit := range []int{0, MinCommentLimit, 8000, CommentLimit} {
		got := planMarkdown(t, hostilePlan(), diags, MarkdownOptions{Limit: limit})
		if outside := withoutCode(got); strings.Contains(outside, "EVIL") {
			t.Errorf("limit %d: outside of code:\n%s", limit, outside)
		}
		for l := range strings.Lines(got) {
			if strings.HasPrefix(l, "/") {
				t.Errorf("limit %d: a line that services take for an order: %s", limit, l)
			}
		}
		if limit == 0 && strings.Count(got, "EVIL") < 100 {
			t.Error("the test shows too little")
		}
	}
}

func TestTablesKeepTheirCells(t *testing.T) {
	cells := regexp.MustCompile(`^(\|[^|\n]*){5}\|\n$`)
	for l := range strings.Lines(planMarkdown(t, hostilePlan(), nil, MarkdownOptions{Brief: true})) {
		if strings.HasPrefix(l, "|") && !cells.MatchString(l) {
			t.Errorf("not five cells: %s", l)
		}
	}
}
