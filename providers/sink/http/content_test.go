package http

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestMistakesPointAtTheirPlace(t *testing.T) {
	const url = "url = \"https://h/\"\n"
	for body, want := range map[string]string{
		`url = "file:///x"`:                                                   `test.hcl:1,7-18: Invalid sink "http"`,
		`url = "https://u:hunter2@h/"`:                                        "user or a password",
		url + `method = "GET"`:                                                `takes one of "POST", "PUT", "PATCH", "DELETE"`,
		url + `headers = { "A" = "hunter2\n" }`:                               "control character",
		url + `bearer_token = "hunter2\n"`:                                    "chomp()",
		url + `success_codes = [200, 99]`:                                     "test.hcl:2,17-26: Invalid sink \"http\"; success_codes: 99",
		url + `success_codes = [200.5]`:                                       "number",
		url + "sign {\n  secret = \"\"\n}":                                    "test.hcl:3,12-14: Invalid sink \"http\"; sign.secret: the secret is empty",
		url + "sign {\n  secret = \"whsec_hunter2\"\n}":                       "must be base64",
		url + "sign {\n  secret = \"s\"\n}\nheaders = { webhook-id = \"x\" }": "written by Tidegate",
		url + "bearer_token = \"a\"\nheaders = { AUTHORIZATION = \"b\" }":     "headers sets Authorization already",
	} {
		if got := providertest.Errors(Kind(), body); !strings.Contains(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%q: got %q, want %q and no secret", body, got, want)
		}
	}
}

func TestFingerprintCoversWhatIsSent(t *testing.T) {
	base := []string{`body = "b"`, `headers = { X-A = "1", Accept = "2" }`}
	same := newSink(t, "https://h/p", base...).Fingerprint()
	if !strings.HasPrefix(same, "sha256:") || len(same) != 7+64 {
		t.Errorf("fingerprint = %q", same)
	}
	equal := map[string][]string{
		"again":       base,
		"timeout":     append(base, `timeout = "1s"`),
		"token":       append(base, `bearer_token = "t"`),
		"sign":        append(base, "sign {\n secret = \"s\"\n}"),
		"codes":       append(base, `success_codes = [200]`),
		"retry":       append(base, "retry {\n attempts = 9\n}"),
		"spelling":    {base[0], `headers = { x-a = "1", ACCEPT = "2" }`},
		"credentials": {base[0], `headers = { X-A = "1", Accept = "2", authorization = "t", Cookie = "c", X-Api-Key = "k", X-Hub-Signature = "s", Proxy-Authorization = "p" }`},
	}
	for name, lines := range equal {
		if got := newSink(t, "https://h/p", lines...).Fingerprint(); got != same {
			t.Errorf("%s changed the fingerprint", name)
		}
	}
	other := map[string]string{}
	for name, s := range map[string]providers.Sink{
		"body":        newSink(t, "https://h/p", `body = "c"`, base[1]),
		"method":      newSink(t, "https://h/p", append(base, `method = "PUT"`)...),
		"url":         newSink(t, "https://h/q", base...),
		"query":       newSink(t, "https://h/p?key=app", base...),
		"header":      newSink(t, "https://h/p", base[0], `headers = { X-A = "2", Accept = "2" }`),
		"less":        newSink(t, "https://h/p", base[0], `headers = { X-A = "1" }`),
		"shifted":     newSink(t, "https://h/p", base[0], `headers = { X-A = "1\" Accept: \"2" }`),
		"into a body": newSink(t, "https://h/p", `body = "\"Accept\": \"2\"\n1\nb"`, `headers = { X-A = "1" }`),
	} {
		got := s.Fingerprint()
		if got == same {
			t.Errorf("%s did not change the fingerprint", name)
		}
		if other[got] != "" {
			t.Errorf("%s and %s have one fingerprint", name, other[got])
		}
		other[got] = name
	}
}

func TestTargetContentAndExposure(t *testing.T) {
	s := newSink(t, "https://h/p?token=hunter2", `method = "PUT"`, `body = "{\"a\":1}"`)
	if got := s.Target(); got != "PUT https://h/p?token=***" {
		t.Errorf("target = %q", got)
	}
	sum := sha256.Sum256([]byte(`{"a":1}`))
	exposed := s.(providers.Exposer).Expose()
	if exposed["sha256"].AsString() != hex.EncodeToString(sum[:]) || exposed["url"].AsString() != "https://h/p?token=hunter2" {
		t.Errorf("exposed = %#v", exposed)
	}
	if c := s.(providers.Content); string(c.Content()) != `{"a":1}` {
		t.Errorf("content = %q", c.Content())
	}
	if o, err := s.Read(t.Context()); err != nil || !o.Opaque {
		t.Errorf("read = %+v, %v", o, err)
	}
	providertest.WantError(t, s.Delete(t.Context()), providers.ClassPermanent, "PUT https://h/p?token=***", "nothing to delete")
}

func TestSensitiveURLShowsItsHostOnly(t *testing.T) {
	c := defaults()
	c.URL = "https://hooks.example/services/hunter2"
	s, err := build(c, providers.Env{Sensitive: func(name string) bool { return name == "url" }})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Target(); got != "POST https://hooks.example/***" {
		t.Errorf("target = %q", got)
	}
	if got := s.(providers.Exposer).Expose()["url"].AsString(); strings.Contains(got, "hunter2") {
		t.Errorf("exposed url = %q", got)
	}
}

func TestFormatFollowsTheContentType(t *testing.T) {
	for line, want := range map[string]string{
		`body = "{}"`:   "json",
		`body = "a: 1"`: "",
		``:              "",
		"body = \"a: 1\"\nheaders = { content-type = \"application/yaml\" }":           "yaml",
		"body = \"{}\"\nheaders = { Content-Type = \"application/x-yaml\" }":           "yaml",
		"body = \"a = 1\"\nheaders = { Content-Type = \"application/toml\" }":          "toml",
		"body = \"{}\"\nheaders = { Content-Type = \"text/plain\" }":                   "",
		"body = \"{}\"\nheaders = { Content-Type = \"application/merge-patch+json\" }": "json",
	} {
		if got := newSink(t, "https://h/", line).(providers.Content).Format(); got != want {
			t.Errorf("%q: format %q, want %q", line, got, want)
		}
	}
}
