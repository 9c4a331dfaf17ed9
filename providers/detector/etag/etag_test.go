package etag

import (
	"strings"
	"testing"
	"time"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	for name, body := range map[string]string{
		"defaults": ``,
		"adaptive": `adaptive {}`,
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Detector(t, providertest.DetectorOptions{
				New: func(t *testing.T) providers.Detector { return providertest.NewDetector(t, Kind(), body) },
				Min: 9 * time.Second,
				Max: 330 * time.Second,
			})
		})
	}
}

func TestDefaultsAreThoseOfTheDesign(t *testing.T) {
	d := providertest.NewDetector(t, Kind(), ``)
	if got := d.Delay(providers.History{Random: 0}); got != 54*time.Second {
		t.Errorf("the shortest first wait is %s, want 60s less 10%%", got)
	}
	if got := d.Delay(providers.History{Failures: 9, Random: 0}); got != 150*time.Second {
		t.Errorf("the shortest wait after many failures is %s, want half of 5m", got)
	}
	if d.FailureThreshold() != 5 || d.Ignore() != nil {
		t.Errorf("threshold %d, ignore %q", d.FailureThreshold(), d.Ignore())
	}
}

func TestPartlyWrittenBlocksKeepTheirDefaults(t *testing.T) {
	d := providertest.NewDetector(t, Kind(), "jitter = 0\nadaptive { max = \"70s\" }\nbackoff {}")
	h := providers.History{Current: time.Minute, Now: time.Now()}
	h.Changes = []time.Time{h.Now.Add(-time.Second)}
	if got := d.Delay(h); got != 70*time.Second {
		t.Errorf("grown wait %s, want max = 70s", got)
	}
	if got := d.Delay(providers.History{Failures: 9, Random: 0}); got != 150*time.Second {
		t.Errorf("wait after failures %s, want half of 5m", got)
	}
}

func TestMistakesPointAtTheirPlace(t *testing.T) {
	for body, want := range map[string]string{
		`interval = "99ms"`:     `test.hcl:1,12-18: Invalid detector "etag"; interval: "99ms" is too short`,
		"jitter = 1":            `test.hcl:1,10-11`,
		"failure_threshold = 0": `test.hcl:1,21-22`,
		"adaptive {\n  min = \"2m\"\n  max = \"1m\"\n}":         `test.hcl:2,9-13: Invalid detector "etag"; adaptive.min: 2m0s is longer than max = 1m0s`,
		"interval = \"1x\"":                                     `Bad duration`,
		"ignore = [\"a\"]":                                      `Unsupported argument`,
		"failure_threshold = 1.5":                               `whole number`,
		"backoff {\n  maximum = \"5m\"\n}":                      `Unsupported argument`,
		"adaptive {\n  window = \"-1h\"\n}":                     `not positive`,
		"adaptive {\n  min = \"1s\"\n}\nadaptive {\n}":          `Duplicate adaptive block`,
		"interval = \"1s\"\nadaptive {\n  min = \"100us\"\n  }": `too short`,
	} {
		if got := providertest.Errors(Kind(), body); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
