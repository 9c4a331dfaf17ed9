package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"tidegate/engine"
)

func hubSignature(key, body string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(h.Sum(nil))
}

func TestPushIsHandedOnAsSent(t *testing.T) {
	d := &fakeDaemon{receivers: sealed()}
	s := start(t, d, nil, Options{})
	body := ` {"config_data" : {"n":1.50,"z":[ ]} , "config_name":"app"} `
	want(t, "push", s.post("/webhook/config", body, signed(whsec, "msg_1", time.Now(), body)...), 200, `"status":"accepted"`)
	got := d.pushed()
	if len(got) != 1 {
		t.Fatalf("%d pushes", len(got))
	}
	p := got[0]
	if p.Receiver != d.receivers.Sources["app"] || p.Name != "app" || string(p.Data) != `{"n":1.50,"z":[ ]}` ||
		p.Delivery != "msg_1" || p.Digest != sha256.Sum256([]byte(body)) {
		t.Errorf("%+v %s", p, p.Data)
	}
}

func TestOutcomesAreAnswered(t *testing.T) {
	d := &fakeDaemon{receivers: open("app")}
	s := start(t, d, nil, Options{})
	for _, tt := range []struct {
		result engine.PushResult
		code   int
		part   string
		retry  string
	}{
		{engine.PushResult{Outcome: engine.PushUnchanged}, 200, "unchanged", ""},
		{engine.PushResult{Outcome: engine.PushConflict}, 409, "another body", ""},
		{engine.PushResult{Outcome: engine.PushRejected, Findings: []string{"timeout out of range: 0", "no <url>"}}, 422, `"findings":["timeout out of range: 0","no <url>"]`, ""},
		{engine.PushResult{Outcome: engine.PushGone}, 404, "config_name", ""},
		{engine.PushResult{Outcome: engine.PushBusy, Reason: "the state cannot be written", After: 2500 * time.Millisecond}, 503, "the state cannot be written", "3"},
		{engine.PushResult{Outcome: engine.PushBusy}, 503, "too much", "1"},
		{engine.PushResult{Outcome: 99}, 500, "internal", ""},
	} {
		d.set(func(f *fakeDaemon) {
			f.answer = func(context.Context, engine.Pushed) engine.PushResult { return tt.result }
		})
		got := s.post("/webhook/config", config("app", `1`))
		want(t, fmt.Sprint(tt.result.Outcome), got, tt.code, tt.part)
		if got.header.Get("Retry-After") != tt.retry {
			t.Errorf("%v: Retry-After %q, want %q", tt.result.Outcome, got.header.Get("Retry-After"), tt.retry)
		}
		if got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%v: Content-Type %q", tt.result.Outcome, got.header.Get("Content-Type"))
		}
	}
}

func TestNotify(t *testing.T) {
	d := &fakeDaemon{receivers: sealed()}
	s := start(t, d, nil, Options{})
	body := "ref=refs%2Fheads%2Fmain"
	headers := append(signed(whsec, "n1", time.Now(), body), "Content-Type", "")
	want(t, "notify", s.post("/webhook/notify/poke", body, headers...), 200, "notified")
	want(t, "notify unsigned", s.post("/webhook/notify/poke", ""), 401)
	want(t, "unknown name", s.post("/webhook/notify/other", body, headers...), 404, "detector")
	want(t, "unknown name unsigned", s.post("/webhook/notify/other", ""), 401)
	want(t, "no name", s.post("/webhook/notify/", ""), 404)
	want(t, "GET", s.get("/webhook/notify/poke"), 405)
	if len(d.notified) != 1 || d.notified[0] != d.receivers.Detectors["poke"].Address {
		t.Errorf("notified %v", d.notified)
	}
	d.set(func(f *fakeDaemon) { f.receivers = open() })
	want(t, "open", s.post("/webhook/notify/poke", "", "Content-Type", ""), 200)
	want(t, "open, unknown name", s.post("/webhook/notify/other", ""), 404)
}

