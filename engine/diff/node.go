package diff

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// kind sorts values by how they compare, which is coarser than their types.
type kind uint8

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

// node is a value taken apart once, so that comparing costs what the values are large,
// however deep they are: asking cty again at each level would copy each part again.
type node struct {
	v    cty.Value // with its marks; of a document see value
	raw  []byte    // of a document: the JSON of v
	name string    // within a mapping
	kids []node    // of a mapping sorted by name, of a sequence in order; none of a set
	// print is the same for nodes that same calls the same. Nodes that share it may
	// still differ: it can only say no.
	print  uint64
	kind   kind
	marked bool
}

func newNode(v cty.Value) node {
	bare, marks := v.Unmark()
	n := node{v: v, kind: kindOf(bare), marked: len(marks) > 0}
	switch n.kind {
	case kindMapping:
		n.kids = make([]node, 0, bare.LengthInt())
		for it := bare.ElementIterator(); it.Next(); {
			key, member := it.Element()
			kid := newNode(member)
			kid.name = key.AsString()
			n.kids = append(n.kids, kid)
		}
	case kindSequence:
		n.kids = make([]node, 0, bare.LengthInt())
		for _, member := range bare.AsValueSlice() {
			n.kids = append(n.kids, newNode(member))
		}
	}
	n.print = n.fingerprint(bare)
	return n
}

var seed = maphash.MakeSeed()

// fingerprint takes the node's value without marks, and kids that have theirs.
func (n *node) fingerprint(bare cty.Value) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteByte(byte(n.kind))
	switch n.kind {
	case kindString:
		h.WriteString(bare.AsString())
	case kindNumber:
		f, _ := bare.AsBigFloat().Float64()
		writeInt(&h, math.Float64bits(f+0)) // +0 turns -0, which equals 0, into it
	case kindBool:
		if bare.True() {
			h.WriteByte(1)
		}
	case kindMapping, kindSequence:
		for i := range n.kids {
			writeInt(&h, uint64(len(n.kids[i].name)))
			h.WriteString(n.kids[i].name)
			writeInt(&h, n.kids[i].print)
		}
	case kindSet:
		writeInt(&h, setPrint(bare))
	}
	return h.Sum64()
}

// setPrint does not depend on the order of the members.
func setPrint(set cty.Value) uint64 {
	var all uint64
	if !set.IsWhollyKnown() {
		return all
	}
	for it := set.ElementIterator(); it.Next(); {
		_, member := it.Element()
		kid := newNode(member)
		all += kid.print
	}
	return all
}

func writeInt(h *maphash.Hash, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	h.Write(b[:])
}

// same reports whether Values would find no change, marks aside.
func same(a, b *node) bool {
	if a.print != b.print || a.kind != b.kind || len(a.kids) != len(b.kids) {
		return false
	}
	switch a.kind {
	case kindUnknown:
		return false
	case kindNull:
		return true
	case kindMapping, kindSequence:
		for i := range a.kids {
			if a.kids[i].name != b.kids[i].name || !same(&a.kids[i], &b.kids[i]) {
				return false
			}
		}
		return true
	}
	if a.raw != nil && bytes.Equal(a.raw, b.raw) {
		return true
	}
	x, _ := a.value().Unmark()
	y, _ := b.value().Unmark()
	switch a.kind {
	case kindString:
		return x.AsString() == y.AsString()
	case kindNumber:
		return x.AsBigFloat().Cmp(y.AsBigFloat()) == 0
	case kindBool:
		return x.True() == y.True()
	case kindSet:
		return sameSets(x, y)
	}
	return x.RawEquals(y)
}

// sameSets takes known sets. Their members are never marked: cty moves the marks to the set.
func sameSets(a, b cty.Value) bool {
	if !a.IsWhollyKnown() || !b.IsWhollyKnown() {
		return false
	}
	return a.RawEquals(b) || a.LengthInt() == 0 && b.LengthInt() == 0
}

// kid returns the member of a mapping with the name, or nil.
func (n *node) kid(name string) *node {
	i, ok := slices.BinarySearchFunc(n.kids, name, func(kid node, name string) int {
		switch {
		case kid.name < name:
			return -1
		case kid.name > name:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &n.kids[i]
}
