package http

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"tidegate/providers/internal/httpclient"
)

// Target names the request without the values of the query.
func (s *sink) Target() string {
	return s.config.Method + " " + httpclient.Display(s.url, s.sensitive)
}

// Fingerprint covers url, method, headers and body, but no credentials. Every part is
// quoted, so that no two requests look alike.
func (s *sink) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "http v1\n%q %q\n", s.config.Method, s.url.String())
	headers := make(map[string]string, len(s.config.Headers))
	for name, value := range s.config.Headers {
		if !httpclient.IsCredential(name) {
			headers[http.CanonicalHeaderKey(name)] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		fmt.Fprintf(h, "%q: %q\n", name, headers[name])
	}
	fmt.Fprintf(h, "%d\n%s", len(s.config.Body), s.config.Body)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Expose returns url and sha256, the hash of the body. A sensitive URL shows its host only.
func (s *sink) Expose() map[string]cty.Value {
	u := s.url.String()
	if s.sensitive {
		u = httpclient.Display(s.url, true)
	}
	sum := sha256.Sum256([]byte(s.config.Body))
	return map[string]cty.Value{"url": cty.StringVal(u), "sha256": cty.StringVal(hex.EncodeToString(sum[:]))}
}

// Content returns the body.
func (s *sink) Content() []byte { return []byte(s.config.Body) }

// Format returns the decoder that the Content-Type names, "" for none.
func (s *sink) Format() string {
	media, _, _ := mime.ParseMediaType(s.contentType())
	_, subtype, _ := strings.Cut(media, "/")
	switch subtype = strings.TrimPrefix(subtype, "x-"); {
	case subtype == "json", strings.HasSuffix(subtype, "+json"):
		return "json"
	case subtype == "yaml", strings.HasSuffix(subtype, "+yaml"):
		return "yaml"
	case subtype == "toml":
		return "toml"
	}
	return ""
}

// contentType returns the type that is sent, "" for a request without a body.
func (s *sink) contentType() string {
	switch given := httpclient.Header(s.config.Headers, "Content-Type"); {
	case given != "":
		return given
	case s.config.Body == "":
		return ""
	case json.Valid([]byte(s.config.Body)):
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}
