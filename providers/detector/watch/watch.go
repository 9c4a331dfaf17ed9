// Package watch is the detector "watch": it looks when the operating system tells that a
// file or directory changed.
//
// What happens when this fails? Notifications are a hint and nothing rests on them: a slow
// look at each interval finds what was not told (a network file system, no watches left),
// and after failed looks the next ones come from 1s on, so that a file that vanished or
// cannot be read is found again soon even when nobody tells.
package watch

import (
	"errors"
	"time"

	"tidegate/providers"
	"tidegate/providers/internal/polling"
)

// Config is the configuration of the detector.
type Config struct {
	Debounce providers.Duration `hcl:"debounce,optional" doc:"How long it must have been quiet before what is being written in place is looked at. A file that is put in place by rename is whole and looked at once."`
	Interval providers.Duration `hcl:"interval,optional" doc:"Wait between two looks when nothing was told, spread by 10%: the safety net where notifications are lost or do not exist. At least 100ms."`
}

// Kind declares the detector.
func Kind() *providers.Kind {
	return providers.DetectorKind("watch", providers.Doc{
		Summary: "Looks when the operating system tells that the file or directory changed.",
		Description: `
Notices at once that a file was put in place by rename, or that a mounted Kubernetes ConfigMap got a
new generation. What is written in place may be half done: it is looked at when it was quiet for
` + "`debounce`" + `, so that a burst of writes is one look. Symbolic links on the way to the file are followed
and watched too, and a path that does not exist yet, or was removed, is found when it appears.

Notifications only say when to look; what counts as a change is decided by comparing the content. So
nothing is lost where they are: at each ` + "`interval`" + ` there is a look in any case. This also serves file
systems that tell nothing of changes made elsewhere (NFS, a single file bound into a container), and
systems that have no watches left, which is reported.

While looks fail, the accepted value stays in use, and the next looks come after 1s, doubling up to
` + "`interval`" + `, each wait between half and all of that. From 5 failures in a row the source is reported as
degraded. Looking never stops.

It is the default detector of ` + "`source \"file\"`" + `. One detector can serve many sources.`,
		Example: `
detector "watch" "edited_by_hand" {
  debounce = "2s"
}

source "file" "flags" {
  path      = "/etc/myapp/flags.yaml"
  detectors = [detector.watch.edited_by_hand]
}`,
	}, func() *Config { return &Config{Debounce: "100ms", Interval: "60s"} }, build)
}

type detector struct {
	*polling.Safety
	debounce time.Duration
}

var (
	_ providers.Notified = (*detector)(nil)
	_ providers.Paced    = (*detector)(nil)
)

func (d *detector) Debounce() time.Duration { return d.debounce }

func build(c *Config, _ providers.Env) (providers.Detector, error) {
	debounce, interval := c.Debounce.Value(), c.Interval.Value()
	var short, long error
	if interval < polling.MinInterval {
		short = providers.AttributeErrorf("interval", "%q is too short: the shortest is %s", string(c.Interval), polling.MinInterval)
	}
	if debounce > interval {
		long = providers.AttributesErrorf([]string{"debounce", "interval"}, "%s is longer than interval = %s, so that looks would not wait for it; shorten it or raise interval", debounce, interval)
	}
	if err := errors.Join(short, long); err != nil {
		return nil, err
	}
	return &detector{Safety: polling.NewSafety(interval, interval), debounce: debounce}, nil
}
