// Package webhook is the detector "webhook": it looks when somebody sends a request.
//
// What happens when this fails? A request is a hint and nothing rests on it: one that is
// lost is made up for by a look every 15 minutes, and one that nobody meant costs a look. A
// request without a valid signature or token wakes nothing.
package webhook

import (
	"time"

	"tidegate/providers"
	"tidegate/providers/internal/polling"
)

// The wait between two looks when nobody asked for one, and the longest while looks fail.
const (
	interval   = 15 * time.Minute
	backoffMax = 5 * time.Minute
)

// Config is the configuration of the detector.
type Config struct {
	Secrets     []string `hcl:"secrets,optional" credential:"true" doc:"Secrets of which any one may sign a request (Standard Webhooks or X-Hub-Signature-256); several serve a rotation. At least 24 bytes each."`
	BearerToken *string  `hcl:"bearer_token,optional" credential:"true" doc:"Token that may be sent instead of a signature, as in Authorization: Bearer TOKEN."`
}

// Kind declares the detector.
func Kind() *providers.Kind {
	return providers.DetectorKind("webhook", providers.Doc{
		Summary: "Looks when somebody sends a POST to /webhook/notify/NAME.",
		Description: `
An authenticated POST to ` + "`/webhook/notify/NAME`" + ` of the listener (` + "`apply --watch`" + `), with the name of the
detector, wakes all sources that use it: a code host after a push, or a service after a change. The
body plays no part but in the signature. The sources then look at their origin as always, so a
request means no more than "look now".

Requests are signed by one of ` + "`secrets`" + ` or carry ` + "`bearer_token`" + `. With neither, anybody on the
machine may send, and the listener must be bound to loopback.

A request that is lost does no harm: without one there is a look about every 15 minutes. To notice
sooner what nobody told, list another detector beside this one. While looks fail, the accepted value
stays in use, and the next looks come after 1s, doubling up to 5m, each wait between half and all of
that. From 5 failures in a row the source is reported as degraded. Looking never stops.`,
		Example: `
variable "hook_secret" {
  type      = string
  sensitive = true
}

detector "webhook" "push" {
  secrets = [var.hook_secret]
}

detector "etag" "slow" {
  interval = "5m"
}

source "http" "app" {
  url       = "https://config.example.com/app.json"
  detectors = [detector.webhook.push, detector.etag.slow]
}`,
	}, func() *Config { return &Config{} }, build)
}

type detector struct {
	*polling.Safety
	push providers.Push
}

var (
	_ providers.Receiver = (*detector)(nil)
	_ providers.Paced    = (*detector)(nil)
)

// Push says what a sender must prove. A detector has no config_name.
func (d *detector) Push() providers.Push { return d.push }

func build(c *Config, _ providers.Env) (providers.Detector, error) {
	s := &providers.PushSettings{Secrets: c.Secrets, BearerToken: c.BearerToken}
	if err := s.Check(""); err != nil {
		return nil, err
	}
	return &detector{Safety: polling.NewSafety(interval, backoffMax), push: s.Push("")}, nil
}
