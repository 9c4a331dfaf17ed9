package notify

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"tidegate/providers"
)

// BenchmarkReplace measures from before the rename to the call of wake, and beside it to the
// event of a bare fsnotify loop.
func BenchmarkReplace(b *testing.B) {
	b.Run("notify", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "app.json")
		write(b, path, "x")
		told := make(chan time.Time, 1000)
		stop, err := Watch(path, false, func(providers.Change) { told <- time.Now() })
		check(b, err)
		defer stop()
		replaceOften(b, path, told)
	})
	b.Run("notify among 10,000", func(b *testing.B) {
		dir := b.TempDir()
		for i := range 10_000 {
			sub := filepath.Join(dir, fmt.Sprint(i%100))
			mkdir(b, sub)
			stop, err := Watch(filepath.Join(sub, fmt.Sprint(i)), false, func(providers.Change) {})
			check(b, err)
			defer stop()
		}
		path := filepath.Join(dir, "50", "app.json")
		write(b, path, "x")
		told := make(chan time.Time, 1000)
		stop, err := Watch(path, false, func(providers.Change) { told <- time.Now() })
		check(b, err)
		defer stop()
		replaceOften(b, path, told)
	})
	b.Run("bare", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "app.json")
		write(b, path, "x")
		w, err := fsnotify.NewWatcher()
		check(b, err)
		defer w.Close()
		check(b, w.Add(filepath.Dir(path)))
		told := make(chan time.Time, 1000)
		go func() {
			for e := range w.Events {
				if e.Name == path && e.Has(fsnotify.Create) {
					told <- time.Now()
				}
			}
		}()
		replaceOften(b, path, told)
	})
}

func replaceOften(b *testing.B, path string, told <-chan time.Time) {
	var took []time.Duration
	for b.Loop() {
		write(b, path+".new", "y")
		start := time.Now()
		check(b, os.Rename(path+".new", path))
		took = append(took, (<-told).Sub(start))
		time.Sleep(200 * time.Microsecond) // further calls for the same change, if there are any
		for len(told) > 0 {
			<-told
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkOtherNames is the cost of an event that concerns nobody, beside a bare loop.
func BenchmarkOtherNames(b *testing.B) {
	for name, watch := range map[string]func(b *testing.B, dir string){
		"notify": func(b *testing.B, dir string) {
			stop, err := Watch(filepath.Join(dir, "app.json"), false, func(providers.Change) {})
			check(b, err)
			b.Cleanup(stop)
		},
		"bare": func(b *testing.B, dir string) {
			w, err := fsnotify.NewWatcher()
			check(b, err)
			b.Cleanup(func() { w.Close() })
			check(b, w.Add(dir))
			go func() {
				for range w.Events {
				}
			}()
		},
		"unwatched": func(*testing.B, string) {},
	} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			watch(b, dir)
			other := filepath.Join(dir, "other")
			for b.Loop() {
				write(b, other, "x")
			}
		})
	}
}

// BenchmarkRegister is the time and memory of one of many registrations.
func BenchmarkRegister(b *testing.B) {
	dir := b.TempDir()
	for i := range 100 {
		mkdir(b, filepath.Join(dir, fmt.Sprint(i)))
	}
	var stops []func()
	before, i := heap(), 0
	for b.Loop() {
		stop, err := Watch(filepath.Join(dir, fmt.Sprint(i%100), fmt.Sprint(i)), false, func(providers.Change) {})
		check(b, err)
		stops = append(stops, stop)
		i++
	}
	b.ReportMetric(float64(heap()-before)/float64(i), "B/registration")
	for _, stop := range stops {
		stop()
	}
}
