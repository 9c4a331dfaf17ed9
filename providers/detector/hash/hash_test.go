package hash

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	providertest.Detector(t, providertest.DetectorOptions{
		New: func(t *testing.T) providers.Detector {
			return providertest.NewDetector(t, Kind(), "interval = \"1s\"\nadaptive {\n  max = \"10s\"\n}\nbackoff {\n  max = \"20s\"\n}")
		},
		Min: 900 * time.Millisecond,
		Max: 20 * time.Second,
	})
}

func TestIgnoreIsHandedOn(t *testing.T) {
	d := providertest.NewDetector(t, Kind(), `ignore = ["generated_at", "meta.*.ts"]`)
	if want := []string{"generated_at", "meta.*.ts"}; !slices.Equal(d.Ignore(), want) {
		t.Errorf("Ignore = %q, want %q", d.Ignore(), want)
	}
}

func TestPathsThatMatchNothingAreRefused(t *testing.T) {
	for path, want := range map[string]string{
		"":            "empty part",
		"meta..ts":    "empty part",
		".ts":         "empty part",
		"items[0].ts": "brackets",
	} {
		got := providertest.Errors(Kind(), `ignore = ["ok", "`+path+`"]`)
		if !strings.Contains(got, want) || !strings.HasPrefix(got, "test.hcl:1,10-") {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}
