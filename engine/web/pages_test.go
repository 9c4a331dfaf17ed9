package web

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"tidegate/engine"
	"tidegate/engine/graph"
	"tidegate/hclspec/address"
)

// hostile is what somebody may get into a name, an error or a reason.
const hostile = "</style></td><script>alert(1)</script><img src=x onerror=alert(2)>\"' onmouseover='alert(3) javascript:alert(4) {{.Title}} \x1b[31m\u202e\x00"

func hostileStatus(text string) *engine.Status {
	st := sampleStatus()
	st.Version, st.Dir, st.State, st.StateError, st.Listener = text, text, text, text, text
	st.Reload.Success, st.Reload.Error = false, text
	for _, s := range st.Sources {
		s.Identity, s.Reason, s.Version, s.LastError, s.LastErrorTime = text, text, text, text+".", day
		s.Address.Key = address.StringKey(text)
	}
	for _, s := range st.Sinks {
		s.Target, s.Reason, s.LastError = text, text, text+"."
		s.Address.Key = address.StringKey(text)
	}
	st.Checks[0].Findings = []string{text}
	st.Pauses = []*engine.Pause{{Pattern: text, Reason: text, Since: day, Except: []string{text}}}
	st.Approvals = []*engine.Approval{{Address: st.Sinks[0].Address, Target: text, Since: day}}
	return st
}

// structure is a page without its texts and without what its attributes hold.
func structure(t *testing.T, page string) string {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var out strings.Builder
	for {
		token, err := d.Token()
		if err == io.EOF {
			return out.String()
		}
		if err != nil {
			t.Fatalf("%v in %s", err, page)
		}
		switch e := token.(type) {
		case xml.StartElement:
			fmt.Fprintf(&out, "<%s", e.Name.Local)
			for _, a := range e.Attr {
				fmt.Fprintf(&out, " %s", a.Name.Local)
				if a.Name.Local == "href" && !strings.HasPrefix(a.Value, "/") {
					t.Errorf("a link leads to %q", a.Value)
				}
			}
			out.WriteString(">")
		case xml.EndElement:
			fmt.Fprintf(&out, "</%s>", e.Name.Local)
		}
	}
}

// The page shows what the status says, whatever strangers put into it is text, and its policy lets
// nothing but its own style count.
func TestStatusPage(t *testing.T) {
	d := &fakeDaemon{receivers: open(), status: sampleStatus()}
	s := start(t, d, nil, Options{})
	got := s.get("/")
	want(t, "the page", got, 200, "source.http.app", "degraded", "sink.exec.reload", "failed", "Paused: source.* since", "check.fresh does not hold: stale", "Tidegate: 4 problems",
		"1m ago", `href="/api/v1/graph?format=svg"`, `href="/api/v1/history?address=sink.file.app"`)
	if kind := got.header.Get("Content-Type"); kind != "text/html; charset=utf-8" {
		t.Errorf("it is %s", kind)
	}
	_, style, _ := strings.Cut(got.body, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	policy := got.header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"';") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s", policy)
	}
	for _, no := range []string{"<script", "src=", "http://", "https://", "style=", " on"} {
		for _, tag := range regexp.MustCompile(`<[a-z][^>]*>`).FindAllString(got.body, -1) {
			if strings.Contains(tag, no) {
				t.Errorf("it has %s", tag)
			}
		}
	}

	d.set(func(f *fakeDaemon) { f.status = hostileStatus("harmless") })
	s.forgetStatus()
	plain := structure(t, s.get("/").body)
	d.set(func(f *fakeDaemon) { f.status = hostileStatus(hostile) })
	s.forgetStatus()
	got = s.get("/")
	if structure(t, got.body) != plain {
		t.Errorf("what strangers say becomes part of the page:\n%s", got.body)
	}
	for _, raw := range []string{"<script", "<img", "\x1b", "\u202e", "\x00"} {
		if strings.Contains(got.body, raw) {
			t.Errorf("the page has %q", raw)
		}
	}
	d.set(func(f *fakeDaemon) { f.statusErr = errFake })
	s.forgetStatus()
	if got := s.get("/"); got.code != 503 || strings.Contains(got.body, "disk") {
		t.Errorf("without an answer: %d %s", got.code, got.body)
	}
	want(t, "POST", s.post("/", ""), 405)
	want(t, "another name", s.do(withHost(s.request("GET", "/", ""), "evil.example")), 421)
}

func withHost(r *http.Request, host string) *http.Request {
	r.Host = host
	return r
}

// forgetStatus lets the next page ask for a status of its own.
func (r *running) forgetStatus() {
	r.status.turn <- struct{}{}
	r.status.last = nil
	<-r.status.turn
}

