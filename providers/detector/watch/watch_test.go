package watch

import (
	"strings"
	"testing"
	"time"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	providertest.Detector(t, providertest.DetectorOptions{
		New: func(t *testing.T) providers.Detector { return providertest.NewDetector(t, Kind(), ``) },
		Min: 500 * time.Millisecond,
		Max: 66 * time.Second,
	})
	providertest.Detector(t, providertest.DetectorOptions{
		New: func(t *testing.T) providers.Detector {
			return providertest.NewDetector(t, Kind(), "interval = \"100ms\"\ndebounce = \"50ms\"")
		},
		Min: 100 * time.Millisecond,
		Max: 110 * time.Millisecond,
	})
}

func TestDefaultsAreThoseOfTheDesign(t *testing.T) {
	d := providertest.NewDetector(t, Kind(), ``)
	if got := d.(providers.Notified).Debounce(); got != 100*time.Millisecond {
		t.Errorf("debounce %s", got)
	}
	if got := d.Delay(providers.History{Random: 0.5}); got != time.Minute {
		t.Errorf("safety poll after %s", got)
	}
	if d.FailureThreshold() != 5 || d.Ignore() != nil {
		t.Errorf("threshold %d, ignore %q", d.FailureThreshold(), d.Ignore())
	}
	p := d.(providers.Paced)
	if p.BackoffMax() != time.Minute || p.Window() != time.Hour {
		t.Errorf("back-off up to %s, window %s", p.BackoffMax(), p.Window())
	}
}

// A file that vanished is looked for without an event, soon at first.
func TestAfterFailures(t *testing.T) {
	d := providertest.NewDetector(t, Kind(), `interval = "5s"`)
	for failures, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 5 * time.Second, 1 << 40: 5 * time.Second} {
		for random, share := range map[float64]time.Duration{0: want / 2, 0.5: want * 3 / 4} {
			if got := d.Delay(providers.History{Failures: failures, Random: random}); got != share {
				t.Errorf("failure %d, random %v: %s, want %s", failures, random, got, share)
			}
		}
	}
}

func TestMistakesPointAtTheirPlace(t *testing.T) {
	for body, want := range map[string]string{
		`interval = "99ms"`: `test.hcl:1,12-18: Invalid detector "watch"; interval: "99ms" is too short: the shortest is 100ms`,
		"debounce = \"2m\"": `test.hcl:1,12-16: Invalid detector "watch"; debounce: 2m0s is longer than interval = 1m0s`,
		`debounce = "0s"`:   `not positive`,
		`jitter = 0.1`:      `Unsupported argument`,
	} {
		if got := providertest.Errors(Kind(), body); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
