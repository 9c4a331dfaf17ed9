package engine

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/providers"
)

// A panic in the code of a kind is an error of the block that it belongs to. Everything else goes
// on, and the log says where it was.

// panicked makes an error of what a kind panicked with, and logs the stack. What it panicked with
// may hold a secret: where nothing is given to redact it, only its type is told, or its text if
// the runtime wrote it.
func (o *Options) panicked(a address.Address, v any, redact *redactor) error {
	words := fmt.Sprintf("a panic of type %T", v)
	if err, ok := v.(runtime.Error); ok {
		words = err.Error()
	} else if redact != nil {
		words = redact.text(fmt.Sprint(v))
	}
	o.logger().Error("a kind panicked; this is a bug in it", "address", a.String(), "error", words, "stack", string(debug.Stack()))
	return fmt.Errorf("internal error: %s; the log says where", words)
}

// redactor knows the sensitive texts that a node is made from, as far as they are known.
func (o *observer) redactor(n *node) *redactor {
	own := cty.NilVal
	if settings, ok := settingsOf(n); ok {
		if settings.Sensitive {
			return nil // so is what it fetched
		}
		own = o.prog.valuesOf(n, n.static)
	}
	return o.redactorOf(n, own)
}

// lookSafely looks at a source. One whose kind, decoder or rule panics has failed.
func (o *observer) lookSafely(ctx context.Context, n *node) (l *look) {
	defer func() {
		if v := recover(); v != nil {
			l = &look{SourceObservation: &plan.SourceObservation{
				Address: n.addr, Kind: n.addr.Kind, Err: o.engine.opts.panicked(n.addr, v, o.redactor(n)).Error(),
			}}
		}
	}()
	return o.lookAt(ctx, n)
}

// renderSafely renders a sink. One whose kind panics over it is left as it is.
func (o *observer) renderSafely(ctx context.Context, n *node) (r *rendered) {
	defer func() {
		if v := recover(); v != nil {
			reason := o.engine.opts.panicked(n.addr, v, o.redactor(n)).Error()
			r = &rendered{
				SinkObservation: &plan.SinkObservation{
					Address: n.addr, Kind: n.addr.Kind, DependsOn: n.sinks, Opaque: true,
					Blocked: &plan.Wait{Kind: plan.RejectedByOwn, Reason: reason},
				},
				exposed: cty.DynamicVal,
			}
			r.policies(&providers.SinkSettings{OnCreate: "run", OnDrift: "repair"})
			r.diags = hcl.Diagnostics{{
				Severity: hcl.DiagError, Summary: "Sink failed", Subject: n.rng().Ptr(), Detail: fmt.Sprintf("%s: %s.", n.addr, reason),
			}}
		}
	}()
	r = o.render(ctx, n)
	r.slim(n, o.ledger.Sinks[n.addr], o.options.Brief)
	return r
}

// contain runs code of a kind, and returns an error where it panics.
func (o *Options) contain(a address.Address, f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = o.panicked(a, v, nil)
		}
	}()
	f()
	return nil
}

// limitPause is for how long a rate limit that cannot answer lets nothing pass.
const limitPause = time.Minute

// containedLimiter is a rate limit that lets nothing pass while its kind panics. Once it could not
// count, nothing passes until it is made anew.
func (o *Options) containedLimiter(a address.Address, l plan.Limiter) plan.Limiter {
	next, take := l.Next, l.Take
	var uncounted, told atomic.Bool
	run := func(f func()) (ok bool) {
		defer func() {
			if v := recover(); v != nil && told.CompareAndSwap(false, true) {
				_ = o.panicked(a, v, nil) // in the log; who is limited only waits
			}
		}()
		f()
		return true
	}
	l.Next = func(c state.Counter, now time.Time) (t time.Time) {
		if uncounted.Load() || !run(func() { t = next(c, now) }) {
			return now.Add(limitPause)
		}
		return t
	}
	l.Take = func(c state.Counter, at time.Time) (out state.Counter) {
		if !run(func() { out = take(c, at) }) {
			uncounted.Store(true)
			return c
		}
		return out
	}
	return l
}

// standIn is the detector in place of one that panicked: a slow poll with a back-off.
type standIn struct{}

const (
	standInInterval = time.Minute
	standInLongest  = 5 * time.Minute
)

func (standIn) Delay(h providers.History) time.Duration {
	wait := min(standInLongest, time.Duration(float64(standInInterval)*math.Pow(2, float64(min(h.Failures, 10)))))
	return wait - time.Duration(h.Random*float64(wait)/10)
}

func (standIn) Ignore() []string      { return nil }
func (standIn) FailureThreshold() int { return 5 }
