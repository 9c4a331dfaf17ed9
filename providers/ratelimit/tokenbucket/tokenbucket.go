// Package tokenbucket is the rate limit "token_bucket": a steady rate with bursts.
//
// It cannot fail. It defers: the newest value waits for its turn. A clock that was set back
// never makes anything wait: the bucket counts as full then.
package tokenbucket

import (
	"errors"
	"math"
	"time"

	"tidegate/providers"
)

// longest is the longest time a bucket may take to fill, well inside what a time.Duration holds.
const longest = 100 * 365 * 24 * time.Hour

// Config is the configuration of the rate limit.
type Config struct {
	Rate  float64            `hcl:"rate" doc:"Updates that may pass within per in the long run; a fraction is allowed."`
	Per   providers.Duration `hcl:"per,optional" doc:"Time in which rate updates may pass."`
	Burst *int               `hcl:"burst,optional" doc:"Updates that may pass at once after a quiet time, 1 or more. Left out it is rate, rounded up."`
}

// Kind declares the rate limit.
func Kind() *providers.Kind {
	return providers.RateLimitKind("token_bucket", providers.Doc{
		Summary: "Lets updates pass at a steady rate, and a burst at once after a quiet time.",
		Description: `
A bucket holds up to ` + "`burst`" + ` tokens and gains ` + "`rate`" + ` of them evenly within ` + "`per`" + `; each update takes
one. In any stretch of time t at most burst + rate * t / per updates pass. An update that finds
the bucket empty waits for the next token; if newer values arrive meanwhile, the newest takes its
place, so that the last value always arrives.

Counters are stored and survive restarts. If the clock was set back to before the last update, the
bucket counts as full: nothing waits longer than it would have.`,
		Example: `
rate_limit "token_bucket" "steady" {
  rate  = 6
  per   = "1m"
  burst = 3
}`,
	}, func() *Config { return &Config{Per: "1s"} }, build)
}

// limit is the generic cell rate algorithm (ITU-T I.371, in its virtual scheduling form): a
// bucket is described by one time, the theoretical arrival time of the next update if all
// came evenly. It may be ahead of now by what the burst allows.
//
// The counter holds two times: the theoretical arrival time and, to notice a clock that was
// set back, the time of the last update.
type limit struct {
	interval  time.Duration // from one token to the next
	tolerance time.Duration // how far ahead of now the theoretical arrival may be
}

func build(c *Config, _ providers.Env) (providers.RateLimit, error) {
	var badRate, badBurst error
	if c.Burst != nil && *c.Burst < 1 {
		badBurst = providers.AttributeErrorf("burst", "%d lets nothing pass; use 1 or more", *c.Burst)
	}
	if !(c.Rate > 0) || math.IsInf(c.Rate, 0) {
		badRate = providers.AttributeErrorf("rate", "%v lets nothing pass; use a number above 0, or tidegate pause to stop deliveries", c.Rate)
	}
	if err := errors.Join(badRate, badBurst); err != nil {
		return nil, err
	}
	// Rounded up, so that rounding never lets more pass.
	interval := math.Ceil(float64(c.Per.Value()) / c.Rate)
	if !(interval >= 1 && interval <= float64(longest)) {
		return nil, providers.AttributesErrorf([]string{"rate", "per"}, "%v per %s is one update in more than a hundred years", c.Rate, c.Per)
	}
	burst := max(1, math.Ceil(c.Rate))
	if c.Burst != nil {
		burst = float64(*c.Burst)
	}
	if burst*interval > float64(longest) {
		return nil, providers.AttributesErrorf([]string{"burst", "rate", "per"}, "a burst of %.0f would take more than a hundred years to gather", burst)
	}
	return &limit{
		interval:  time.Duration(interval),
		tolerance: time.Duration(burst-1) * time.Duration(interval),
	}, nil
}

// Next returns now while the theoretical arrival is at most tolerance ahead, else the time
// at which it is. That is never further away than one interval.
func (l *limit) Next(c providers.Counter, now time.Time) time.Time {
	if at := l.arrival(c, now).Add(-l.tolerance); at.After(now) {
		return at
	}
	return now
}

// Take moves the theoretical arrival on by one interval.
func (l *limit) Take(c providers.Counter, at time.Time) providers.Counter {
	return providers.Counter{l.arrival(c, at).Add(l.interval), at}
}

// arrival returns the theoretical arrival time, not before now: a bucket gains nothing once
// it is full. It is now where the counter says nothing, or nothing that can be true.
func (l *limit) arrival(c providers.Counter, now time.Time) time.Time {
	if len(c) != 2 {
		return now
	}
	arrival, last := c[0], c[1]
	// Further ahead than this only if the limit was stricter when the counter was stored.
	if most := last.Add(l.tolerance + l.interval); arrival.After(most) {
		arrival = most
	}
	if last.After(now) || arrival.Before(now) {
		return now // the clock was set back, or the bucket is full
	}
	return arrival
}
