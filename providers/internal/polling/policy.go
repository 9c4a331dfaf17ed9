package polling

import (
	"errors"
	"time"

	"tidegate/providers"
)

// Policy is the half of a detector that says when to look again. It is a
// providers.Detector that ignores nothing.
type Policy struct {
	interval   time.Duration
	jitter     float64
	threshold  int
	adaptive   *bounds // nil: every wait is interval
	backoffMax time.Duration
}

type bounds struct{ min, max, window time.Duration }

// New checks the settings and returns their policy, or all mistakes in them as
// providers.AttributeErrors put together by errors.Join.
func New(s *Settings) (*Policy, error) {
	p := &Policy{
		interval:  s.Interval.Value(),
		jitter:    s.Jitter,
		threshold: s.FailureThreshold,
	}
	var wrong []error
	fail := func(err error) { wrong = append(wrong, err) }
	if p.interval < MinInterval {
		fail(tooShort("interval", s.Interval))
	}
	if !(p.jitter >= 0 && p.jitter < 1) {
		fail(providers.AttributeErrorf("jitter", "%v is not a share from 0 to below 1; 0.1 moves each wait by up to 10%%", s.Jitter))
	}
	if p.threshold < 1 {
		fail(providers.AttributeErrorf("failure_threshold", "%d is too low: it takes at least 1 failure to call a source degraded", s.FailureThreshold))
	}
	if s.Backoff != nil {
		p.backoffMax = s.Backoff.Max.Value()
	}
	if s.Adaptive != nil {
		var err error
		p.adaptive, err = newBounds(s.Adaptive, max(p.interval, MinInterval))
		fail(err)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return p, nil
}

// newBounds fills in the defaults so that they never contradict what was written.
func newBounds(a *Adaptive, interval time.Duration) (*bounds, error) {
	b := &bounds{min: a.Min.Value(), max: a.Max.Value(), window: a.Window.Value()}
	if b.window == 0 {
		b.window = time.Hour
	}
	if b.min == 0 {
		b.min = min(10*time.Second, interval)
		if b.max > 0 {
			b.min = min(b.min, b.max)
		}
	}
	if b.max == 0 {
		b.max = max(5*time.Minute, interval, b.min)
	}
	switch short, low := b.min < MinInterval, b.max < MinInterval; {
	case short && low && a.Min != "":
		return nil, errors.Join(tooShort("adaptive.min", a.Min), tooShort("adaptive.max", a.Max))
	case low:
		return nil, tooShort("adaptive.max", a.Max)
	case short:
		return nil, tooShort("adaptive.min", a.Min)
	case b.min > b.max:
		return nil, providers.AttributesErrorf([]string{"adaptive.min", "adaptive.max"}, "%s is longer than max = %s; swap them or raise max", b.min, b.max)
	}
	return b, nil
}

func tooShort(attribute string, d providers.Duration) error {
	return providers.AttributeErrorf(attribute, "%q is too short: the shortest is %s; where that is too slow let the origin push", string(d), MinInterval)
}

// Delay returns the wait until the next look.
func (p *Policy) Delay(h providers.History) time.Duration {
	if h.Failures > 0 {
		return p.backoff(h.Failures, h.Random)
	}
	if p.adaptive == nil || len(h.Changes) == 0 {
		return p.spread(p.interval, h.Random)
	}
	return p.adapt(h)
}

// FailureThreshold is the number of failures in a row from which a source is degraded.
func (p *Policy) FailureThreshold() int { return p.threshold }

// Ignore is empty: every difference counts.
func (p *Policy) Ignore() []string { return nil }

// spread applies the jitter: d * (1 + jitter * (2*random - 1)), at least MinInterval.
func (p *Policy) spread(d time.Duration, random float64) time.Duration {
	return max(MinInterval, d+time.Duration(float64(d)*p.jitter*(2*random-1)))
}

// adapt is multiplicative increase and decrease by the number of changes in the window: up
// to 1 the wait grows by half, from 5 on it halves. Between it stays exactly as it is: it
// was spread when it was set, and spreading it at each look would make it a random walk.
func (p *Policy) adapt(h providers.History) time.Duration {
	b := p.adaptive
	current := h.Current
	if current <= 0 {
		current = p.interval
	}
	// What came before may have been a back-off or another detector's wait.
	current = min(max(current, b.min), b.max)
	switch n := changesWithin(h, b.window); {
	case n <= 1:
		return p.spread(min(b.max, current+current/2), h.Random)
	case n >= 5:
		return p.spread(max(b.min, current/2), h.Random)
	case h.Current <= 0:
		return p.spread(current, h.Random)
	}
	return current
}

func changesWithin(h providers.History, window time.Duration) int {
	n := 0
	for _, t := range h.Changes {
		if age := h.Now.Sub(t); age >= 0 && age < window {
			n++
		}
	}
	return n
}

// backoff is the wait after the n-th failure in a row: d = max(interval, min(max,
// interval * 2^n)), then "equal jitter" (uniform in [d/2, d], after M. Brooker, Exponential
// Backoff And Jitter, AWS Architecture Blog 2015), but never below interval.
func (p *Policy) backoff(n int, random float64) time.Duration {
	d := p.interval
	for i := 0; i < n && d < p.backoffMax; i++ {
		d *= 2
	}
	d = max(p.interval, min(d, p.backoffMax))
	return max(p.interval, d/2+time.Duration(random*float64(d-d/2)))
}
