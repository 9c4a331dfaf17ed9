package state

import (
	"fmt"
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
