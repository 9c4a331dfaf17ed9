// Package polling holds what the polling detectors share: the attributes and the pure
// function from the history of looks to the wait until the next one.
//
// When looks fail the policy only ever waits longer, up to the back-off's max, and never
// gives up: a source that comes back after days is found by the next look.
package polling

import (
	"time"

	"tidegate/providers"
)

// MinInterval is the shortest wait a detector may ask for. Below it polling costs more than
// it can bring; a program that needs to know sooner should push.
const MinInterval = 100 * time.Millisecond

// Settings are the attributes of a polling detector.
type Settings struct {
	Interval         providers.Duration `hcl:"interval,optional" doc:"Wait between two looks, at least 100ms."`
	Jitter           float64            `hcl:"jitter,optional" doc:"Share by which a wait is stretched or shortened at random, so that many sources do not look in step: wait * (1 + jitter * r) with r uniform in [-1, 1). From 0 (none) to below 1. The result is never below 100ms."`
	FailureThreshold int                `hcl:"failure_threshold,optional" doc:"Failures in a row from which the source is reported as degraded. Its accepted value stays in use throughout."`
	Adaptive         *Adaptive          `hcl:"adaptive,block" doc:"Looks more often while changes are frequent and less often while they are rare. Without this block every wait is interval."`
	Backoff          *Backoff           `hcl:"backoff,block" doc:"How waits grow while looks fail: after the n-th failure in a row d = max(interval, min(max, interval * 2^n)), and the wait is uniform in [d/2, d] but never below interval or what the origin asked for (Retry-After)."`
}

// Adaptive are the bounds of an interval that follows the rate of changes. An empty field
// takes its default from New.
type Adaptive struct {
	Min    providers.Duration `hcl:"min,optional" doc:"Shortest wait, before jitter. 10s if left out, or interval or max where that is shorter."`
	Max    providers.Duration `hcl:"max,optional" doc:"Longest wait, before jitter. 5m if left out, or interval or min where that is longer."`
	Window providers.Duration `hcl:"window,optional" doc:"How far back changes are counted. 1h if left out. With at most 1 change in the window the wait grows by half at each look, with 5 or more it halves, between it stays. Until a first change was seen it is interval."`
}

// Backoff bounds the waits while looks fail.
type Backoff struct {
	Max providers.Duration `hcl:"max,optional" doc:"Longest wait while looks fail; interval where that is longer."`
}

// Defaults returns the settings of a detector that says nothing.
func Defaults() *Settings {
	return &Settings{
		Interval:         "60s",
		Jitter:           0.1,
		FailureThreshold: 5,
		Backoff:          &Backoff{Max: "5m"},
	}
}
