package providertest

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"tidegate/providers"
)

// DetectorOptions say how to make the detector under test.
type DetectorOptions struct {
	New func(t *testing.T) providers.Detector
	// Min and Max bound every delay; 0 for Max means a year.
	Min, Max time.Duration
}

// Detector checks that Delay is a pure function within bounds for whatever history.
func Detector(t *testing.T, o DetectorOptions) {
	t.Helper()
	d := o.New(t)
	if d.FailureThreshold() < 1 {
		t.Errorf("FailureThreshold = %d, want at least 1", d.FailureThreshold())
	}
	longest := o.Max
	if longest == 0 {
		longest = 365 * 24 * time.Hour
	}
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		got := d.Delay(h)
		if got <= 0 || got < o.Min || got > longest {
			t.Errorf("Delay(%+v) = %s, want %s to %s", h, got, o.Min, longest)
		}
		if again := d.Delay(h); again != got {
			t.Errorf("Delay of one history is %s and %s", got, again)
		}
	})
}

// start is where drawn times lie: some day without a monotonic clock, as the state stores it.
var start = time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC)

func drawHistory(t *rapid.T) providers.History {
	h := providers.History{
		Now:      start,
		Current:  time.Duration(rapid.Int64Min(0).Draw(t, "current")),
		Failures: rapid.OneOf(rapid.Just(0), rapid.IntRange(1, 100), rapid.IntMin(0)).Draw(t, "failures"),
		Random:   rapid.Float64Range(0, 0.9999999).Draw(t, "random"),
	}
	at := start
	for range rapid.IntRange(0, 12).Draw(t, "changes") {
		at = at.Add(-time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "age")))
		h.Changes = append([]time.Time{at}, h.Changes...)
	}
	return h
}

// RateLimitOptions say how to make the rate limit under test and what it promises.
type RateLimitOptions struct {
	New func(t *testing.T) providers.RateLimit
	// Allowed returns how many updates may pass in any half-open stretch of the given length.
	Allowed func(length time.Duration) int
	// MaxWait is the longest any update may have to wait once the one before it passed.
	MaxWait time.Duration
	// MaxCounter is the most times a counter may hold.
	MaxCounter int
}

// RateLimit checks that never too many updates pass, that each passes in the end, that the
// counter stays small, and that a clock which was set back holds nothing up.
func RateLimit(t *testing.T, o RateLimitOptions) {
	t.Helper()
	l := o.New(t)
	rapid.Check(t, func(t *rapid.T) {
		c, passed := run(t, l, o)
		for i := range passed {
			for j := i; j < len(passed); j++ {
				if length := passed[j].Sub(passed[i]) + 1; j-i+1 > o.Allowed(length) {
					t.Fatalf("%d updates passed in %s, want at most %d: %v", j-i+1, length, o.Allowed(length), passed)
				}
			}
		}
		checkSetBack(t, l, o, c, passed[len(passed)-1])
	})
}

// run lets updates ask at random times and pass when they may.
func run(t *rapid.T, l providers.RateLimit, o RateLimitOptions) (c providers.Counter, passed []time.Time) {
	now := start
	pause := rapid.Int64Range(0, int64(o.MaxWait)*2)
	for range rapid.IntRange(1, 30).Draw(t, "updates") {
		now = now.Add(time.Duration(pause.Draw(t, "pause")))
		kept := append(providers.Counter(nil), c...)
		next := l.Next(c, now)
		if next.Before(now) || next.After(now.Add(o.MaxWait)) {
			t.Fatalf("Next(%v, %v) = %v, want at most %s later", c, now, next, o.MaxWait)
		}
		if again := l.Next(c, next); !again.Equal(next) {
			t.Fatalf("asked again at %v, when it may pass, Next = %v", next, again)
		}
		now = next
		updated := l.Take(c, now)
		if len(updated) > o.MaxCounter {
			t.Fatalf("the counter holds %d times, want at most %d", len(updated), o.MaxCounter)
		}
		if diff := cmp.Diff(kept, c); diff != "" {
			t.Fatalf("Next or Take changed the counter it was given: %s", diff)
		}
		c, passed = updated, append(passed, now)
	}
	return c, passed
}

// checkSetBack asks with a clock before the last update: progress must not have to wait
// until the clock has caught up.
func checkSetBack(t *rapid.T, l providers.RateLimit, o RateLimitOptions, c providers.Counter, last time.Time) {
	step := rapid.Int64Range(1, int64(1000*time.Hour)).Draw(t, "set back")
	now := last.Add(-time.Duration(step))
	deadline := now.Add(o.MaxWait)
	for range 20 {
		next := l.Next(c, now)
		if next.Before(now) || next.After(deadline) {
			t.Fatalf("after the clock was set back by %s: Next(%v, %v) = %v, want by %v", time.Duration(step), c, now, next, deadline)
		}
		if next.Equal(now) {
			break
		}
		now = next
	}
	if c = l.Take(c, now); len(c) > o.MaxCounter {
		t.Fatalf("the counter holds %d times, want at most %d", len(c), o.MaxCounter)
	}
	if next := l.Next(c, now); next.After(now.Add(o.MaxWait)) {
		t.Fatalf("the update after a clock that was set back waits until %v, more than %s", next, o.MaxWait)
	}
}

// RuleOptions say how to make the rule under test, and what it thinks of some candidates.
type RuleOptions struct {
	New    func(t *testing.T) providers.Rule
	Accept []providers.Candidate
	Reject []providers.Candidate
}

// Rule checks that judging is repeatable, safe from several goroutines, and ends with its context.
func Rule(t *testing.T, o RuleOptions) {
	t.Helper()
	r := o.New(t)
	for _, c := range o.Accept {
		if f := judge(t, r, c); len(f) > 0 {
			t.Errorf("%#v: findings %+v, want none", c.Value, f)
		}
	}
	for _, c := range o.Reject {
		if f := judge(t, r, c); len(f) == 0 {
			t.Errorf("%#v: no findings", c.Value)
		}
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx := cancelled(t)
		for _, c := range append(o.Accept, o.Reject...) {
			_ = promptly(t, "Judge", func() error { _, err := r.Judge(ctx, c); return err })
		}
	})
}

// judge judges once with no previous value at all, and then from several goroutines.
func judge(t *testing.T, r providers.Rule, c providers.Candidate) []providers.Finding {
	t.Helper()
	if c.Previous == cty.NilVal {
		if _, err := r.Judge(t.Context(), c); err != nil {
			t.Errorf("without a previous value: %v", err)
		}
		c.Previous = cty.NullVal(cty.DynamicPseudoType)
	}
	first, err := r.Judge(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range first {
		if f.Message == "" {
			t.Errorf("a finding without a message: %+v", f)
		}
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			again, err := r.Judge(t.Context(), c)
			if diff := cmp.Diff(first, again); diff != "" || err != nil {
				t.Errorf("judging again: %v %s", err, diff)
			}
		})
	}
	wg.Wait()
	return first
}
