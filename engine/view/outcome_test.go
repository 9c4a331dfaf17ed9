package view

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/engine/plan"
	"tidegate/hclspec/address"
)

// The exit code says what every rendering says.
func TestExitCodeSaysWhatTheTextSays(t *testing.T) {
	sources, sinks, outputs := sampleSources(), sampleSinks(), sampleOutputs()
	rapid.Check(t, func(t *rapid.T) {
		some := func(name string, n int) []bool {
			return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) bool { return rapid.IntRange(0, 9).Draw(t, "one") == 0 }), n, n).Draw(t, name)
		}
		p := &plan.Plan{Destroy: rapid.Bool().Draw(t, "destroy"), Incomplete: rapid.IntRange(0, 5).Draw(t, "incomplete") == 0}
		for i, yes := range some("sources", len(sources)) {
			if yes {
				p.Sources = append(p.Sources, sources[i])
			}
		}
		for i, yes := range some("sinks", len(sinks)) {
			if yes {
				p.Sinks = append(p.Sinks, sinks[i])
			}
		}
		for i, yes := range some("outputs", len(outputs)) {
			if yes {
				p.Outputs = append(p.Outputs, outputs[i])
			}
		}
		if rapid.IntRange(0, 9).Draw(t, "forget") == 0 {
			p.ForgetSources = []address.Address{source("file", "old")}
		}
		code := p.Outcome().ExitCode(true)
		if plain := p.Outcome().ExitCode(false); plain != map[int]int{0: 0, 1: 1, 2: 0}[code] {
			t.Errorf("exit code %d, detailed %d", plain, code)
		}
		for name, text := range outcomeTexts(t, p) {
			if got := saidCode(text); got != code {
				t.Errorf("exit code %d, and the %s says %d:\n%s", code, name, got, text)
			}
		}
		for _, brief := range []bool{false, true} {
			var out struct{ Errored, Applyable bool }
			if err := json.Unmarshal(outcomeJSON(t, p, brief), &out); err != nil || out.Errored != (code == 1) || out.Applyable && code == 0 {
				t.Errorf("exit code %d, and the JSON says %+v, %v", code, out, err)
			}
		}
	})
}

func outcomeTexts(t *rapid.T, p *plan.Plan) map[string]string {
	var text, brief, comment bytes.Buffer
	if err := PlanText(&text, p, Style{}); err != nil {
		t.Fatal(err)
	}
	if err := PlanBrief(&brief, p, Style{}); err != nil {
		t.Fatal(err)
	}
	if err := PlanMarkdown(&comment, p, nil, Sources{}, MarkdownOptions{}); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"text": text.String(), "summary": brief.String(), "Markdown": comment.String()}
}

func outcomeJSON(t *rapid.T, p *plan.Plan, brief bool) []byte {
	var b bytes.Buffer
	write := PlanJSON
	if brief {
		write = PlanBriefJSON
	}
	if err := write(&b, p, nil, Sources{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var noChange = regexp.MustCompile(`(?m)^No changes\. |^### Tidegate plan( to destroy)?: no changes$`)

// saidCode is the exit code by what a reader takes from the text.
func saidCode(text string) int {
	switch {
	case strings.Contains(text, "Something failed or was rejected"), strings.Contains(text, "There were errors"), strings.Contains(text, "There is no plan"):
		return 1
	case noChange.MatchString(text):
		return 0
	}
	return 2
}