// The names that are signed for, and the signature, are the published example of GitHub.
func TestHubSignature(t *testing.T) {
	if got := hubSignature("It's a Secret to Everybody", "Hello, World!"); got != "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" {
		t.Fatalf("the test's own signature is wrong: %s", got)
	}
	d := &fakeDaemon{receivers: sealed()}
	s := start(t, d, nil, Options{})
	body := config("hub", `{"a":1}`)
	want(t, "signed", s.post("/webhook/config", body, "X-Hub-Signature-256", hubSignature(hubKey, body), "X-GitHub-Delivery", "72d3162e-cc78-11e3"), 200)
	want(t, "another body", s.post("/webhook/config", config("hub", `{"a":2}`), "X-Hub-Signature-256", hubSignature(hubKey, body)), 401)
	if got := d.pushed(); len(got) != 1 || got[0].Delivery != "72d3162e-cc78-11e3" {
		t.Errorf("%+v", got)
	}
}

func TestBearer(t *testing.T) {
	d := &fakeDaemon{receivers: sealed()}
	s := start(t, d, nil, Options{})
	body := config("bearer", `1`)
	want(t, "token", s.post("/webhook/config", body, "Authorization", "Bearer "+token, "webhook-id", "b1"), 200)
	want(t, "lower case", s.post("/webhook/config", body, "Authorization", "bearer "+token), 200)
	for _, bad := range []string{"Bearer " + token + "x", "Bearer " + token[1:], "Bearer ", "Basic " + token, token, "Bearer"} {
		want(t, bad, s.post("/webhook/config", body, "Authorization", bad), 401)
	}
	want(t, "two", s.post("/webhook/config", body, "Authorization", "Bearer "+token, "Authorization", "Bearer "+token), 401)
	if got := d.pushed(); len(got) != 2 || got[0].Delivery != "b1" || got[1].Delivery != "" {
		t.Errorf("%+v", got)
	}
}

// W1: whatever is wrong with the credentials, the answer is the same to the byte, and
// nothing of the body or the credentials is logged.
func TestW1EveryRefusalIsTheSame(t *testing.T) {
	var logged bytes.Buffer
	d := &fakeDaemon{receivers: sealed()}
	s := start(t, d, nil, Options{Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &logged, Mutex: nil})})
	body := config("app", `"canary-7f3a"`)
	good := signed(whsec, "canary-id", time.Now(), body)
	sig := good[5]
	with := func(signature string) []string {
		return []string{good[0], good[1], good[2], good[3], good[4], signature}
	}
	hub := hubSignature("another key of some length", body)
	var first *reply
	for name, headers := range map[string][]string{
		"none":               nil,
		"wrong secret":       signed(second, "canary-id", time.Now(), body),
		"other body":         signed(whsec, "canary-id", time.Now(), body+" "),
		"truncated":          with(sig[:len(sig)-4]),
		"no version":         with(sig[3:]),
		"other version":      with("v1a," + sig[3:]),
		"prefix":             with("sha256=" + sig[3:]),
		"empty":              with(""),
		"no base64":          with("v1,!!!!" + sig[7:]),
		"two headers":        append(good[:6:6], "webhook-signature", sig),
		"two ids":            append(good[:6:6], "webhook-id", "canary-id"),
		"two timestamps":     append(good[:6:6], "webhook-timestamp", good[3]),
		"no id":              good[2:],
		"no timestamp":       append(good[:2:2], good[4:]...),
		"hub, wrong":         {"X-Hub-Signature-256", hub},
		"hub, truncated hex": {"X-Hub-Signature-256", hub[:len(hub)-1]},
		"hub, no hex":        {"X-Hub-Signature-256", "sha256=" + strings.Repeat("zz", 32)},
		"hub, sha1":          {"X-Hub-Signature-256", "sha1=" + hub[7:]},
		"hub, empty":         {"X-Hub-Signature-256", "sha256="},
		"token of another":   {"Authorization", "Bearer " + token},
		"secret as token":    {"Authorization", "Bearer " + whsec},
	} {
		got := s.post("/webhook/config", body, headers...)
		got.header.Del("Date")
		want(t, name, got, 401)
		if first == nil {
			first = &got
		} else if first.body != got.body || fmt.Sprint(first.header) != fmt.Sprint(got.header) {
			t.Errorf("%s: %v %s, others %v %s", name, got.header, got.body, first.header, first.body)
		}
	}
	unknown := config("nobody", `"canary-7f3a"`)
	got := s.post("/webhook/config", unknown, signed(second, "canary-id", time.Now(), unknown)...)
	if got.code != 401 || got.body != first.body {
		t.Errorf("an unknown name is told from a known one: %d %s", got.code, got.body)
	}
	for _, broken := range []string{"", "{", "canary-7f3a", `{"config_name":"app"}`} {
		if got := s.post("/webhook/config", broken); got.code != 401 || got.body != first.body {
			t.Errorf("%q: %d %s", broken, got.code, got.body)
		}
	}
	if len(d.pushed()) != 0 {
		t.Error("something was taken")
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(logged.String(), "canary") {
		t.Errorf("logged: %s", logged.String())
	}
}

