package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/providers"
)

// recorder turns intents and outcomes into rows of the ledger. It changes its copy of the
// ledger at once and a batch that its owner commits; it does no I/O.
type recorder struct {
	ledger *state.Ledger
	limits map[string]plan.Limiter
	clock  func() time.Time // nil for the machine's
}

func (r *recorder) now() time.Time {
	if r.clock == nil {
		return time.Now()
	}
	return r.clock()
}

// outcome is what became of one delivery.
type outcome struct {
	change    *plan.SinkChange
	before    *state.Sink // the row before the intent, nil where none was written down
	err       error
	attempts  int
	elapsed   time.Duration
	parked    bool // it was not tried, because the apply was interrupted
	contested bool // somebody else writes the target too
	unknown   bool // nobody knows whether the target was changed
	gone      bool // the target says that it never takes this
	class     providers.Class
	after     time.Duration // what the target asked for before the next try
}

// isKeyed reports whether a name is that of a sealed blob.
func isKeyed(name string) bool { return strings.HasPrefix(name, "hmac-") }

func (r *recorder) share(b *state.Batch, name string, c state.Counter) {
	if b.Shared == nil {
		b.Shared = map[string]state.Counter{}
	}
	b.Shared[name] = c
	r.ledger.Shared[name] = c
}

// row returns a copy of a sink's row that may be changed.
func (r *recorder) row(c *plan.SinkChange) *state.Sink {
	row := r.ledger.Sinks[c.Address].Clone()
	if row == nil {
		row = &state.Sink{Address: c.Address}
	}
	row.Kind, row.Target = c.Kind, c.Target
	return row
}

func (r *recorder) save(b *state.Batch, row *state.Sink) {
	if ack := row.Acknowledged; ack != nil && isKeyed(ack.Payload) {
		// What was delivered before it was a secret does not stay in the state in clear.
		row.Revisions = slices.DeleteFunc(row.Revisions, func(r state.Revision) bool { return !isKeyed(r.Payload) })
	}
	b.Sinks = append(b.Sinks, row)
	r.ledger.Sinks[row.Address] = row
}

// intend writes down what is about to be done, and what it replaces. It returns the row as
// it was, for a delivery that is not tried after all.
func (r *recorder) intend(c *plan.SinkChange, b *state.Batch) (before *state.Sink) {
	before = r.row(c)
	row := r.row(c)
	counted := row.Pending != nil && row.Pending.ID == c.Delivery.ID
	d := *c.Delivery
	d.At, d.Unknown = r.now(), true
	if counted {
		d.Attempts = row.Pending.Attempts
	}
	row.Pending, row.Sequence = &d, c.Sequence
	if c.Replaces != nil {
		replaced := c.Blobs[len(c.Blobs)-1]
		number := int64(0)
		if len(row.Revisions) > 0 {
			number = nextRevision(row)
		}
		row.Revisions = addRevision(row.Revisions, state.Revision{
			Number: number, Time: d.At, Size: int64(len(c.Replaces)), Hash: c.ObservedHash, Payload: replaced.Hash,
			Cause: "what was there before the first delivery",
		})
	}
	if !counted && !c.Repair {
		r.take(c, row, b)
	}
	b.Blobs = append(b.Blobs, c.Blobs...)
	r.save(b, row)
	return before
}

// hold writes a rollback down before anything is delivered: what is rolled back from is not
// delivered any more, whatever becomes of the delivery.
func (r *recorder) hold(c *plan.SinkChange, b *state.Batch) {
	if c.Hold == nil || c.Wait != nil && c.Wait.Kind == plan.RejectedByOwn {
		return
	}
	row := r.row(c)
	b.History = append(b.History, rollbackEntry(c.Address, row, c.Hold))
	row.Hold = c.Hold
	if c.HoldBlob != nil {
		b.Blobs = append(b.Blobs, *c.HoldBlob)
	}
	r.save(b, row)
}

