package httpclient

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://h/p":               "",
		"http://[::1]:8080/p?q=1#f": "",
		"h/p":                       "no scheme",
		"":                          "no scheme",
		"ftp://h/p":                 "not supported",
		"file:///etc/passwd":        "not supported",
		"https:///p":                "no host",
		"https://:443/p":            "no host",
		"http:h/p":                  "no host",
		"https://u:hunter2@h/p":     "user or a password",
		"https://h:0/":              "between 1 and 65535",
		"https://h:70000/":          "between 1 and 65535",
		"https://h/%zz?hunter2":     "invalid URL escape",
		"https://h/\x01hunter2":     "no URL",
	} {
		u, err := ParseURL(text)
		if want == "" {
			if err != nil || u.Fragment != "" {
				t.Errorf("%q: %v, fragment %q", text, err, u.Fragment)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v, want %q and no password", text, err, want)
		}
	}
}

func TestDisplayHidesCredentials(t *testing.T) {
	for text, want := range map[string]string{
		"https://u:p@h:1/a%2Fb.json?token=s&x=#f": "https://h:1/a%2Fb.json?token=***&x=***",
		"https://h/p?s3cret":                      "https://h/p?***",
		"https://h/p":                             "https://h/p",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := Display(u, false); got != want {
			t.Errorf("Display(%q) = %q, want %q", text, got, want)
		}
	}
	u, _ := url.Parse("https://hooks.example/T0/s3cret/c.json?x=1")
	if got := Display(u, true); got != "https://hooks.example/***.json" {
		t.Errorf("a sensitive URL shows as %q", got)
	}
}

func TestSameHost(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"https://h/a", "https://H:443/b"}:   true,
		{"http://h/a", "https://h/b"}:        true,
		{"http://h:8080/a", "https://h/b"}:   false,
		{"https://h/a", "https://h:8443/b"}:  false,
		{"https://h/a", "https://h.evil/b"}:  false,
		{"https://h/a", "https://evil.h/b"}:  false,
		{"https://h/a", "http://h/b"}:        false,
		{"http://[::1]/a", "http://[::1]/b"}: true,
	} {
		a, _ := url.Parse(pair[0])
		b, _ := url.Parse(pair[1])
		if got := SameHost(a, b); got != want {
			t.Errorf("SameHost(%s, %s) = %v", pair[0], pair[1], got)
		}
	}
}

func TestCheckHeaders(t *testing.T) {
	for name, test := range map[string]struct {
		headers map[string]string
		want    string
	}{
		"good":          {map[string]string{"X-A": "b c\tö", "Host": "h"}, ""},
		"none":          {nil, ""},
		"no name":       {map[string]string{"": "x"}, "cannot be the name"},
		"bad name":      {map[string]string{"A B": "x"}, "cannot be the name"},
		"injection":     {map[string]string{"A": "hunter2\r\nB: c"}, "control character"},
		"framing":       {map[string]string{"transfer-encoding": "chunked"}, "written by the connection"},
		"reserved":      {map[string]string{"range": "bytes=0-1"}, "written by Tidegate"},
		"two spellings": {map[string]string{"X-A": "1", "x-a": "2"}, "the same header"},
	} {
		err := CheckHeaders(test.headers, "Range")
		if test.want == "" && err == nil {
			continue
		}
		if err == nil || test.want == "" || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestIsCredential(t *testing.T) {
	for name, want := range map[string]bool{
		"Authorization": true, "proxy-authorization": true, "COOKIE": true, "X-Api-Key": true, "X-Vault-Token": true,
		"X-Hub-Signature": true, "Client-Secret": true, "Content-Type": false, "Accept": false, "X-Environment": false,
	} {
		if IsCredential(name) != want {
			t.Errorf("IsCredential(%q) = %v", name, !want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"30":                            30 * time.Second,
		" 5 ":                           5 * time.Second,
		"0":                             0,
		"-5":                            0,
		"1.5":                           0,
		"soon":                          0,
		"315360000":                     time.Hour,
		"99999999999999999999999999":    time.Hour,
		"Sun, 01 Jun 2025 12:00:45 GMT": 45 * time.Second,
		"Sun, 01 Jun 2025 11:00:00 GMT": 0,
		"Fri, 01 Jun 2035 12:00:00 GMT": time.Hour,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("Retry-After: %q is %s, want %s", text, got, want)
		}
	}
}

func FuzzEscapeIsPrintable(f *testing.F) {
	f.Add("a\x1b[0m\n\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		out := Escape(text)
		for _, r := range out {
			if r < ' ' || r == 0x7f || r == '\u202e' {
				t.Errorf("%q came through in %q", r, out)
			}
		}
		if Escape(out) != out {
			t.Errorf("Escape(%q) is not stable", out)
		}
	})
}
