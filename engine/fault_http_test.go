//go:build unix

package engine_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/engine/plan"
)

func newRat(s string) (*big.Rat, bool) { return new(big.Rat).SetString(s) }

// httpModule renders a server's document into a file, beside a sink that has nothing to do
// with it.
func httpModule(t *testing.T, url string, attributes ...string) *module {
	m := newModule(t, "main.hcl", fmt.Sprintf(`
source "http" "c" {
  url     = "%s/c.json"
  timeout = "20s"
  retry { attempts = 1 }
  %s
}
sink "file" "c" {
  path    = "out.json"
  content = jsonencode(source.http.c.value)
}
sink "file" "other" {
  path    = "other.txt"
  content = "independent"
}
`, url, strings.Join(attributes, "\n  ")))
	m.mustApply()
	return m
}

// timeout sets the source's timeout. It is long unless the server uses all of it, since a busy
// machine takes its time.
func (m *module) timeout(value string) {
	text, _ := m.read("main.hcl")
	m.write("main.hcl", regexp.MustCompile(`timeout = ".*"`).ReplaceAllString(text, `timeout = "`+value+`"`))
}

// talker is a server on a bare connection. It answers as it is told to.
type talker struct {
	url      string
	listener net.Listener
	running  sync.WaitGroup
	mutex    sync.Mutex
	conns    []net.Conn
	requests []*http.Request
	say      func(net.Conn, *http.Request)
}

func newTalker(t *testing.T, say func(net.Conn, *http.Request)) *talker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &talker{url: "http://" + l.Addr().String(), listener: l, say: say}
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mutex.Lock()
			s.conns = append(s.conns, c)
			s.mutex.Unlock()
			s.running.Go(func() { s.talk(c) })
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *talker) talk(c net.Conn) {
	defer c.Close()
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	s.mutex.Lock()
	s.requests = append(s.requests, r)
	say := s.say
	s.mutex.Unlock()
	say(c, r)
}

func (s *talker) from(say func(net.Conn, *http.Request)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.say = say
}

func (s *talker) seen() []*http.Request {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return append([]*http.Request(nil), s.requests...)
}

func (s *talker) stop() {
	s.listener.Close()
	s.mutex.Lock()
	for _, c := range s.conns {
		c.Close()
	}
	s.mutex.Unlock()
	s.running.Wait()
}

// raw answers with these bytes; the head is written with \n for its line ends.
func raw(head, body string) func(net.Conn, *http.Request) {
	return func(c net.Conn, _ *http.Request) {
		_, _ = c.Write([]byte(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body))
	}
}

// document answers 200 with a JSON document.
func document(body string, headers ...string) func(net.Conn, *http.Request) {
	head := fmt.Sprintf("HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: %d\nConnection: close", len(body))
	return raw(strings.Join(append([]string{head}, headers...), "\n"), body)
}

// hang waits until somebody closes the connection.
func hang(c net.Conn, _ *http.Request) { _, _ = c.Read(make([]byte, 1)) }

func slowBody(c net.Conn, r *http.Request) {
	raw("HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 1000", "{")(c, r)
	for {
		if _, err := c.Write([]byte(" ")); err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond) // the pace of the fault, not a hope
	}
}

func endless(c net.Conn, r *http.Request) {
	raw("HTTP/1.1 200 OK\nContent-Type: application/json", "[")(c, r)
	for chunk := []byte(strings.Repeat("1,", 4096)); ; {
		if _, err := c.Write(chunk); err != nil {
			return
		}
	}
}

func reset(c net.Conn, r *http.Request) {
	raw("HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 1000", `{"a":`)(c, r)
	_ = c.(*net.TCPConn).SetLinger(0)
}

