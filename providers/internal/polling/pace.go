package polling

import (
	"time"

	"tidegate/providers"
)

// DefaultWindow is how far back changes are looked at where a detector says nothing.
const DefaultWindow = time.Hour

var _ providers.Paced = (*Policy)(nil)

// Interval is the wait between two looks where all is well and nothing adapts it.
func (p *Policy) Interval() time.Duration { return p.interval }

// BackoffMax is the longest wait while looks fail.
func (p *Policy) BackoffMax() time.Duration { return max(p.interval, p.backoffMax) }

// Window is how far back changes are counted.
func (p *Policy) Window() time.Duration {
	if p.adaptive != nil {
		return p.adaptive.window
	}
	return DefaultWindow
}

// Safety is the policy of a detector that is told of changes: a slow look at each interval
// in case nobody told, and after failures looks from 1s on, doubling up to max.
type Safety struct {
	interval, max time.Duration
}

// Failures in a row from which a source with a Safety policy is degraded, and the share by
// which its waits are spread.
const (
	safetyThreshold = 5
	safetyJitter    = 0.1
)

// NewSafety returns the policy. max counts only as far as it is not shorter than
// MinInterval, and neither does interval.
func NewSafety(interval, max time.Duration) *Safety {
	return &Safety{interval: interval, max: max}
}

// Delay returns the wait until the next look. The n-th failure in a row waits uniformly
// within [d/2, d] of d = min(max, 1s * 2^(n-1)).
func (s *Safety) Delay(h providers.History) time.Duration {
	if h.Failures == 0 {
		d := float64(s.interval) * (1 + safetyJitter*(2*h.Random-1))
		return max(MinInterval, time.Duration(d))
	}
	d := time.Second
	for i := 1; i < h.Failures && d < s.max; i++ {
		d *= 2
	}
	d = min(d, s.max)
	return max(MinInterval, d/2+time.Duration(h.Random*float64(d-d/2)))
}

// FailureThreshold is the number of failures in a row from which a source is degraded.
func (s *Safety) FailureThreshold() int { return safetyThreshold }

// Ignore is empty: every difference counts.
func (s *Safety) Ignore() []string { return nil }

// BackoffMax is the longest wait while looks fail.
func (s *Safety) BackoffMax() time.Duration { return max(MinInterval, s.max) }

// Window is how far back changes are looked at.
func (s *Safety) Window() time.Duration { return DefaultWindow }
