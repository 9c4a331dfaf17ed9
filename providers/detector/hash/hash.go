// Package hash is the detector "hash": it fetches the whole value at each look and compares
// it by its SHA-256 in a canonical form, without the paths that do not count.
//
// When a look fails, the accepted value stays in use and the next looks come at growing
// distance. A value that cannot be decoded is a failed look, not a change.
package hash

import (
	"errors"

	"tidegate/hclspec/decode"
	"tidegate/providers"
	"tidegate/providers/internal/polling"
)

// Config is the configuration of the detector.
type Config struct {
	Interval         providers.Duration `hcl:"interval,optional" doc:"Wait between two looks, at least 100ms."`
	Ignore           []string           `hcl:"ignore,optional" doc:"Paths of the decoded value whose differences do not count, as in generated_at, meta.*.ts or items[*].ts; a star stands for any one key or index. The lists of all detectors of a source unite."`
	Jitter           float64            `hcl:"jitter,optional" doc:"Share by which a wait is stretched or shortened at random, so that many sources do not look in step: wait * (1 + jitter * r) with r uniform in [-1, 1). From 0 (none) to below 1. The result is never below 100ms."`
	FailureThreshold int                `hcl:"failure_threshold,optional" doc:"Failures in a row from which the source is reported as degraded. Its accepted value stays in use throughout."`
	Adaptive         *polling.Adaptive  `hcl:"adaptive,block" doc:"Looks more often while changes are frequent and less often while they are rare. Without this block every wait is interval."`
	Backoff          *polling.Backoff   `hcl:"backoff,block" doc:"How waits grow while looks fail: after the n-th failure in a row d = max(interval, min(max, interval * 2^n)), and the wait is uniform in [d/2, d] but never below interval or what the origin asked for (Retry-After)."`
}

// Kind declares the detector.
func Kind() *providers.Kind {
	return providers.DetectorKind("hash", providers.Doc{
		Summary: "Fetches the value at each look and compares what counts of it.",
		Description: `
Fetches the whole value at each ` + "`interval`" + ` and compares the SHA-256 of its decoded form, in
which the order of keys and the layout play no part, without the paths listed in ` + "`ignore`" + `. Use it
where the origin offers no validator, or where a value carries parts that change without meaning
anything, such as the time it was generated.

While looks fail, the accepted value stays in use and the waits grow as ` + "`backoff`" + ` says. From
` + "`failure_threshold`" + ` failures in a row the source is reported as degraded. Looking never stops.

With an ` + "`adaptive`" + ` block the wait follows the rate of changes.

It is the default detector of ` + "`source \"exec\"`" + `. One detector can serve many sources.`,
		Example: `
detector "hash" "calm" {
  interval = "5m"
  ignore   = ["generated_at", "meta.*.ts"]
}

source "exec" "inventory" {
  command   = ["inventory", "--json"]
  decode    = "json"
  detectors = [detector.hash.calm]
}`,
	}, defaults, build)
}

func defaults() *Config {
	d := polling.Defaults()
	return &Config{Interval: d.Interval, Jitter: d.Jitter, FailureThreshold: d.FailureThreshold, Backoff: d.Backoff}
}

type detector struct {
	*polling.Policy
	ignore []string
}

func (d *detector) Ignore() []string { return d.ignore }

func build(c *Config, _ providers.Env) (providers.Detector, error) {
	p, err := polling.New(&polling.Settings{
		Interval: c.Interval, Jitter: c.Jitter, FailureThreshold: c.FailureThreshold,
		Adaptive: c.Adaptive, Backoff: c.Backoff,
	})
	wrong := []error{err}
	for _, path := range c.Ignore {
		if _, err := decode.ParsePath(path); err != nil {
			wrong = append(wrong, providers.AttributeErrorf("ignore", "%w", err))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return &detector{Policy: p, ignore: c.Ignore}, nil
}
