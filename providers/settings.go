package providers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Duration is a length of time as it is written in the language ("10s", "1h30m"). A block's
// durations were checked when it was evaluated: they parse and are positive.
type Duration string

// Value returns the duration, 0 for "".
func (d Duration) Value() time.Duration {
	v, err := time.ParseDuration(string(d))
	if err != nil {
		return 0
	}
	return v
}

// ParseDuration parses what a Duration may hold: positive, at most ten years.
func ParseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no duration: write a number with a unit, as in \"500ms\", \"10s\", \"5m\" or \"1h30m\"", s)
	case d <= 0:
		return 0, fmt.Errorf("%q is not positive: a duration must be longer than nothing", s)
	case d > 10*365*24*time.Hour:
		return 0, fmt.Errorf("%q is longer than ten years", s)
	}
	return d, nil
}

// DefaultMaxBytes caps the decoded bytes of a source: 16 MiB.
const DefaultMaxBytes = 16 << 20

// SourceSettings are the attributes every source has beside those of its kind.
type SourceSettings struct {
	Detectors     hcl.Expression `hcl:"detectors,optional" doc:"Detectors that decide when to look again and which differences count, as a list of references. Without it the kind's own default watches."`
	Interval      Duration       `hcl:"interval,optional" doc:"Short for the kind's default detector at this interval. Cannot be combined with detectors."`
	Rules         hcl.Expression `hcl:"rules,optional" doc:"Rules a candidate must satisfy to be accepted, as a list of references. All findings of all rules come at once."`
	RateLimits    hcl.Expression `hcl:"rate_limits,optional" doc:"Rate limits on acceptances, as a list of references; all must allow."`
	Decode        string         `hcl:"decode,optional" doc:"Decoder of the bytes. Left out, the ending of the path or URL decides, then the Content-Type." values:"json,yaml,toml,hcl,env,properties,ini,csv,text,bytes"`
	Fallback      cty.Value      `hcl:"fallback,optional" doc:"Value that stands in while nothing was ever accepted and the look failed. It passes the rules, is never accepted, and never replaces an existing target that Tidegate did not write."`
	AllowEmpty    bool           `hcl:"allow_empty,optional" doc:"Accept an empty candidate (no body, null, {}, [], an empty text). Without it an empty candidate is rejected, since absence is not emptiness."`
	Sensitive     bool           `hcl:"sensitive,optional" doc:"Mark the value: it never appears in clear in output or in the state."`
	MaxBytes      int64          `hcl:"max_bytes,optional" doc:"Largest size in bytes after decompression."`
	DependsOn     hcl.Expression `hcl:"depends_on,optional" doc:"Further blocks to wait for, as a list of references."`
	Preconditions []Precondition `hcl:"precondition,block" doc:"Condition that must hold before the source is looked at; while it does not, the accepted value stays. May be repeated."`
	Push          *PushSettings  `hcl:"push,block" doc:"Lets the source also receive its value through the listener of apply --watch; the newest of push and poll wins."`
}

// PushSettings say how a value is pushed to a source.
type PushSettings struct {
	ConfigName  *string  `hcl:"config_name,optional" doc:"The config_name of the POST to /webhook/config; without it the block's name."`
	Secrets     []string `hcl:"secrets,optional" credential:"true" doc:"Secrets of which any one may sign a request (Standard Webhooks or X-Hub-Signature-256); several serve a rotation. At least 24 bytes each."`
	BearerToken *string  `hcl:"bearer_token,optional" credential:"true" doc:"Token that may be sent instead of a signature, as in Authorization: Bearer TOKEN."`
}

// DefaultSourceSettings returns the settings of a source that says nothing.
func DefaultSourceSettings() *SourceSettings {
	return &SourceSettings{MaxBytes: DefaultMaxBytes}
}

func (s *SourceSettings) check() error {
	var few error
	if s.MaxBytes < 1 {
		few = AttributeErrorf("max_bytes", "%d lets nothing through; leave it out for %d", s.MaxBytes, DefaultMaxBytes)
	}
	return errors.Join(few, s.Push.Check("push"))
}

// RuleSettings are the attributes every rule has.
type RuleSettings struct {
	Severity string `hcl:"severity,optional" doc:"What a finding does: error rejects the candidate, warning reports and accepts." values:"error,warning"`
}

// DefaultRuleSettings returns the settings of a rule that says nothing.
func DefaultRuleSettings() *RuleSettings { return &RuleSettings{Severity: "error"} }

// RateLimitSettings are the attributes every rate limit has.
type RateLimitSettings struct {
	Scope string `hcl:"scope,optional" doc:"each gives every user of the limit its own counter; shared one for all, the longest-waiting first." values:"each,shared"`
}

// DefaultRateLimitSettings returns the settings of a rate limit that says nothing.
func DefaultRateLimitSettings() *RateLimitSettings { return &RateLimitSettings{Scope: "each"} }

