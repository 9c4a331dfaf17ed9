package view

import (
	"strings"
	"testing"

	"tidegate/engine/diff"
	"tidegate/engine/plan"
	"tidegate/hclspec/decode"
)

func keys(t *testing.T, old, new string) *plan.KeyDiff {
	t.Helper()
	if _, ok := diff.Documents(decode.JSON, []byte(old), []byte(new)); !ok {
		t.Fatalf("no JSON: %s, %s", old, new)
	}
	before, err := decode.Decode(decode.JSON, []byte(old), decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	after, err := decode.Decode(decode.JSON, []byte(new), decode.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return &plan.KeyDiff{Changes: plan.ValueChanges(before, after)}
}

func contentChange(t *testing.T, name, old, new string) *plan.SinkChange {
	return &plan.SinkChange{
		Address: sink("file", name), Kind: "file", Target: "/etc/" + name + ".json", Action: plan.Update, Wanted: plan.Update,
		Reasons: []string{"content changed"}, ContentChanged: true, Lines: lines(old, new), Keys: keys(t, old, new),
		Before: plan.Of(object("path", "/etc/"+name+".json")), After: plan.Of(object("path", "/etc/"+name+".json")),
	}
}

// reordered is a document of many keys, once up and once down, with one other value.
func reordered(port string) (up, down string) {
	var list []string
	for i := range 40 {
		list = append(list, `  "key`+string(rune('a'+i%26))+string(rune('a'+i/26))+`": `+string(rune('0'+i%10)))
	}
	up = "{\n" + strings.Join(list, ",\n") + ",\n  \"port\": 80\n}\n"
	for i := range len(list) / 2 {
		list[i], list[len(list)-1-i] = list[len(list)-1-i], list[i]
	}
	return up, "{\n  \"port\": " + port + ",\n" + strings.Join(list, ",\n") + "\n}\n"
}

func keyedPlan(t *testing.T) *plan.Plan {
	up, down := reordered("80")
	_, other := reordered("8080")
	long := `{"a":[` + strings.Repeat(`1,`, 300) + `1],"b":`
	drifted := contentChange(t, "drifted", up, up)
	drifted.Action, drifted.Wanted, drifted.Lines, drifted.Keys = plan.NoOp, plan.NoOp, nil, nil
	drifted.Drift = &plan.Drift{Policy: "warn", Content: true, Lines: *lines(up, other), Keys: keys(t, up, other)}
	return &plan.Plan{Time: day, Sinks: []*plan.SinkChange{
		contentChange(t, "one", oldConfig, newConfig),
		contentChange(t, "order", up, down),
		contentChange(t, "both", up, other),
		contentChange(t, "long", long+"1}\n", long+"2}\n"),
		drifted,
	}}
}

// A document in another order does not look rewritten.
func TestDiffsByKey(t *testing.T) {
	p := keyedPlan(t)
	golden(t, "keys.txt", []byte(planText(t, p, Style{Width: 80})))
	golden(t, "keys.md", []byte(planMarkdown(t, p, nil, MarkdownOptions{})))
	for _, limit := range []int{MinCommentLimit, 4000} {
		if got := planMarkdown(t, p, nil, MarkdownOptions{Limit: limit}); characters(got) > limit || strings.Count(got, "<details") != strings.Count(got, "</details>") {
			t.Errorf("%d characters for %d:\n%s", characters(got), limit, got)
		}
	}
}