func packed(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

// H1, H6 to H16, H21 to H28: whatever a server does, the sink stays as it is, the accepted
// value stays in use, everything else is applied, and the next good answer is taken.
func TestFaultHTTPAnswersThatChangeNothing(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\nContent-Type: application/json\n"
	zipped := packed(`{"a":2,"b":[1,2,3,4,5,6,7,8,9,10]}`)
	for name, c := range map[string]struct {
		say  func(net.Conn, *http.Request)
		part string
	}{
		"H6 slow headers":             {hang, "500ms"},
		"H7 slow body":                {slowBody, "500ms"},
		"H8 body shorter than said":   {raw(ok+"Content-Length: 100", `{"a":2}`), "cut off"},
		"H8 chunks cut":               {raw(ok+"Transfer-Encoding: chunked", "7\r\n{\"a\":2}\r\n"), "cut off"},
		"H9 cut without a length":     {raw(ok+"Connection: close", `{"a":2,"b":[1,`), "json"},
		"H10 body longer than said":   {raw(ok+"Content-Length: 3", `{"a":2}`), "json"},
		"H11 endless":                 {endless, "max_bytes"},
		"H13 no gzip at all":          {raw(ok+"Content-Encoding: gzip\nContent-Length: 7", `{"a":2}`), "gzip"},
		"H13 gzip cut":                {raw(ok+"Content-Encoding: gzip\nConnection: close", zipped[:len(zipped)-9]), "gzip"},
		"H13 gzip damaged":            {raw(ok+"Content-Encoding: gzip\nConnection: close", zipped[:15]+"\xff\xff"+zipped[17:]), "gzip"},
		"H13 unknown encoding":        {raw(ok+"Content-Encoding: br\nContent-Length: 7", `{"a":2}`), "Content-Encoding br"},
		"H15 204":                     {raw("HTTP/1.1 204 No Content\nConnection: close", ""), "204"},
		"H15 206":                     {raw("HTTP/1.1 206 Partial Content\nContent-Length: 7\nContent-Type: application/json", `{"a":2}`), "206"},
		"H15 200 without a body":      {raw(ok+"Content-Length: 0", ""), "empty"},
		"H15 200 with an empty value": {document("{}"), "empty"},
		"H16 captive portal":          {raw("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 13", "<html></html>"), "text/html"},
		"H16 portal without a type":   {raw("HTTP/1.1 200 OK\nContent-Length: 13", "<html></html>"), "json"},
		"H21 headers without end":     {raw("HTTP/1.1 200 OK\nETag: \""+strings.Repeat("x", 2<<20)+"\"\nContent-Length: 7", `{"a":2}`), "source.http.c"},
		"H22 redirect loop":           {raw("HTTP/1.1 302 Found\nLocation: /c.json\nContent-Length: 0\nConnection: close", ""), "redirect"},
		"H23 redirect to a file":      {raw("HTTP/1.1 302 Found\nLocation: file:///etc/passwd\nContent-Length: 0", ""), "refused"},
		"H23 redirect elsewhere":      {raw("HTTP/1.1 302 Found\nLocation: http://169.254.169.254/c.json\nContent-Length: 0", ""), "refused"},
		"H25 401":                     {raw("HTTP/1.1 401 Unauthorized\nContent-Length: 0", ""), "401"},
		"H25 403":                     {raw("HTTP/1.1 403 Forbidden\nContent-Length: 0", ""), "403"},
		"H26 404":                     {raw("HTTP/1.1 404 Not Found\nContent-Length: 0", ""), "404"},
		"H26 410":                     {raw("HTTP/1.1 410 Gone\nContent-Length: 0", ""), "gone for good"},
		"H27 500":                     {raw("HTTP/1.1 500 Oops\nContent-Length: 7", `{"a":2}`), "500"},
		"H28 reset":                   {reset, "source.http.c"},
		"not HTTP at all":             {func(c net.Conn, _ *http.Request) { fmt.Fprint(c, "SSH-2.0-OpenSSH\r\n") }, "source.http.c"},
		"closed at once":              {func(net.Conn, *http.Request) {}, "without an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTalker(t, document(`{"a":1}`))
			m := httpModule(t, s.url, "max_bytes = 100000")
			s.from(c.say)
			if c.part == "500ms" {
				m.timeout("500ms")
			}
			begun := time.Now()
			m.keeps(t, "source.http.c", c.part)
			if d := time.Since(begun); d > time.Minute {
				t.Errorf("it took %v", d)
			}
			m.timeout("20s")
			s.from(document(`{"a":3}`))
			m.mustApply()
			m.wantFile("out.json", `{"a":3}`)
		})
	}
}

func TestFaultHTTPNobodyListens(t *testing.T) {
	s := newTalker(t, document(`{"a":1}`))
	m := httpModule(t, s.url)
	s.stop()
	m.keeps(t, "source.http.c", "connection refused")
	if r := m.tool("plan"); r.code != 1 {
		t.Errorf("plan with a failing source exits with %d", r.code)
	}
	if r := m.tool("apply", "--auto-approve"); r.code != 1 {
		t.Errorf("apply with a failing source exits with %d", r.code)
	}
}

// H14: a 304 to who did not ask is no value.
func TestFaultHTTPUnsolicitedNotModified(t *testing.T) {
	s := newTalker(t, document(`{"a":1}`)) // no validator
	m := httpModule(t, s.url)
	s.from(raw("HTTP/1.1 304 Not Modified\nConnection: close", ""))
	m.keeps(t, "source.http.c", "304")

	fresh := newTalker(t, raw("HTTP/1.1 304 Not Modified\nConnection: close", ""))
	first := newModule(t, "main.hcl", fmt.Sprintf(`
source "http" "c" {
  url = "%s/c.json"
  retry { attempts = 1 }
}
sink "file" "c" {
  path    = "out.json"
  content = jsonencode(source.http.c.value)
}
`, fresh.url))
	_, _, diags := first.apply()
	wantError(t, diags, "304")
	if exists(first.path("out.json")) {
		t.Error("a sink was written from nothing")
	}
}

