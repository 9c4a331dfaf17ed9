package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine/plan"
	"tidegate/providers"
)

// courier carries deliveries to their targets. It touches nothing but them and may be used
// by several goroutines.
type courier struct {
	engine *Engine
	redact *redactor
	hard   context.Context // cuts short what is under way; nil where only deadlines do
}

func (e *Engine) newCourier(r *redactor) *courier { return &courier{engine: e, redact: r} }

// deliver brings one planned change to its target. A kind that panics over it has failed.
func (k *courier) deliver(ctx context.Context, c *plan.SinkChange) (o outcome) {
	if ctx.Err() != nil {
		return outcome{change: c, parked: true}
	}
	start := time.Now()
	defer func() {
		if v := recover(); v != nil {
			o = outcome{change: c, err: k.engine.opts.panicked(c.Address, v, k.redact), attempts: 1, unknown: true}
		}
		o.elapsed = time.Since(start)
	}()
	return k.attempt(ctx, c)
}

func (k *courier) attempt(ctx context.Context, c *plan.SinkChange) outcome {
	// An interrupt lets what was begun come to its end; timeouts of the kinds bound it.
	work := context.WithoutCancel(ctx)
	if k.hard != nil {
		work = k.hard
	}
	sink, err := k.sink(c)
	if err != nil {
		return outcome{change: c, err: err}
	}
	if c.Action == plan.Delete {
		return outcome{change: c, err: sink.Delete(work), attempts: 1}
	}
	if err := k.unchanged(work, c, sink); err != nil {
		return outcome{change: c, err: err}
	}
	d := providers.Delivery{
		ID: c.Delivery.ID, Address: c.Address.String(), Cause: map[string]string{}, Changes: c.Changes,
		Redact: k.redact.text,
	}
	for _, cause := range c.Delivery.Causes {
		d.Cause[cause.Source.String()] = cause.Version
	}
	return k.attempts(ctx, work, c, sink, d)
}

// attempts tries until it works, the error says that trying is of no use, or the planned
// number is used up.
func (k *courier) attempts(ctx, work context.Context, c *plan.SinkChange, sink providers.Sink, d providers.Delivery) outcome {
	retry := providers.Retry{
		Attempts: max(1, c.Retry.Attempts),
		Min:      providers.Duration(c.Retry.Min.String()), Max: providers.Duration(c.Retry.Max.String()),
	}
	for n := 1; ; n++ {
		d.Attempt = n
		err := sink.Write(work, d)
		if err == nil {
			return outcome{change: c, attempts: n}
		}
		class, after := providers.Classify(err)
		unknown, contested, gone := errors.Is(err, providers.ErrOutcomeUnknown), errors.Is(err, providers.ErrOtherWriter), errors.Is(err, providers.ErrGone)
		err = errors.New(k.redact.text(err.Error()))
		wait := retry.Wait(n, after)
		failed := outcome{change: c, err: err, attempts: n, unknown: unknown, contested: contested, class: class, after: after, gone: gone}
		if class == providers.ClassPermanent || n >= retry.Attempts || after > c.Retry.Max {
			return failed
		}
		if contested && c.Repair && k.hard != nil {
			return failed // a daemon counts each time that somebody undid a repair
		}
		k.engine.emit(DeliveryRetried{Address: c.Address, Attempt: n, Err: err.Error(), Wait: wait})
		if !sleep(ctx, wait) {
			return failed
		}
	}
}

// sink makes the sink from the plan alone.
func (k *courier) sink(c *plan.SinkChange) (providers.Sink, error) {
	if c.Payload == nil {
		return nil, fmt.Errorf("what was applied there is not known any more; remove it from the state with: tidegate state rm %s", c.Address)
	}
	data, err := json.Marshal(c.Payload)
	if err != nil {
		return nil, err
	}
	payload, v, err := decodePayload(data)
	if err != nil {
		return nil, err
	}
	sink, diags := k.engine.sinkOf(c.Address, payload, v)
	if diags.HasErrors() {
		return nil, providers.Permanent(errors.New(diagnosticText(diags)))
	}
	return sink, nil
}

// unchanged refuses a target that somebody wrote since the plan was made: what would be
// lost there was in no diff that anybody saw.
func (k *courier) unchanged(ctx context.Context, c *plan.SinkChange, sink providers.Sink) error {
	held, err := sink.Read(ctx)
	if err != nil || held.Opaque {
		return err
	}
	if !held.Exists || k.expected(c, held) {
		return nil
	}
	return &movedError{c.Target}
}

// expected reports whether a target holds what it held when the plan was made, or what it is to hold.
func (k *courier) expected(c *plan.SinkChange, held providers.Observed) bool {
	for _, want := range []string{c.ObservedHash, c.Delivery.Hash} {
		hash := held.Hash
		if isKeyed(want) { // only then, since asking for the key makes one
			hash = k.engine.store.Keyed(hash)
		}
		if hash == want {
			return true
		}
	}
	return false
}

// movedError says that a target was written by somebody else since it was read.
type movedError struct{ target string }

func (e *movedError) Error() string {
	return e.target + " was changed by somebody else since the plan was made; plan again"
}

// sweep removes what deliveries that were killed left beside their targets.
func (r *run) sweep(ctx context.Context) {
	for _, row := range r.ledger.Sinks {
		if row.Pending == nil {
			continue
		}
		data, err := r.store.Blob(ctx, row.Pending.Payload)
		if err != nil {
			continue
		}
		payload, v, err := decodePayload(data)
		if err != nil {
			continue
		}
		err = nil
		if broken := r.engine.opts.contain(row.Address, func() {
			sink, diags := r.engine.sinkOf(row.Address, payload, v)
			if s, ok := sink.(providers.Sweeper); ok && !diags.HasErrors() {
				err = s.Sweep(ctx)
			}
		}); broken != nil {
			err = broken
		}
		if err != nil {
			r.diags = append(r.diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: "Cannot remove a temporary file",
				Detail: fmt.Sprintf("%s: %s.", row.Address, err),
			})
		}
	}
}
