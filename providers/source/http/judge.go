package http

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"tidegate/providers"
	"tidegate/providers/internal/httpclient"
)

// errContradiction is a 304 whose ETag is not the one we asked about.
var errContradiction = errors.New("not modified, says the server, and names another ETag than the one it was asked about")

// judge turns an answer that is no redirect into a snapshot or an error.
func (s *source) judge(ctx context.Context, p *httpclient.Progress, x *exchange) (providers.Snapshot, error) {
	switch x.resp.StatusCode {
	case http.StatusOK:
		return s.snapshot(ctx, p, x)
	case http.StatusNotModified:
		return x.unchanged()
	}
	err := x.failure()
	httpclient.Discard(x.resp)
	return providers.Snapshot{}, err
}

func (s *source) snapshot(ctx context.Context, p *httpclient.Progress, x *exchange) (providers.Snapshot, error) {
	data, err := httpclient.ReadBody(ctx, p, x.resp, providers.FetchLimit(ctx))
	if err != nil {
		return providers.Snapshot{}, fmt.Errorf("%s: %w", x.name, err)
	}
	validator := validatorOf(x.key, x.resp.Header).String()
	if s.sensitive || s.secretBody {
		// A validator is kept in clear and names its request by a hash, which a short secret in
		// the URL or body could be guessed from. Such an origin is asked in full each time.
		validator = ""
	}
	return providers.Snapshot{
		Data:        data,
		Private:     s.request.BearerToken != "" || s.request.BasicAuth != nil || len(s.request.Headers) > 0,
		ContentType: mediaType(x.resp.Header.Get("Content-Type")),
		Location:    httpclient.Display(x.url, s.sensitive),
		Validator:   validator,
		Version:     opaque(etag(x.resp.Header)),
	}, nil
}

// unchanged judges a 304.
func (x *exchange) unchanged() (providers.Snapshot, error) {
	if x.sent.empty() {
		return providers.Snapshot{}, fmt.Errorf("%s: status 304 Not Modified, although nothing was asked that this could answer: a cache on the way is confused", x.name)
	}
	tag := etag(x.resp.Header)
	if x.sent.ETag != "" && tag != "" && opaque(tag) != opaque(x.sent.ETag) {
		return providers.Snapshot{}, fmt.Errorf("%s: %w", x.name, errContradiction)
	}
	snap := providers.Snapshot{NotModified: true}
	if tag == x.sent.ETag {
		return snap, nil // the usual answer
	}
	if fresh := validatorOf(x.key, x.resp.Header); fresh.ETag != "" && fresh != x.sent {
		snap.Validator = fresh.String()
	}
	return snap, nil
}

// failure says what a status means that brings no value.
func (x *exchange) failure() error {
	code := x.resp.StatusCode
	err := fmt.Errorf("%s: %s", x.name, httpclient.Status(code))
	switch {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return providers.Permanent(fmt.Errorf("%w: check the token, password or headers of the source", err))
	case code == http.StatusNotFound:
		return providers.Temporary(fmt.Errorf("%w: nothing is there, which is not the same as an empty value", err))
	case code == http.StatusGone:
		return providers.Temporary(fmt.Errorf("%w: the server says that it is gone for good; change or remove the source", err))
	case code < 300:
		return providers.Temporary(fmt.Errorf("%w is not an update: only 200 brings a whole value", err))
	case httpclient.IsTemporary(code):
		return httpclient.Wait(err, x.resp)
	}
	return providers.Permanent(err)
}

// mediaType returns the type without its parameters.
func mediaType(header string) string {
	if t, _, err := mime.ParseMediaType(header); err == nil {
		return t
	}
	t, _, _ := strings.Cut(header, ";")
	return strings.ToLower(strings.TrimSpace(httpclient.Escape(t)))
}

// combine makes one error of those of the URL and its mirrors. It is permanent only if all
// are, and asks for the longest wait that any of them asked for.
func combine(failed []error) error {
	if len(failed) == 1 {
		return failed[0]
	}
	permanent, wait := true, time.Duration(0)
	texts := make([]string, len(failed))
	for i, err := range failed {
		class, after := providers.Classify(err)
		permanent = permanent && class == providers.ClassPermanent
		wait = max(wait, after)
		texts[i] = err.Error()
	}
	all := &allFailed{text: strings.Join(texts, "; then "), errs: failed}
	switch {
	case permanent:
		return providers.Permanent(all)
	case wait > 0:
		return providers.After(all, wait)
	}
	return providers.Temporary(all)
}

type allFailed struct {
	text string
	errs []error
}

func (e *allFailed) Error() string   { return e.text }
func (e *allFailed) Unwrap() []error { return e.errs }
