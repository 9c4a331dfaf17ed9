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
	secretBody bool    // the validator of an answer would be a hash of it
	sensitive  bool    // the URLs as a whole
	request    *Config // what requests are made of beside their URLs
	retry      *providers.Retry
	client     *httpclient.Client
	origins    []origin // url, then mirrors
	known      atomic.Pointer[parsedValidator]
}

// origin is one URL, with what every look at it needs: a poll that finds nothing should cost
// little more than its request.
type origin struct {
	url  *url.URL
	name string // how its request is called in errors
	key  string // of its validator
}

// parsedValidator is the validator that was parsed last.
type parsedValidator struct {
	text string
	validator
}

// Most of many sources say nothing beside their URL, and share what they are made of.
var (
	plainRequest = &Config{Method: http.MethodGet}
	plainRetry   = providers.DefaultRetry()
)

// prepare makes what depends on nothing but the configuration, and lets go of the rest.
func (s *source) prepare(c *Config, urls []*url.URL) {
	s.request, s.retry = plainRequest, plainRetry
	if c.Method != http.MethodGet || len(c.Headers) > 0 || c.Body != "" || c.BearerToken != "" || c.BasicAuth != nil || c.FollowRedirects {
		s.request = &Config{
			Method: c.Method, Headers: c.Headers, Body: c.Body, BearerToken: c.BearerToken,
			BasicAuth: c.BasicAuth, FollowRedirects: c.FollowRedirects,
		}
	}
	if *c.Retry != *plainRetry {
		s.retry = c.Retry
	}
	s.origins = make([]origin, len(urls))
	for i, u := range urls {
		s.origins[i] = origin{u, c.Method + " " + httpclient.Display(u, s.sensitive), requestKey(u, c.Body, c.Headers)}
	}
}

// parsed is parseValidator for a text that is mostly the one of before.
func (s *source) parsed(text string) validator {
	if v := s.known.Load(); v != nil && v.text == text {
		return v.validator
	}
	v := &parsedValidator{text, parseValidator(text)}
	for _, t := range s.origins {
		if t.key == v.For {
			v.For = t.key // one of the two is enough
		}
	}
	s.known.Store(v)
	return v.validator
}

// Identity returns the URL without the values of its query.
func (s *source) Identity() string { return httpclient.Display(s.origins[0].url, s.sensitive) }

// Retry says how the engine repeats a failed Fetch.
func (s *source) Retry() providers.Retry { return *s.retry }

// Fetch asks the URL and, for as long as that fails, its mirrors in order.
func (s *source) Fetch(ctx context.Context, last string) (providers.Snapshot, error) {
	known := s.parsed(last)
	var failed []error
	for i := range s.origins {
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
	t := s.origins[i]
	at := hop{url: t.url, method: s.request.Method, trusted: true, body: s.request.Body, name: t.name, key: t.key}
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
		if at, err = s.redirect(at, t.url, x); err != nil {
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
		Method: at.method, URL: at.url, Host: at.url.Host, Header: make(http.Header, 4+len(s.request.Headers)),
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
			x.key = requestKey(at.url, at.body, s.request.Headers)
		}
		x.sent = known.addTo(req, x.key)
	}
	var err error
	x.resp, err = s.client.Do(ctx, p, x.name, req)
	return x, err
}

func (s *source) addHeaders(req *http.Request) {
	httpclient.SetHeaders(req, s.request.Headers)
	switch {
	case s.request.BearerToken != "":
		req.Header.Set("Authorization", "Bearer "+s.request.BearerToken)
	case s.request.BasicAuth != nil:
		req.SetBasicAuth(s.request.BasicAuth.Username, s.request.BasicAuth.Password)
	}
}
