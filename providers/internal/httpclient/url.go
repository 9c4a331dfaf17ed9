package httpclient

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// ParseURL parses a URL that may be requested: http or https, with a host and without a
// user. A fragment, which is never sent, is dropped. The error does not repeat the URL,
// since that may hold a credential.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return nil, fmt.Errorf("this is no URL: %w", err)
	}
	if err := checkURL(u); err != nil {
		return nil, err
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme == "":
		return errors.New(`the URL has no scheme: it must start with "https://" or "http://"`)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the scheme %q is not supported: use https or http", u.Scheme)
	case u.Opaque != "" || u.Hostname() == "":
		return errors.New("the URL has no host")
	case u.User != nil:
		return errors.New("the URL holds a user or a password, where they end up in logs of every server on the way: give credentials in their own attributes")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("the port %q is not between 1 and 65535", p)
		}
	}
	return nil
}

// hidden stands for what must not be shown.
const hidden = "***"

// Display returns the URL as it may be shown: without user, fragment and the values of the
// query. A URL that is sensitive as a whole shows its host and the ending of its path,
// which decides how the content is decoded.
func Display(u *url.URL, sensitive bool) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if sensitive {
		return shown.Scheme + "://" + shown.Host + "/" + hidden + path.Ext(u.Path)
	}
	text := shown.String()
	if u.RawQuery == "" {
		return text
	}
	params := strings.Split(u.RawQuery, "&")
	for i, p := range params {
		name, _, found := strings.Cut(p, "=")
		if found {
			params[i] = name + "=" + hidden
		} else {
			params[i] = hidden // a lone word may be the credential itself
		}
	}
	return text + "?" + strings.Join(params, "&")
}

// SameHost reports whether what is meant for one URL may be sent to another: the same host
// and port, or the same host on the standard ports of http and then https.
func SameHost(from, to *url.URL) bool {
	if !strings.EqualFold(from.Hostname(), to.Hostname()) {
		return false
	}
	a, b := port(from), port(to)
	return a == b || (from.Scheme == "http" && a == "80" && to.Scheme == "https" && b == "443")
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// isAddress reports whether the URL names its host by an IP address.
func isAddress(u *url.URL) bool { return net.ParseIP(u.Hostname()) != nil }
