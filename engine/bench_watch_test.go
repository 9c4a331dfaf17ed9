//go:build unix

package engine_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"tidegate/engine"
	"tidegate/engine/web"
	"tidegate/providers"
	"tidegate/providers/all"
)

// benchDaemon runs a real daemon over a directory until the returned function is called.
func benchDaemon(b *testing.B, dir string, events func(engine.Event)) (*engine.Daemon, func()) {
	b.Helper()
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		b.Fatal(err)
	}
	d, diags := engine.NewDaemon(context.Background(), engine.Options{
		Dir: dir, Registry: registry, Version: "0.1.0", Events: events, Environ: []string{"PATH=" + os.Getenv("PATH")},
	}, engine.WatchOptions{})
	if d == nil {
		b.Fatal(texts(diags))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return d, sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if err := d.Close(); err != nil {
			b.Error(err)
		}
	})
}

func benchWrite(b *testing.B, path, text string) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
}

// quantiles reports the median and the 99th percentile in milliseconds.
func quantiles(b *testing.B, name string, list []time.Duration) (p50, p99 float64) {
	slices.Sort(list)
	p50 = list[len(list)/2].Seconds() * 1000
	p99 = list[min(len(list)-1, len(list)*99/100)].Seconds() * 1000
	b.ReportMetric(p50, name+"-p50-ms")
	b.ReportMetric(p99, name+"-p99-ms")
	return p50, p99
}

// awaitText waits until a file holds a text, looking without pause: it is what is measured.
func awaitText(b *testing.B, path, want string) {
	b.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		data, err := os.ReadFile(path)
		if err == nil && string(data) == want {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s holds %q, want %q", path, data, want)
		}
		time.Sleep(20 * time.Microsecond)
	}
}

// BenchmarkWatchFileToFile replaces a file by rename and waits until the sink's file holds
// it, beside the bare floor: fsnotify event, read, write, fsync, rename, fsync of the directory.
func BenchmarkWatchFileToFile(b *testing.B) {
	const rounds = 300
	run := func(dir string) []time.Duration {
		var list []time.Duration
		for i := range rounds {
			text := fmt.Sprintf(`{"v":%d}`, i+1)
			benchWrite(b, filepath.Join(dir, "in", "next"), text)
			start := time.Now()
			if err := os.Rename(filepath.Join(dir, "in", "next"), filepath.Join(dir, "in", "app.json")); err != nil {
				b.Fatal(err)
			}
			awaitText(b, filepath.Join(dir, "out", "app.json"), text)
			list = append(list, time.Since(start))
			time.Sleep(2 * time.Millisecond)
		}
		return list
	}
	for b.Loop() {
		bare := b.TempDir()
		benchWrite(b, filepath.Join(bare, "in", "app.json"), `{}`)
		benchWrite(b, filepath.Join(bare, "out", "app.json"), `{}`)
		w, err := fsnotify.NewWatcher()
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Add(filepath.Join(bare, "in")); err != nil {
			b.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ev := range w.Events {
				if filepath.Base(ev.Name) != "app.json" || !ev.Has(fsnotify.Create) {
					continue
				}
				data, err := os.ReadFile(ev.Name)
				if err == nil {
					err = bareReplace(filepath.Join(bare, "out", "app.json"), data)
				}
				if err != nil {
					b.Error(err)
				}
			}
		}()
		floor50, floor99 := quantiles(b, "floor", run(bare))
		w.Close()
		<-done

		dir := b.TempDir()
		benchWrite(b, filepath.Join(dir, "in", "app.json"), `{"v":0}`)
		benchWrite(b, filepath.Join(dir, "out", ".keep"), ``)
		benchWrite(b, filepath.Join(dir, "main.hcl"), `
source "file" "app" { path = "in/app.json" }
sink "file" "app" {
  path    = "out/app.json"
  content = jsonencode(source.file.app.value)
}`)
		_, stop := benchDaemon(b, dir, nil)
		awaitText(b, filepath.Join(dir, "out", "app.json"), `{"v":0}`)
		p50, p99 := quantiles(b, "tidegate", run(dir))
		stop()
		b.ReportMetric(p50/floor50, "ratio-p50")
		b.ReportMetric(p99/floor99, "ratio-p99")
	}
}

