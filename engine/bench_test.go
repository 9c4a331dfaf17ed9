package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"tidegate/engine"
	"tidegate/engine/plan"
	"tidegate/hclspec/decode"
	"tidegate/providers"
	"tidegate/providers/all"
	"tidegate/testdata/bench/pairs"
)

func benchOptions(b *testing.B, dir string) engine.Options {
	b.Helper()
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		b.Fatal(err)
	}
	return engine.Options{Dir: dir, Registry: registry, Version: "0.1.0"}
}

func benchEngine(b *testing.B, dir string) *engine.Engine {
	b.Helper()
	e, diags := engine.Load(context.Background(), benchOptions(b, dir))
	if diags.HasErrors() {
		b.Fatal(texts(diags))
	}
	return e
}

func benchApply(b *testing.B, dir string) (*plan.Plan, engine.Result) {
	b.Helper()
	e := benchEngine(b, dir)
	defer e.Close()
	ctx := context.Background()
	if err := e.Lock(ctx); err != nil {
		b.Fatal(err)
	}
	p, diags := e.Plan(ctx, engine.PlanOptions{})
	result, more := e.Apply(ctx, p)
	if diags = append(diags, more...); diags.HasErrors() {
		b.Fatal(texts(diags))
	}
	return p, result
}

// BenchmarkPlanNoOp plans N pairs that are in step, beside the bare floor of the same work:
// parse, read, decode, hash and compare.
func BenchmarkPlanNoOp(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		dir := b.TempDir()
		if err := pairs.Generate(dir, n); err != nil {
			b.Fatal(err)
		}
		benchApply(b, dir)
		b.Run(fmt.Sprintf("tidegate/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e := benchEngine(b, dir)
				p, diags := e.Plan(context.Background(), engine.PlanOptions{})
				if diags.HasErrors() || p.HasChanges() || len(p.Sinks) != n {
					b.Fatal(texts(diags), p.Summary())
				}
				e.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "us/pair")
			reportPeak(b)
		})
		b.Run(fmt.Sprintf("floor/%d", n), func(b *testing.B) {
			for b.Loop() {
				barePlan(b, dir, n)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "us/pair")
		})
	}
}

func reportPeak(b *testing.B) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapSys)/(1<<20), "MB-heap")
}

func bareParse(b *testing.B, dir string) {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.hcl"))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		if _, diags := hclsyntax.ParseConfig(data, f, hcl.InitialPos); diags.HasErrors() {
			b.Fatal(diags)
		}
	}
}

func barePlan(b *testing.B, dir string, n int) {
	b.Helper()
	bareParse(b, dir)
	for i := range n {
		in, err := os.ReadFile(filepath.Join(dir, pairs.SourcePath(i)))
		if err != nil {
			b.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(in, &v); err != nil {
			b.Fatal(err)
		}
		want, err := json.Marshal(v)
		if err != nil {
			b.Fatal(err)
		}
		held, err := os.ReadFile(filepath.Join(dir, pairs.SinkPath(i)))
		if err != nil {
			b.Fatal(err)
		}
		if len(decode.RawHash(want)) != len(decode.RawHash(held)) {
			b.Fatal("unreachable")
		}
	}
}

// BenchmarkFirstApply delivers N files durably, beside a bare loop of write, fsync, rename
// and fsync of the directory.
func BenchmarkFirstApply(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("tidegate/%d", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				dir := b.TempDir()
				if err := pairs.Generate(dir, n); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, r := benchApply(b, dir); r.Added != n {
					b.Fatalf("%+v", r)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "us/pair")
		})
		b.Run(fmt.Sprintf("floor/%d", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				dir := b.TempDir()
				if err := pairs.Documents(dir, n, 1); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				bareApply(b, dir, n)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "us/pair")
		})
	}
}

func bareApply(b *testing.B, dir string, n int) {
	b.Helper()
	for i := range n {
		data, err := os.ReadFile(filepath.Join(dir, pairs.SourcePath(i)))
		if err != nil {
			b.Fatal(err)
		}
		if err := bareReplace(filepath.Join(dir, pairs.SinkPath(i)), data); err != nil {
			b.Fatal(err)
		}
	}
}

func bareReplace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".bare-*")
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
