package env

import (
	"strings"
	"testing"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

var environ = []string{
	"MYAPP_URL=https://example.com/?a=1&b=<2>",
	"PATH=/bin",
	"MYAPP_EMPTY=",
	"MYAPP_EQ=a=b",
	"MYAPP_URL=second",
	"BAD=\xff",
	"malformed",
}

func newSource(t *testing.T, body string) providers.Source {
	t.Helper()
	return providertest.NewSource(t, Kind(), body, providers.Env{Environ: environ})
}

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	for _, body := range []string{`prefix = "MYAPP_"`, `names = ["PATH", "MYAPP_EQ"]`} {
		providertest.Source(t, providertest.SourceOptions{
			New:     func(t *testing.T) providers.Source { return newSource(t, body) },
			Missing: func(t *testing.T) providers.Source { return newSource(t, `names = ["PATH", "NOT_SET"]`) },
		})
	}
}

func TestFetch(t *testing.T) {
	for body, want := range map[string]string{
		`prefix = "MYAPP_"`:             `{"MYAPP_EMPTY":"","MYAPP_EQ":"a=b","MYAPP_URL":"https://example.com/?a=1&b=<2>"}`,
		`names = ["PATH", "PATH"]`:      `{"PATH":"/bin"}`,
		`names = ["MYAPP_EMPTY"]`:       `{"MYAPP_EMPTY":""}`,
		`prefix = "NOTHING_LIKE_THIS_"`: `{}`,
	} {
		got, err := newSource(t, body).Fetch(t.Context(), "")
		if err != nil || string(got.Data) != want || got.Format != "json" {
			t.Errorf("%s: got %s (%s), %v, want %s", body, got.Data, got.Format, err, want)
		}
	}
}

func TestFailures(t *testing.T) {
	for body, want := range map[string]string{
		`names = ["PATH", "NOT_SET"]`: "the variable NOT_SET is not set",
		`names = ["X", "PATH", "Y"]`:  "the variables X, Y are not set",
		`names = ["BAD"]`:             `"BAD" is not valid UTF-8`,
		`prefix = "BA"`:               `"BAD" is not valid UTF-8`,
	} {
		_, err := newSource(t, body).Fetch(t.Context(), "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
		if class, _ := providers.Classify(err); class != providers.ClassPermanent {
			t.Errorf("%s: the error would be tried again", body)
		}
	}
}

func TestMistakesPointAtTheirPlace(t *testing.T) {
	for body, want := range map[string]string{
		``:                                `One of prefix and names is required`,
		"prefix = \"A\"\nnames = [\"B\"]": `test.hcl:2,9-14: Invalid source "env"; names: cannot be combined`,
		`prefix = ""`:                     `would take the whole environment`,
		`names = []`:                      `the list is empty`,
		`names = ["A=B"]`:                 `cannot be the name`,
		`names = [""]`:                    `cannot be the name`,
	} {
		if got := providertest.Errors(Kind(), body); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
