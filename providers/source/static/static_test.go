package static

import (
	"strings"
	"testing"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	providertest.Source(t, providertest.SourceOptions{New: func(t *testing.T) providers.Source {
		return providertest.NewSource(t, Kind(), `value = { a = 1, b = [true, "x"] }`)
	}})
}

func TestFetch(t *testing.T) {
	for body, want := range map[string]string{
		`value = { b = [1, "x", null], a = {} }`: `{"a":{},"b":[1,"x",null]}`,
		`value = 9007199254740993`:               `9007199254740993`,
		`value = 0.1`:                            `0.1`,
		`value = 123456789012345678901234567890.123456789012345678901234567890`: `123456789012345678901234567890.12345678901234567890123456789`,
		`value = "text"`: `"text"`,
		`value = []`:     `[]`,
	} {
		got, err := providertest.NewSource(t, Kind(), body).Fetch(t.Context(), "")
		if err != nil || string(got.Data) != want || got.Format != "json" || got.Sensitive {
			t.Errorf("%s: got %s %+v, %v, want %s", body, got.Data, got, err, want)
		}
	}
}

func TestAnySensitivePartMarksTheWhole(t *testing.T) {
	got, err := providertest.NewSource(t, Kind(), `value = { user = "bob", keys = [secret] }`).Fetch(t.Context(), "")
	if err != nil || !got.Sensitive || string(got.Data) != `{"keys":["hunter2"],"user":"bob"}` {
		t.Errorf("got %s, sensitive %v, %v", got.Data, got.Sensitive, err)
	}
}

func TestMistakesPointAtTheirPlace(t *testing.T) {
	for body, want := range map[string]string{
		``:             `Missing required argument`,
		`value = null`: `Missing required value`,
	} {
		if got := providertest.Errors(Kind(), body); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