// BenchmarkWatchBursts writes a file in place 10,000 times in bursts: the last of every burst
// is delivered, and none is torn.
func BenchmarkWatchBursts(b *testing.B) {
	const bursts, each = 100, 100
	for b.Loop() {
		dir := b.TempDir()
		benchWrite(b, filepath.Join(dir, "app.json"), `{"v":0}`)
		benchWrite(b, filepath.Join(dir, "main.hcl"), `
source "file" "app" { path = "app.json" }
sink "file" "app" {
  path    = "out.json"
  content = jsonencode(source.file.app.value)
}`)
		_, stop := benchDaemon(b, dir, nil)
		awaitText(b, filepath.Join(dir, "out.json"), `{"v":0}`)
		var list []time.Duration
		for i := range bursts {
			text := ""
			for j := range each {
				text = fmt.Sprintf(`{"v":%d}`, i*each+j+1)
				benchWrite(b, filepath.Join(dir, "app.json"), text)
			}
			start := time.Now()
			awaitText(b, filepath.Join(dir, "out.json"), text)
			list = append(list, time.Since(start))
		}
		stop()
		quantiles(b, "after-burst", list)
	}
}

const benchSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// signed returns a POST with a Standard Webhooks signature.
func signed(url, id string, body []byte) *http.Request {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(benchSecret, "whsec_"))
	at := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, at)
	mac.Write(body)
	req, _ := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", at)
	req.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return req
}

