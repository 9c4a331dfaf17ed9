package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/diff"
	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// revisionContext is how many lines stand around each difference between two revisions.
const revisionContext = 3

// CompareRevisions shows the way from one kept revision of a sink to another as a change of it.
// Nothing is read but the state.
func CompareRevisions(ctx context.Context, opts Options, reader state.Reader, row *state.Sink, from, to int64) (*plan.SinkChange, error) {
	e := &Engine{opts: opts}
	e.opts.Logger = opts.logger()
	before, err := e.revision(ctx, reader, row, from)
	if err != nil {
		return nil, err
	}
	after, err := e.revision(ctx, reader, row, to)
	if err != nil {
		return nil, err
	}
	c := &plan.SinkChange{
		Address: row.Address, Kind: row.Kind, Target: row.Target, Action: plan.Update, Wanted: plan.Update,
		Reasons: []string{before.words(), after.words()}, Before: plan.Of(before.values), After: plan.Of(after.values),
		Sensitive: before.secret || after.secret, ContentChanged: !bytes.Equal(before.content, after.content),
	}
	if !c.Sensitive && (before.content != nil || after.content != nil) {
		lines := diff.LineDiff(before.content, after.content, revisionContext)
		c.Lines = &lines
	}
	return c, nil
}

// storedRevision is a kept revision, opened.
type storedRevision struct {
	state.Revision
	values  cty.Value
	content []byte
	secret  bool
}

func (r *storedRevision) words() string {
	out := fmt.Sprintf("revision %d of %s", r.Number, r.Time.UTC().Format(time.RFC3339))
	if r.Cause != "" {
		out += ": " + r.Cause
	}
	return out
}

func (e *Engine) revision(ctx context.Context, reader state.Reader, row *state.Sink, number int64) (*storedRevision, error) {
	at := slices.IndexFunc(row.Revisions, func(r state.Revision) bool { return r.Number == number })
	if at < 0 {
		return nil, fmt.Errorf("%s has no revision %d: it keeps %s", row.Address, number, revisionNumbers(row))
	}
	out := &storedRevision{Revision: row.Revisions[at], values: cty.EmptyObjectVal}
	data, err := reader.Blob(ctx, out.Payload)
	if err != nil {
		return nil, fmt.Errorf("read revision %d of %s: %w", number, row.Address, err)
	}
	if out.Delivery == "" { // the bytes that were there before us
		out.content, out.secret = data, isKeyed(out.Payload)
		return out, nil
	}
	payload, v, err := decodePayload(data)
	if err != nil {
		return nil, fmt.Errorf("read revision %d of %s: %w", number, row.Address, err)
	}
	out.values, out.secret = v, mark.Has(v)
	if sink, diags := e.sinkOf(row.Address, payload, v); !diags.HasErrors() {
		if c, ok := sink.(providers.Content); ok {
			out.content = c.Content()
		}
	}
	return out, nil
}

// revisionNumbers lists the revisions that are kept, the oldest first.
func revisionNumbers(row *state.Sink) string {
	var numbers []string
	for _, r := range slices.Backward(row.Revisions) {
		numbers = append(numbers, fmt.Sprint(r.Number))
	}
	return strings.Join(numbers, ", ")
}
