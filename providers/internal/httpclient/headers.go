package httpclient

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"tidegate/providers"
)

// CheckToken returns all that is wrong with an attribute bearer_token that is sent beside
// headers. The token is not repeated in the errors.
func CheckToken(token string, headers map[string]string) error {
	if token == "" {
		return nil
	}
	var twice, bad error
	if HasHeader(headers, "Authorization") {
		twice = providers.AttributesErrorf([]string{"bearer_token", "headers"}, "headers sets Authorization already: remove one of the two")
	}
	if !validValue(token) {
		bad = providers.AttributeErrorf("bearer_token", "the token holds a line break or another control character: use chomp() on what was read from a file")
	}
	return errors.Join(twice, bad)
}

// framing are the headers that the transport itself must write.
var framing = []string{"Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// CheckHeaders returns all that is wrong with an attribute headers, as attribute errors.
// reserved are further names, in canonical form, that the caller writes itself. Values are
// not repeated in the errors.
func CheckHeaders(headers map[string]string, reserved ...string) error {
	var wrong []error
	fail := func(format string, args ...any) {
		wrong = append(wrong, providers.AttributeErrorf("headers", format, args...))
	}
	seen := make(map[string]string, len(headers))
	for _, name := range sortedNames(headers) {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !validName(name):
			fail("%q cannot be the name of a header", name)
		case !validValue(headers[name]):
			fail("the value of %q holds a line break or another control character", name)
		case slices.Contains(framing, canonical):
			fail("%q is written by the connection itself and cannot be set", name)
		case slices.Contains(reserved, canonical):
			fail("%q is written by Tidegate and cannot be set", name)
		case seen[canonical] != "":
			fail("%q and %q are the same header", seen[canonical], name)
		}
		seen[canonical] = name
	}
	return errors.Join(wrong...)
}

func sortedNames(headers map[string]string) []string {
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// SetHeaders writes headers to a request. Host is no header to net/http: it has a field.
func SetHeaders(req *http.Request, headers map[string]string) {
	for name, value := range headers {
		if strings.EqualFold(name, "Host") {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
}

// HasHeader reports whether a header is given, in any spelling.
func HasHeader(headers map[string]string, name string) bool {
	for given := range headers {
		if strings.EqualFold(given, name) {
			return true
		}
	}
	return false
}

// Header returns the value of a header given in any spelling.
func Header(headers map[string]string, name string) string {
	for given, value := range headers {
		if strings.EqualFold(given, name) {
			return value
		}
	}
	return ""
}

var credentialWords = []string{"auth", "cookie", "credential", "key", "password", "secret", "signature", "token"}

// IsCredential reports whether a header's name says that its value is a credential. Such
// a header is no part of what is sent in the sense of a fingerprint: a new token alone is
// no new configuration.
func IsCredential(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(credentialWords, func(word string) bool { return strings.Contains(name, word) })
}

// validName holds a name against the token of RFC 9110, section 5.6.2.
func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
}

func validValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}
