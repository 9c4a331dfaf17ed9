package httpclient

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxExcerpt is how much of a server's answer an error shows, in bytes.
const MaxExcerpt = 2 << 10

// Excerpt returns the beginning of an answer for use in an error, "" if there is nothing
// to show: redacted, cut, and with everything escaped that is not printable. It reads a
// little and never fails. Redacting comes before cutting, since half a secret matches
// nothing.
func Excerpt(resp *http.Response, redact func(string) string) string {
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return ""
	}
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 4*MaxExcerpt))
	text := string(data)
	if redact != nil {
		text = redact(text)
	}
	text = strings.TrimSpace(text)
	if short := cut(text, MaxExcerpt); short != text {
		return Escape(short) + "..."
	}
	return Escape(text)
}

// cut returns at most n bytes of s, whole runes only.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Escape returns text on one line with everything escaped that is not printable: control
// characters, invalid UTF-8, and the marks that turn the direction of writing.
func Escape(text string) string {
	var out strings.Builder
	for i, r := range text {
		switch {
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteString(`\t`)
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case unicode.IsPrint(r):
			out.WriteRune(r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}