func verified(r *http.Request, body []byte) bool {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(benchSecret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"))
	mac.Write(body)
	return hmac.Equal([]byte("v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))), []byte(r.Header.Get("webhook-signature")))
}

// benchListener puts a daemon with webhook sources behind a real listener.
func benchListener(b *testing.B, names int) (url, dir string, stop func()) {
	b.Helper()
	dir = b.TempDir()
	var config strings.Builder
	for i := range names {
		fmt.Fprintf(&config, `
source "webhook" "n%[1]d" { secrets = [%[2]q] }
sink "file" "n%[1]d" {
  path    = "n%[1]d.json"
  content = jsonencode(source.webhook.n%[1]d.value)
}`, i, benchSecret)
	}
	benchWrite(b, filepath.Join(dir, "main.hcl"), config.String())
	d, stopDaemon := benchDaemon(b, dir, nil)
	srv, err := web.New(d, &web.Listener{Address: "127.0.0.1:0"}, web.Options{Rate: 1 << 20, Burst: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	return "http://" + ln.Addr().String() + "/webhook/config", dir, func() {
		cancel()
		if err := <-served; err != nil {
			b.Error(err)
		}
		stopDaemon()
	}
}

func post(b *testing.B, client *http.Client, req *http.Request) {
	resp, err := client.Do(req)
	if err != nil {
		b.Error(err)
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		b.Errorf("status %d: %s", resp.StatusCode, body)
	}
}

// BenchmarkWatchPushToFile posts a signed value and waits until the sink's file holds it,
// beside the bare floor of the same steps: HMAC, durable journal, durable file.
func BenchmarkWatchPushToFile(b *testing.B) {
	const rounds = 300
	run := func(url, out string) []time.Duration {
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		var list []time.Duration
		for i := range rounds {
			data := fmt.Sprintf(`{"v":%d}`, i)
			req := signed(url, fmt.Sprintf("msg_%d", i), []byte(`{"config_name":"n0","config_data":`+data+`}`))
			start := time.Now()
			post(b, client, req)
			awaitText(b, out, data)
			list = append(list, time.Since(start))
			time.Sleep(2 * time.Millisecond)
		}
		return list
	}
	for b.Loop() {
		bare := b.TempDir()
		journal, err := os.Create(filepath.Join(bare, "journal"))
		if err != nil {
			b.Fatal(err)
		}
		floor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || !verified(r, body) {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			if _, err = journal.Write(body); err == nil {
				err = journal.Sync()
			}
			data := bytes.TrimSuffix(body[bytes.Index(body, []byte(`"config_data":`))+14:], []byte("}"))
			if err == nil {
				err = bareReplace(filepath.Join(bare, "n0.json"), data)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		}))
		floor50, _ := quantiles(b, "floor", run(floor.URL, filepath.Join(bare, "n0.json")))
		floor.Close()
		journal.Close()
		url, dir, stop := benchListener(b, 1)
		p50, _ := quantiles(b, "tidegate", run(url, filepath.Join(dir, "n0.json")))
		stop()
		b.ReportMetric(p50/floor50, "ratio-p50")
	}
}

// BenchmarkWatchPushRate sends signed values over 64 connections, each answered once it is
// durable, beside a bare server with HMAC and a journal with group commit. The two take turns, so
// that what else the machine does weighs on both; the ratio is the median of those of the turns.
func BenchmarkWatchPushRate(b *testing.B) {
	const names, turns = 64, 5
	for b.Loop() {
		floor, stopFloor := benchGroupCommit(b)
		url, _, stop := benchListener(b, names)
		bare, own := &flood{url: floor, prefix: "floor"}, &flood{url: url, prefix: "tidegate"}
		var ratios []float64
		for range turns {
			time.Sleep(500 * time.Millisecond) // what the turn before left to be delivered is no burden of the floor's
			least := bare.turn(b, names)
			ratios = append(ratios, own.turn(b, names)/least)
		}
		stop()
		stopFloor()
		bare.report(b)
		own.report(b)
		slices.Sort(ratios)
		b.ReportMetric(ratios[len(ratios)/2], "ratio")
	}
}

// flood is one side of the comparison.
type flood struct {
	url, prefix string
	next        int64
	elapsed     time.Duration
	cpu         float64
	list        []time.Duration
}

// turn sends values for a second or more and returns how many were answered in a second.
func (f *flood) turn(b *testing.B, names int64) (perSecond float64) {
	const connections, requests = 64, 20000
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	next.Store(f.next)
	f.next += requests
	results := make([][]time.Duration, connections)
	cpu, start := cpuSeconds(), time.Now()
	var wg sync.WaitGroup
	for c := range connections {
		wg.Go(func() {
			for i := next.Add(1); i <= f.next; i = next.Add(1) {
				body := fmt.Appendf(nil, `{"config_name":"n%d","config_data":{"v":%d,"text":%q}}`, i%names, i, f.prefix)
				req := signed(f.url, fmt.Sprintf("%s_%d", f.prefix, i), body)
				sent := time.Now()
				post(b, client, req)
				results[c] = append(results[c], time.Since(sent))
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	f.elapsed += took
	f.cpu += cpuSeconds() - cpu
	f.list = append(f.list, slices.Concat(results...)...)
	return requests / took.Seconds()
}

// report says what one side did in all its turns. The processor time is that of the client too.
func (f *flood) report(b *testing.B) {
	quantiles(b, f.prefix, f.list)
	b.ReportMetric(float64(f.next)/f.elapsed.Seconds(), f.prefix+"-posts/s")
	b.ReportMetric(f.cpu/float64(f.next)*1e6, f.prefix+"-cpu-us/post")
}

// benchGroupCommit is a bare server that checks the signature of a request and answers once its
// body is durable in a journal, in groups.
func benchGroupCommit(b *testing.B) (url string, stop func()) {
	journal, err := os.Create(filepath.Join(b.TempDir(), "journal"))
	if err != nil {
		b.Fatal(err)
	}
	type entry struct {
		data []byte
		done chan error
	}
	entries := make(chan entry, 1024)
	var committer sync.WaitGroup
	committer.Go(func() {
		for e := range entries {
			group := []entry{e}
			for len(entries) > 0 {
				group = append(group, <-entries)
			}
			var all []byte
			for _, e := range group {
				all = append(all, e.data...)
			}
			_, err := journal.Write(all)
			if err == nil {
				err = journal.Sync()
			}
			for _, e := range group {
				e.done <- err
			}
		}
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !verified(r, body) {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		done := make(chan error, 1)
		entries <- entry{body, done}
		if err := <-done; err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	return server.URL, func() {
		server.Close()
		close(entries)
		committer.Wait()
		journal.Close()
	}
}