// A page of 100,000 sources is as short as one of some hundreds, says how much there is, and leads
// to all of it: those with a problem first, each once.
func TestStatusPageOfMany(t *testing.T) {
	st := sampleStatus()
	for i := range 100_000 {
		src := &engine.SourceStatus{Address: address.Of(address.Source, "http", fmt.Sprintf("many%d", i)), State: engine.StateOK}
		if i%500 == 0 {
			src.State, src.LastError, src.LastErrorTime = engine.StateDegraded, strings.Repeat("status 503 ", 10), day
		}
		st.Sources = append(st.Sources, src)
	}
	d := &fakeDaemon{receivers: open(), status: st}
	s := start(t, d, nil, Options{})
	first := s.get("/")
	want(t, "the first page", first, 200, "100,002 sources: 201 degraded", "1 to 200 of 100,002", `href="/?sinks=0&amp;sources=200#sources"`)
	if strings.Contains(first.body, "Previous") || strings.Count(first.body, `class="state good"`) > 1 || len(first.body) > 300_000 {
		t.Errorf("%d bytes: %.3000s", len(first.body), first.body)
	}
	second := s.get("/?sources=200")
	want(t, "the second page", second, 200, "201 to 400 of 100,002", `href="/?sinks=0&amp;sources=0#sources"`, `href="/?sinks=0&amp;sources=400#sources"`)
	last := s.get("/?sources=99999999&sinks=7")
	want(t, "the last page", last, 200, "100,001 to 100,002 of 100,002", "source.http.many99999<")
	if strings.Contains(last.body, "Next</a>") {
		t.Error("the last page leads on")
	}
	seen := map[string]bool{}
	address := regexp.MustCompile(`<td class="address">(source\.http\.many\d+)\s*<`)
	for i := 0; i < 100_002; i += 200 * 50 { // each of these pages
		for _, m := range address.FindAllStringSubmatch(s.get(fmt.Sprintf("/?sources=%d", i)).body, -1) {
			if seen[m[1]] {
				t.Errorf("%s is on two pages", m[1])
			}
			seen[m[1]] = true
		}
	}
	if len(seen) < 2000 {
		t.Errorf("%d sources on eleven pages", len(seen))
	}
	for _, bad := range []string{"sources=x", "sinks=-1", "sources=1e9"} {
		want(t, bad, s.get("/?"+bad), 400, "first row")
	}
}

func TestGraphPage(t *testing.T) {
	st := sampleStatus()
	g := graph.New(address.Address.Compare)
	app, sink, reload := st.Sources[0].Address, st.Sinks[0].Address, st.Sinks[1].Address
	g.Connect(sink, app)
	g.Connect(reload, sink)
	g.Add(st.Sources[1].Address)
	st.Sinks[1].State, st.Sinks[1].Reason = engine.StatePaused, "paused <here>"
	d := &fakeDaemon{receivers: open(), status: st, graph: g}
	s := start(t, d, nil, Options{})
	got := s.get("/api/v1/graph")
	want(t, "the graph", got, 200, `"as_of": "the running daemon"`)
	var doc struct {
		Nodes []struct {
			Address, State, Reason string
			DependsOn              []string `json:"depends_on"`
		}
	}
	if err := json.Unmarshal([]byte(got.body), &doc); err != nil || len(doc.Nodes) != 4 {
		t.Fatalf("%v %s", err, got.body)
	}
	states := map[string]string{}
	for _, n := range doc.Nodes {
		states[n.Address] = n.State + " " + strings.Join(n.DependsOn, " ")
	}
	if states["source.http.app"] != "failed " || states["sink.file.app"] != "delivered source.http.app" || states["sink.exec.reload"] != "paused sink.file.app" {
		t.Errorf("%q", states)
	}
	svg := s.get("/api/v1/graph?format=svg")
	want(t, "drawn", svg, 200, "<svg", "sink.exec.reload: paused (paused &lt;here&gt;)")
	if kind := svg.header.Get("Content-Type"); kind != "image/svg+xml" || !strings.Contains(svg.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%s, %v", kind, svg.header)
	}
	around := s.get("/api/v1/graph?address=source.http.app")
	want(t, "around one", around, 200, "sink.exec.reload")
	if strings.Contains(around.body, "source.webhook.w") || strings.Contains(around.body, `"pending"`) {
		t.Errorf("it has what has nothing to do with it: %s", around.body)
	}
	want(t, "nobody", s.get("/api/v1/graph?address=sink.file.other"), 404)
	want(t, "no address", s.get("/api/v1/graph?address=x"), 400)
	want(t, "no format", s.get("/api/v1/graph?format=png"), 400)

	many := graph.New(address.Address.Compare)
	for i := range maxDrawn + 1 {
		many.Add(address.Of(address.Source, "http", fmt.Sprint("s", i)))
	}
	d.set(func(f *fakeDaemon) { f.graph = many })
	want(t, "too many", s.get("/api/v1/graph?format=svg"), 422, "1001 blocks", "address=ADDR")
	want(t, "one of them", s.get("/api/v1/graph?format=svg&address=source.http.s7"), 200, "source.http.s7")
	want(t, "as JSON", s.get("/api/v1/graph"), 200, "source.http.s1000")
}
