// Package webhook is the source "webhook": a value that somebody sends.
//
// What happens when this fails? A push that is malformed, not authenticated or rejected is
// answered as such, and the accepted value stays in use. There is no origin to look at: the
// engine feeds the source, and its value is the last accepted push, also after a restart.
package webhook

import (
	"context"
	"errors"

	"tidegate/hclspec/address"
	"tidegate/providers"
)

// Config is the configuration of the source.
type Config struct {
	ConfigName  *string  `hcl:"config_name,optional" doc:"The config_name of the requests that carry the value; without it the block's name. \"*\" takes every name that no other source declares. At most 253 bytes, without control characters, \"/\" and \"..\"."`
	Secrets     []string `hcl:"secrets,optional" credential:"true" doc:"Secrets of which any one may sign a request (Standard Webhooks or X-Hub-Signature-256); several serve a rotation. At least 24 bytes each."`
	BearerToken *string  `hcl:"bearer_token,optional" credential:"true" doc:"Token that may be sent instead of a signature, as in Authorization: Bearer TOKEN."`
}

// Kind declares the source.
func Kind() *providers.Kind {
	return providers.SourceKind("webhook", providers.Doc{
		Summary: "Takes the value that was last sent to /webhook/config.",
		Description: `
The value comes in the body of a POST to ` + "`/webhook/config`" + ` of the listener (` + "`apply --watch`" + `):
` + "`{\"config_name\": \"app\", \"config_data\": {...}}`" + `. It passes rules and rate limits like that of any other
source, and the sender is told in the answer whether it was accepted, is no change, or was rejected and
why. An answer of 200 is given only after the value is stored durably.

The value is the last accepted push, also after a restart; ` + "`plan`" + ` and ` + "`apply`" + ` without ` + "`--watch`" + ` use it too.
Before the first push it is ` + "`fallback`" + `; without one, what depends on the source waits for the first push,
which is no error.

With ` + "`config_name = \"*\"`" + ` the value is a map of name to data with every name that no other source
declares, each judged alone.

Requests are signed by one of ` + "`secrets`" + ` or carry ` + "`bearer_token`" + `. With neither, anybody on the
machine may send, and the listener must be bound to loopback. To let a source that is polled receive
values too, use its ` + "`push`" + ` block.`,
		Example: `
variable "hook_secret" {
  type      = string
  sensitive = true
}

source "webhook" "flags" {
  config_name = "feature-flags"
  secrets     = [var.hook_secret]
  fallback    = {}
}`,
	}, func() *Config { return &Config{} }, build)
}

type source struct{ push providers.Push }

var (
	_ providers.Source     = (*source)(nil)
	_ providers.Identifier = (*source)(nil)
	_ providers.Receiver   = (*source)(nil)
)

func build(c *Config, env providers.Env) (providers.Source, error) {
	s := &providers.PushSettings{ConfigName: c.ConfigName, Secrets: c.Secrets, BearerToken: c.BearerToken}
	if err := s.Check(""); err != nil {
		return nil, err
	}
	// Without a name of its own the block's. What has no address (in a trial) has no name.
	at, _ := address.Parse(env.Address)
	return &source{push: s.Push(at.Name)}, nil
}

// Identity names what is read.
func (s *source) Identity() string {
	if s.push.ConfigName == "*" {
		return "pushes of every other config_name"
	}
	return "pushes with config_name " + s.push.ConfigName
}

// Push says how the value is sent.
func (s *source) Push() providers.Push { return s.push }

var errNoOrigin = providers.Permanent(errors.New("a source \"webhook\" has no origin to look at: its value is what was last sent to /webhook/config"))

// Fetch answers that there is nothing to look at.
func (s *source) Fetch(context.Context, string) (providers.Snapshot, error) {
	return providers.Snapshot{}, errNoOrigin
}