// W1: a refusal takes the same work, whether the name exists and however many secrets it has.
func TestW1EveryRefusalTakesTheSameWork(t *testing.T) {
	r := sealed()
	r.Sources["many"] = receiver("many", whsec, second, hubKey)
	d := makeDoors(r, false, nil)
	body := []byte(config("x", `1`))
	head := func(pairs []string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	bad := signed("whsec_bm9ib2R5IGtub3dzIHRoaXMga2V5", "m", time.Now(), string(body))
	for what, h := range map[string]http.Header{
		"signature":  head(bad),
		"hub":        head([]string{"X-Hub-Signature-256", hubSignature("x", string(body))}),
		"both":       head(append(bad, "X-Hub-Signature-256", hubSignature("x", string(body)))),
		"token":      head([]string{"Authorization", "Bearer nonsense"}),
		"nothing":    {},
		"whole mess": head(append(bad, "X-Hub-Signature-256", hubSignature("x", string(body)), "Authorization", "Bearer nonsense")),
	} {
		for _, hurry := range []bool{false, true} {
			macs := map[int][]string{}
			for _, name := range []string{"app", "hub", "bearer", "many", "nobody"} {
				v := &visitor{credentials: readCredentials(h, time.Now()), body: body}
				if is := d.admit(d.sources[name], v, hurry); is.known {
					t.Fatalf("%s: %s was let in", what, name)
				}
				macs[v.macs] = append(macs[v.macs], name)
			}
			if len(macs) != 1 {
				t.Errorf("%s (hurry %v): HMACs by name: %v", what, hurry, macs)
			}
		}
	}
}

// Only who is authenticated somewhere learns what exists.
func TestNamesAreToldToSendersOnly(t *testing.T) {
	d := &fakeDaemon{receivers: sealed()}
	s := start(t, d, nil, Options{})
	unknown := config("nobody", `1`)
	want(t, "by signature", s.post("/webhook/config", unknown, signed(whsec, "m1", time.Now(), unknown)...), 404, "config_name")
	want(t, "by hub signature", s.post("/webhook/config", unknown, "X-Hub-Signature-256", hubSignature(hubKey, unknown)), 404)
	want(t, "by token", s.post("/webhook/config", unknown, "Authorization", "Bearer "+token), 404)
	want(t, "broken, by token", s.post("/webhook/config", "{", "Authorization", "Bearer "+token), 400, "malformed")
	app := config("app", `1`)
	want(t, "another's secret", s.post("/webhook/config", app, "Authorization", "Bearer "+token), 401)

	many := sealed()
	for i := range maxProbes {
		name := fmt.Sprintf("more%d", i)
		many.Sources[name] = receiver(name, fmt.Sprintf("a secret of its own, number %d", i))
	}
	d.set(func(f *fakeDaemon) { f.receivers = many })
	want(t, "too many to try", s.post("/webhook/config", unknown, signed(whsec, "m1", time.Now(), unknown)...), 401)
	want(t, "declared", s.post("/webhook/config", app, signed(whsec, "m1", time.Now(), app)...), 200)
}

// W2: both secrets are good while one replaces the other, a sender may sign with both, the
// metrics say which is used, and an old one is retired without a restart.
func TestW2Rotation(t *testing.T) {
	r := sealed()
	r.Sources["app"] = receiver("app", second, whsec)
	d := &fakeDaemon{receivers: r}
	s := start(t, d, nil, Options{})
	body := config("app", `1`)
	oldOne, newOne := signed(whsec, "m1", time.Now(), body), signed(second, "m1", time.Now(), body)
	want(t, "old", s.post("/webhook/config", body, oldOne...), 200)
	want(t, "new", s.post("/webhook/config", body, newOne...), 200)
	both := append(oldOne[:5:5], "v1,AAAA v2,x "+newOne[5]+" "+oldOne[5])
	want(t, "both", s.post("/webhook/config", body, both...), 200)
	want(t, "use of secrets", s.get("/metrics"), 200,
		`tidegate_webhook_secret_uses_total{address="source.webhook.app",secret="1"} 2`,
		`tidegate_webhook_secret_uses_total{address="source.webhook.app",secret="2"} 1`)
	retired := sealed()
	retired.Sources["app"] = receiver("app", second)
	d.set(func(f *fakeDaemon) { f.receivers = retired })
	want(t, "retired", s.post("/webhook/config", body, oldOne...), 401)
	want(t, "still good", s.post("/webhook/config", body, newOne...), 200)
	want(t, "count goes on", s.get("/metrics"), 200, `tidegate_webhook_secret_uses_total{address="source.webhook.app",secret="1"} 3`)
}

func TestSecretsThatOpenNothing(t *testing.T) {
	r := sealed()
	for i, text := range []string{"", "whsec_", "whsec_!!!"} {
		r.Sources[fmt.Sprint(i)] = receiver(fmt.Sprint(i), text)
	}
	d := &fakeDaemon{receivers: r}
	s := start(t, d, nil, Options{})
	for i := range 3 {
		body := config(fmt.Sprint(i), `1`)
		want(t, "empty key", s.post("/webhook/config", body, signed("whsec_", "m", time.Now(), body)...), 401)
		want(t, "empty hub key", s.post("/webhook/config", body, "X-Hub-Signature-256", hubSignature("", body)), 401)
		want(t, "nothing", s.post("/webhook/config", body), 401)
	}
}

// A secret without the prefix is its own bytes, or base64 as the libraries have it.
func TestSecretWithoutPrefix(t *testing.T) {
	r := open()
	encoded := strings.TrimPrefix(whsec, "whsec_")
	r.Sources["app"] = receiver("app", encoded)
	d := &fakeDaemon{receivers: r}
	s := start(t, d, nil, Options{})
	body := config("app", `1`)
	want(t, "decoded", s.post("/webhook/config", body, signed(encoded, "m", time.Now(), body)...), 200)
	want(t, "as it stands", s.post("/webhook/config", body, signed("whsec_"+base64Of(encoded), "m", time.Now(), body)...), 200)
}

// W3: a time that is too far away, or none, is refused, and so is an id that could be cut
// at another place.
func TestW3Timestamps(t *testing.T) {
	d := &fakeDaemon{receivers: sealed()}
	s := start(t, d, nil, Options{})
	body := config("app", `1`)
	now := time.Now()
	for what, tt := range map[string]struct {
		id string
		at time.Time
	}{
		"301 s ago": {"m", now.Add(-302 * time.Second)}, "in 301 s": {"m", now.Add(302 * time.Second)},
		"year 9999": {"m", time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, "1970": {"m", time.Unix(0, 0)},
		"before 1970": {"m", time.Unix(-1, 0)}, "full stop": {"m.1", now}, "space": {"m 1", now}, "long": {strings.Repeat("m", 257), now},
	} {
		want(t, what, s.post("/webhook/config", body, signed(whsec, tt.id, tt.at, body)...), 401)
	}
	good := signed(whsec, "m", now, body)
	for _, text := range []string{"", "now", good[3] + ".0", "+" + good[3], good[3] + "_", "0x" + good[3], "99999999999999999999", "1e9"} {
		want(t, "timestamp "+text, s.post("/webhook/config", body, good[0], good[1], "webhook-timestamp", text, good[4], good[5]), 401)
	}
	for _, near := range []time.Duration{-298 * time.Second, 298 * time.Second} {
		want(t, near.String(), s.post("/webhook/config", body, signed(whsec, "m", now.Add(near), body)...), 200)
	}
}

// W5: what is too large or never ends is not read to its end.
func TestW5Bodies(t *testing.T) {
	d := &fakeDaemon{receivers: open("app")}
	s := start(t, d, nil, Options{Read: 300 * time.Millisecond})
	fits := config("app", `"`+strings.Repeat("x", MaxBody-len(config("app", `""`)))+`"`)
	if len(fits) != MaxBody {
		t.Fatal(len(fits))
	}
	want(t, "exactly", s.post("/webhook/config", fits), 200)
	want(t, "one more", s.post("/webhook/config", fits+" "), 413, "1 MiB")
	chunked := s.request(http.MethodPost, "/webhook/config", "")
	chunked.Body, chunked.ContentLength = http.NoBody, -1
	chunked.Body = readCloser{strings.NewReader(fits + " ")}
	want(t, "chunked", s.do(chunked), 413)
	small := s.request(http.MethodPost, "/webhook/config", "")
	small.Body, small.ContentLength = readCloser{strings.NewReader(config("app", `1`))}, -1
	want(t, "chunked and small", s.do(small), 200)

	head := "POST /webhook/config HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	if got := s.raw(head + "Content-Length: 100\r\n\r\n{"); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("a body that does not come: %q", got)
	}
	if got := s.raw(head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("chunks without an end: %q", got)
	}
	if got := s.raw(head + "Content-Length: 99999999999\r\n\r\n{"); !strings.HasPrefix(got, "HTTP/1.1 413 ") {
		t.Errorf("a body that is announced as huge: %q", got)
	}
	if used := s.bodies.used.Load(); used != 0 {
		t.Errorf("%d bytes of buffers are not given back", used)
	}
}

// W6: compressed bodies are not taken.
func TestW6CompressedBody(t *testing.T) {
	d := &fakeDaemon{receivers: open("app")}
	s := start(t, d, nil, Options{})
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(config("app", `1`)))
	_ = z.Close()
	want(t, "gzip", s.post("/webhook/config", b.String(), "Content-Encoding", "gzip"), 415, "compressed")
	want(t, "twice", s.post("/webhook/config", b.String(), "Content-Encoding", "identity", "Content-Encoding", "gzip"), 415)
	want(t, "gzip to notify", s.post("/webhook/notify/poke", b.String(), "Content-Encoding", "gzip"), 415)
	want(t, "gzip that nobody declares", s.post("/webhook/config", b.String()), 400, "malformed")
	want(t, "identity", s.post("/webhook/config", config("app", `1`), "Content-Encoding", "identity"), 200)
}

// W7: wrong types, methods and shapes.
func TestW7Shapes(t *testing.T) {
	d := &fakeDaemon{receivers: open("app")}
	s := start(t, d, nil, Options{})
	good := config("app", `1`)
	for _, typ := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/json; charset=latin1", "json", "text/json+x"} {
		want(t, "type "+typ, s.do(s.typed(good, typ)), 415, "Content-Type: application/json")
	}
	for _, typ := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8", "application/cloudevents+json"} {
		want(t, "type "+typ, s.do(s.typed(good, typ)), 200)
	}
	for _, method := range []string{"GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"} {
		got := s.do(s.request(method, "/webhook/config", ""))
		want(t, method, got, 405, "POST")
		if got.header.Get("Allow") != "POST" {
			t.Errorf("%s: Allow %q", method, got.header.Get("Allow"))
		}
	}
	for _, body := range []string{
		"", "null", "[]", "{}", good + good, good + "x", `{"config_name":"app","config_name":"app","config_data":1}`,
		`{"config_name":"app","config_data":1,"force":true}`, `{"config_name":"app"}`, `{"config_data":1}`, `{"config_name":["app"],"config_data":1}`,
		"{\"config_name\":\"app\",\"config_data\":\"\xff\"}", "\xef\xbb\xbf" + good, "\xff\xfe{\x00}\x00",
	} {
		want(t, body, s.post("/webhook/config", body), 400, "malformed body", "config_data")
	}
	want(t, "no such path", s.post("/webhook/configs", good), 404, "/webhook/config")
	want(t, "no such path", s.post("/webhook/", good), 404)
	if n := len(d.pushed()); n != 4 {
		t.Errorf("%d pushes were taken, want 4", n)
	}
}

