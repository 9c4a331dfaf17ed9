package httpclient

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// framing are the headers that the transport itself must write.
var framing = []string{"Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// CheckHeaders returns what is wrong with headers given in a configuration. reserved are
// further names, in canonical form, that the caller writes itself. Values are not repeated
// in the error.
func CheckHeaders(headers map[string]string, reserved ...string) error {
	seen := make(map[string]string, len(headers))
	for _, name := range sortedNames(headers) {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !validName(name):
			return fmt.Errorf("%q cannot be the name of a header", name)
		case !validValue(headers[name]):
			return fmt.Errorf("the value of %q holds a line break or another control character", name)
		case slices.Contains(framing, canonical):
			return fmt.Errorf("%q is written by the connection itself and cannot be set", name)
		case slices.Contains(reserved, canonical):
			return fmt.Errorf("%q is written by Tidegate and cannot be set", name)
		case seen[canonical] != "":
			return fmt.Errorf("%q and %q are the same header", seen[canonical], name)
		}
		seen[canonical] = name
	}
	return nil
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
