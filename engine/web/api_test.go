package web

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"tidegate/engine"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func sampleStatus() *engine.Status {
	return &engine.Status{
		Version: "0.1.0", PID: 1, Started: day.Add(-time.Hour), Time: day, Ready: true, Queue: 3,
		Reload: engine.ReloadStatus{Success: true, Time: day.Add(-time.Minute), Count: 4, Failed: 1},
		Sources: []*engine.SourceStatus{
			{
				Address: address.Of(address.Source, "http", "app"), State: engine.StateDegraded, LastSuccess: day.Add(-90 * time.Second),
				CertificateEnds: day.Add(24 * time.Hour), LostPush: "send it again", Looks: 100, Changes: 2, Rejections: 1, Errors: 7,
			},
			{Address: address.Address{Type: address.Source, Kind: "webhook", Name: "w", Key: address.StringKey(`a"b\`)}, State: engine.StateWaiting},
		},
		Sinks: []*engine.SinkStatus{
			{Address: address.Of(address.Sink, "file", "app"), State: engine.StateOK, Deliveries: 5, Repairs: 1},
			{Address: address.Of(address.Sink, "exec", "reload"), State: engine.StateFailed, Errors: 3, Deferrals: 2},
		},
		Checks: []*engine.CheckStatus{
			{Address: address.Of(address.Check, "", "fresh"), Status: "fail", Findings: []string{"stale"}},
			{Address: address.Of(address.Check, "", "later"), Status: "unknown"},
		},
		Pauses: []*engine.Pause{{Pattern: "source.*", Since: day}},
	}
}

func TestHealthAndReadiness(t *testing.T) {
	d := &fakeDaemon{receivers: open()}
	s := start(t, d, nil, Options{})
	want(t, "healthz", s.get("/healthz"), 200, "ok")
	got := s.get("/readyz")
	want(t, "not yet", got, 503, "not ready")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	d.set(func(f *fakeDaemon) { f.ready = true })
	want(t, "readyz", s.get("/readyz"), 200, "ready")
	want(t, "POST", s.post("/readyz", ""), 405)
	want(t, "HEAD", s.do(s.request("HEAD", "/healthz", "")), 200)
	want(t, "nothing there", s.get("/nothing"), 404, "/metrics")
}

func TestMetrics(t *testing.T) {
	d := &fakeDaemon{receivers: open("app"), status: sampleStatus()}
	s := start(t, d, nil, Options{Version: "0.1.0"})
	want(t, "push", s.post("/webhook/config", config("app", `1`)), 200)
	got := s.get("/metrics")
	want(t, "metrics", got, 200,
		`tidegate_source_looks_total{address="source.http.app"} 100`,
		`tidegate_source_changes_total{address="source.http.app"} 2`,
		`tidegate_source_rejections_total{address="source.http.app"} 1`,
		`tidegate_source_failures_total{address="source.http.app"} 7`,
		`tidegate_source_staleness_seconds{address="source.http.app"} 90`,
		`tidegate_source_staleness_seconds{address="source.webhook.w[\"a\\\"b\\\\\"]"} 3600`,
		`tidegate_source_degraded{address="source.http.app"} 1`,
		`tidegate_source_degraded{address="source.webhook.w[\"a\\\"b\\\\\"]"} 0`,
		`tidegate_source_certificate_expiry_seconds{address="source.http.app"} 86400`,
		`tidegate_source_push_lost{address="source.http.app"} 1`,
		`tidegate_sources{state="degraded"} 1`, `tidegate_sources{state="waiting"} 1`,
		`tidegate_sink_deliveries_total{address="sink.file.app"} 5`,
		`tidegate_sink_delivery_failures_total{address="sink.exec.reload"} 3`,
		`tidegate_sink_repairs_total{address="sink.file.app"} 1`,
		`tidegate_sink_pending{address="sink.exec.reload"} 1`, `tidegate_sink_pending{address="sink.file.app"} 0`,
		`tidegate_limit_deferrals_total{address="sink.exec.reload"} 2`,
		"tidegate_reload_success 1", "tidegate_reload_timestamp_seconds 1.77236634e+09", "tidegate_reloads_total 4", "tidegate_reload_failures_total 1",
		"tidegate_queue_depth 3", "tidegate_up 1", "tidegate_ready 1", "tidegate_state_writable 1", "tidegate_pauses 1",
		`tidegate_webhook_requests_total{code="200"} 1`, "tidegate_webhook_seconds_count 1", `tidegate_build_info{goversion="go`,
		"go_goroutines", "process_start_time_seconds", "tidegate_listener_connections 1",
	)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	if families, err := parser.TextToMetricFamilies(strings.NewReader(got.body)); err != nil || len(families) < 40 {
		t.Errorf("%d families, %v", len(families), err)
	}
	if strings.Count(got.body, "certificate_expiry_seconds{") != 1 {
		t.Error("a source without a certificate has an expiry")
	}
	compressed := s.request("GET", "/metrics", "")
	compressed.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	if body := s.do(compressed).body; !strings.Contains(body, "tidegate_up 1") { // the client asks for gzip and undoes it
		t.Errorf("%.200s", body)
	}
	d.set(func(f *fakeDaemon) { f.statusErr = errFake; f.status = nil })
	s.status.turn <- struct{}{}
	s.status.last = nil
	<-s.status.turn
	want(t, "without status", s.get("/metrics"), 200, "tidegate_up 0", "go_goroutines")
}

// A scrape costs the daemon one question, however many scrape.
func TestMetricsAskOnce(t *testing.T) {
	d := &fakeDaemon{receivers: open(), status: sampleStatus()}
	s := start(t, d, nil, Options{})
	begun := time.Now()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { want(t, "metrics", s.get("/metrics"), 200) })
	}
	wg.Wait()
	if took := time.Since(begun); d.asked > 2+int(took/time.Second) { // one for each second that the test takes
		t.Errorf("the daemon was asked %d times in %s", d.asked, took)
	}
}

// A status that was asked for before the request is not shown to it.
func TestStatusIsFresh(t *testing.T) {
	d := &fakeDaemon{receivers: open(), status: sampleStatus()}
	s := start(t, d, nil, Options{})
	for i := range 5 {
		st := sampleStatus()
		st.Queue = 100 + i
		d.set(func(f *fakeDaemon) { f.status = st })
		got := new(engine.Status)
		if err := json.Unmarshal([]byte(s.get("/api/v1/status").body), got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(st, got, cmp.Comparer(func(a, b address.Key) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
	}
	d.set(func(f *fakeDaemon) { f.statusErr = errFake })
	got := s.get("/api/v1/status")
	want(t, "no answer", got, 503, "does not answer")
	if strings.Contains(got.body, "disk") {
		t.Error("strangers are told why")
	}
}

func TestHistory(t *testing.T) {
	d := &fakeDaemon{receivers: open(), history: []state.Entry{{ID: 7, Address: address.Of(address.Sink, "file", "app"), Time: day, Action: "update"}}}
	s := start(t, d, nil, Options{})
	want(t, "history", s.get("/api/v1/history?address=sink.file.app&limit=5"), 200, `[{"id":7,"address":"sink.file.app"`)
	if d.limit != 5 || d.historyOf != address.Of(address.Sink, "file", "app") {
		t.Errorf("asked for %v, %d", d.historyOf, d.limit)
	}
	want(t, "all", s.get("/api/v1/history"), 200)
	if d.limit != defaultHistory || !d.historyOf.IsZero() {
		t.Errorf("asked for %v, %d", d.historyOf, d.limit)
	}
	for _, bad := range []string{"address=x", "address=sink.file", "limit=0", "limit=-1", "limit=x", "limit=100000"} {
		want(t, bad, s.get("/api/v1/history?"+bad), 400)
	}
	d.set(func(f *fakeDaemon) { f.history = nil })
	if got := s.get("/api/v1/history"); got.body != "[]\n" {
		t.Errorf("%q", got.body)
	}
}

func TestTokens(t *testing.T) {
	d := &fakeDaemon{receivers: open("app"), status: sampleStatus(), ready: true}
	l := &Listener{Address: "127.0.0.1:0", Tokens: []string{token, "another-token-of-length"}}
	s := start(t, d, l, Options{})
	for _, path := range []string{"/", "/metrics", "/api/v1/status", "/api/v1/graph", "/api/v1/history", "/api/v1/events"} {
		got := s.get(path)
		want(t, path, got, 401, "token")
		if asked := got.header.Values("WWW-Authenticate"); len(asked) != 2 || !strings.HasPrefix(asked[0], "Basic ") || !strings.HasPrefix(asked[1], "Bearer ") {
			t.Errorf("%s: WWW-Authenticate is %q", path, asked)
		}
		for _, user := range []string{"", "anybody"} {
			basic := s.request("GET", path, "")
			basic.SetBasicAuth(user, token+"x")
			want(t, path, s.do(basic), 401)
			basic = s.request("HEAD", path, "")
			basic.SetBasicAuth(user, token)
			want(t, path, s.do(basic), 200)
		}
		want(t, path, s.get(path, "Authorization", "Bearer "+token+"x"), 401)
		want(t, path, s.do(s.request("HEAD", path, "", "Authorization", "Bearer "+token)), 200)
		if t.Failed() {
			return // the events of a listener that lets everybody in would never end
		}
	}
	want(t, "second token", s.get("/metrics", "Authorization", "Bearer another-token-of-length"), 200)
	want(t, "healthz", s.get("/healthz"), 200)
	want(t, "readyz", s.get("/readyz"), 200)
	want(t, "webhooks have their own", s.post("/webhook/config", config("app", `1`)), 200)
}

// stream reads /api/v1/events line by line.
func (r *running) stream() (lines func() string, stop func()) {
	resp, err := r.http.Do(r.request("GET", "/api/v1/events", ""))
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		r.t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	in := bufio.NewScanner(resp.Body)
	return func() string {
		for in.Scan() {
			if in.Text() != "" {
				return in.Text()
			}
		}
		return "end"
	}, func() { resp.Body.Close() }
}

func TestEvents(t *testing.T) {
	d := &fakeDaemon{receivers: open()}
	s := start(t, d, nil, Options{Read: 50 * time.Millisecond, Write: 50 * time.Millisecond, KeepAlive: 60 * time.Millisecond})
	next, stop := s.stream()
	defer stop()
	if a, b := next(), next(); a != ": tidegate" || b != "retry: 2000" {
		t.Errorf("%q, %q", a, b)
	}
	for range 3 { // longer than the deadlines of ordinary requests
		if got := next(); got != ": alive" {
			t.Errorf("%q", got)
		}
	}
	for i := range 3 {
		if n := d.emit(engine.SourceState{Address: sourceAddress("app"), From: "ok", To: fmt.Sprint("s", i)}); n != 1 {
			t.Errorf("%d readers", n)
		}
	}
	for i := 0; i < 3; {
		line := next()
		if line == ": alive" {
			continue
		}
		var got struct{ Type, Address, To string }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &got); err != nil || got.Type != "source_state" || got.To != fmt.Sprint("s", i) {
			t.Errorf("%s: %v", line, err)
		}
		i++
	}
	_ = s.stop()
	last := ""
	for line := next(); line != "end"; line = next() {
		last = line
	}
	if last != ": shutting down" {
		t.Errorf("last line %q", last)
	}
	if n := d.emit(engine.DaemonStopped{}); n != 0 {
		t.Errorf("%d readers are left", n)
	}
}

func TestEventReadersAreBounded(t *testing.T) {
	d := &fakeDaemon{receivers: open()}
	s := start(t, d, nil, Options{MaxStreams: 2})
	_, stop1 := s.stream()
	defer stop1()
	_, stop2 := s.stream()
	defer stop2()
	got := s.get("/api/v1/events")
	want(t, "third", got, 503)
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	want(t, "others", s.get("/metrics"), 200, "tidegate_listener_streams 2")
}

// A reader that does not keep up is cut off, and the daemon never waits for it.
func TestSlowReaderIsCutOff(t *testing.T) {
	d := &fakeDaemon{receivers: open()}
	s := start(t, d, nil, Options{})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if _, err := conn.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	reason := strings.Repeat("x", 10_000)
	deadline := time.Now().Add(20 * time.Second)
	for d.emit(engine.SourceState{Address: sourceAddress("app"), Reason: reason}) == 1 {
		if time.Now().After(deadline) {
			t.Fatal("the reader is not cut off")
		}
	}
	var rest bytes.Buffer
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(&rest, conn); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(rest.String(), ": cut off") {
		t.Errorf("%d bytes end with %q", rest.Len(), rest.Bytes()[max(0, rest.Len()-100):])
	}
}

// E17: readers that do not read hold nobody else up, and are given up on.
func TestE17ReadersThatHang(t *testing.T) {
	st := sampleStatus()
	for i := range 300 { // more than the buffers of a connection hold
		st.Sources = append(st.Sources, &engine.SourceStatus{Address: address.Of(address.Source, "http", fmt.Sprint("s", i)), Reason: strings.Repeat("r", 30_000)})
	}
	d := &fakeDaemon{receivers: sealed(), status: st, ready: true}
	s := start(t, d, nil, Options{Write: 5 * time.Second, MaxReads: 2})
	for range 2 {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		fmt.Fprintf(conn, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if _, err := conn.Read(make([]byte, 10)); err != nil { // the answer has begun
			t.Fatal(err)
		}
	}
	if got := s.get("/metrics"); got.code != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("one more: status %d", got.code)
	}
	want(t, "health", s.get("/healthz"), 200)
	want(t, "readiness", s.get("/readyz"), 200)
	body := config("app", `1`)
	want(t, "push", s.post("/webhook/config", body, signed(whsec, "m", time.Now(), body)...), 200)
	deadline := time.Now().Add(20 * time.Second)
	for s.get("/metrics").code != 200 {
		if time.Now().After(deadline) {
			t.Fatal("those who hang are never given up on")
		}
	}
}

func TestMethodsOfReads(t *testing.T) {
	d := &fakeDaemon{receivers: open(), status: sampleStatus()}
	s := start(t, d, nil, Options{})
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/history", "/api/v1/events"} {
		got := s.do(s.request(http.MethodPut, path, ""))
		want(t, path, got, 405)
		if got.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow %q", path, got.header.Get("Allow"))
		}
	}
}

// 100,000 sources and as many sinks are written without holding their metrics in memory.
func BenchmarkMetricsOfMany(b *testing.B) {
	st := &engine.Status{Time: day, Started: day}
	for i := range 100_000 {
		st.Sources = append(st.Sources, &engine.SourceStatus{Address: address.Of(address.Source, "http", fmt.Sprint("app", i)), State: engine.StateOK, Looks: int64(i)})
		st.Sinks = append(st.Sinks, &engine.SinkStatus{Address: address.Of(address.Sink, "file", fmt.Sprint("app", i)), State: engine.StateOK, Deliveries: int64(i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		buf := bufio.NewWriterSize(io.Discard, 64<<10)
		w := &familyWriter{w: buf}
		writeStatus(w, st)
		if w.err != nil || buf.Flush() != nil {
			b.Fatal(w.err)
		}
	}
}

// Every metric is documented, and no other is.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, pool := certificateFor(t, t.TempDir(), "one.example.com")
	d := &fakeDaemon{receivers: sealed(), status: sampleStatus()}
	s := start(t, d, &Listener{Address: "127.0.0.1:0", TLS: &TLS{certFile, keyFile}}, Options{})
	s.trust(pool)
	got := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (tidegate_\w+)`).FindAllStringSubmatch(s.get("/metrics").body, -1) {
		got[m[1]] = true
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(tidegate_\\w+)").FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = true
	}
	if diff := cmp.Diff(documented, got); diff != "" {
		t.Errorf("docs/metrics.md and /metrics differ (-documented +there):\n%s", diff)
	}
}