// W8: a name is one that is declared, or can be one. It is never a path.
func TestW8Names(t *testing.T) {
	r := open("app", "team/app", "..")
	d := &fakeDaemon{receivers: r}
	s := start(t, d, nil, Options{})
	names := []string{
		"../x", "/abs", "a\x00b", "CON", "con.json", "LPT1", strings.Repeat("n", 10<<10), "аpp", "..data", "", ".", "a/b", `a\b`, "*", "-x", "a b", "a\nb",
		"app\u200b", "app.", "%2e%2e", "~", "a:b",
	}
	for _, wildcard := range []bool{false, true} {
		if wildcard {
			with := open("app", "team/app", "..")
			with.Wildcard = receiver("*")
			d.set(func(f *fakeDaemon) { f.receivers = with })
		}
		for _, name := range names {
			want(t, name, s.post("/webhook/config", fmt.Sprintf(`{"config_name":%s,"config_data":1}`, jsonLine(name))), 400, "config_name")
		}
		if n := len(d.pushed()); n != 0 {
			t.Fatalf("%d pushes were taken", n)
		}
	}
	want(t, "wildcard", s.post("/webhook/config", config("other-1.prod", `1`)), 200)
	for _, declared := range []string{"team/app", ".."} {
		want(t, declared, s.post("/webhook/config", config(declared, `1`)), 200)
	}
	got := d.pushed()
	if len(got) != 3 || got[0].Name != "other-1.prod" || got[0].Receiver.Name != "*" || got[1].Receiver.Name != "team/app" {
		t.Errorf("%+v", got)
	}
}

