//go:build unix

package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tidegate/engine"
	"tidegate/testdata/bench/pairs"
)

// What a daemon costs by the number of blocks. Memory and processor time are those of the real
// program, which BenchmarkWatchPolling and BenchmarkWatchManyBlocks build and run.

// program is tidegate as a process.
type program struct {
	cmd   *exec.Cmd
	lines chan string // of its log that are of interest
}

// benchProgram builds tidegate.
func benchProgram(b *testing.B) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "tidegate")
	if out, err := exec.Command("go", "build", "-o", binary, "tidegate").CombinedOutput(); err != nil {
		b.Fatalf("%s\n%s", err, out)
	}
	return binary
}

// benchDaemonProcess runs "apply --watch" over a directory until every source was tried.
func benchDaemonProcess(b *testing.B, binary, dir string) *program {
	b.Helper()
	p := &program{cmd: exec.Command(binary, "apply", "--watch", dir), lines: make(chan string, 16)}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(log); s.Scan(); {
			for _, word := range []string{"every source was tried", "configuration reloaded", "ERROR", "Error:"} {
				if strings.Contains(s.Text(), word) {
					p.lines <- s.Text()
				}
			}
		}
	}()
	p.await(b, "every source was tried")
	return p
}

// await waits for a line of the log.
func (p *program) await(b *testing.B, word string) {
	b.Helper()
	for line := range p.lines {
		if strings.Contains(line, word) {
			return
		}
		b.Error(line)
	}
	b.Fatalf("the daemon ended before it said %q", word)
}

func (p *program) stop(b *testing.B) {
	b.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	for line := range p.lines {
		b.Error(line)
	}
	if err := p.cmd.Wait(); err != nil {
		b.Error(err)
	}
}

// memory reports what the program takes, in MB: all that is resident, and what of it is no page
// of a file.
func (p *program) memory(b *testing.B) (anonymous float64) {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(data)) {
		name, rest, _ := strings.Cut(line, ":")
		kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
		switch {
		case err != nil:
		case name == "VmRSS":
			b.ReportMetric(kb/1024, "MB-resident")
		case name == "RssAnon":
			anonymous = kb * 1024
			b.ReportMetric(kb/1024, "MB-anonymous")
		}
	}
	return anonymous
}

