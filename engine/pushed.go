package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/decode"
	"tidegate/providers"
)

// pushedValue is a value that was sent to the listener, durable, and not yet accepted or
// refused. Of a source that takes every name, Data is an object of the names that were sent.
type pushedValue struct {
	Data json.RawMessage `json:"data"`
	At   time.Time       `json:"at"`
}

// pushPrefix begins the names of the documents that hold pushed values.
const pushPrefix = "push/"

func pushDocument(a address.Address) string { return pushPrefix + a.String() }

// static returns the instance of a source that depends on no data, nil if there is none.
func (p *program) static(n *node) providers.Source {
	if n.static == nil {
		return nil
	}
	return n.static.source
}

// pushOf says how values are sent to a source, if they are.
func pushOf(n *node, src providers.Source, s *providers.SourceSettings) (providers.Push, bool) {
	if r, ok := src.(providers.Receiver); ok {
		p := r.Push()
		if p.ConfigName == "" {
			p.ConfigName = n.addr.Name
		}
		return p, true
	}
	if s.Push == nil {
		return providers.Push{}, false
	}
	return s.Push.Push(n.addr.Name), true
}

// wasSent reports whether the accepted value was pushed: what its origin holds is older.
func wasSent(n *node, src providers.Source, s *providers.SourceSettings, current *state.Snapshot) bool {
	_, takes := pushOf(n, src, s)
	return takes && current != nil && current.Location == "" && current.ContentType == ""
}

// obtain gets the newest value of a source: what was sent to it, else what its origin holds.
func (o *observer) obtain(ctx context.Context, l *look, n *node, src providers.Source, s *providers.SourceSettings, row *state.Source) (providers.Snapshot, error) {
	if l.fetched != nil {
		return l.fetched.snapshot, l.fetched.err
	}
	push, takes := pushOf(n, src, s)
	if !takes {
		return o.fetch(ctx, n, src, s, row)
	}
	value, err := o.pushedTo(ctx, n)
	if err != nil {
		return providers.Snapshot{}, err
	}
	validator := ""
	if row != nil {
		validator = row.Validator // it belongs to what polls bring
	}
	if value != nil && (o.scene == nil || !o.scene.poll) {
		data, err := o.merged(ctx, push, value, row)
		l.Pushed = true
		return providers.Snapshot{Data: data, Format: string(decode.JSON), Validator: validator}, err
	}
	if _, only := src.(providers.Receiver); only {
		l.Waiting = row.Current() == nil
		return providers.Snapshot{NotModified: true, Validator: validator}, nil
	}
	snapshot, err := o.fetch(ctx, n, src, s, row)
	if err != nil || snapshot.NotModified {
		return snapshot, err
	}
	data := snapshot.Data
	if snapshot.Parts != nil {
		data = encodeParts(snapshot.Parts)
	}
	l.Polled = o.reader.Keyed(decode.RawHash(data))
	if row.Current() != nil && row.Polled == l.Polled {
		// The origin has nothing newer than what was sent since.
		return providers.Snapshot{NotModified: true, Validator: snapshot.Validator}, nil
	}
	return snapshot, nil
}

// pushedTo returns the value that was sent to a source and waits, nil if there is none.
func (o *observer) pushedTo(ctx context.Context, n *node) (*pushedValue, error) {
	if o.scene != nil {
		return o.scene.pushed, nil
	}
	docs, err := o.reader.Documents(ctx, pushDocument(n.addr))
	if err != nil {
		return nil, fmt.Errorf("read what was pushed: %w", err)
	}
	for _, doc := range docs {
		if doc.Name == pushDocument(n.addr) {
			return decodePushed(doc)
		}
	}
	return nil, nil
}

func decodePushed(doc *state.Document) (*pushedValue, error) {
	var v pushedValue
	if err := json.Unmarshal(doc.Data, &v); err != nil {
		return nil, fmt.Errorf("read what was pushed: %w", err)
	}
	return &v, nil
}

// merged is the whole value of a source after a push: of one that takes every name, what it
// has with the names that were sent in it.
func (o *observer) merged(ctx context.Context, push providers.Push, value *pushedValue, row *state.Source) ([]byte, error) {
	if push.ConfigName != providers.AllNames || row.Current() == nil {
		return value.Data, nil
	}
	data, err := o.reader.Blob(ctx, row.Current().Blob)
	if err != nil {
		return nil, fmt.Errorf("read the names accepted so far: %w", err)
	}
	return mergeNames(data, value.Data)
}

// mergeNames puts the members of one JSON object into another.
func mergeNames(into, from []byte) ([]byte, error) {
	all, names := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if err := json.Unmarshal(into, &all); err != nil {
		return nil, fmt.Errorf("read the names so far: %w", err)
	}
	if err := json.Unmarshal(from, &names); err != nil {
		return nil, fmt.Errorf("read the names that were sent: %w", err)
	}
	for name, data := range names {
		all[name] = data
	}
	return json.Marshal(all)
}

// Deposit puts a value, as JSON, where the listener puts what is sent to a source. The next
// plan finds it there. Lock must have been called.
func (e *Engine) Deposit(ctx context.Context, a address.Address, data json.RawMessage) error {
	value, err := json.Marshal(&pushedValue{Data: data, At: e.clock()})
	if err != nil {
		return fmt.Errorf("store a value for %s: %w", a, err)
	}
	return e.store.Commit(ctx, &state.Batch{Documents: []*state.Document{{Name: pushDocument(a), Data: value, Sealed: true}}})
}
