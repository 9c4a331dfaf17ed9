package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tidegate/providers"
	"tidegate/providers/internal/httpclient"
)

type sink struct {
	config    *Config
	client    *httpclient.Client
	signer    *signer
	url       *url.URL
	sensitive bool // the URL as a whole
}

// Read answers that there is nothing to read: what a server did with a request is its own.
func (s *sink) Read(context.Context) (providers.Observed, error) {
	return providers.Observed{Opaque: true}, nil
}

// Delete always fails: nobody knows what would undo a request.
func (s *sink) Delete(context.Context) error {
	return providers.Permanent(fmt.Errorf(`%s: a request cannot be taken back, so there is nothing to delete; use on_destroy = "keep"`, s.Target()))
}

// Write sends the request once and returns nil when the server acknowledged it.
func (s *sink) Write(ctx context.Context, d providers.Delivery) error {
	req, err := s.request(d, time.Now())
	if err != nil {
		return err
	}
	ctx, progress, cancel := s.client.Begin(ctx)
	defer cancel()
	resp, err := s.client.Do(ctx, progress, s.Target(), req)
	if err != nil {
		return unknown(err, progress, d)
	}
	// The status decides; what follows it only informs and must not take long, or a server
	// that never ends its answer would hold up the acknowledgement.
	defer resp.Body.Close()
	defer time.AfterFunc(answerTime, cancel).Stop()
	if s.succeeded(resp.StatusCode) {
		httpclient.Discard(resp)
		return nil
	}
	return s.failure(resp, d)
}

// answerTime is how long the body of an answer is listened to.
const answerTime = time.Second

func (s *sink) request(d providers.Delivery, now time.Time) (*http.Request, error) {
	req, err := http.NewRequest(s.config.Method, s.url.String(), strings.NewReader(s.config.Body))
	if err != nil {
		return nil, providers.Permanent(fmt.Errorf("%s: the request cannot be made", s.Target()))
	}
	if t := s.contentType(); t != "" {
		req.Header.Set("Content-Type", t)
	}
	if d.ID != "" {
		req.Header.Set("Idempotency-Key", d.ID)
	}
	httpclient.SetHeaders(req, s.config.Headers)
	if s.config.BearerToken != "" {
		req.Header.Set("Authorization", "Bearer "+s.config.BearerToken)
	}
	s.signer.sign(req.Header, d.ID, []byte(s.config.Body), now)
	return req, nil
}

func (s *sink) succeeded(status int) bool {
	if len(s.config.SuccessCodes) > 0 {
		return slices.Contains(s.config.SuccessCodes, status)
	}
	return status >= 200 && status < 300
}

// unknown says of a request that got no answer whether it may have been carried out.
func unknown(err error, p *httpclient.Progress, d providers.Delivery) error {
	class, _ := providers.Classify(err)
	if class == providers.ClassPermanent || !p.Sent() {
		return err
	}
	return providers.Temporary(&UnknownError{err: err, id: d.ID})
}

// UnknownError says that a request left and no answer came: the server may have acted.
type UnknownError struct {
	err error
	id  string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("%s; the outcome is unknown, since the server may have acted: the delivery is repeated with the same Idempotency-Key %s", e.err, e.id)
}

func (e *UnknownError) Unwrap() error { return e.err }

// failure says what a status means that does not acknowledge.
func (s *sink) failure(resp *http.Response, d providers.Delivery) error {
	code := resp.StatusCode
	text := s.Target() + ": " + httpclient.Status(code)
	switch {
	case code >= 300 && code < 400:
		return providers.Permanent(errors.New(text + s.movedTo(resp)))
	case code == http.StatusConflict, code == http.StatusPreconditionFailed:
		text += ": the server reports a conflict with what it holds"
	case code == http.StatusGone:
		text += ": the server says that this target is gone for good"
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		text += ": check bearer_token, headers and sign"
	case code < 300:
		text += " is not in success_codes"
	}
	if answer := httpclient.Excerpt(resp, s.redactor(d)); answer != "" {
		text += ": " + answer
	}
	err := errors.New(text)
	if code == http.StatusGone {
		err = &goneError{err}
	}
	if code < 300 || httpclient.IsTemporary(code) {
		return httpclient.Wait(err, resp)
	}
	return providers.Permanent(err)
}

// goneError says that a server takes this request never more.
type goneError struct{ error }

func (*goneError) Is(target error) bool { return target == providers.ErrGone }

// redactor removes our own credentials, which servers like to repeat ("bad token ..."),
// and then whatever the engine knows to be secret.
func (s *sink) redactor(d providers.Delivery) func(string) string {
	var pairs []string
	for _, secret := range s.credentials() {
		if secret != "" {
			pairs = append(pairs, secret, "***")
		}
	}
	own := strings.NewReplacer(pairs...)
	return func(text string) string {
		text = own.Replace(text)
		if d.Redact != nil {
			text = d.Redact(text)
		}
		return text
	}
}

func (s *sink) credentials() []string {
	out := []string{s.config.BearerToken}
	if s.config.Sign != nil {
		out = append(out, s.config.Sign.Secret)
	}
	for name, value := range s.config.Headers {
		if httpclient.IsCredential(name) {
			out = append(out, value)
		}
	}
	return out
}

func (s *sink) movedTo(resp *http.Response) string {
	where := ""
	if to, err := resp.Location(); err == nil {
		where = " to " + httpclient.Escape(httpclient.Display(to, s.sensitive))
	}
	return ": redirect" + where + " is not followed, since a delivery goes only where the configuration says; change url"
}
