package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/diff"
	"tidegate/engine/state"
)

// maxChanges bounds the change history of a source: adaptive polling needs five in a
// window, flap detection a few more.
const maxChanges = 64

// maxRejections bounds the refused versions that are remembered.
const maxRejections = 16

// Choice is which value of a source this plan uses, and why not the newest.
type Choice struct {
	Standing Standing
	Problem  Problem
	Reason   string
	Until    time.Time
	Value    cty.Value // NilVal when Standing is Nothing
	Read     bool      // the candidate is accepted
}

// Choose decides between candidate, accepted value and fallback. Nothing that fails or is
// refused changes the value in use; a candidate passes only when every rule and limit allows.
func Choose(o *SourceObservation, row *state.Source, limits *Limits) Choice {
	switch {
	case o.Blocked != "":
		return stand(o, Blocked, o.Blocked)
	case o.Waiting:
		return stand(o, Waiting, "waiting for first push")
	case o.Err != "":
		return stand(o, Failed, o.Err)
	case o.Rejected:
		return stand(o, Rejected, rejection(o))
	case o.Same:
		return Choice{Standing: Accepted, Value: o.Accepted}
	case row.Current() != nil && o.Fresh.Key == row.Current().Key && o.Accepted != cty.NilVal:
		// Where the accepted bytes cannot be read, the fresh ones heal the ledger.
		return Choice{Standing: Accepted, Value: o.Accepted}
	}
	if flaps(o, row, limits.now) {
		return stand(o, Flapping, fmt.Sprintf("the value goes back and forth between two: it is held until one of them is seen %d times in a row", steadyLooks))
	}
	if until, which := limits.next(o.Limits, counters(row)); until.After(limits.now) {
		c := stand(o, Limited, fmt.Sprintf("%s lets the next update pass at %s", which, until.UTC().Format(time.RFC3339)))
		c.Until = until
		return c
	}
	return Choice{Standing: Candidate, Value: o.Value, Read: true}
}

// steadyLooks is how often in a row a value that went back and forth must be seen before it is
// taken to stay.
const steadyLooks = 3

// flaps reports whether a candidate completes A, B, A, B within the window: replicas that
// disagree, not somebody who changes a value. What is then seen again and again has settled.
func flaps(o *SourceObservation, row *state.Source, now time.Time) bool {
	if o.FlapWindow <= 0 || row == nil || len(row.Snapshots) < 3 || o.Fresh == nil {
		return false
	}
	a, b, first := row.Snapshots[0], row.Snapshots[1], row.Snapshots[2]
	if a.Key != first.Key || b.Key != o.Fresh.Key || a.Key == b.Key || now.Sub(first.AcceptedAt) > o.FlapWindow {
		return false
	}
	return row.Flap == nil || row.Flap.Key != o.Fresh.Key || row.Flap.Looks < steadyLooks-1
}

func counters(row *state.Source) map[string]state.Counter {
	if row == nil {
		return nil
	}
	return row.Counters
}

// rejection says who refuses a candidate and why: the first of the findings, and how many others
// there are.
func rejection(o *SourceObservation) string {
	first, others := "", -1
	for _, c := range o.Checks {
		if c.Status == "pass" || c.Severity == "warning" || len(c.Findings) == 0 {
			continue
		}
		if first == "" {
			first = fmt.Sprintf("refused by %s: %s", c.Address, c.Findings[0])
		}
		others += len(c.Findings)
	}
	if others > 0 {
		return fmt.Sprintf("%s (and %d more)", strings.TrimSuffix(first, "."), others)
	}
	return cmp.Or(first, "refused")
}

// stand returns the choice when the candidate does not count.
func stand(o *SourceObservation, p Problem, reason string) Choice {
	c := Choice{Standing: Nothing, Problem: p, Reason: reason}
	switch {
	case o.Accepted != cty.NilVal:
		c.Standing, c.Value = Accepted, o.Accepted
	case (p == Failed || p == Rejected || p == Waiting) && o.Fallback != cty.NilVal && o.FallbackFine:
		c.Standing, c.Value = Fallback, o.Fallback
	}
	return c
}

