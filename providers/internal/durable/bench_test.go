//go:build unix

package durable

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkReplace alternates with its floor, the same system calls without any care, so
// that both see the same disk. It reports medians and their ratio; the aim is at most 1.3.
func BenchmarkReplace(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			data := make([]byte, size)
			bare, ours := b.TempDir(), filepath.Join(b.TempDir(), "app")
			var floors, times []time.Duration
			for i := 0; b.Loop(); i++ {
				start := time.Now()
				floor(b, bare, fmt.Sprintf(".temp-%d", i), "app", data)
				middle := time.Now()
				if err := Replace(b.Context(), ours, Options{}, data, plain); err != nil {
					b.Fatal(err)
				}
				floors = append(floors, middle.Sub(start))
				times = append(times, time.Since(middle))
			}
			f, t := median(floors), median(times)
			b.ReportMetric(float64(f.Microseconds()), "floor-µs")
			b.ReportMetric(float64(t.Microseconds()), "durable-µs")
			b.ReportMetric(float64(t)/float64(f), "ratio")
		})
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func floor(b *testing.B, dir, temp, name string, data []byte) {
	f, err := os.OpenFile(filepath.Join(dir, temp), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	f.Write(data)
	f.Sync()
	f.Close()
	os.Rename(filepath.Join(dir, temp), filepath.Join(dir, name))
	d, err := os.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	d.Sync()
	d.Close()
}
