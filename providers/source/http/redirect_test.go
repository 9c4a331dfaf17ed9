package http

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tidegate/providers"
	"tidegate/providers/providertest"
	"tidegate/providers/providertest/certs"
)

func to(target string, code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", target)
		w.WriteHeader(code)
	}
}

func TestFaultH22RedirectLoop(t *testing.T) {
	r := record(t, to("/again", 302))
	_, err := fetch(t, r.URL)
	providertest.WantError(t, err, providers.ClassPermanent, "more than 5 redirects")
	if r.count() != 6 {
		t.Errorf("%d requests, want 6", r.count())
	}
}

func TestRedirectWithinTheHost(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		mux := http.NewServeMux()
		mux.Handle("/old", to("/new/c.yaml?x=1#f", code))
		mux.Handle("/new/c.yaml", say("moved"))
		r := record(t, mux.ServeHTTP)
		snap, err := fetch(t, r.URL+"/old", `bearer_token = "tok"`, `headers = { X-A = "a" }`)
		wantData(t, snap, err, "moved")
		req, _ := r.last()
		if snap.Location != r.URL+"/new/c.yaml?x=***" || req.Header.Get("Authorization") != "Bearer tok" || req.Header.Get("X-A") != "a" {
			t.Errorf("%d: location %q, headers %v", code, snap.Location, req.Header)
		}
	}
}

func TestFaultH23RedirectsAgainstThePolicy(t *testing.T) {
	other := record(t, say("other"))
	for target, want := range map[string]string{
		other.URL + "/x?k=hunter2": "another host",
		"file:///etc/passwd":       "not supported",
		"gopher://h/":              "not supported",
		"http://u:hunter2@h/":      "user or a password",
		"":                         "names no place",
		"http://%zz/":              "names no place",
		strings.Replace(other.URL, "http:", "https:", 1): "another scheme",
	} {
		r := record(t, to(target, 302))
		_, err := fetch(t, r.URL)
		providertest.WantError(t, err, providers.ClassPermanent, "GET "+r.URL+": redirect (status 302 Found)", "refused", want)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows a credential: %v", err)
		}
	}
	if other.count() != 0 {
		t.Errorf("the other host was asked %d times", other.count())
	}
}

func TestFaultH23NoCredentialsForOtherHosts(t *testing.T) {
	var back string
	other := record(t, func(w http.ResponseWriter, req *http.Request) {
		if back != "" {
			to(back, 302)(w, req)
			return
		}
		say("other")(w, req)
	})
	mux := http.NewServeMux()
	mux.Handle("/", to(other.URL+"/c", 302))
	mux.Handle("/back", say("back"))
	r := record(t, mux.ServeHTTP)
	lines := []string{`bearer_token = "tok"`, `headers = { X-Api-Key = "k", X-A = "a" }`, `follow_redirects = true`}
	snap, err := fetch(t, r.URL, lines...)
	wantData(t, snap, err, "other")
	wantBare := func(where string, s *recorder) {
		t.Helper()
		req, _ := s.last()
		for _, name := range []string{"Authorization", "X-Api-Key", "X-A", "Referer", "Cookie"} {
			if got := req.Header.Get(name); got != "" {
				t.Errorf("%s got %s: %q", where, name, got)
			}
		}
	}
	wantBare("the other host", other)
	// The way back through a foreign host brings no trust back.
	back = r.URL + "/back"
	snap, err = fetch(t, r.URL, lines...)
	wantData(t, snap, err, "back")
	wantBare("the first host, by way of another", r)
}

func TestFaultH23NeverFromHTTPSToHTTP(t *testing.T) {
	plain := record(t, say("plain"))
	ca := certs.NewCA(t)
	url := ca.ServeTLS(&tls.Config{}, to(plain.URL, 302))
	block := fmt.Sprintf("tls {\n ca_file = %q\n}", ca.File())
	_, err := fetch(t, url, block, `follow_redirects = true`)
	providertest.WantError(t, err, providers.ClassPermanent, "from https to http")
	if plain.count() != 0 {
		t.Error("the plain server was asked")
	}
	up := record(t, to(ca.ServeTLS(&tls.Config{}, say("safe")), 302))
	snap, err := fetch(t, up.URL, block, `follow_redirects = true`)
	wantData(t, snap, err, "safe")
}

func TestRedirectedPost(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/see-other", to("/end", 303))
	mux.Handle("/keep", to("/end", 307))
	other := record(t, say("x"))
	mux.Handle("/away", to(other.URL, 307))
	mux.Handle("/end", say("end"))
	r := record(t, mux.ServeHTTP)
	post := []string{`method = "POST"`, `body = "query"`, `follow_redirects = true`}
	for path, want := range map[string]string{"/see-other": "GET ", "/keep": "POST query"} {
		snap, err := fetch(t, r.URL+path, post...)
		wantData(t, snap, err, "end")
		if req, body := r.last(); req.Method+" "+body != want {
			t.Errorf("%s went on as %s %q", path, req.Method, body)
		}
	}
	_, err := fetch(t, r.URL+"/away", post...)
	providertest.WantError(t, err, providers.ClassPermanent, "not carried to another host")
}
