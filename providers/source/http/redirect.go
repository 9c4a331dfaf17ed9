package http

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"tidegate/providers"
	"tidegate/providers/internal/httpclient"
)

// maxHops is how many redirects in a row are followed.
const maxHops = 5

// hop is one request on the way to the value.
type hop struct {
	url     *url.URL
	method  string
	body    string
	trusted bool // may see headers and credentials

	name, key string // of the request, "" where they have to be made
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirect returns where to go on, or why not. first is the URL that the configuration
// names: what its author trusts with credentials. Trust once lost does not come back, or
// a foreign host could choose what is asked of the first one with its credentials.
func (s *source) redirect(from hop, first *url.URL, x *exchange) (hop, error) {
	to, err := target(x.resp)
	if err != nil {
		return hop{}, x.refuse("", err)
	}
	next := hop{url: to, method: from.method, body: from.body}
	next.trusted = from.trusted && httpclient.SameHost(first, to)
	if from.method == http.MethodPost && changesMethod(x.resp.StatusCode) {
		next.method, next.body = http.MethodGet, ""
	}
	err = s.allowed(from.url, to)
	if err == nil && next.body != "" && !next.trusted {
		err = errors.New("the body of the request is not carried to another host")
	}
	if err != nil {
		return hop{}, x.refuse(" to "+httpclient.Display(to, s.sensitive), err)
	}
	return next, nil
}

func (x *exchange) refuse(where string, why error) error {
	return providers.Permanent(fmt.Errorf("%s: redirect (%s)%s refused: %w", x.name, httpclient.Status(x.resp.StatusCode), where, why))
}

// changesMethod says for which redirects a POST goes on as a GET, as every browser has it.
func changesMethod(status int) bool {
	return status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect
}

func target(resp *http.Response) (*url.URL, error) {
	to, err := resp.Location()
	if err != nil {
		return nil, errors.New("it names no place that can be read")
	}
	return httpclient.ParseURL(to.String())
}

func (s *source) allowed(from, to *url.URL) error {
	switch {
	case from.Scheme == "https" && to.Scheme == "http":
		return errors.New("it leads from https to http")
	case s.request.FollowRedirects:
		return nil
	case from.Scheme != to.Scheme:
		return errors.New("it leads to another scheme; change url, or set follow_redirects = true")
	case !httpclient.SameHost(from, to):
		return errors.New("it leads to another host; change url, or set follow_redirects = true")
	}
	return nil
}