// conditional answers 304 to who has the ETag, else the document.
func conditional(body, etag string) func(net.Conn, *http.Request) {
	return func(c net.Conn, r *http.Request) {
		if r.Header.Get("If-None-Match") == etag {
			raw("HTTP/1.1 304 Not Modified\nETag: "+etag+"\nConnection: close", "")(c, r)
			return
		}
		document(body, "ETag: "+etag)(c, r)
	}
}

// H14, T7: when the stored bytes are gone or damaged a 304 is worth nothing. The source is
// asked once more without a validator, and the sink stays as it is throughout.
func TestFaultHTTPNotModifiedWithoutStoredBytes(t *testing.T) {
	for name, damage := range map[string]string{
		"gone":    "DELETE FROM blobs",
		"damaged": "UPDATE blobs SET data = x'00112233'",
	} {
		t.Run(name, func(t *testing.T) {
			s := newTalker(t, conditional(`{"a":1}`, `"v1"`))
			m := httpModule(t, s.url)
			m.sql(damage)
			_, _, diags := m.apply()
			m.wantFile("out.json", `{"a":1}`)
			if diags.HasErrors() {
				t.Errorf("the value was there to be had: %s", texts(diags))
			}
			last := s.seen()[len(s.seen())-1]
			if last.Header.Get("If-None-Match") != "" {
				t.Errorf("the last request was still conditional, after %d requests", len(s.seen()))
			}
		})
	}
}

// T7: a fallback stands in for what never was, not for what cannot be read any more.
func TestFaultHTTPNoFallbackForWhatWasAcceptedOnce(t *testing.T) {
	s := newTalker(t, document(`{"a":1}`))
	m := httpModule(t, s.url, `fallback = { a = 0 }`)
	m.sql("DELETE FROM blobs WHERE hash IN (SELECT json_extract(data, '$.snapshots[0].blob') FROM sources)")
	s.stop()
	_, _, diags := m.apply()
	wantError(t, diags, "Source failed")
	m.wantFile("out.json", `{"a":1}`)
}

// H18: replicas that number the same bytes differently move nothing: no delivery, no new
// version, no new time.
func TestFaultHTTPFlappingValidatorsDeliverNothing(t *testing.T) {
	n := 0
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", fmt.Sprintf(`"replica-%d"`, n))
		fmt.Fprint(w, `{"a":1}`)
	}))
	defer o.Close()
	m := newModule(t, "main.hcl", fmt.Sprintf(`
source "http" "c" { url = "%s/c.json" }
sink "exec" "c" {
  command  = ["/bin/sh", "-c", "echo ran >> log"]
  env      = { VERSION = source.http.c.version, AT = source.http.c.changed_at }
  triggers = [source.http.c]
}
sink "file" "c" {
  path    = "out.json"
  content = "${source.http.c.version} ${source.http.c.changed_at}"
}
`, o.URL))
	m.mustApply()
	held, _ := m.read("out.json")
	for range 4 {
		p, result := m.mustApply()
		if p.HasChanges() || result.Changed+result.Added+result.Accepted > 0 {
			t.Errorf("a new ETag over the same bytes did something: %+v", p.Summary())
		}
	}
	m.wantFile("out.json", held)
	m.wantFile("log", "ran\n")
}

// H17, H20: a weak ETag answers for a strong one, and equal ETags over other bytes do not
// hide the change when the server sends them.
func TestFaultHTTPBytesDecide(t *testing.T) {
	s := newTalker(t, document(`{"a":1}`, `ETag: "same"`))
	m := httpModule(t, s.url)
	s.from(document(`{"a":2}`, `ETag: "same"`))
	m.mustApply()
	m.wantFile("out.json", `{"a":2}`)
	s.from(raw("HTTP/1.1 304 Not Modified\nETag: W/\"same\"\nConnection: close", ""))
	m.mustApply()
	m.wantFile("out.json", `{"a":2}`)
	m.wantNoChanges()
}

