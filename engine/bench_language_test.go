//go:build unix

package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/engine"
	"tidegate/testdata/bench/pairs"
)

// BenchmarkValidate validates N blocks in files of 200, half sources and half sinks with an
// expression each, beside the bare floor: reading and parsing them one after the other.
func BenchmarkValidate(b *testing.B) {
	for _, blocks := range []int{1000, 10000, 100000} {
		dir := b.TempDir()
		if err := pairs.Generate(dir, blocks/2); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("tidegate/%d", blocks), func(b *testing.B) {
			cpu := cpuSeconds()
			for b.Loop() {
				e, diags := engine.Validate(context.Background(), benchOptions(b, dir))
				if diags.HasErrors() {
					b.Fatal(texts(diags))
				}
				e.Close()
			}
			reportEach(b, blocks, cpuSeconds()-cpu)
		})
		b.Run(fmt.Sprintf("floor/%d", blocks), func(b *testing.B) {
			cpu := cpuSeconds()
			for b.Loop() {
				bareParse(b, dir)
			}
			reportEach(b, blocks, cpuSeconds()-cpu)
		})
	}
}

func reportEach(b *testing.B, n int, cpu float64) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n)/1000, "us/block")
	b.ReportMetric(cpu*1e6/float64(b.N*n), "cpu-us/block")
	b.ReportMetric(cpu/float64(b.N), "cpu-s/op")
}

// BenchmarkPlanLinear plans N nodes that nobody has applied: static sources, and sinks whose
// expressions refer to a source, a local and every tenth to another sink. What a node costs stays the
// same whatever their number.
func BenchmarkPlanLinear(b *testing.B) {
	for _, n := range []int{1000, 10000, 100000} {
		dir := b.TempDir()
		for f := range n / 500 {
			var text strings.Builder
			for i := f * 250; i < (f+1)*250; i++ {
				fmt.Fprintf(&text, "source \"static\" \"s%[1]d\" {\n  value = { n = %[1]d, name = \"service %[1]d\" }\n}\nsink \"file\" \"s%[1]d\" {\n  path    = \"out/%[2]d/%[1]d\"\n  content = \"${local.greeting} ${source.static.s%[1]d.value.name}\"\n  create_dirs = true\n", i, i%100)
				if i%10 == 9 {
					fmt.Fprintf(&text, "  triggers = [sink.file.s%d]\n", i-1)
				}
				text.WriteString("}\n")
			}
			if f == 0 {
				text.WriteString("locals {\n  greeting = \"hello\"\n}\n")
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d.hcl", f)), []byte(text.String()), 0o644); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			cpu := cpuSeconds()
			for b.Loop() {
				e := benchEngine(b, dir)
				p, diags := e.Plan(context.Background(), engine.PlanOptions{Brief: true})
				if diags.HasErrors() || len(p.Sinks) != n/2 {
					b.Fatal(texts(diags), len(p.Sinks))
				}
				e.Close()
			}
			reportEach(b, n, cpuSeconds()-cpu)
			reportPeak(b)
		})
	}
}
