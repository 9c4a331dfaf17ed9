package http

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

// recorder is a server that remembers what it was asked.
type recorder struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func record(t testing.TB, handler http.HandlerFunc) *recorder {
	t.Helper()
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.requests = append(r.requests, req)
		r.bodies = append(r.bodies, string(body))
		r.mu.Unlock()
		handler(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) last() (*http.Request, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.requests) - 1
	return r.requests[n], r.bodies[n]
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.requests)
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func TestFetchSendsWhatIsConfigured(t *testing.T) {
	r := record(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "Application/JSON; charset=utf-8")
		w.Header().Set("ETag", `W/"v1"`)
		_, _ = io.WriteString(w, `{"a":1}`)
	})
	snap, err := fetch(t, r.URL+"/c.json?key=hunter2", `headers = { Accept = "application/json", Host = "config.test", X-Key = "k" }`, `bearer_token = "tok"`)
	wantData(t, snap, err, `{"a":1}`)
	if snap.ContentType != "application/json" || snap.Location != r.URL+"/c.json?key=***" || snap.Version != "v1" || snap.Validator == "" {
		t.Errorf("snapshot = %+v", snap)
	}
	req, _ := r.last()
	for name, want := range map[string]string{
		"Accept": "application/json", "X-Key": "k", "Authorization": "Bearer tok", "User-Agent": "tidegate/test",
		"Accept-Encoding": "gzip", "If-None-Match": "", "If-Modified-Since": "",
	} {
		if got := req.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if req.Host != "config.test" || req.URL.RawQuery != "key=hunter2" {
		t.Errorf("host %q, query %q", req.Host, req.URL.RawQuery)
	}
}

func TestFetchPostsABodyAndAsksUnconditionally(t *testing.T) {
	r := record(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		_, _ = io.WriteString(w, "{}")
	})
	s := newSource(t, r.URL, `method = "POST"`, `body = "{\"query\":1}"`, "basic_auth {\n username = \"u\"\n password = \"p\"\n}")
	snap, err := s.Fetch(t.Context(), "")
	wantData(t, snap, err, "{}")
	req, body := r.last()
	user, password, _ := req.BasicAuth()
	if req.Method != "POST" || body != `{"query":1}` || user != "u" || password != "p" || snap.Validator != "" {
		t.Errorf("%s %q by %q:%q, validator %q", req.Method, body, user, password, snap.Validator)
	}
}

func TestFetchAsksConditionally(t *testing.T) {
	const date = "Wed, 21 Oct 2015 07:28:00 GMT"
	for name, test := range map[string]struct{ header, value, sent string }{
		"strong ETag":   {"ETag", `"v1"`, "If-None-Match"},
		"weak ETag":     {"ETag", `W/"v1"`, "If-None-Match"},
		"unquoted ETag": {"ETag", `v1`, "If-None-Match"},
		"date":          {"Last-Modified", date, "If-Modified-Since"},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, func(w http.ResponseWriter, req *http.Request) {
				w.Header().Set(test.header, test.value)
				if req.Header.Get(test.sent) == test.value {
					w.WriteHeader(http.StatusNotModified)
					return
				}
				_, _ = io.WriteString(w, "v1")
			})
			s := newSource(t, r.URL)
			first, err := s.Fetch(t.Context(), "")
			wantData(t, first, err, "v1")
			second, err := s.Fetch(t.Context(), first.Validator)
			if err != nil || !second.NotModified || second.Data != nil || second.Version != "" {
				t.Errorf("second look: %+v, %v", second, err)
			}
		})
	}
}

func TestDateOfTheSecondIsNoValidator(t *testing.T) {
	const now = "Wed, 21 Oct 2015 07:28:00 GMT"
	r := record(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", now)
		w.Header().Set("Last-Modified", now)
		_, _ = io.WriteString(w, "v1")
	})
	snap, err := fetch(t, r.URL)
	wantData(t, snap, err, "v1")
	if snap.Validator != "" {
		t.Errorf("validator %q: what changes again within its second would be missed", snap.Validator)
	}
}

func TestValidatorsStayWithTheirRequest(t *testing.T) {
	handler := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		_, _ = io.WriteString(w, "x")
	}
	a, b := record(t, handler), record(t, handler)
	snap, err := fetch(t, a.URL+"/x")
	wantData(t, snap, err, "x")
	for name, test := range map[string]struct {
		source providers.Source
		server *recorder
		want   string
	}{
		"same":            {newSource(t, a.URL+"/x"), a, `"v1"`},
		"new token":       {newSource(t, a.URL+"/x", `bearer_token = "t"`), a, `"v1"`},
		"other host":      {newSource(t, b.URL+"/x"), b, ""},
		"other path":      {newSource(t, a.URL+"/y"), a, ""},
		"other query":     {newSource(t, a.URL+"/x?q=1"), a, ""},
		"other header":    {newSource(t, a.URL+"/x", `headers = { Accept = "text/plain" }`), a, ""},
		"mirror in front": {newSource(t, b.URL+"/x", `mirrors = ["`+a.URL+`/x"]`), b, ""},
	} {
		if _, err := test.source.Fetch(t.Context(), snap.Validator); err != nil {
			t.Fatal(name, err)
		}
		if req, _ := test.server.last(); req.Header.Get("If-None-Match") != test.want {
			t.Errorf("%s: If-None-Match %q, want %q", name, req.Header.Get("If-None-Match"), test.want)
		}
	}
	for _, broken := range []string{"{", "null", `{"for":1}`, `{"etag":"a\nb"}`, "\"v1\""} {
		if _, err := newSource(t, a.URL+"/x").Fetch(t.Context(), broken); err != nil {
			t.Errorf("validator %q: %v", broken, err)
		}
	}
}

func TestMirrorsAreTriedInOrder(t *testing.T) {
	status := func(code int, header ...string) *recorder {
		return record(t, func(w http.ResponseWriter, _ *http.Request) {
			if len(header) == 2 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(code)
		})
	}
	down, denied, good, unused := status(500), status(403), record(t, say("good")), record(t, say("unused"))
	snap, err := fetch(t, down.URL+"/a.json", `mirrors = ["`+denied.URL+`", "`+good.URL+`/b.yaml", "`+unused.URL+`"]`)
	wantData(t, snap, err, "good")
	if snap.Location != good.URL+"/b.yaml" || down.count() != 1 || denied.count() != 1 || unused.count() != 0 {
		t.Errorf("location %q, requests %d %d %d", snap.Location, down.count(), denied.count(), unused.count())
	}
	_, err = fetch(t, down.URL, `mirrors = ["`+denied.URL+`"]`)
	providertest.WantError(t, err, providers.ClassTemporary, "GET "+down.URL+": status 500 Internal Server Error; then GET "+denied.URL+": status 403")
	_, err = fetch(t, denied.URL, `mirrors = ["`+denied.URL+`/2"]`)
	providertest.WantError(t, err, providers.ClassPermanent, "status 403")
	busy := status(503, "Retry-After", "7")
	_, err = fetch(t, busy.URL, `mirrors = ["`+down.URL+`"]`)
	if _, after := providers.Classify(err); after.String() != "7s" {
		t.Errorf("wait %s, want 7s: %v", after, err)
	}
}
