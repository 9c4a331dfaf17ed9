package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/providers"
)

// limiters makes the rate limits askable.
func (o *observer) limiters() (map[string]plan.Limiter, hcl.Diagnostics) {
	out := map[string]plan.Limiter{}
	var diags hcl.Diagnostics
	for a, n := range o.prog.nodes {
		if a.Type != address.RateLimit {
			continue
		}
		if err := o.engine.opts.contain(a, func() {
			ev, more := o.evaluated(n)
			diags = append(diags, more...)
			if ev != nil && ev.limit != nil {
				l := limiter(ev.limit, ev.settings.(*providers.RateLimitSettings))
				out[a.String()] = o.engine.opts.containedLimiter(a, l)
			}
		}); err != nil {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Rate limit cannot be made", Subject: n.rng().Ptr(),
				Detail: fmt.Sprintf("%s: %s.", a, err),
			})
		}
	}
	return out, diags
}

func limiter(l providers.RateLimit, s *providers.RateLimitSettings) plan.Limiter {
	return plan.Limiter{
		Shared: s.Scope == "shared",
		Next: func(c state.Counter, now time.Time) time.Time {
			return l.Next(providers.Counter(c), now)
		},
		Take: func(c state.Counter, at time.Time) state.Counter {
			return state.Counter(l.Take(providers.Counter(slices.Clone(c)), at))
		},
	}
}

// fetchLimiter holds looks back: so many in all, and so many for each host.
type fetchLimiter struct {
	all   chan struct{}
	each  int
	mutex sync.Mutex
	hosts map[string]chan struct{}
}

func newFetchLimiter(all, each int) *fetchLimiter {
	return &fetchLimiter{all: make(chan struct{}, all), each: each, hosts: map[string]chan struct{}{}}
}

func (f *fetchLimiter) acquire(ctx context.Context, host string) (release func(), err error) {
	var own chan struct{}
	if host != "" {
		f.mutex.Lock()
		if own = f.hosts[host]; own == nil {
			own = make(chan struct{}, f.each)
			f.hosts[host] = own
		}
		f.mutex.Unlock()
		select {
		case own <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	select {
	case f.all <- struct{}{}:
	case <-ctx.Done():
		if own != nil {
			<-own
		}
		return nil, ctx.Err()
	}
	return func() {
		<-f.all
		if own != nil {
			<-own
		}
	}, nil
}
