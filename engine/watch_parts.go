package engine

import (
	"maps"
	"slices"

	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// parts cuts a transaction into some that are written one after the other, each of at least so
// many rows (0 for all in one), so that whoever waits for a push waits for one of them and not
// for all. A sink stays with the sources that its deliveries are made from: an acceptance and
// its intents stand in one commit, and no content is dropped by one part that another names.
// What a pushed value became, and the end of its document, stay together too. What is to be
// run afterwards is run after the last part.
func (t *transaction) parts(rows int) []*transaction {
	if rows == 0 || len(t.sources)+len(t.sinks) <= rows {
		return []*transaction{t}
	}
	var out []*transaction
	of := map[address.Address]*transaction{}
	part := t.part()
	for _, group := range t.groups() {
		for _, a := range group {
			part.move(t, a)
			of[a] = part
		}
		if len(part.sources)+len(part.sinks) >= rows {
			out = append(out, part)
			part = t.part()
		}
	}
	if len(part.sources)+len(part.sinks) > 0 {
		out = append(out, part)
	}
	out[0].shared, t.shared = t.shared, out[0].shared // counted before it is used up
	var later []state.Entry
	for _, entry := range t.history {
		if part := of[entry.Address]; part != nil {
			part.history = append(part.history, entry)
		} else {
			later = append(later, entry)
		}
	}
	t.history = later
	return append(out, t)
}

// part is an empty one, to be filled.
func (t *transaction) part() *transaction {
	part := newTransaction()
	part.more, part.since = true, t.since
	return part
}

// move takes over a row with the document of the value that was pushed to it and the contents
// that it names. The other one keeps these too: another row may name them.
func (t *transaction) move(from *transaction, a address.Address) {
	var contents []string
	if row, ok := from.sources[a]; ok {
		t.sources[a] = row
		contents = row.Blobs()
		delete(from.sources, a)
		if doc, ok := from.documents[pushDocument(a)]; ok {
			t.documents[pushDocument(a)] = doc
			delete(from.documents, pushDocument(a))
		}
	}
	if row, ok := from.sinks[a]; ok {
		t.sinks[a] = row
		delete(from.sinks, a)
		contents = row.Blobs()
	}
	for _, hash := range contents {
		if blob, ok := from.blobs[hash]; ok {
			t.blobs[hash] = blob
		}
	}
}

// groups are the rows that must stay together.
func (t *transaction) groups() [][]address.Address {
	next := map[address.Address][]address.Address{} // neighbours
	for a, row := range t.sinks {
		next[a] = nil
		for _, delivery := range []*state.Delivery{row.Acknowledged, row.Pending} {
			if delivery == nil {
				continue
			}
			for _, cause := range delivery.Causes {
				if t.sources[cause.Source] != nil {
					next[a] = append(next[a], cause.Source)
					next[cause.Source] = append(next[cause.Source], a)
				}
			}
		}
	}
	for a := range t.sources {
		next[a] = append(next[a], nil...)
	}
	var out [][]address.Address
	seen := map[address.Address]bool{}
	for _, first := range slices.SortedFunc(maps.Keys(next), address.Address.Compare) {
		if seen[first] {
			continue
		}
		seen[first] = true
		group := []address.Address{first}
		for i := 0; i < len(group); i++ {
			for _, a := range next[group[i]] {
				if !seen[a] {
					seen[a] = true
					group = append(group, a)
				}
			}
		}
		out = append(out, group)
	}
	return out
}