// seconds of processor time that the program has used.
func (p *program) seconds(b *testing.B) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		b.Skip(err)
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	user, err := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	if err := errors.Join(err, err2); err != nil {
		b.Fatal(err)
	}
	return (user + system) / 100
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// TestPollServer is no test: the polling benchmark runs it in a process of its own, so that
// neither side bears the server's cost.
func TestPollServer(t *testing.T) {
	if os.Getenv("TIDEGATE_TEST_POLL_SERVER") == "" {
		t.Skip("it is the server of BenchmarkWatchPolling")
	}
	var polls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/polls" {
			fmt.Fprint(w, polls.Load())
			return
		}
		polls.Add(1)
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"v":1}`)
	}))
	defer server.Close()
	fmt.Println(server.URL)
	io.Copy(io.Discard, os.Stdin)
}

// pollServer starts the server and returns its address and how many polls it has answered.
func pollServer(b *testing.B) (url string, polls func() float64) {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPollServer$")
	cmd.Env = append(os.Environ(), "TIDEGATE_TEST_POLL_SERVER=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	url = strings.TrimSpace(line)
	return url, func() float64 {
		resp, err := http.Get(url + "/polls")
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		n, _ := strconv.ParseFloat(string(text), 64)
		return n
	}
}

// BenchmarkWatchPolling polls 10,000 HTTP sources at 1,000 polls a second that are all answered
// 304, beside a bare loop that sends the same requests and wakes in steps of 50 ms: half of
// its time before, half after, so that what else the machine does weighs on both.
func BenchmarkWatchPolling(b *testing.B) {
	const sources, seconds, perSecond = 10000, 20, 1000
	url, polls := pollServer(b)
	binary := benchProgram(b)
	for b.Loop() {
		dir := b.TempDir()
		var config strings.Builder
		config.WriteString(`detector "etag" "steady" { interval = "10s" }` + "\n")
		for i := range sources {
			benchHTTP(&config, url, i)
			if i%100 == 99 {
				benchWrite(b, filepath.Join(dir, fmt.Sprintf("s%d.hcl", i)), config.String())
				config.Reset()
			}
		}
		floor := barePolling(b, url, seconds/2, perSecond)
		start := time.Now()
		p := benchDaemonProcess(b, binary, dir)
		b.ReportMetric(time.Since(start).Seconds(), "s-until-ready")
		time.Sleep(15 * time.Second) // every source has polled once more, at its own time
		answered, before := polls(), p.seconds(b)
		time.Sleep(seconds * time.Second)
		used, n := p.seconds(b)-before, polls()-answered
		anonymous := p.memory(b)
		p.stop(b)
		floor = (floor + barePolling(b, url, seconds/2, perSecond)) / 2
		b.ReportMetric(anonymous/sources, "B-anonymous/source")
		b.ReportMetric(n/seconds, "polls/s")
		b.ReportMetric(floor*1e6, "floor-us/poll")
		b.ReportMetric(used/n*1e6, "tidegate-us/poll")
		b.ReportMetric(used/n/floor, "ratio")
	}
}

func benchHTTP(config *strings.Builder, url string, i int) {
	fmt.Fprintf(config, "source \"http\" \"s%d\" {\n  url       = \"%s/s%d\"\n  decode    = \"json\"\n  detectors = [detector.etag.steady]\n}\n", i, url, i)
}

// barePolling returns the processor time of one poll in a loop that does nothing else.
func barePolling(b *testing.B, url string, seconds, perSecond int) float64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, MaxConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	before, start := cpuSeconds(), time.Now()
	slots := make(chan struct{}, 8)
	var wg sync.WaitGroup
	for step := range seconds * 20 {
		time.Sleep(time.Until(start.Add(time.Duration(step) * 50 * time.Millisecond)))
		for i := range perSecond / 20 {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, fmt.Sprintf("%s/s%d", url, i), nil)
				req.Header.Set("If-None-Match", `"v1"`)
				resp, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			})
		}
	}
	wg.Wait()
	return (cpuSeconds() - before) / float64(seconds*perSecond)
}

// BenchmarkWatchManyBlocks runs 100,000 blocks in 1,000 files (or as many as
// TIDEGATE_BENCH_BLOCKS says): half of them HTTP sources, the others files, constants and
// sinks. It reports how long the start takes, what memory stays, one change of a file until its
// sink holds it, and a reload of one changed block.
func BenchmarkWatchManyBlocks(b *testing.B) {
	if testing.Short() {
		b.Skip("it takes minutes")
	}
	blocks := 100_000
	if text := os.Getenv("TIDEGATE_BENCH_BLOCKS"); text != "" {
		var err error
		if blocks, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	url, _ := pollServer(b)
	binary := benchProgram(b)
	for b.Loop() {
		dir := b.TempDir()
		for f := range blocks / 100 {
			benchMixed(b, dir, url, f, "1")
		}
		start := time.Now()
		p := benchDaemonProcess(b, binary, dir)
		b.ReportMetric(time.Since(start).Seconds(), "s-until-ready")
		b.ReportMetric(p.seconds(b), "cpu-s-until-ready")
		time.Sleep(20 * time.Second)
		b.ReportMetric(p.memory(b)/float64(blocks), "B-anonymous/block")

		var list []time.Duration
		for i := range 50 {
			text := fmt.Sprintf(`{"changed":%d}`, i)
			in := filepath.Join(dir, "in", "7", "0.json")
			benchWrite(b, in+".new", text)
			start := time.Now()
			if err := os.Rename(in+".new", in); err != nil {
				b.Fatal(err)
			}
			awaitChange(b, filepath.Join(dir, "out", "7.json"), text)
			list = append(list, time.Since(start))
		}
		quantiles(b, "change", list)

		before := p.seconds(b)
		benchMixed(b, dir, url, 3, "2")
		start = time.Now()
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			b.Fatal(err)
		}
		p.await(b, "configuration reloaded: added=0 changed=1 removed=0")
		b.ReportMetric(time.Since(start).Seconds()*1000, "reload-ms")
		b.ReportMetric((p.seconds(b)-before)*1000, "reload-cpu-ms")
		time.Sleep(20 * time.Second)
		b.ReportMetric(p.memory(b)/float64(blocks), "B-anonymous/block-after-reload")
		p.stop(b)
	}
}

// benchMixed writes the f-th file of blocks, of which one says what is given.
func benchMixed(b *testing.B, dir, url string, f int, value string) {
	var config strings.Builder
	if f == 0 {
		config.WriteString(`detector "etag" "steady" { interval = "100s" }` + "\n")
	}
	for i := range 50 {
		benchHTTP(&config, url, f*50+i)
	}
	for i := range 30 {
		path := fmt.Sprintf("in/%d/%d.json", f, i)
		if value == "1" {
			benchWrite(b, filepath.Join(dir, path), fmt.Sprintf(`{"v":%d}`, f*30+i))
		}
		fmt.Fprintf(&config, "source \"file\" \"f%d\" { path = %q }\n", f*30+i, path)
	}
	for i := range 19 {
		fmt.Fprintf(&config, "source \"static\" \"c%d\" { value = { a = %d, b = %q } }\n", f*19+i, i, value)
		if i == 0 {
			value = "1"
		}
	}
	fmt.Fprintf(&config, "sink \"file\" \"o%d\" {\n  path        = \"out/%d.json\"\n  content     = jsonencode(source.file.f%d.value)\n  create_dirs = true\n}\n", f, f, f*30)
	benchWrite(b, filepath.Join(dir, fmt.Sprintf("b%d.hcl", f)), config.String())
}

// BenchmarkWatchIdle holds many polled sources of which none is due, and reports what each
// takes beside its payload.
func BenchmarkWatchIdle(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				dir := b.TempDir()
				benchWrite(b, filepath.Join(dir, "data.json"), `{"v":1}`)
				var config strings.Builder
				config.WriteString(`detector "hash" "rare" { interval = "24h" }` + "\n")
				for i := range n {
					fmt.Fprintf(&config, "source \"file\" \"s%d\" {\n  path      = \"data.json\"\n  detectors = [detector.hash.rare]\n}\n", i)
					if i%1000 == 999 {
						benchWrite(b, filepath.Join(dir, fmt.Sprintf("s%d.hcl", i)), config.String())
						config.Reset()
					}
				}
				runtime.GC()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				d, stop := benchDaemon(b, dir, nil)
				start := time.Now()
				for !d.Ready() {
					time.Sleep(10 * time.Millisecond)
				}
				b.ReportMetric(time.Since(start).Seconds(), "s-until-ready")
				runtime.GC()
				runtime.GC()
				runtime.ReadMemStats(&after)
				stop()
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/source")
			}
		})
	}
}

// BenchmarkWatchOneChange changes one source among few and among many.
func BenchmarkWatchOneChange(b *testing.B) {
	medians := map[int]float64{}
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				dir := b.TempDir()
				if err := pairs.Generate(dir, n/2); err != nil {
					b.Fatal(err)
				}
				var done atomic.Int64
				_, stop := benchDaemon(b, dir, func(ev engine.Event) {
					if _, is := ev.(engine.DeliveryFinished); is {
						done.Add(1)
					}
				})
				for done.Load() < int64(n/2) { // a change is not to wait behind the first of all the others
					time.Sleep(10 * time.Millisecond)
				}
				in, out := filepath.Join(dir, pairs.SourcePath(0)), filepath.Join(dir, pairs.SinkPath(0))
				var list []time.Duration
				for i := range 100 {
					text := fmt.Sprintf(`{"changed":%d}`, i)
					benchWrite(b, in+".new", text)
					start := time.Now()
					if err := os.Rename(in+".new", in); err != nil {
						b.Fatal(err)
					}
					awaitChange(b, out, text)
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

// awaitChange waits until a sink's file was written from the text, however it is laid out.
func awaitChange(b *testing.B, path, text string) {
	b.Helper()
	want := sha256.Sum256([]byte(strings.Join(strings.Fields(text), "")))
	deadline := time.Now().Add(30 * time.Second)
	for {
		data, err := os.ReadFile(path)
		if got := sha256.Sum256([]byte(strings.Join(strings.Fields(string(data)), ""))); err == nil && hex.EncodeToString(got[:]) == hex.EncodeToString(want[:]) {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s holds %q, want %q", path, data, text)
		}
		time.Sleep(20 * time.Microsecond)
	}
}
