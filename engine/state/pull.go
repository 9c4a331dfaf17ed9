package state

import (
	"context"
	"encoding/json"
	"slices"

	"tidegate/hclspec/address"
)

// PullFormat is the version of the document that Pull makes.
const PullFormat = "1.0"

// Pulled is the ledger as `tidegate state pull` prints it: rows in the order of their
// addresses, the history newest first, and neither content nor documents.
type Pulled struct {
	FormatVersion string             `json:"format_version"`
	Lineage       string             `json:"lineage"`
	Serial        int64              `json:"serial"`
	Sources       []*Source          `json:"sources"`
	Sinks         []*Sink            `json:"sinks"`
	Outputs       []*Output          `json:"outputs"`
	Shared        map[string]Counter `json:"shared"`
	History       []Entry            `json:"history"`
}

// Pull reads the whole ledger and its history as one JSON document.
func Pull(ctx context.Context, r Reader) ([]byte, error) {
	l, err := r.Load(ctx)
	if err != nil {
		return nil, err
	}
	history, err := r.History(ctx, address.Address{}, 0)
	if err != nil {
		return nil, err
	}
	d := Pulled{
		FormatVersion: PullFormat, Lineage: l.Lineage, Serial: l.Serial, Shared: l.Shared,
		Sources: sorted(l.Sources), Sinks: sorted(l.Sinks), Outputs: sorted(l.Outputs), History: append([]Entry{}, history...),
	}
	data, err := json.MarshalIndent(d, "", "  ")
	return append(data, '\n'), err
}

func sorted[T any](rows map[address.Address]*T) []*T {
	keys := make([]address.Address, 0, len(rows))
	for a := range rows {
		keys = append(keys, a)
	}
	slices.SortFunc(keys, address.Address.Compare)
	out := make([]*T, 0, len(keys))
	for _, a := range keys {
		out = append(out, rows[a])
	}
	return out
}
