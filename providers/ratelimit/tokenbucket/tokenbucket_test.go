package tokenbucket

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
		interval time.Duration // for one token
		burst    int
	}{
		"rate = 1":                              {time.Second, 1},
		"rate = 6\nper = \"1m\"\nburst = 3":     {10 * time.Second, 3},
		"rate = 0.5\nper = \"1h\"\nburst = 1":   {2 * time.Hour, 1},
		"rate = 2.5\nper = \"1s\"":              {400 * time.Millisecond, 3},
		"rate = 3\nper = \"100ns\"\nburst = 20": {34 * time.Nanosecond, 20},
	} {
		providertest.RateLimit(t, providertest.RateLimitOptions{
			New: func(t *testing.T) providers.RateLimit { return newLimit(t, body) },
			Allowed: func(length time.Duration) int {
				return limit.burst + int((length-1)/limit.interval)
			},
			MaxWait:    limit.interval,
			MaxCounter: 2,
		})
	}
}

func TestBurstThenSteady(t *testing.T) {
	l := newLimit(t, "rate = 6\nper = \"1m\"\nburst = 3")
	t0 := time.Unix(1_000_000, 0)
	var c providers.Counter
	now := t0
	for i, want := range []int{0, 0, 0, 10, 20, 30} {
		now = l.Next(c, now)
		if got := now.Sub(t0); got != time.Duration(want)*time.Second {
			t.Errorf("update %d passes after %s, want %ds", i+1, got, want)
		}
		c = l.Take(c, now)
	}
	// After a long quiet time the bucket is full, and no fuller.
	now = now.Add(time.Hour)
	for range 3 {
		if got := l.Next(c, now); !got.Equal(now) {
			t.Errorf("the bucket did not fill up: next after %s", got.Sub(now))
		}
		c = l.Take(c, now)
	}
	if got := l.Next(c, now); !got.Equal(now.Add(10 * time.Second)) {
		t.Errorf("the bucket holds more than burst: next after %s", got.Sub(now))
	}
}

func TestCounterOfAnotherConfiguration(t *testing.T) {
	t0 := time.Unix(1_000_000, 0)
	slow := newLimit(t, "rate = 1\nper = \"24h\"")
	fast := newLimit(t, "rate = 1\nper = \"1m\"")
	if got := fast.Next(slow.Take(nil, t0), t0); got.After(t0.Add(time.Minute)) {
		t.Errorf("a stored day still counts after the limit was loosened: next after %s", got.Sub(t0))
	}
	if got := fast.Next(providers.Counter{t0}, t0); !got.Equal(t0) {
		t.Errorf("a counter of another kind: next after %s", got.Sub(t0))
	}
}

func TestMistakesPointAtTheirPlace(t *testing.T) {
	for body, want := range map[string]string{
		"rate = 0":                               `test.hcl:1,8-9: Invalid rate limit "token_bucket"; rate: 0 lets nothing pass`,
		"rate = -1":                              `lets nothing pass`,
		"rate = 1e-12":                           `hundred years`,
		"rate = 1\nburst = 0":                    `test.hcl:2,9-10: Invalid rate limit "token_bucket"; burst: 0 lets nothing pass`,
		"rate = 1\nper = \"24h\"\nburst = 40000": `hundred years`,
		"rate = 1\nper = \"0s\"":                 `not positive`,
	} {
		if got := providertest.Errors(Kind(), body); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
