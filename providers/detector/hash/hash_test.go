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

func TestPathsAreThoseOfTheLanguage(t *testing.T) {
	if got := providertest.Errors(Kind(), `ignore = ["a", "a.*.b", "a[0].b", "a[*]", "a[\"b.c\"]"]`); got != "" {
		t.Error(got)
	}
	for _, path := range []string{"", "meta..ts", ".ts", "ts.", "a[", "a[]", "a[x]"} {
		got := providertest.Errors(Kind(), `ignore = ["ok", "`+path+`"]`)
		if !strings.HasPrefix(got, `test.hcl:1,10-`) || !strings.Contains(got, "ignore: the path") {
			t.Errorf("%q: got %q", path, got)
		}
	}
}