// sourceChange writes down one choice.
func sourceChange(o *SourceObservation, c Choice, row *state.Source, now time.Time, limits *Limits) *SourceChange {
	out := &SourceChange{
		Address: o.Address, Kind: o.Kind, Identity: o.Identity, Action: NoOp,
		Standing: c.Standing, Problem: c.Problem, Reason: c.Reason, Until: c.Until,
		Checks: o.Checks, Before: Of(o.Accepted), After: Of(c.Value), Limits: o.Limits,
	}
	if row != nil {
		out.Accepted = row.Accepted
	}
	current := row.Current()
	if current != nil {
		out.PreviousVersion, out.Version = current.Version, current.Version
	}
	if o.Fresh != nil && o.Value != cty.NilVal && (c.Read || c.Problem == Rejected || c.Problem == Limited) {
		out.Version = o.Fresh.Version
		out.Changes = sourceChanges(o)
		if c.Problem != NoProblem {
			out.After = Of(o.Value)
		}
	}
	if c.Read {
		out.Action = Read
	} else if o.Fresh != nil && current != nil && o.Fresh.Key == current.Key && o.Fresh.Blob != current.Blob {
		out.FormatOnly = true
		if len(o.Ignored) > 0 && o.Value != cty.NilVal && o.Accepted != cty.NilVal {
			out.Changes = sourceChanges(o)
		}
	}
	// What was sent is used up once it was accepted or refused. Where nobody could tell, it stays.
	out.Pushed = o.Pushed && (c.Problem == NoProblem || c.Problem == Rejected || c.Problem == Failed && o.Unusable)
	out.Row = sourceRow(o, c, row, now)
	if c.Read {
		out.Blobs = []state.Blob{{Hash: o.Fresh.Blob, Data: o.Data, Sealed: o.Fresh.Sealed}}
		out.Row.Counters = limits.passes[o.Address]
	}
	return out
}

// sourceChanges lists what the candidate changes, and which of it does not count.
func sourceChanges(o *SourceObservation) []ValueChange {
	changes := diff.Values(o.Accepted, o.Value)
	return markVolatile(shownChanges(changes), changes, o.Ignored)
}

// sourceRow returns the row as it should be after this look, nil if it need not be written.
func sourceRow(o *SourceObservation, c Choice, row *state.Source, now time.Time) *state.Source {
	next := row.Clone()
	if next == nil {
		next = &state.Source{Address: o.Address}
	}
	write := false
	set := func(changed bool) { write = write || changed }
	switch {
	case o.Blocked != "" || o.Waiting:
		return nil
	case o.Err != "":
		next.Failures++
		next.LastError = o.Err
		return next
	}
	set(next.Failures != 0)
	next.Failures, next.LastError = 0, ""
	if o.Polled != "" && c.Problem != Limited && c.Problem != Flapping {
		set(next.Polled != o.Polled)
		next.Polled = o.Polled
	}
	switch {
	case o.Rejected:
		if o.Fresh == nil || rejected(next, o.Fresh.Blob) {
			break
		}
		next.Rejected = append(next.Rejected, state.Rejection{
			Hash: o.Fresh.Blob, Version: o.Fresh.Version, Time: now, Findings: allFindings(o.Checks),
		})
		if n := len(next.Rejected); n > maxRejections {
			next.Rejected = next.Rejected[n-maxRejections:]
		}
		set(true)
	case c.Read:
		snapshot := *o.Fresh
		snapshot.AcceptedAt = now
		next.Snapshots = append([]state.Snapshot{snapshot}, next.Snapshots...)
		next.Snapshots = next.Snapshots[:min(len(next.Snapshots), state.KeepSnapshots)]
		if snapshot.Sealed {
			// What was accepted before it was a secret does not stay in the state in clear.
			next.Snapshots = slices.DeleteFunc(next.Snapshots, func(s state.Snapshot) bool { return !s.Sealed })
		}
		next.Accepted++
		next.Changes = append(next.Changes, now)
		next.Changes = next.Changes[max(0, len(next.Changes)-maxChanges):]
		next.Validator, next.Judged, next.Flap = o.Validator, o.Judged, nil
		set(true)
	case c.Problem == Flapping:
		if next.Flap == nil || next.Flap.Key != o.Fresh.Key {
			next.Flap = &state.Flap{Key: o.Fresh.Key}
		}
		next.Flap.Looks++
		set(true)
	case c.Problem == NoProblem:
		// A renewed validator over equal content saves the next full answer.
		set(o.Validator != next.Validator || o.Judged != next.Judged || next.Flap != nil)
		next.Validator, next.Judged, next.Flap = o.Validator, o.Judged, nil
	}
	if !write {
		return nil
	}
	next.LastSuccess = now
	return next
}

func rejected(row *state.Source, hash string) bool {
	return slices.ContainsFunc(row.Rejected, func(r state.Rejection) bool { return r.Hash == hash })
}

func allFindings(checks []Check) []string {
	var out []string
	for _, c := range checks {
		out = append(out, c.Findings...)
	}
	return out
}
