//go:build unix

package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/engine"
)

// BenchmarkInstances loads and plans N sinks that no target is there for yet: written one by one,
// as instances of a block, and as instances that follow data. The first is the floor of the others.
func BenchmarkInstances(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		for _, c := range instanceForms {
			dir := b.TempDir()
			for name, text := range map[string]string{"main.hcl": c.text(n), "keys.json": keysOf(n, 0)} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					b.Fatal(err)
				}
			}
			b.Run(fmt.Sprintf("load/%s/%d", c.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					benchEngine(b, dir).Close()
				}
				reportPeak(b)
			})
			b.Run(fmt.Sprintf("plan/%s/%d", c.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					e := benchEngine(b, dir)
					p, diags := e.Plan(context.Background(), engine.PlanOptions{Brief: true})
					if diags.HasErrors() || len(p.Sinks) != n {
						b.Fatal(texts(diags), len(p.Sinks))
					}
					e.Close()
				}
				reportPeak(b)
			})
		}
	}
}

const instanceBody = `  path        = "out/${%[1]s %% 100}/${%[2]s}"
  content     = "${local.greeting} ${%[2]s}=${%[1]s}"
  create_dirs = true
}
`

var instanceForms = []struct {
	name string
	text func(n int) string
}{
	{"blocks", func(n int) string {
		var text strings.Builder
		text.WriteString("locals {\n  greeting = \"hello\"\n}\n")
		for i := range n {
			fmt.Fprintf(&text, "sink \"file\" \"s%d\" {\n", i)
			fmt.Fprintf(&text, instanceBody, fmt.Sprint(i), fmt.Sprintf("%q", fmt.Sprintf("k%d", i)))
		}
		return text.String()
	}},
	{"for_each", func(int) string {
		return "locals {\n  greeting = \"hello\"\n}\nsink \"file\" \"s\" {\n  for_each = jsondecode(file(\"keys.json\"))\n" + fmt.Sprintf(instanceBody, "each.value", "each.key")
	}},
	{"data", func(int) string {
		return "locals {\n  greeting = \"hello\"\n}\nsource \"file\" \"s\" {\n  path = \"keys.json\"\n}\nsink \"file\" \"s\" {\n  for_each = source.file.s.value\n" + fmt.Sprintf(instanceBody, "each.value", "each.key")
	}},
}

// keysOf is an object with n keys, the first of them at from.
func keysOf(n, from int) string {
	pairs := make([]string, n)
	for i := range pairs {
		pairs[i] = fmt.Sprintf("%q:%d", fmt.Sprintf("k%d", from+i), from+i)
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

// BenchmarkWatchOneKey adds one key to the data that N instances follow, whose for_each is calculated,
// and waits for what is made of it.
func BenchmarkWatchOneKey(b *testing.B) {
	medians := map[int]float64{}
	for _, n := range []int{100, 1000, 10000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				dir := b.TempDir()
				main := strings.Replace(instanceForms[2].text(n), "= source.file.s.value", "= { for k, v in source.file.s.value : k => v }", 1)
				benchWrite(b, filepath.Join(dir, "main.hcl"), main)
				keys := filepath.Join(dir, "keys.json")
				benchWrite(b, keys, keysOf(n, 0))
				var done atomic.Int64
				_, stop := benchDaemon(b, dir, func(ev engine.Event) {
					if _, is := ev.(engine.DeliveryFinished); is {
						done.Add(1)
					}
				})
				for done.Load() < int64(n) {
					time.Sleep(10 * time.Millisecond)
				}
				var list []time.Duration
				for i := range 5 {
					benchWrite(b, keys+".new", keysOf(n+i+1, 0))
					start := time.Now()
					if err := os.Rename(keys+".new", keys); err != nil {
						b.Fatal(err)
					}
					awaitChange(b, filepath.Join(dir, "out", strconv.Itoa((n+i)%100), fmt.Sprintf("k%d", n+i)), fmt.Sprintf("hello k%d=%d", n+i, n+i))
					list = append(list, time.Since(start))
				}
				stop()
				medians[n], _ = quantiles(b, "change", list)
				if small := medians[100]; small > 0 {
					b.ReportMetric(medians[n]/small, "ratio-to-100")
				}
			}
		})
	}
}
