package slidingwindow

import (
	"strings"
	"testing"
	"time"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func newLimit(t *testing.T, body string) providers.RateLimit {
	t.Helper()
	return providertest.NewRateLimit(t, Kind(), body)
}

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	for body, limit := range map[string]struct {
		max int
		per time.Duration
	}{
		"max = 1\nper = \"1m\"":   {1, time.Minute},
		"max = 3\nper = \"10s\"":  {3, 10 * time.Second},
		"max = 10\nper = \"24h\"": {10, 24 * time.Hour},
	} {
		providertest.RateLimit(t, providertest.RateLimitOptions{
			New: func(t *testing.T) providers.RateLimit { return newLimit(t, body) },
			Allowed: func(length time.Duration) int {
				return limit.max * int((length+limit.per-1)/limit.per)
			},
			MaxWait:    limit.per,
			MaxCounter: limit.max,
		})
	}
}

func TestWindowSlides(t *testing.T) {
	l := newLimit(t, "max = 2\nper = \"1m\"")
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	c := l.Take(l.Take(nil, at(50)), at(55))
	for now, want := range map[int]int{
		56:  110, // no calendar minute: 50 and 55 are both less than a minute ago
		61:  110,
		109: 110,
		110: 110,
		200: 200,
	} {
		if got := l.Next(c, at(now)); !got.Equal(at(want)) {
			t.Errorf("at %d: next at %d, want %d", now, got.Unix(), want)
		}
	}
}

func TestClockSetBackHoldsNothingUp(t *testing.T) {
	l := newLimit(t, "max = 2\nper = \"1h\"")
	t0 := time.Unix(1_000_000, 0)
	c := l.Take(l.Take(nil, t0), t0.Add(time.Minute))
	back := t0.Add(-24 * time.Hour)
	if got := l.Next(c, back); !got.Equal(back) {
		t.Errorf("next after %s, want at once", got.Sub(back))
	}
	c = l.Take(l.Take(c, back), back)
	if got := l.Next(c, back); !got.Equal(back.Add(time.Hour)) {
		t.Errorf("next after %s, want an hour: the limit holds by the new clock", got.Sub(back))
	}
}

func TestCounterOfAnotherConfiguration(t *testing.T) {
	t0 := time.Unix(1_000_000, 0)
	var c providers.Counter
	wide := newLimit(t, "max = 5\nper = \"1m\"")
	for i := range 5 {
		c = wide.Take(c, t0.Add(time.Duration(i)*time.Second))
	}
	now := t0.Add(5 * time.Second)
	if got := newLimit(t, "max = 2\nper = \"1m\"").Next(c, now); !got.Equal(t0.Add(63 * time.Second)) {
		t.Errorf("with a lower max: next after %s, want when all but one have left the window", got.Sub(t0))
	}
	c[0], c[4] = c[4], c[0] // a state that was written by hand
	if got := wide.Next(c, now); !got.Equal(t0.Add(time.Minute)) {
		t.Errorf("unsorted: next after %s, want 1m", got.Sub(t0))
	}
}

func TestMistakesPointAtTheirPlace(t *testing.T) {
	for body, want := range map[string]string{
		"max = 0\nper = \"1m\"":     `test.hcl:1,7-8: Invalid rate limit "sliding_window"; max: 0 lets nothing pass`,
		"max = 10001\nper = \"1m\"": `token_bucket`,
		"max = 1\nper = \"0s\"":     `not positive`,
		"max = 1":                   `Missing required argument`,
		"per = \"1m\"":              `Missing required argument`,
	} {
		if got := providertest.Errors(Kind(), body); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