func rollbackEntry(a address.Address, row *state.Sink, h *state.Hold) state.Entry {
	e := state.Entry{Address: a, Time: h.Since, Action: "rollback", Revision: h.Revision}
	if len(row.Revisions) > 0 {
		e.Cause = fmt.Sprintf("rolled back from revision %d", row.Revisions[0].Number)
	}
	for _, r := range row.Revisions {
		if r.Number == h.Revision {
			e.Size, e.Hash = r.Size, r.Hash
		}
	}
	return e
}

// remember lets the ledger learn of changed policies and triggers. Nothing was delivered.
func (r *recorder) remember(c *plan.SinkChange, b *state.Batch) {
	row := r.row(c)
	d := *c.Delivery
	row.Acknowledged = &d
	if len(row.Revisions) > 0 && row.Revisions[0].Delivery == d.ID {
		row.Revisions[0].Payload, row.Revisions[0].Hash = d.Payload, d.Hash
	}
	b.Blobs = append(b.Blobs, c.Blobs...)
	r.save(b, row)
}

// adopt records that the target already is as wanted.
func (r *recorder) adopt(c *plan.SinkChange, b *state.Batch) {
	row := r.row(c)
	first := row.Acknowledged == nil
	d := *c.Delivery
	d.At, d.Adopted = r.now(), first
	if c.Counts {
		row.Writes++ // the target changed, by whomever: what it triggers has not seen that
	}
	row.Acknowledged, row.Pending, row.Sequence = &d, nil, c.Sequence
	number := int64(0)
	if !first {
		number = nextRevision(row)
	}
	row.Revisions = addRevision(row.Revisions, state.Revision{
		Number: number, Time: d.At, Delivery: d.ID, Cause: causeText(d.Causes), Causes: versions(d.Causes),
		Size: c.Size, Hash: hashOf(&d), Payload: d.Payload, Fingerprint: d.Fingerprint,
	})
	goOn(c, row)
	b.Blobs = append(b.Blobs, c.Blobs...)
	b.History = append(b.History, r.entry(c, "adopt", row))
	r.save(b, row)
}

// hashOf is the hash of what was delivered: of the content, or of all that a program got.
func hashOf(d *state.Delivery) string {
	if d.Hash == "" {
		return d.Fingerprint
	}
	return d.Hash
}

// goOn moves a hold on to something new that was delivered: that is what is kept when the
// value that was rolled back from comes again.
func goOn(c *plan.SinkChange, row *state.Sink) {
	if row.Hold == nil || c.HeldBy != nil || row.Hold.Refuses(row.Acknowledged.Fingerprint) {
		return // the last one was under way when it was rolled back
	}
	row.Hold.Payload, row.Hold.Causes, row.Hold.Revision = row.Acknowledged.Payload, row.Revisions[0].Causes, row.Revisions[0].Number
}

func nextRevision(row *state.Sink) int64 {
	if len(row.Revisions) == 0 {
		return 1
	}
	return row.Revisions[0].Number + 1
}

// addRevision keeps the newest ones, and number 0 for as long as there is room for it.
func addRevision(list []state.Revision, r state.Revision) []state.Revision {
	list = append([]state.Revision{r}, list...)
	return list[:min(len(list), state.KeepRevisions)]
}

// versions are the causes without the blobs of the values: a revision does not keep those alive.
func versions(causes []state.Cause) []state.Cause {
	out := slices.Clone(causes)
	for i := range out {
		out[i].Blob = ""
	}
	return out
}

func causeText(causes []state.Cause) string {
	parts := make([]string, len(causes))
	for i, c := range causes {
		parts[i] = fmt.Sprintf("%s at %s", c.Source, c.Version)
	}
	return strings.Join(parts, ", ")
}

