package review_test

import (
	"fmt"
	"strings"
	"testing"

	"tidegate/engine"
	"tidegate/engine/review"
)

// BenchmarkBase compares a plan for a change of one block among 1,000 pairs of source and sink
// in 100 files with a plain plan of the same configuration (its floor).
func BenchmarkBase(b *testing.B) {
	const pairs = 1000
	r := newRepository(b)
	files := []string{}
	changed := ""
	var text strings.Builder
	for i := range pairs {
		fmt.Fprintf(&text, `
source "file" "s%d" {
  path = "in/%d.json"
}
sink "file" "s%d" {
  path        = "out/%d.json"
  create_dirs = true
  content     = jsonencode(source.file.s%d.value)
}
`, i, i, i, i, i)
		files = append(files, fmt.Sprintf("in/%d.json", i), fmt.Sprintf(`{"name":"service-%d","port":%d}`, i, 8000+i))
		if i%10 == 9 {
			files = append(files, fmt.Sprintf("team%d.hcl", i/10), text.String())
			if i/10 == 50 {
				changed = text.String()
			}
			text.Reset()
		}
	}
	r.commit(files...)
	r.write("team50.hcl", strings.Replace(changed, "jsonencode(source.file.s505.value)", `"changed"`, 1))
	opts := r.options()
	b.Run("plan", func(b *testing.B) {
		for b.Loop() {
			e, _ := engine.Load(b.Context(), opts)
			if p, diags := e.Plan(b.Context(), engine.PlanOptions{}); diags.HasErrors() || len(p.Sinks) != pairs {
				b.Fatalf("%d sinks: %s", len(p.Sinks), texts(diags))
			}
			e.Close()
		}
	})
	b.Run("base", func(b *testing.B) {
		for b.Loop() {
			got := review.Compare(b.Context(), opts, "HEAD", review.Look{})
			if got.Diags.HasErrors() || len(actions(got.Plan)) != 1 {
				b.Fatalf("%q: %s", actions(got.Plan), texts(got.Diags))
			}
		}
	})
}