// H24: a server's wish to wait is obeyed where it fits, never beyond what a one-shot run has,
// and holds nobody else up.
func TestFaultHTTPRetryAfter(t *testing.T) {
	for name, c := range map[string]struct {
		header   string
		requests int
	}{
		"seconds":   {"1", 3},
		"ten years": {"315360000", 1},
		"a date":    {time.Now().Add(24 * time.Hour).UTC().Format(http.TimeFormat), 1},
		"negative":  {"-5", 3},
		"nonsense":  {"soon", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			busy := newTalker(t, raw("HTTP/1.1 429 Too Many Requests\nRetry-After: "+c.header+"\nContent-Length: 0\nConnection: close", ""))
			free := newTalker(t, document(`{"a":1}`))
			m := newModule(t, "main.hcl", fmt.Sprintf(`
source "http" "busy" {
  url = "%s/c.json"
  retry {
    min = "1ms"
    max = "2s"
  }
}
source "http" "free" { url = "%s/c.json" }
sink "file" "busy" {
  path    = "busy.json"
  content = source.http.busy.text
}
sink "file" "free" {
  path    = "free.json"
  content = source.http.free.text
}
`, busy.url, free.url))
			begun := time.Now()
			_, _, diags := m.apply()
			took := time.Since(begun)
			wantError(t, diags, "source.http.busy", "429")
			m.wantFile("free.json", `{"a":1}`)
			if exists(m.path("busy.json")) {
				t.Error("a sink without a value was written")
			}
			if n := len(busy.seen()); n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
			if took > time.Minute || name == "seconds" && took < 2*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// H27: a server that recovers within the retries costs nothing but time; one that does not is
// asked no more often than said. Other sources' request rates do not change (B7).
func TestFaultHTTPRecoversWithinItsRetries(t *testing.T) {
	n := 0
	var mutex sync.Mutex
	s := newTalker(t, func(c net.Conn, r *http.Request) {
		mutex.Lock()
		n++
		good := n%3 == 0
		mutex.Unlock()
		if good {
			document(fmt.Sprintf(`{"a":%d}`, n))(c, r)
			return
		}
		raw("HTTP/1.1 500 Oops\nContent-Length: 0\nConnection: close", "")(c, r)
	})
	m := newModule(t, "main.hcl", fmt.Sprintf(`
source "http" "c" {
  url = "%s/c.json"
  retry {
    attempts = 3
    min      = "1ms"
    max      = "5ms"
  }
}
sink "file" "c" {
  path    = "out.json"
  content = source.http.c.text
}
`, s.url))
	m.mustApply()
	m.wantFile("out.json", `{"a":3}`)
	m.mustApply()
	m.wantFile("out.json", `{"a":6}`)
	if got := len(s.seen()); got != 6 {
		t.Errorf("%d requests, want 6", got)
	}
}

// Mirrors are tried in order, each with its own validator; when all fail the error names all.
func TestFaultHTTPMirrors(t *testing.T) {
	down := raw("HTTP/1.1 503 Service Unavailable\nContent-Length: 0\nConnection: close", "")
	first, second := newTalker(t, down), newTalker(t, conditional(`{"a":1}`, `"v1"`))
	m := httpModule(t, first.url, fmt.Sprintf("mirrors = [%q, %q]", second.url+"/mirror.json", "http://127.0.0.1:1/never.json"))
	m.wantFile("out.json", `{"a":1}`)
	p, _ := m.mustApply()
	if p.HasChanges() {
		t.Errorf("asking the mirror again changed something: %+v", p.Summary())
	}
	requests := second.seen()
	if got := requests[len(requests)-1].Header.Get("If-None-Match"); got != `"v1"` {
		t.Errorf("the mirror was asked with the validator %q", got)
	}
	if got := first.seen()[1].Header.Get("If-None-Match"); got != "" {
		t.Errorf("the first server was asked with the mirror's validator %q", got)
	}
	second.from(down)
	m.keeps(t, "source.http.c", first.url, second.url, "127.0.0.1:1")
	first.from(document(`{"a":2}`))
	m.mustApply()
	m.wantFile("out.json", `{"a":2}`)
}

// E8, B7: one source that hangs does not hold up the others, and does not end the apply.
func TestFaultHTTPHangingSourceHoldsUpNobody(t *testing.T) {
	stuck := newTalker(t, hang)
	free := newTalker(t, document(`{"a":1}`))
	var b strings.Builder
	for i := range 12 {
		url := stuck.url
		if i%2 == 0 {
			url = free.url
		}
		fmt.Fprintf(&b, `
source "http" "s%[1]d" {
  url     = "%[2]s/c.json"
  timeout = "700ms"
  retry { attempts = 1 }
}
sink "file" "s%[1]d" {
  path    = "s%[1]d.json"
  content = source.http.s%[1]d.text
}
`, i, url)
	}
	m := newModule(t, "main.hcl", b.String())
	begun := time.Now()
	p, result, diags := m.apply()
	if d := time.Since(begun); d > time.Minute {
		t.Errorf("it took %v", d)
	}
	wantError(t, diags, "source.http.s1", "source.http.s11")
	if result.Added != 6 || p.Summary().Blocked != 6 {
		t.Errorf("%+v %+v", result, p.Summary())
	}
	if c := sinkChange(t, p, "sink.file.s1"); c.Wait == nil || c.Wait.Kind != plan.BlockedBy || c.Wait.On != "source.http.s1" {
		t.Errorf("wait = %+v", c.Wait)
	}
}
