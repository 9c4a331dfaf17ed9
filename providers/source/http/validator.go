package http

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tidegate/providers/internal/httpclient"
)

// maxETag is the longest ETag that is kept. It comes back with every request.
const maxETag = 8 << 10

// validator is what a later look needs in order to ask "changed since?". Its JSON is the
// Validator of a snapshot.
type validator struct {
	For      string `json:"for"` // the request that it was given for
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
}

// parseValidator reads what String wrote; anything else is no validator, which costs a
// full fetch.
func parseValidator(text string) validator {
	var v validator
	if json.Unmarshal([]byte(text), &v) != nil || !usable(v.ETag) || !usable(v.Modified) {
		return validator{}
	}
	return v
}

func (v validator) String() string {
	if v.empty() {
		return ""
	}
	out, _ := json.Marshal(v) // three strings: it cannot fail
	return string(out)
}

func (v validator) empty() bool { return v.ETag == "" && v.Modified == "" }

// addTo makes a request conditional if the validator was given for it, and returns what
// was sent. With an ETag the date stays at home: it is weaker, and servers that look at
// both are not of one mind about what that means.
func (v validator) addTo(req *http.Request, key string) validator {
	switch {
	case v.For != key:
		return validator{}
	case v.ETag != "":
		req.Header.Set("If-None-Match", v.ETag)
	case v.Modified != "":
		req.Header.Set("If-Modified-Since", v.Modified)
	default:
		return validator{}
	}
	return v
}

// validatorOf returns the validator that an answer carries, with key "" none at all.
func validatorOf(key string, header http.Header) validator {
	v := validator{For: key, ETag: etag(header)}
	if settled(header) {
		v.Modified = header.Get("Last-Modified")
	}
	if key == "" || v.empty() {
		return validator{}
	}
	return v
}

// etag returns a usable ETag, weak ones included, else "".
func etag(header http.Header) string {
	if tag := strings.TrimSpace(header.Get("ETag")); usable(tag) {
		return tag
	}
	return ""
}

func usable(text string) bool {
	return len(text) <= maxETag && utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// settled reports whether Last-Modified may serve as a validator. It counts seconds: what
// changed in the second of the look can change again in that second and keep its date,
// and would then be missed for good (RFC 9110, section 8.8.2.2).
func settled(header http.Header) bool {
	modified, err := http.ParseTime(header.Get("Last-Modified"))
	if err != nil {
		return false
	}
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		date = time.Now()
	}
	return date.Sub(modified) >= 2*time.Second
}

// opaque returns what identifies an ETag: weak and strong ones of the same text are equal
// for If-None-Match (RFC 9110, section 8.8.3.2).
func opaque(tag string) string { return strings.Trim(strings.TrimPrefix(tag, "W/"), `"`) }

// requestKey tells requests apart whose validators must not mix: by URL, body, and the
// headers that may choose what is served. A credential is left out, so that the ledger
// holds no trace of it. The parts are quoted so that no two requests look alike.
func requestKey(u *url.URL, body string, headers map[string]string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", u.String(), body)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if !httpclient.IsCredential(name) {
			fmt.Fprintf(h, "%q %q\n", http.CanonicalHeaderKey(name), headers[name])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
