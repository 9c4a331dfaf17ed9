package diff

import (
	"bytes"

	"tidegate/hclspec/decode"
)

// MaxSlow is up to how many bytes, both sides together, documents are compared by key whose
// format is slow to read. JSON goes up to MaxBytes.
const MaxSlow = 4 << 20

// Documents compares two documents of one format by their keys, as Values does. It reports
// false where that cannot be done: a side that is no such document, or too large a one, or a
// format without keys. Documents that mean the same have no changes, however they are written.
func Documents(format decode.Format, before, after []byte) ([]Change, bool) {
	switch {
	case format != decode.JSON && format != decode.YAML && format != decode.TOML,
		len(before)+len(after) > MaxBytes, format != decode.JSON && len(before)+len(after) > MaxSlow:
		return nil, false
	case bytes.Equal(before, after):
		_, err := decode.Decode(format, before, decode.Limits{})
		return nil, err == nil
	}
	if format == decode.JSON {
		b, fine := readJSON(before)
		a, fineToo := readJSON(after)
		if fine && fineToo {
			d := &differ{aligner: newAligner()}
			d.walk(&b, &a)
			return d.changes, true
		}
	}
	b, err := decode.Decode(format, before, decode.Limits{})
	if err != nil {
		return nil, false
	}
	a, err := decode.Decode(format, after, decode.Limits{})
	if err != nil {
		return nil, false
	}
	return Values(b, a), true
}
