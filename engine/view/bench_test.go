package view

import (
	"encoding/json"
	"io"
	"runtime"
	"testing"
)

// BenchmarkPlan10000 writes a plan of 10,000 changed sinks and 10,000 accepted values in each
// format. The floor is encoding/json over what the plan holds anyway, in its own form.
func BenchmarkPlan10000(b *testing.B) {
	p := manyChanges(10_000)
	for _, bb := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"text", func(w io.Writer) error { return PlanText(w, p, Style{Width: 80}) }},
		{"JSON", func(w io.Writer) error { return PlanJSON(w, p, nil, Sources{}) }},
		{"Markdown", func(w io.Writer) error {
			return PlanMarkdown(w, p, nil, Sources{}, MarkdownOptions{Limit: CommentLimit})
		}},
		{"Markdown without a limit", func(w io.Writer) error { return PlanMarkdown(w, p, nil, Sources{}, MarkdownOptions{}) }},
		{"floor", func(w io.Writer) error { return json.NewEncoder(w).Encode(p) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var n counter
			for b.Loop() {
				n = 0
				if err := bb.write(&n); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(n))
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.Sys)/(1<<20), "process-MiB") // never falls, so run one alone
		})
	}
}

// counter counts bytes.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
