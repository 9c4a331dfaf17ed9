package decode

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"iter"
	"math/big"
	"slices"
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

// keyVersion goes up when equal values would get another key than before.
const keyVersion = "v1:sha256:"

// RawHash returns "sha256:" and the hexadecimal SHA-256 of data. It costs a fraction of
// Decode and Key: hash the bytes first, and decode only those that differ.
func RawHash(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Key returns the identity of v, less what the ignore paths name: "v1:sha256:" and 64
// hexadecimal digits. Two values have the same key exactly when they hold the same
// content: neither the order of keys, white space, or how a number is written matter,
// nor the difference between list, set and tuple, map and object, or the type of a
// null; one digit of a number does, and so does 1 against "1". Marks are ignored, so
// a change of a secret alone gives another key.
//
// The SHA-256 is that of the canonical form: what cty's json.Marshal writes for the value
// without marks. It fails for a value that is not known yet, an infinite number, or a capsule.
func Key(v cty.Value, ignore []Path) (string, error) {
	c := &canonical{hash: sha256.New(), buf: make([]byte, 0, 1024)}
	if err := c.value(v, newTrail(ignore)); err != nil {
		return "", err
	}
	c.hash.Write(c.buf)
	out := make([]byte, 0, len(keyVersion)+2*sha256.Size)
	out = append(out, keyVersion...)
	return string(hex.AppendEncode(out, c.hash.Sum(nil))), nil
}

// canonical writes the canonical form into a hash, a piece at a time.
type canonical struct {
	hash hash.Hash
	buf  []byte
}

// flushAt bounds the buffer, but for one long string.
const flushAt = 16 << 10

func (c *canonical) value(v cty.Value, t trail) error {
	if len(c.buf) >= flushAt {
		c.hash.Write(c.buf)
		c.buf = c.buf[:0]
	}
	v, _ = v.Unmark()
	if !v.IsKnown() {
		return errors.New("the value is not known yet")
	}
	if v.IsNull() {
		c.buf = append(c.buf, "null"...)
		return nil
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		c.string(v.AsString())
	case ty == cty.Number:
		return c.number(v.AsBigFloat())
	case ty == cty.Bool:
		c.buf = strconv.AppendBool(c.buf, v.True())
	case isKeyed(ty):
		return c.elements(v, t, '{', '}')
	case v.CanIterateElements():
		return c.elements(v, t, '[', ']')
	default:
		return errors.New("a value of type " + ty.FriendlyName() + " cannot be compared")
	}
	return nil
}

func (c *canonical) elements(v cty.Value, t trail, open, end byte) error {
	c.buf = append(c.buf, open)
	first := true
	for p, e := range children(v) {
		rest, gone := t.below(p)
		if gone {
			continue
		}
		if !first {
			c.buf = append(c.buf, ',')
		}
		first = false
		if p.isKey {
			c.string(p.key)
			c.buf = append(c.buf, ':')
		}
		if err := c.value(e, rest); err != nil {
			return err
		}
	}
	c.buf = append(c.buf, end)
	return nil
}

// string appends s as encoding/json does, at less cost where nothing needs an escape.
func (c *canonical) string(s string) {
	for i := range len(s) {
		if b := s[i]; b < ' ' || b >= 0x7f || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // a string always marshals
			}
			c.buf = append(c.buf, quoted...)
			return
		}
	}
	c.buf = append(c.buf, '"')
	c.buf = append(c.buf, s...)
	c.buf = append(c.buf, '"')
}

// number appends the shortest decimal that tells f apart from all other numbers of 512
// bits, so that it depends on the value of f and not on its precision.
func (c *canonical) number(f *big.Float) error {
	if f.IsInf() {
		return errors.New("an infinite number cannot be compared")
	}
	if n, accuracy := f.Int64(); accuracy == big.Exact {
		c.buf = strconv.AppendInt(c.buf, n, 10)
		return nil
	}
	f = new(big.Float).SetPrec(max(precision, f.MinPrec())).Set(f)
	// A decimal as short as most are is found by way of the nearest double: if it reads
	// back as f it is the one, and the search among 512 bits is 20 times slower.
	near, _ := f.Float64()
	at := len(c.buf)
	c.buf = strconv.AppendFloat(c.buf, near, 'f', -1, 64)
	if back, ok := new(big.Float).SetPrec(f.Prec()).SetString(string(c.buf[at:])); ok && back.Cmp(f) == 0 {
		return nil
	}
	c.buf = f.Append(c.buf[:at], 'f', -1)
	return nil
}

func isKeyed(ty cty.Type) bool { return ty.IsObjectType() || ty.IsMapType() }

// children yields the elements of a known container that has no marks of its own: by
// sorted key for objects and maps, in order for the others.
func children(v cty.Value) iter.Seq2[place, cty.Value] {
	ty := v.Type()
	if ty.IsObjectType() {
		return func(yield func(place, cty.Value) bool) {
			types := ty.AttributeTypes()
			names := make([]string, 0, len(types))
			for name := range types {
				names = append(names, name)
			}
			slices.Sort(names)
			for _, name := range names {
				if !yield(place{key: name, isKey: true}, v.GetAttr(name)) {
					return
				}
			}
		}
	}
	return func(yield func(place, cty.Value) bool) {
		i := 0
		for it := v.ElementIterator(); it.Next(); i++ {
			k, e := it.Element()
			p := place{index: i}
			switch {
			case ty.IsMapType():
				p = place{key: k.AsString(), isKey: true}
			case ty.IsSetType():
				p.index = -1
			}
			if !yield(p, e) {
				return
			}
		}
	}
}