// W14: a sender that goes away ends the context of its push, and nothing else.
func TestW14SenderGoesAway(t *testing.T) {
	entered, left := make(chan struct{}), make(chan error, 1)
	d := &fakeDaemon{receivers: open("app"), answer: func(ctx context.Context, _ engine.Pushed) engine.PushResult {
		close(entered)
		<-ctx.Done()
		left <- ctx.Err()
		return engine.PushResult{Outcome: engine.PushBusy}
	}}
	s := start(t, d, nil, Options{})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	body := config("app", `1`)
	fmt.Fprintf(conn, "POST /webhook/config HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	<-entered
	conn.Close()
	if err := <-left; err == nil {
		t.Error("the context did not end")
	}
	d.set(func(f *fakeDaemon) { f.answer = nil })
	want(t, "next", s.post("/webhook/config", body), 200)
}

// A daemon that takes its time is not hurried by the deadline for the body.
func TestSlowPushIsAnswered(t *testing.T) {
	d := &fakeDaemon{receivers: open("app"), answer: func(ctx context.Context, _ engine.Pushed) engine.PushResult {
		select {
		case <-ctx.Done():
			return engine.PushResult{Outcome: engine.PushBusy}
		case <-time.After(400 * time.Millisecond):
			return engine.PushResult{}
		}
	}}
	s := start(t, d, nil, Options{Read: 100 * time.Millisecond})
	for range 2 {
		want(t, "slow", s.post("/webhook/config", config("app", `1`)), 200)
	}
	hung := start(t, d, nil, Options{PushTimeout: 50 * time.Millisecond})
	want(t, "hung", hung.post("/webhook/config", config("app", `1`)), 503)
}
