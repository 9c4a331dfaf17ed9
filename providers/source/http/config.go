package http

import (
	"errors"
	"net/url"

	"tidegate/providers"
	"tidegate/providers/internal/httpclient"
)

// Config is the body of a source "http" block.
type Config struct {
	URL             string             `hcl:"url" doc:"Address of the value, http or https. Its ending (.json, .yaml, .toml) chooses the decoder unless decode is set."`
	Method          string             `hcl:"method,optional" doc:"Request method. Only GET asks conditionally; a POST fetches the whole value at every look." values:"GET,POST"`
	Headers         map[string]string  `hcl:"headers,optional" doc:"Headers of the request. Their values are treated as credentials." credential:"true"`
	Body            string             `hcl:"body,optional" doc:"Body of the request, as a query API wants it."`
	BearerToken     string             `hcl:"bearer_token,optional" doc:"Token that is sent as Authorization: Bearer." credential:"true"`
	Timeout         providers.Duration `hcl:"timeout,optional" doc:"Longest time for one request, from the name lookup to the last byte of the body, redirects included."`
	Mirrors         []string           `hcl:"mirrors,optional" doc:"Further URLs of the same value, tried in order when the one before failed. They get the same headers and credentials."`
	FollowRedirects bool               `hcl:"follow_redirects,optional" doc:"Follow redirects to other hosts too, without headers and credentials, and from http to https. Never from https to http. Without it only redirects within the same scheme and host are followed. At most 5 in a row."`
	BasicAuth       *BasicAuth         `hcl:"basic_auth,block" doc:"User and password that are sent as Authorization: Basic."`
	TLS             *httpclient.TLS    `hcl:"tls,block" doc:"How https connections are made."`
	Retry           *providers.Retry   `hcl:"retry,block" doc:"How a failed look is tried again within one plan or apply. In watch mode the detector's back-off spaces the looks instead."`
}

// BasicAuth is the block basic_auth.
type BasicAuth struct {
	Username string `hcl:"username" doc:"User."`
	Password string `hcl:"password" doc:"Password." credential:"true"`
}

func defaults() *Config {
	return &Config{Method: "GET", Timeout: "10s", TLS: httpclient.DefaultTLS(), Retry: providers.DefaultRetry()}
}

// reserved are the headers whose meaning Fetch depends on.
var reserved = []string{"Accept-Encoding", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range"}

func build(c *Config, env providers.Env) (providers.Source, error) {
	s := &source{sensitive: env.IsSensitive("url") || env.IsSensitive("mirrors"), secretBody: env.IsSensitive("body")}
	var badTLS error
	urls, badURL := parseURLs(c)
	s.client, badTLS = httpclient.New(httpclient.Options{TLS: c.TLS, Timeout: c.Timeout}, env)
	if err := errors.Join(badURL, httpclient.CheckHeaders(c.Headers, reserved...), checkCredentials(c), c.Retry.Check(), badTLS); err != nil {
		return nil, err
	}
	s.prepare(c, urls)
	return s, nil
}

func parseURLs(c *Config) ([]*url.URL, error) {
	var urls []*url.URL
	var wrong []error
	add := func(text, attribute, format string, args ...any) {
		u, err := httpclient.ParseURL(text)
		if err != nil {
			wrong = append(wrong, providers.AttributeErrorf(attribute, format+"%w", append(args, err)...))
		}
		urls = append(urls, u)
	}
	add(c.URL, "url", "")
	for i, text := range c.Mirrors {
		add(text, "mirrors", "mirror %d: ", i+1)
	}
	return urls, errors.Join(wrong...)
}

// checkCredentials refuses two answers to the question who is asking.
func checkCredentials(c *Config) error {
	var twice error
	switch {
	case c.BasicAuth == nil:
	case c.BearerToken != "":
		twice = providers.AttributesErrorf([]string{"bearer_token", "basic_auth"}, "set either bearer_token or basic_auth: both are sent as Authorization")
	case httpclient.HasHeader(c.Headers, "Authorization"):
		twice = providers.AttributesErrorf([]string{"basic_auth", "headers"}, "headers sets Authorization already: remove one of the two")
	}
	return errors.Join(twice, httpclient.CheckToken(c.BearerToken, c.Headers))
}
