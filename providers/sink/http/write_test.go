package http

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

// recorder is a server that remembers what it was sent.
type recorder struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func record(t testing.TB, answer func(n int, w http.ResponseWriter)) *recorder {
	t.Helper()
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.requests = append(r.requests, req)
		r.bodies = append(r.bodies, string(body))
		n := len(r.requests)
		r.mu.Unlock()
		answer(n, w)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) all() ([]*http.Request, []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*http.Request(nil), r.requests...), append([]string(nil), r.bodies...)
}

func status(code int) func(int, http.ResponseWriter) {
	return func(_ int, w http.ResponseWriter) { w.WriteHeader(code) }
}

var delivery = providers.Delivery{ID: "d-1", Address: "sink.http.x", Attempt: 1}

func TestWriteSendsWhatIsConfigured(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		r := record(t, status(204))
		s := newSink(t, r.URL+"/hook?k=v", `method = "`+method+`"`, `body = "{\"a\":1}"`, `bearer_token = "tok"`, `headers = { X-A = "a" }`)
		if err := s.Write(t.Context(), delivery); err != nil {
			t.Fatal(err)
		}
		requests, bodies := r.all()
		req := requests[0]
		if req.Method != method || bodies[0] != `{"a":1}` || req.URL.String() != "/hook?k=v" {
			t.Errorf("%s %s %q", req.Method, req.URL, bodies[0])
		}
		for name, want := range map[string]string{
			"Idempotency-Key": "d-1", "Authorization": "Bearer tok", "X-A": "a", "User-Agent": "tidegate/test",
			"Content-Type": "application/json", "Webhook-Id": "", "X-Hub-Signature-256": "",
		} {
			if got := req.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}

func TestContentTypeIsThatOfTheBody(t *testing.T) {
	for line, want := range map[string]string{
		`body = "hello"`: "text/plain; charset=utf-8",
		`body = "[1]"`:   "application/json",
		``:               "",
		"body = \"[1]\"\nheaders = { content-type = \"application/cloudevents+json\" }": "application/cloudevents+json",
	} {
		r := record(t, status(200))
		if err := newSink(t, r.URL, line).Write(t.Context(), delivery); err != nil {
			t.Fatal(err)
		}
		if requests, _ := r.all(); requests[0].Header.Get("Content-Type") != want {
			t.Errorf("%q: Content-Type %q, want %q", line, requests[0].Header.Get("Content-Type"), want)
		}
	}
}

func TestSignatures(t *testing.T) {
	key := []byte("0123456789abcdef01234567")
	for name, secret := range map[string]string{
		"text":   string(key),
		"base64": "whsec_" + base64.StdEncoding.EncodeToString(key),
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, status(200))
			s := newSink(t, r.URL, `body = "payload"`, "sign {\n secret = \""+secret+"\"\n}")
			if err := s.Write(t.Context(), delivery); err != nil {
				t.Fatal(err)
			}
			requests, bodies := r.all()
			h := requests[0].Header
			mac := func(text string) []byte {
				m := hmac.New(sha256.New, key)
				_, _ = io.WriteString(m, text)
				return m.Sum(nil)
			}
			at := h.Get("webhook-timestamp")
			if seconds, err := strconv.ParseInt(at, 10, 64); err != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute {
				t.Errorf("timestamp %q", at)
			}
			if want := "v1," + base64.StdEncoding.EncodeToString(mac("d-1."+at+"."+bodies[0])); h.Get("webhook-id") != "d-1" || h.Get("webhook-signature") != want {
				t.Errorf("webhook-id %q, webhook-signature %q, want %q", h.Get("webhook-id"), h.Get("webhook-signature"), want)
			}
			if want := "sha256=" + hex.EncodeToString(mac(bodies[0])); h.Get("X-Hub-Signature-256") != want {
				t.Errorf("X-Hub-Signature-256 %q, want %q", h.Get("X-Hub-Signature-256"), want)
			}
		})
	}
}

// The example of the Standard Webhooks specification.
func TestSignatureOfTheSpecification(t *testing.T) {
	s, err := newSigner(&Sign{Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	s.sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0))
	if got := h.Get("webhook-signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signature = %q", got)
	}
}

func TestSuccessCodes(t *testing.T) {
	for code, ok := range map[int]bool{200: true, 201: false, 202: true, 409: true, 500: false} {
		r := record(t, status(code))
		err := newSink(t, r.URL, `success_codes = [200, 202, 409]`).Write(t.Context(), delivery)
		if (err == nil) != ok {
			t.Errorf("%d: %v", code, err)
		}
		if code == 201 {
			providertest.WantError(t, err, providers.ClassTemporary, "status 201 Created is not in success_codes")
		}
	}
	for _, code := range []int{200, 201, 202, 204, 299} {
		if err := newSink(t, record(t, status(code)).URL).Write(t.Context(), delivery); err != nil {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestErrorShowsTheAnswerRedacted(t *testing.T) {
	r := record(t, func(_ int, w http.ResponseWriter) {
		w.WriteHeader(422)
		_, _ = io.WriteString(w, "bad field \x1b[31m\ntoken tok-hunter2, value s3cret "+strings.Repeat("x", 64<<10))
	})
	d := delivery
	d.Redact = func(s string) string { return strings.ReplaceAll(s, "s3cret", "(sensitive)") }
	err := newSink(t, r.URL+"/?k=hunter2", `bearer_token = "tok-hunter2"`).Write(t.Context(), d)
	providertest.WantError(t, err, providers.ClassPermanent, "POST "+r.URL+"/?k=***: status 422 Unprocessable Entity: bad field \\u001b[31m\\ntoken ***, value (sensitive) xxx")
	if text := err.Error(); strings.Contains(text, "hunter2") || strings.Contains(text, "s3cret") || len(text) > 2300 {
		t.Errorf("%d bytes: %q", len(text), text)
	}
	d.Redact = nil
	providertest.WantError(t, newSink(t, r.URL).Write(t.Context(), d), providers.ClassPermanent, "s3cret")
}
