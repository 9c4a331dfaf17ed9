package polling

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidegate/providers"
)

func newPolicy(t *testing.T, change func(*Settings)) *Policy {
	t.Helper()
	s := Defaults()
	s.Jitter = 0
	change(s)
	p, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func changes(ages ...time.Duration) []time.Time {
	var out []time.Time
	for _, age := range ages {
		out = append(out, now.Add(-age))
	}
	return out
}

// The formula is that of the design ("Detectors"): until a first change interval; then with
// at most 1 change in the window min(max, current * 1.5), with 5 or more max(min, current *
// 0.5), between, current.
func TestAdaptiveInterval(t *testing.T) {
	p := newPolicy(t, func(s *Settings) { s.Adaptive = &Adaptive{} })
	recent := changes(5*time.Minute, 4*time.Minute, 3*time.Minute, 2*time.Minute, time.Minute)
	for name, test := range map[string]struct {
		current time.Duration
		changes []time.Time
		want    time.Duration
	}{
		"no change yet":                  {0, nil, time.Minute},
		"no change yet, after a wait":    {2 * time.Minute, nil, time.Minute},
		"one change long ago":            {time.Minute, changes(48 * time.Hour), 90 * time.Second},
		"one change in the window":       {time.Minute, recent[:1], 90 * time.Second},
		"grows on":                       {90 * time.Second, recent[:1], 135 * time.Second},
		"up to max":                      {4 * time.Minute, recent[:1], 5 * time.Minute},
		"two changes":                    {80 * time.Second, recent[:2], 80 * time.Second},
		"four changes":                   {80 * time.Second, recent[:4], 80 * time.Second},
		"five changes":                   {80 * time.Second, recent, 40 * time.Second},
		"down to min":                    {15 * time.Second, recent, 10 * time.Second},
		"after a restart":                {0, recent, 30 * time.Second},
		"after a restart, between":       {0, recent[:3], time.Minute},
		"after a Retry-After":            {2 * time.Hour, recent, 150 * time.Second},
		"exactly as old as the window":   {time.Minute, append(changes(time.Hour), recent[:1]...), 90 * time.Second},
		"just inside the window":         {time.Minute, append(changes(time.Hour-1), recent[:1]...), time.Minute},
		"changes of a clock set back":    {time.Minute, changes(-time.Minute, -2*time.Minute), 90 * time.Second},
		"a change at this very instant":  {time.Minute, changes(2*time.Second, 0), time.Minute},
		"a wait of a webhook's early go": {time.Second, recent[:3], 10 * time.Second},
	} {
		got := p.Delay(providers.History{Now: now, Current: test.current, Changes: test.changes, Random: 0.7})
		if got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

// Design ("Detectors"): d = max(interval, min(max, interval * 2^n)), uniform in [d/2, d],
// never below interval.
func TestBackoff(t *testing.T) {
	for _, test := range []struct {
		interval, max providers.Duration
		failures      int
		random        float64
		want          time.Duration
	}{
		{"10s", "5m", 1, 0, 10 * time.Second},
		{"10s", "5m", 1, 0.5, 15 * time.Second},
		{"10s", "5m", 2, 0, 20 * time.Second},
		{"10s", "5m", 2, 0.5, 30 * time.Second},
		{"10s", "5m", 4, 0.75, 140 * time.Second},
		{"10s", "5m", 5, 0, 150 * time.Second},
		{"10s", "5m", 1 << 60, 0.5, 225 * time.Second},
		{"10m", "5m", 3, 0, 10 * time.Minute},
		{"10m", "5m", 3, 0.9, 10 * time.Minute},
		{"4m", "5m", 1, 0, 4 * time.Minute},
	} {
		p := newPolicy(t, func(s *Settings) {
			s.Interval, s.Backoff, s.Adaptive = test.interval, &Backoff{Max: test.max}, &Adaptive{}
		})
		got := p.Delay(providers.History{Now: now, Failures: test.failures, Random: test.random, Changes: changes(1, 2, 3, 4, 5)})
		if got != test.want {
			t.Errorf("interval %s, max %s, failure %d, random %v: got %s, want %s", test.interval, test.max, test.failures, test.random, got, test.want)
		}
	}
}

func TestJitter(t *testing.T) {
	p := newPolicy(t, func(s *Settings) { s.Interval, s.Jitter = "100s", 0.1 })
	for random, want := range map[float64]time.Duration{0: 90 * time.Second, 0.5: 100 * time.Second, 0.75: 105 * time.Second} {
		if got := p.Delay(providers.History{Now: now, Random: random}); got != want {
			t.Errorf("random %v: got %s, want %s", random, got, want)
		}
	}
	p = newPolicy(t, func(s *Settings) { s.Interval, s.Jitter = "100ms", 0.5 })
	if got := p.Delay(providers.History{Now: now}); got != MinInterval {
		t.Errorf("jitter shortened the shortest interval to %s", got)
	}
}

// While changes come at a middling rate the wait stays what it is; jitter that is applied
// again at each look would make it wander.
func TestJitterIsNoRandomWalk(t *testing.T) {
	p := newPolicy(t, func(s *Settings) { s.Jitter, s.Adaptive = 0.5, &Adaptive{} })
	h := providers.History{Now: now, Changes: changes(3, 2, 1), Random: 0.9}
	h.Current = p.Delay(h)
	first := h.Current
	for range 100 {
		h.Current = p.Delay(h)
	}
	if h.Current != first {
		t.Errorf("the wait wandered from %s to %s", first, h.Current)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for want, change := range map[string]func(*Settings){
		`interval: "99ms" is too short`:               func(s *Settings) { s.Interval = "99ms" },
		`jitter: 1 is not a share`:                    func(s *Settings) { s.Jitter = 1 },
		`jitter: -0.1 is not a share`:                 func(s *Settings) { s.Jitter = -0.1 },
		`failure_threshold: 0 is too low`:             func(s *Settings) { s.FailureThreshold = 0 },
		`adaptive.min: 6m0s is longer than max = 5m`:  func(s *Settings) { s.Adaptive = &Adaptive{Min: "6m", Max: "5m"} },
		`adaptive.min: "10ms" is too short`:           func(s *Settings) { s.Adaptive = &Adaptive{Min: "10ms"} },
		`adaptive.max: "10ms" is too short`:           func(s *Settings) { s.Adaptive = &Adaptive{Min: "100ms", Max: "10ms"} },
		`adaptive.min: "1ms" is too short: the short`: func(s *Settings) { s.Adaptive = &Adaptive{Min: "1ms", Max: "2ms"} },
	} {
		s := Defaults()
		change(s)
		if _, err := New(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// What is left out gives way to what is written.
func TestAdaptiveDefaultsNeverContradict(t *testing.T) {
	for _, test := range []struct {
		interval providers.Duration
		adaptive Adaptive
		min, max time.Duration
	}{
		{"60s", Adaptive{}, 10 * time.Second, 5 * time.Minute},
		{"1s", Adaptive{}, time.Second, 5 * time.Minute},
		{"10m", Adaptive{}, 10 * time.Second, 10 * time.Minute},
		{"60s", Adaptive{Max: "3s"}, 3 * time.Second, 3 * time.Second},
		{"60s", Adaptive{Min: "10m"}, 10 * time.Minute, 10 * time.Minute},
	} {
		p := newPolicy(t, func(s *Settings) { s.Interval, s.Adaptive = test.interval, &test.adaptive })
		if p.adaptive.min != test.min || p.adaptive.max != test.max || p.adaptive.window != time.Hour {
			t.Errorf("interval %s, %+v: got %+v", test.interval, test.adaptive, p.adaptive)
		}
	}
}

func TestBackoffGrowsAndStaysInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.Int64Range(int64(MinInterval), int64(24*time.Hour)).Draw(t, "interval"))
		longest := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(24*time.Hour)).Draw(t, "max"))
		s := Defaults()
		s.Interval, s.Backoff = providers.Duration(interval.String()), &Backoff{Max: providers.Duration(longest.String())}
		p, err := New(s)
		if err != nil {
			t.Fatal(err)
		}
		random := rapid.Float64Range(0, 0.999999).Draw(t, "random")
		last := time.Duration(0)
		for n := 1; n < 60; n++ {
			got := p.Delay(providers.History{Now: now, Failures: n, Random: random})
			if got < interval || got > max(interval, longest) || got < last {
				t.Fatalf("failure %d after %s: got %s (interval %s, max %s)", n, last, got, interval, longest)
			}
			last = got
		}
	})
}
