// Package etag is the detector "etag": it polls with the last validator, so that a look at
// an unchanged origin costs a 304 and no body.
//
// When a look fails, the accepted value stays in use and the next looks come at growing
// distance. A server without validators costs a whole download for each look but loses no
// change: the content is compared instead.
package etag

import (
	"tidegate/providers"
	"tidegate/providers/internal/polling"
)

// Kind declares the detector.
func Kind() *providers.Kind {
	return providers.DetectorKind("etag", providers.Doc{
		Summary: "Polls with the validator of the last answer, so that an unchanged value costs no download.",
		Description: `
Asks the origin at each ` + "`interval`" + ` whether its value changed, handing back the validator
(ETag or Last-Modified) of the last answer. An unchanged value costs a 304 without a body. A server
that sends no validators is served as well: its content is compared. Validators are hints in both
cases, and equal bytes are never a change.

While looks fail, the accepted value stays in use, the waits grow as ` + "`backoff`" + ` says, and a
Retry-After of the server is honoured. From ` + "`failure_threshold`" + ` failures in a row the source is
reported as degraded. Looking never stops.

With an ` + "`adaptive`" + ` block the wait follows the rate of changes.

It is the default detector of ` + "`source \"http\"`" + `. One detector can serve many sources.`,
		Example: `
detector "etag" "fast" {
  interval = "10s"

  adaptive {
    min    = "5s"
    max    = "5m"
    window = "1h"
  }
}

source "http" "app" {
  url       = "https://config.example.com/app.json"
  detectors = [detector.etag.fast]
}`,
	}, polling.Defaults, build)
}

func build(s *polling.Settings, _ providers.Env) (providers.Detector, error) {
	p, err := polling.New(s)
	if err != nil {
		return nil, err // not p: a nil pointer in an interface is not nil
	}
	return p, nil
}
