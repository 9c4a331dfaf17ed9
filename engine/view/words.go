package view

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// count writes a number with its noun: "1 byte", "12,345 bytes".
func count[N int | int64](n N, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return grouped(int64(n)) + " " + noun
}

func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(s, "-")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if n < 0 {
		return "-" + digits
	}
	return digits
}

// elapsed writes a duration as people say it: "3ms", "1.2s", "2m5s".
func elapsed(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "under 1ms"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// moment writes a time to the second, in UTC.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// version quotes the version of a source, hashes cut to what people compare.
func version(v string) string { return quoted(short(v)) }

// short cuts a hash, plain or keyed, to what people compare: 12 digits.
func short(hash string) string {
	prefix, digits, ok := strings.Cut(hash, "sha256:")
	if !ok || prefix != "" && prefix != "hmac-" || len(digits) <= shownDigits {
		return hash
	}
	return hash[:len(hash)-len(digits)+shownDigits]
}

const shownDigits = 12

// shortAll cuts every hash within a text.
func shortAll(s string) string { return fullHash.ReplaceAllStringFunc(s, short) }

var fullHash = regexp.MustCompile("(hmac-)?sha256:[0-9a-f]{64}")
