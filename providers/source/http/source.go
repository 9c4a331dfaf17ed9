package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"

	"tidegate/providers"
	"tidegate/providers/internal/httpclient"
)

type source struct {
	secretBody bool // the validator of an answer would be a hash of it
	config     *Config
	client     *httpclient.Client
	urls       []*url.URL // url, then mirrors
	sensitive  bool       // the URLs as a whole

	// What every look needs is made once: a poll that finds nothing should cost little more
	// than its request.
	names []string // how requests of urls are called in errors
	keys  []string // of their validators
	known atomic.Pointer[parsedValidator]
}

// parsedValidator is the validator that was parsed last.
type parsedValidator struct {
	text string
	validator
}

// prepare makes what depends on nothing but the configuration.
func (s *source) prepare() {
	for _, u := range s.urls {
		s.names = append(s.names, s.config.Method+" "+httpclient.Display(u, s.sensitive))
		s.keys = append(s.keys, requestKey(u, s.config.Body, s.config.Headers))
	}
}

// parsed is parseValidator for a text that is mostly the one of before.
func (s *source) parsed(text string) validator {
	if v := s.known.Load(); v != nil && v.text == text {
		return v.validator
	}
	v := &parsedValidator{text, parseValidator(text)}
	s.known.Store(v)
	return v.validator
}

// Identity returns the URL without the values of its query.
func (s *source) Identity() string { return httpclient.Display(s.urls[0], s.sensitive) }

// Retry says how the engine repeats a failed Fetch.
func (s *source) Retry() providers.Retry { return *s.config.Retry }

// Fetch asks the URL and, for as long as that fails, its mirrors in order.
func (s *source) Fetch(ctx context.Context, last string) (providers.Snapshot, error) {
	known := s.parsed(last)
	var failed []error
	for i := range s.urls {
		snap, err := s.look(ctx, i, known)
		if err == nil {
			return snap, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return providers.Snapshot{}, combine(failed)
}

// look asks one URL. A 304 that contradicts itself is asked again, once, without
// validators: otherwise it would come back at every look.
func (s *source) look(ctx context.Context, i int, known validator) (providers.Snapshot, error) {
	ctx, progress, cancel := s.client.Begin(ctx)
	defer cancel()
	snap, err := s.follow(ctx, progress, i, known)
	if errors.Is(err, errContradiction) {
		snap, err = s.follow(ctx, progress, i, validator{})
	}
	return snap, err
}

// follow sends the request and walks along the redirects that the policy allows.
func (s *source) follow(ctx context.Context, p *httpclient.Progress, i int, known validator) (providers.Snapshot, error) {
	u := s.urls[i]
	at := hop{url: u, method: s.config.Method, trusted: true, body: s.config.Body, name: s.names[i], key: s.keys[i]}
	for n := 0; ; n++ {
		x, err := s.send(ctx, p, at, known)
		if err != nil {
			return providers.Snapshot{}, err
		}
		if !isRedirect(x.resp.StatusCode) {
			defer x.resp.Body.Close()
			snap, err := s.judge(ctx, p, x)
			if err == nil {
				snap.CertificateEnds = httpclient.CertificateEnds(x.resp.TLS)
			}
			return snap, err
		}
		httpclient.Discard(x.resp)
		if n == maxHops {
			return providers.Snapshot{}, providers.Permanent(fmt.Errorf("%s: more than %d redirects in a row", x.name, maxHops))
		}
		if at, err = s.redirect(at, u, x); err != nil {
			return providers.Snapshot{}, err
		}
	}
}

// exchange is one request with its answer.
type exchange struct {
	name string // "GET https://host/path"
	key  string // of the request, for its validator; "" if it can have none
	url  *url.URL
	resp *http.Response
	sent validator // zero if the request was not conditional
}

func (s *source) send(ctx context.Context, p *httpclient.Progress, at hop, known validator) (*exchange, error) {
	x := &exchange{url: at.url, name: at.name}
	if x.name == "" {
		x.name = at.method + " " + httpclient.Display(at.url, s.sensitive)
	}
	req := (&http.Request{
		Method: at.method, URL: at.url, Host: at.url.Host, Header: make(http.Header, 4+len(s.config.Headers)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if at.body != "" {
		httpclient.SetBody(req, at.body)
	}
	req.Header.Set("Accept-Encoding", httpclient.AcceptEncoding)
	if at.trusted {
		s.addHeaders(req)
	}
	if at.method == http.MethodGet {
		// RFC 9110 defines no 304 for other methods.
		if x.key = at.key; x.key == "" {
			x.key = requestKey(at.url, at.body, s.config.Headers)
		}
		x.sent = known.addTo(req, x.key)
	}
	var err error
	x.resp, err = s.client.Do(ctx, p, x.name, req)
	return x, err
}

func (s *source) addHeaders(req *http.Request) {
	httpclient.SetHeaders(req, s.config.Headers)
	switch {
	case s.config.BearerToken != "":
		req.Header.Set("Authorization", "Bearer "+s.config.BearerToken)
	case s.config.BasicAuth != nil:
		req.SetBasicAuth(s.config.BasicAuth.Username, s.config.BasicAuth.Password)
	}
}
