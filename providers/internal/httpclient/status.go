package httpclient

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tidegate/providers"
)

// MaxRetryAfter is the longest wait a server can ask for. A server that says ten years
// has a bug, and a source that believed it would be lost.
const MaxRetryAfter = time.Hour

// RetryAfter returns the wait that a Retry-After header asks for, in seconds or as a date:
// between 0 and MaxRetryAfter, 0 for one that cannot be read.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text == "" {
		return 0
	}
	var wait time.Duration
	if isNumber(text) {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter // a number too large for us is still a number
		}
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), MaxRetryAfter)
}

func isNumber(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// Status returns "status 503 Service Unavailable". The words are those of the standard,
// not of the server.
func Status(code int) string {
	text := "status " + strconv.Itoa(code)
	if words := http.StatusText(code); words != "" {
		text += " " + words
	}
	return text
}

// IsTemporary reports whether a status may pass by itself.
func IsTemporary(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return code >= 500
}

// Wait marks err as temporary, with the wait that the answer asks for.
func Wait(err error, resp *http.Response) error {
	if wait := RetryAfter(resp.Header, time.Now()); wait > 0 {
		return providers.After(fmt.Errorf("%w (the server asks to wait %s)", err, wait), wait)
	}
	return providers.Temporary(err)
}
