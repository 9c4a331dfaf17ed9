package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/state"
	"tidegate/hclspec/decode"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// take turns a fetched snapshot into a candidate, or notes that it is what we have: the same
// bytes, decoded in the same way, and as secret as before.
func (o *observer) take(l *look, n *node, s *providers.SourceSettings, snap providers.Snapshot, current *state.Snapshot) {
	if snap.NotModified {
		snap = asFetched(current, l.text)
	}
	data, parts := snap.Data, snap.Parts != nil
	if parts {
		data = encodeParts(snap.Parts)
	}
	if snap.NotModified {
		data, parts = l.text, current.Parts
	}
	fresh := &state.Snapshot{
		Blob: decode.RawHash(data), Version: snap.Version, Location: snap.Location, ContentType: snap.ContentType,
		Parts: parts, Size: int64(len(data)), Sensitive: s.Sensitive || snap.Sensitive,
	}
	fresh.Sealed = fresh.Sensitive || snap.Private
	if current != nil && current.Sealed {
		if err := o.reader.KeyError(); err != nil {
			l.text = nil
			l.Err = fmt.Sprintf("nobody can tell whether it changed: %s", err)
			return
		}
	}
	if fresh.Sealed {
		fresh.Blob = o.reader.Keyed(fresh.Blob)
	}
	if fresh.Version == "" {
		fresh.Version = fresh.Blob
	}
	l.text = nil
	if int64(len(data)) > s.MaxBytes && !parts {
		l.Err = providers.TooLargeError(s.MaxBytes).Error()
		l.Unusable = true
		return
	}
	var err error
	if fresh.Format, err = chooseFormat(s, snap, parts); err != nil {
		l.Err = err.Error()
		l.Unusable = true
		return
	}
	if current != nil && fresh.Blob == current.Blob && parts == current.Parts && fresh.Format == current.Format && fresh.Sensitive == current.Sensitive && fresh.Sealed == current.Sealed {
		l.Same, l.text = true, data
		return
	}
	value, err := decodeSnapshot(fresh, data)
	if err != nil && fresh.Sensitive {
		err = errors.New("it cannot be decoded; it is sensitive, so what is wrong is not shown")
	}
	if err == nil {
		ignored := o.ignored(n)
		fresh.Key, err = decode.Key(value, ignored)
		if o.scene == nil { // a daemon shows nobody what changes
			l.Ignored = ignored
		}
	}
	if err != nil {
		l.Err = err.Error()
		l.Unusable = true
		return
	}
	if fresh.Sealed {
		fresh.Key = o.reader.Keyed(fresh.Key)
	}
	if fresh.Sensitive {
		value = value.Mark(mark.Sensitive)
	}
	l.Fresh, l.Data, l.Value, l.fresh = fresh, data, value, data
}

// asFetched is the snapshot that an origin stands by with "not modified".
func asFetched(s *state.Snapshot, data []byte) providers.Snapshot {
	out := providers.Snapshot{
		NotModified: true, Data: data, ContentType: s.ContentType, Location: s.Location, Version: s.Version,
		Private: s.Sealed && !s.Sensitive,
	}
	if s.Location == "" && s.ContentType == "" {
		out.Format = s.Format // it was pushed: nothing but this says what it is
	}
	return out
}

// chooseFormat returns the decoder: of a directory the explicit one, for each file's own ending "".
func chooseFormat(s *providers.SourceSettings, snap providers.Snapshot, parts bool) (string, error) {
	switch {
	case parts:
		return s.Decode, nil
	case snap.Format != "":
		return snap.Format, nil
	}
	f, err := decode.Choose(s.Decode, snap.Location, snap.ContentType)
	if err != nil {
		return "", err
	}
	return string(f), decode.Contradicts(f, snap.ContentType)
}

// stored reads the accepted value, as it was accepted, whatever the configuration says now.
// With sensitive it is marked even if it was not when it was accepted.
func (o *observer) stored(ctx context.Context, l *look, row *state.Source, sensitive bool) {
	current := row.Current()
	if current == nil {
		return
	}
	var err error
	if l.text == nil {
		l.text, err = o.reader.Blob(ctx, current.Blob)
	}
	var value cty.Value
	if err == nil {
		value, err = decodeSnapshot(current, l.text)
	}
	if err != nil {
		l.text = nil
		if l.Same {
			l.Same = false
			l.Err = fmt.Sprintf("the accepted value cannot be read: %s", err)
		}
		return
	}
	if current.Sensitive || sensitive || l.Fresh != nil && l.Fresh.Sensitive {
		value = value.Mark(mark.Sensitive)
	}
	l.Accepted = value
}

// recall reads the accepted bytes that an origin says are still right.
func (o *observer) recall(ctx context.Context, l *look, s *state.Snapshot) bool {
	data, err := o.reader.Blob(ctx, s.Blob)
	l.text = data
	return err == nil
}

// partJSON is one file of a directory, as it is stored.
type partJSON struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

func encodeParts(parts []providers.Part) []byte {
	out := make([]partJSON, len(parts))
	for i, p := range parts {
		out[i] = partJSON(p)
	}
	data, err := json.Marshal(out)
	if err != nil {
		panic("engine: a directory does not marshal: " + err.Error())
	}
	return data
}

// decodeSnapshot decodes stored or fetched bytes. An empty document is null.
func decodeSnapshot(s *state.Snapshot, data []byte) (cty.Value, error) {
	if s.Parts {
		return decodeParts(s.Format, data)
	}
	v, err := decode.Decode(decode.Format(s.Format), data, limitsFor(data))
	switch {
	case errors.Is(err, decode.ErrEmpty):
		return cty.NullVal(cty.DynamicPseudoType), nil
	case err != nil:
		return cty.NilVal, fmt.Errorf("decode as %s: %w", s.Format, err)
	}
	return v, nil
}

// limitsFor lets through what passed max_bytes; aliases may write a document out to the
// default size of sources all the same.
func limitsFor(data []byte) decode.Limits {
	return decode.Limits{MaxBytes: max(int64(len(data))+1, providers.DefaultMaxBytes)}
}

// decodeParts decodes a directory into a map of relative name to value.
func decodeParts(explicit string, data []byte) (cty.Value, error) {
	var parts []partJSON
	if err := json.Unmarshal(data, &parts); err != nil {
		return cty.NilVal, fmt.Errorf("read a stored directory: %w", err)
	}
	out := make(map[string]cty.Value, len(parts))
	var trouble []string
	for _, p := range parts {
		format, err := decode.Choose(explicit, p.Name, "")
		if err == nil {
			var v cty.Value
			if v, err = decode.Decode(format, p.Data, limitsFor(p.Data)); err == nil {
				out[p.Name] = v
				continue
			}
		}
		trouble = append(trouble, fmt.Sprintf("%s: %s", p.Name, err))
	}
	if len(trouble) > 0 {
		return cty.NilVal, fmt.Errorf("decode the directory: %s", strings.Join(trouble, "; "))
	}
	return cty.ObjectVal(out), nil
}
