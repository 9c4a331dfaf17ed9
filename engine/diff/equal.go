package diff

import (
	"encoding/binary"
	"hash/maphash"
	"maps"
	"math"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// kind sorts values by how they compare, which is coarser than their types.
type kind int

const (
	kindUnknown kind = iota
	kindNull
	kindString
	kindNumber
	kindBool
	kindMapping  // object or map
	kindSequence // list or tuple
	kindSet
	kindOther
)

// kindOf takes an unmarked value.
func kindOf(v cty.Value) kind {
	if !v.IsKnown() {
		return kindUnknown
	}
	if v.IsNull() {
		return kindNull
	}
	switch t := v.Type(); {
	case t == cty.String:
		return kindString
	case t == cty.Number:
		return kindNumber
	case t == cty.Bool:
		return kindBool
	case t.IsObjectType() || t.IsMapType():
		return kindMapping
	case t.IsListType() || t.IsTupleType():
		return kindSequence
	case t.IsSetType():
		return kindSet
	}
	return kindOther
}

// equal reports whether Values would find no change, marks aside. It stops at the first difference.
func equal(a, b cty.Value) bool {
	a, _ = a.Unmark()
	b, _ = b.Unmark()
	kind := kindOf(a)
	if kind != kindOf(b) {
		return false
	}
	switch kind {
	case kindUnknown:
		return false
	case kindNull:
		return true
	case kindString:
		return a.AsString() == b.AsString()
	case kindNumber:
		return a.AsBigFloat().Cmp(b.AsBigFloat()) == 0
	case kindBool:
		return a.True() == b.True()
	case kindMapping:
		return maps.EqualFunc(a.AsValueMap(), b.AsValueMap(), equal)
	case kindSequence:
		return a.LengthInt() == b.LengthInt() && slices.EqualFunc(a.AsValueSlice(), b.AsValueSlice(), equal)
	case kindSet:
		return equalSets(a, b)
	}
	return a.RawEquals(b)
}

// equalSets takes known sets. Members are never marked: cty moves their marks to the set.
func equalSets(a, b cty.Value) bool {
	if !a.IsWhollyKnown() || !b.IsWhollyKnown() {
		return false
	}
	return a.RawEquals(b) || a.LengthInt() == 0 && b.LengthInt() == 0
}

var seed = maphash.MakeSeed()

// fingerprint is the same for values that equal calls equal. Values with the same fingerprint may
// differ: it serves to align lists, whose aligned members are still compared.
func fingerprint(v cty.Value) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	writeHash(&h, v)
	return h.Sum64()
}

func writeHash(h *maphash.Hash, v cty.Value) {
	v, _ = v.Unmark()
	kind := kindOf(v)
	h.WriteByte(byte(kind))
	switch kind {
	case kindString:
		writeText(h, v.AsString())
	case kindNumber:
		f, _ := v.AsBigFloat().Float64()
		writeInt(h, math.Float64bits(f+0)) // +0 turns -0, which equals 0, into it
	case kindBool:
		if v.True() {
			h.WriteByte(1)
		}
	case kindMapping:
		m := v.AsValueMap()
		writeInt(h, uint64(len(m)))
		for _, key := range slices.Sorted(maps.Keys(m)) {
			writeText(h, key)
			writeHash(h, m[key])
		}
	case kindSequence:
		writeInt(h, uint64(v.LengthInt()))
		for _, member := range v.AsValueSlice() {
			writeHash(h, member)
		}
	}
}

func writeText(h *maphash.Hash, s string) {
	writeInt(h, uint64(len(s)))
	h.WriteString(s)
}

func writeInt(h *maphash.Hash, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	h.Write(b[:])
}