// SinkSettings are the attributes every sink has beside those of its kind.
type SinkSettings struct {
	RateLimits    hcl.Expression `hcl:"rate_limits,optional" doc:"Rate limits on deliveries, as a list of references; all must allow. They defer and coalesce: the newest value waits for its turn."`
	Rules         hcl.Expression `hcl:"rules,optional" doc:"Rules the rendered content must satisfy before it is delivered; value is the content decoded by the target's ending, else null."`
	Triggers      hcl.Expression `hcl:"triggers,optional" doc:"Sinks, sources or any values whose change makes this sink act again. A sink fires on each acknowledged write, repairs too."`
	DependsOn     hcl.Expression `hcl:"depends_on,optional" doc:"Further blocks to wait for, as a list of references."`
	OnCreate      string         `hcl:"on_create,optional" doc:"What an exec or http sink does on first contact: run delivers, skip only remembers the value." values:"run,skip"`
	OnDrift       string         `hcl:"on_drift,optional" doc:"What happens when somebody else changed the target: repair restores what was last acknowledged, warn reports, ignore says nothing." values:"repair,warn,ignore"`
	OnDestroy     string         `hcl:"on_destroy,optional" doc:"What happens to the target when the sink is removed or destroyed: keep forgets it, delete removes it (file sinks only)." values:"keep,delete"`
	DriftInterval Duration       `hcl:"drift_interval,optional" doc:"Under apply --watch, how often the target is looked at where no notification tells that somebody else changed it."`
	Settle        *Settle        `hcl:"settle,block" doc:"Under apply --watch, waits until the inputs were quiet, so that a burst makes one delivery."`
	Retry         *Retry         `hcl:"retry,block" doc:"How a failed delivery is tried again within one apply."`
	Preconditions []Precondition `hcl:"precondition,block" doc:"Condition that must hold before anything is delivered. May be repeated."`
}

// DefaultSinkSettings returns the settings of a sink that says nothing.
func DefaultSinkSettings() *SinkSettings {
	return &SinkSettings{OnCreate: "run", OnDrift: "repair", OnDestroy: "keep", DriftInterval: "5m", Retry: DefaultRetry()}
}

// Settle says how long a sink waits for more changes of its inputs.
type Settle struct {
	Min Duration `hcl:"min" doc:"The inputs must have been quiet for so long."`
	Max Duration `hcl:"max,optional" doc:"After so long the sink is delivered all the same. Without it, ten times min."`
}

func (s *SinkSettings) check() error {
	if s.Retry == nil {
		return nil
	}
	return s.Retry.Check()
}

// Precondition is one condition of a source or sink.
type Precondition struct {
	Condition    hcl.Expression `hcl:"condition" doc:"Expression that must be true."`
	ErrorMessage hcl.Expression `hcl:"error_message" doc:"What to say when it is not."`
}

// Retry says how often and how patiently something is tried again.
type Retry struct {
	Attempts int      `hcl:"attempts,optional" doc:"Tries in all, the first counted."`
	Min      Duration `hcl:"min,optional" doc:"Wait before the second try; it doubles from then on."`
	Max      Duration `hcl:"max,optional" doc:"Longest wait between two tries."`
}

// DefaultRetry returns 3 attempts, 200ms to 2s.
func DefaultRetry() *Retry { return &Retry{Attempts: 3, Min: "200ms", Max: "2s"} }

// Check returns what makes no sense in a block retry.
func (r *Retry) Check() error {
	var few, long error
	if r.Attempts < 1 {
		few = AttributeErrorf("retry.attempts", "%d attempts would do nothing: the first try counts, so use 1 for no repeating", r.Attempts)
	}
	if r.Min.Value() > r.Max.Value() {
		long = AttributesErrorf([]string{"retry.min", "retry.max"}, "min (%s) is longer than max (%s)", r.Min, r.Max)
	}
	return errors.Join(few, long)
}

// Wait returns the wait after the n-th failed attempt (1 for the first): full jitter in
// [d/2, d] with d = min(Max, Min * 2^(n-1)), and never less than after, what the origin asked for.
func (r Retry) Wait(n int, after time.Duration) time.Duration {
	d := r.Min.Value()
	for range n - 1 {
		if d >= r.Max.Value() {
			break
		}
		d *= 2
	}
	d = min(d, max(r.Max.Value(), r.Min.Value()))
	if d > 0 {
		d = d/2 + rand.N(d/2+1)
	}
	return max(d, after)
}

type fetchLimitKey struct{}

// WithFetchLimit returns a context that carries a source's max_bytes to its Fetch.
func WithFetchLimit(ctx context.Context, n int64) context.Context {
	return context.WithValue(ctx, fetchLimitKey{}, n)
}

// FetchLimit returns the most bytes a Fetch may return, after decompression.
func FetchLimit(ctx context.Context) int64 {
	if n, ok := ctx.Value(fetchLimitKey{}).(int64); ok && n > 0 {
		return n
	}
	return DefaultMaxBytes
}

// TooLargeError returns the Permanent error of a source whose bytes exceed the limit.
func TooLargeError(limit int64) error {
	return Permanent(fmt.Errorf("the content is larger than max_bytes = %d; raise max_bytes on the source if that is intended", limit))
}
