// Package slidingwindow is the rate limit "sliding_window": at most max updates in any
// stretch of time as long as per.
//
// It cannot fail. It defers: the newest value waits for its turn. A clock that was set back
// never makes anything wait: updates that seem to lie in the future are not counted, so that
// right after such a step up to max updates more may pass.
package slidingwindow

import (
	"errors"
	"slices"
	"time"

	"tidegate/providers"
)

// Most is the largest max: each counter holds that many times and is stored at each update.
const Most = 10_000

// Config is the configuration of the rate limit.
type Config struct {
	Max int                `hcl:"max" doc:"Updates that may pass within per, from 1 to 10000."`
	Per providers.Duration `hcl:"per" doc:"Length of the window. It slides: the limit holds for every stretch of this length, not for each calendar minute or hour."`
}

// Kind declares the rate limit.
func Kind() *providers.Kind {
	return providers.RateLimitKind("sliding_window", providers.Doc{
		Summary: "Lets at most max updates pass in any stretch of time as long as per.",
		Description: `
The exact limit: whichever stretch of length ` + "`per`" + ` you look at, no more than ` + "`max`" + ` updates passed in it.
An update that comes too early waits until the oldest one leaves the window; if newer values arrive
meanwhile, the newest takes its place, so that the last value always arrives.

Counters are stored and survive restarts. If the clock was set back, updates that seem to lie in the
future are not counted: nothing waits longer than it would have.`,
		Example: `
rate_limit "sliding_window" "gentle" {
  max = 10
  per = "1m"
}`,
	}, func() *Config { return &Config{} }, build)
}

type limit struct {
	max int
	per time.Duration
}

func build(c *Config, _ providers.Env) (providers.RateLimit, error) {
	var badMax, badPer error
	switch {
	case c.Max < 1:
		badMax = providers.AttributeErrorf("max", "%d lets nothing pass; use 1 or more, or tidegate pause to stop deliveries", c.Max)
	case c.Max > Most:
		badMax = providers.AttributeErrorf("max", "%d is more than %d, the most a window remembers; use rate_limit \"token_bucket\"", c.Max, Most)
	}
	if c.Per.Value() <= 0 {
		badPer = providers.AttributeErrorf("per", "must be longer than nothing")
	}
	if err := errors.Join(badMax, badPer); err != nil {
		return nil, err
	}
	return &limit{max: c.Max, per: c.Per.Value()}, nil
}

// Next returns now if fewer than max updates passed in (now-per, now], else the time at
// which the one that is max before the next leaves the window.
func (l *limit) Next(c providers.Counter, now time.Time) time.Time {
	recent := l.recent(c, now)
	if len(recent) < l.max {
		return now
	}
	return recent[len(recent)-l.max].Add(l.per)
}

// Take remembers the update and forgets all but the newest max.
func (l *limit) Take(c providers.Counter, at time.Time) providers.Counter {
	recent := append(l.recent(c, at), at)
	return recent[max(0, len(recent)-l.max):]
}

// recent returns a sorted copy of the times in the window that ends now.
func (l *limit) recent(c providers.Counter, now time.Time) providers.Counter {
	var recent providers.Counter
	for _, t := range c {
		if t.After(now.Add(-l.per)) && !t.After(now) {
			recent = append(recent, t)
		}
	}
	slices.SortFunc(recent, time.Time.Compare)
	return recent
}