// record turns an outcome into rows.
func (r *recorder) record(o outcome, b *state.Batch) {
	c := o.change
	switch {
	case o.parked && o.before == nil:
		// Nothing was written down for it yet.
	case o.parked:
		r.save(b, o.before)
	case c.Action == plan.Delete && o.err == nil:
		b.DeleteSinks = append(b.DeleteSinks, c.Address)
		b.History = append(b.History, r.entry(c, "delete", nil))
		delete(r.ledger.Sinks, c.Address)
	case c.Action == plan.Delete:
		entry := r.entry(c, "fail", nil)
		entry.Error = o.err.Error()
		b.History = append(b.History, entry)
	case o.err != nil:
		row := r.row(c)
		row.Pending.Attempts += o.attempts
		row.Pending.Error, row.Pending.Unknown, row.Pending.At = o.err.Error(), o.unknown, r.now()
		entry := r.entry(c, "fail", row)
		entry.Error = o.err.Error()
		b.History = append(b.History, entry)
		r.save(b, row)
	default:
		r.acknowledge(c, o, b)
	}
}

func (r *recorder) acknowledge(c *plan.SinkChange, o outcome, b *state.Batch) {
	row := r.row(c)
	d := *row.Pending
	d.At, d.Unknown, d.Error, d.Attempts, d.Adopted = r.now(), false, "", d.Attempts+o.attempts, false
	d.Failures, d.RetryAt, d.Gone, d.AtStart, d.Block = 0, time.Time{}, false, false, ""
	row.Acknowledged, row.Pending = &d, nil
	row.Writes++
	action := string(c.Action)
	if c.Repair {
		action = "repair"
	} else {
		row.Revisions = addRevision(row.Revisions, state.Revision{
			Number: nextRevision(row), Time: d.At, Delivery: d.ID, Cause: causeText(d.Causes), Causes: versions(d.Causes),
			Size: c.Size, Hash: hashOf(&d), Payload: d.Payload, Fingerprint: d.Fingerprint,
		})
		goOn(c, row)
	}
	b.History = append(b.History, r.entry(c, action, row))
	r.save(b, row)
}

func (r *recorder) entry(c *plan.SinkChange, action string, row *state.Sink) state.Entry {
	e := state.Entry{Address: c.Address, Time: r.now(), Action: action, Size: c.Size, Cause: strings.Join(c.Reasons, "; ")}
	if c.Delivery != nil {
		e.Delivery, e.Hash = c.Delivery.ID, hashOf(c.Delivery)
		if cause := causeText(c.Delivery.Causes); cause != "" {
			e.Cause = cause
		}
	}
	if row != nil && len(row.Revisions) > 0 {
		e.Revision = row.Revisions[0].Number
	}
	return e
}

// limited asks the rate limits again: between plan and dispatch others may have passed.
func (r *recorder) limited(c *plan.SinkChange) (until time.Time, which string) {
	row := r.ledger.Sinks[c.Address]
	if c.Repair || row != nil && row.Pending != nil && row.Pending.ID == c.Delivery.ID {
		return until, ""
	}
	now := r.now()
	for _, name := range c.Limits {
		limit, ok := r.limits[name]
		if !ok {
			continue
		}
		counter := r.ledger.Shared[name]
		if !limit.Shared {
			counter = nil
			if row != nil {
				counter = row.Counters[name]
			}
		}
		if t := limit.Next(counter, now); t.After(until) {
			until, which = t, name
		}
	}
	return until, which
}

func (r *recorder) take(c *plan.SinkChange, row *state.Sink, b *state.Batch) {
	now := r.now()
	for _, name := range c.Limits {
		limit, ok := r.limits[name]
		if !ok {
			continue
		}
		if limit.Shared {
			r.share(b, name, limit.Take(r.ledger.Shared[name], now))
			continue
		}
		if row.Counters == nil {
			row.Counters = map[string]state.Counter{}
		}
		row.Counters[name] = limit.Take(row.Counters[name], now)
	}
}
