package http

import (
	"strings"
	"testing"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestRetryIsThatOfTheBlock(t *testing.T) {
	s := newSource(t, "https://h/", "retry {\n  attempts = 5\n  max = \"10s\"\n}")
	if got := s.(providers.Retrier).Retry(); got != (providers.Retry{Attempts: 5, Min: "200ms", Max: "10s"}) {
		t.Errorf("retry = %+v", got)
	}
}

func TestMistakesPointAtTheirPlace(t *testing.T) {
	const url = "url = \"https://h/\"\n"
	for body, want := range map[string]string{
		`url = "ftp://h/x"`:                                                                 `test.hcl:1,7-18: Invalid source "http"; url: the scheme "ftp"`,
		`url = "https://u:hunter2@h/x"`:                                                     "user or a password",
		`url = "https://h/%zzhunter2"`:                                                      "no URL",
		url + `mirrors = ["https://m/", "file:///x"]`:                                       "test.hcl:2,11-38: Invalid source \"http\"; mirrors: mirror 2: the scheme \"file\"",
		url + `method = "PUT"`:                                                              `takes one of "GET", "POST"`,
		url + `headers = { "A" = "b\r\nC: hunter2" }`:                                       "control character",
		url + `headers = { "If-None-Match" = "x" }`:                                         "written by Tidegate",
		url + `headers = { "Accept-Encoding" = "br" }`:                                      "written by Tidegate",
		url + `bearer_token = "hunter2\n"`:                                                  "chomp()",
		url + "bearer_token = \"a\"\nheaders = { authorization = \"b\" }":                   "headers sets Authorization already",
		url + "bearer_token = \"a\"\nbasic_auth {\n username = \"u\"\n password = \"p\"\n}": "either bearer_token or basic_auth",
		url + "tls {\n  cert_file = \"a.pem\"\n}":                                           "test.hcl:3,15-22: Invalid source \"http\"; tls.cert_file:",
		url + "tls {\n  min_version = \"1.1\"\n}":                                           `takes one of "1.2", "1.3"`,
		url + "retry {\n  attempts = 0\n}":                                                  "test.hcl:3,14-15:",
		url + "retry {\n  min = \"5s\"\n}":                                                  "longer than max",
		url + `timeout = "0s"`:                                                              "not positive",
		url + `verify = false`:                                                              "Unsupported argument",
	} {
		if got := providertest.Errors(Kind(), body); !strings.Contains(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%q: got %q, want %q and no secret", body, got, want)
		}
	}
}

func TestIdentityHidesCredentials(t *testing.T) {
	s := newSource(t, "https://h/c.json?token=hunter2#x")
	if got := s.(providers.Identifier).Identity(); got != "https://h/c.json?token=***" {
		t.Errorf("identity = %q", got)
	}
	c := defaults()
	c.URL = "https://hooks.example/hunter2/c.json"
	s, err := build(c, providers.Env{Sensitive: func(name string) bool { return name == "url" }})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.(providers.Identifier).Identity(); got != "https://hooks.example/***.json" {
		t.Errorf("identity of a sensitive URL = %q", got)
	}
}
