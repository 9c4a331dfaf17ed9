package polling

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	for name, test := range map[string]struct {
		change      func(*Settings)
		max, window time.Duration
	}{
		"defaults":            {func(*Settings) {}, 5 * time.Minute, time.Hour},
		"back-off":            {func(s *Settings) { s.Backoff.Max = "20s"; s.Interval = "10s" }, 20 * time.Second, time.Hour},
		"shorter back-off":    {func(s *Settings) { s.Backoff.Max = "20s" }, time.Minute, time.Hour},
		"no back-off":         {func(s *Settings) { s.Backoff = nil }, time.Minute, time.Hour},
		"adaptive":            {func(s *Settings) { s.Adaptive = &Adaptive{Window: "10m"} }, 5 * time.Minute, 10 * time.Minute},
		"adaptive by default": {func(s *Settings) { s.Adaptive = &Adaptive{} }, 5 * time.Minute, time.Hour},
	} {
		p := newPolicy(t, test.change)
		if p.BackoffMax() != test.max || p.Window() != test.window {
			t.Errorf("%s: back-off up to %s, window %s; want %s, %s", name, p.BackoffMax(), p.Window(), test.max, test.window)
		}
	}
}
