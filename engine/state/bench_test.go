package state

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// bigRow resembles what the engine keeps of a busy sink: about 1.5 KB of JSON.
func bigSink(i, round int) (*Sink, Blob) {
	b := blobOf(fmt.Sprintf("%d %d %01000d", i, round, 0))
	s := sink(fmt.Sprintf("s%d", i), b.Hash)
	s.Target = "/etc/app/config.json"
	s.Acknowledged.Fingerprint = b.Hash
	s.Acknowledged.Causes = []Cause{{Source: source("s").Address, Version: "v1"}}
	for n := range 3 {
		s.Revisions = append(s.Revisions, Revision{Number: int64(n), Time: time.Unix(1e9, 0).UTC(), Hash: b.Hash, Payload: b.Hash, Cause: `source.http.app at "v2"`, Size: 1000})
	}
	return s, b
}

func bigSource(i, round int) (*Source, Blob) {
	b := blobOf(fmt.Sprintf("source %d %d %01000d", i, round, 0))
	s := source(fmt.Sprintf("s%d", i), b.Hash, b.Hash, b.Hash)
	s.Validator, s.Judged, s.LastSuccess = `"abc"`, b.Hash, time.Unix(1e9, 0).UTC()
	for range 10 {
		s.Changes = append(s.Changes, time.Unix(1e9, 0).UTC())
	}
	return s, b
}

func bigBatch(sources, sinks, round int) *Batch {
	b := &Batch{}
	for i := range sources {
		row, blob := bigSource(i, round)
		b.Sources, b.Blobs = append(b.Sources, row), append(b.Blobs, blob)
	}
	for i := range sinks {
		row, blob := bigSink(i, round)
		b.Sinks, b.Blobs = append(b.Sinks, row), append(b.Blobs, blob)
	}
	return b
}

func BenchmarkLoad20000(b *testing.B) {
	s := mustOpen(b, testPath(b))
	mustCommit(b, s, bigBatch(10_000, 10_000, 0))
	for b.Loop() {
		mustLoad(b, s)
	}
}

func BenchmarkOpenReader20000(b *testing.B) {
	path := testPath(b)
	s := mustOpen(b, path)
	mustCommit(b, s, bigBatch(10_000, 10_000, 0))
	for b.Loop() {
		r, err := OpenReader(b.Context(), Options{Path: path})
		if err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

// Each round writes other values: an upsert of what is there already measures air.
func BenchmarkCommit2000(b *testing.B) {
	s := mustOpen(b, testPath(b))
	round := 0
	for b.Loop() {
		b.StopTimer()
		round++
		batch := bigBatch(1000, 1000, round)
		b.StartTimer()
		mustCommit(b, s, batch)
	}
}

func BenchmarkCommitNew2000(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := mustOpen(b, testPath(b))
		batch := bigBatch(1000, 1000, 0)
		b.StartTimer()
		mustCommit(b, s, batch)
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
}

func BenchmarkCommitOne(b *testing.B) {
	s := mustOpen(b, testPath(b))
	mustCommit(b, s, bigBatch(1000, 1000, 0))
	round := 0
	for b.Loop() {
		round++
		row, blob := bigSink(round%1000, round)
		mustCommit(b, s, &Batch{
			Sinks: []*Sink{row}, Blobs: []Blob{blob},
			History: []Entry{{Address: row.Address, Time: time.Unix(int64(round), 0), Action: "update"}},
		})
	}
}

// documentBatch is n documents of size bytes and, with many, one of 4 KB.
func documentBatch(n, round int, sealed bool) *Batch {
	b := &Batch{}
	for i := range n {
		data := fmt.Appendf(nil, "%d %d %01000d", i, round, 0)
		b.Documents = append(b.Documents, &Document{Name: fmt.Sprintf("push/source.http.s%d", i), Data: data, Sealed: sealed})
	}
	if n > 1 {
		b.Documents = append(b.Documents, &Document{Name: "configuration", Data: fmt.Appendf(nil, "%d %04000d", round, 0), Sealed: sealed})
	}
	return b
}

func benchmarkDocuments(b *testing.B, path string) {
	s := mustOpen(b, path)
	mustCommit(b, s, bigBatch(1000, 1000, 0))
	for _, n := range []int{1, 64} {
		for name, sealed := range map[string]bool{"clear": false, "sealed": true} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				round := 0
				for b.Loop() {
					round++
					mustCommit(b, s, documentBatch(n, round, sealed))
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			})
		}
	}
}

// BenchmarkDocuments is on the disk, so it measures the disk first of all.
func BenchmarkDocuments(b *testing.B) { benchmarkDocuments(b, testPath(b)) }

// BenchmarkDocumentsInMemory leaves what a commit costs beside the sync.
func BenchmarkDocumentsInMemory(b *testing.B) {
	inMemory(b)
	benchmarkDocuments(b, testPath(b))
}

// BenchmarkSync is what a commit cannot be faster than: appending and syncing as many bytes
// as the log of a commit of 1 or 64 documents has.
func BenchmarkSync(b *testing.B) {
	for _, size := range []int{4 << 12, 24 << 12} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			file, err := os.Create(filepath.Join(b.TempDir(), "file"))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			data := make([]byte, size)
			for n := int64(0); b.Loop(); n++ {
				if _, err := file.WriteAt(data, n%40*int64(size)); err != nil {
					b.Fatal(err)
				}
				if err := file.Sync(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
