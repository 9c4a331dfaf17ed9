package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/providers"
	"tidegate/providers/all"
)

// pairsInFiles writes a configuration of files with 50 sources and 50 sinks each, and what
// the sources read.
func pairsInFiles(dir string, files int) error {
	for i := range files {
		for j := range perConfigFile {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("in/%d-%d.json", i, j)), []byte(`{"v":1}`), 0o644); err != nil {
				return err
			}
		}
		if err := writePairs(dir, i, 0); err != nil {
			return err
		}
	}
	return nil
}

const perConfigFile = 50

// writePairs writes one file of the configuration. Another version differs in one sink.
func writePairs(dir string, file, version int) error {
	var b strings.Builder
	for j := range perConfigFile {
		n := 0
		if j == perConfigFile/2 {
			n = version
		}
		fmt.Fprintf(&b, "source \"file\" \"s%d_%d\" {\n  path     = \"in/%d-%d.json\"\n  interval = \"1h\"\n}\n\n", file, j, file, j)
		fmt.Fprintf(&b, "sink \"file\" \"s%d_%d\" {\n  path    = \"out/%d-%d.json\"\n  content = jsonencode({ version = %d, value = source.file.s%d_%d.value })\n}\n\n", file, j, file, j, n, file, j)
	}
	return os.WriteFile(filepath.Join(dir, fmt.Sprintf("pairs-%d.hcl", file)), []byte(b.String()), 0o644)
}

// runDaemon runs a real daemon until the benchmark ends.
func runDaemon(b *testing.B, dir string) *engine.Daemon {
	b.Helper()
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		b.Fatal(err)
	}
	d, diags := engine.NewDaemon(context.Background(), engine.Options{Dir: dir, Registry: registry, Version: "0.1.0"}, engine.WatchOptions{ConfigInterval: -1})
	if d == nil {
		b.Fatal(diags)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if err := d.Close(); err != nil {
			b.Error(err)
		}
	})
	return d
}

// delivered waits until so many deliveries were made, and returns how everything is then.
func delivered(b *testing.B, d *engine.Daemon, want int) *engine.Status {
	b.Helper()
	for {
		s, err := d.Status(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		got := 0
		for _, snk := range s.Sinks {
			got += int(snk.Deliveries)
		}
		if got >= want && s.Queue == 0 {
			return s
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// BenchmarkReload changes one block and reads the configuration again, in a daemon that runs
// 5,000 sources and as many sinks, declared in 100 files.
func BenchmarkReload(b *testing.B) {
	const files = 100
	dir := b.TempDir()
	for _, sub := range []string{"in", "out"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	if err := pairsInFiles(dir, files); err != nil {
		b.Fatal(err)
	}
	d := runDaemon(b, dir)
	before := delivered(b, d, files*perConfigFile)
	var spent, longest time.Duration
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	heap := memory.HeapAlloc
	disturbed, round := 0, 0
	for b.Loop() {
		round++
		changed := round % files
		if err := writePairs(dir, changed, round); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		if err := d.Reload(context.Background()); err != nil {
			b.Fatal(err)
		}
		took := time.Since(start)
		spent, longest = spent+took, max(longest, took)
		after := delivered(b, d, files*perConfigFile+round)
		disturbed += countDisturbed(before, after, fmt.Sprintf("sink.file.s%d_%d", changed, perConfigFile/2))
		before = after
	}
	runtime.GC()
	runtime.ReadMemStats(&memory)
	b.ReportMetric(float64(spent.Microseconds())/1000/float64(b.N), "ms/reload")
	b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest")
	b.ReportMetric(float64(disturbed)/float64(b.N), "disturbed/reload")
	b.ReportMetric(float64(memory.HeapAlloc)/(files*2*perConfigFile), "B-heap/block")
	b.ReportMetric((float64(memory.HeapAlloc)-float64(heap))/(files*2*perConfigFile), "B-grown/block")
}

// countDisturbed counts the sources and sinks that something happened to, beside one and
// beside looks that were due.
func countDisturbed(before, after *engine.Status, changed string) int {
	n := 0
	for i, s := range after.Sources {
		was := before.Sources[i]
		if (s.Looks != was.Looks || !s.NextLook.Equal(was.NextLook)) && was.NextLook.After(s.LastLook) {
			n++
		}
	}
	for i, s := range after.Sinks {
		was := before.Sinks[i]
		if s.Address.String() != changed && (s.Deliveries != was.Deliveries || s.State != was.State || !s.Next.Equal(was.Next)) {
			n++
		}
	}
	return n
}
