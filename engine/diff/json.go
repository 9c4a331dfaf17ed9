package diff

import (
	"bytes"
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/text/unicode/norm"

	"tidegate/hclspec/decode"
)

// jsonTree reads JSON into nodes without making values of what nobody will see: that takes a
// third of the time. It is for documents as they usually are; whatever is out of the ordinary,
// mistakes included, it leaves to the decoder by giving up.
type jsonTree struct {
	data  []byte
	at    int
	depth int
	nodes int
	kids  []node // of the objects and arrays that are open, innermost last
	hash  maphash.Hash
}

func readJSON(data []byte) (root node, ok bool) {
	if !utf8.Valid(data) {
		return root, false
	}
	r := &jsonTree{data: data}
	r.hash.SetSeed(seed)
	r.space()
	if root, ok = r.value(); !ok {
		return root, false
	}
	r.space()
	return root, r.at == len(data)
}

// value is what a node of a document says, decoded when somebody asks.
func (n *node) value() cty.Value {
	if n.v != cty.NilVal || n.raw == nil {
		return n.v
	}
	v, err := decode.Decode(decode.JSON, n.raw, decode.Limits{})
	if err != nil { // what was read as a tree is JSON
		panic("diff: " + err.Error())
	}
	n.v = v
	return v
}

func (r *jsonTree) space() {
	for r.at < len(r.data) && (r.data[r.at] == ' ' || r.data[r.at] == '\n' || r.data[r.at] == '\t' || r.data[r.at] == '\r') {
		r.at++
	}
}

// take passes over one byte if it is c.
func (r *jsonTree) take(c byte) bool {
	if r.at < len(r.data) && r.data[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *jsonTree) value() (n node, ok bool) {
	if r.nodes++; r.nodes > decode.DefaultMaxNodes || r.at == len(r.data) {
		return n, false
	}
	start := r.at
	r.hash.Reset()
	switch c := r.data[r.at]; {
	case c == '{' || c == '[':
		n, ok = r.members(c)
	case c == '"':
		var s string
		s, ok = r.text()
		n.kind = kindString
		r.hash.WriteByte(byte(kindString))
		r.hash.WriteString(s)
	case c == '-' || c >= '0' && c <= '9':
		n.kind = kindNumber
		ok = r.number()
	default:
		n.kind, ok = r.word()
	}
	if !ok {
		return n, false
	}
	n.print, n.raw = r.hash.Sum64(), r.data[start:r.at:r.at]
	return n, true
}

func (r *jsonTree) word() (kind, bool) {
	word, kind := "null", kindNull
	switch r.data[r.at] {
	case 't':
		word, kind = "true", kindBool
	case 'f':
		word, kind = "false", kindBool
	}
	end := r.at + len(word)
	if end > len(r.data) || string(r.data[r.at:end]) != word {
		return kind, false
	}
	r.at = end
	r.hash.WriteString(word)
	return kind, true
}

// members reads an object or an array. Its print is that of its members.
func (r *jsonTree) members(open byte) (n node, ok bool) {
	if r.depth++; r.depth > decode.DefaultMaxDepth {
		return n, false
	}
	r.at++
	n.kind = kindSequence
	end := byte(']')
	if open == '{' {
		n.kind, end = kindMapping, '}'
	}
	first := len(r.kids)
	r.space()
	for more := !r.take(end); more; {
		name := ""
		if open == '{' {
			if name, ok = r.name(); !ok {
				return n, false
			}
		}
		kid, ok := r.value()
		if !ok {
			return n, false
		}
		kid.name = name
		r.kids = append(r.kids, kid)
		r.space()
		switch {
		case r.take(end):
			more = false
		case !r.take(','):
			return n, false
		default:
			r.space()
		}
	}
	n.kids = slices.Clone(r.kids[first:])
	r.kids = r.kids[:first]
	r.depth--
	if open == '{' && !slices.IsSortedFunc(n.kids, byName) {
		slices.SortFunc(n.kids, byName)
	}
	r.hash.Reset()
	r.hash.WriteByte(byte(n.kind))
	for i := range n.kids {
		if open == '{' && i > 0 && n.kids[i].name == n.kids[i-1].name {
			return n, false
		}
		writeInt(&r.hash, uint64(len(n.kids[i].name)))
		r.hash.WriteString(n.kids[i].name)
		writeInt(&r.hash, n.kids[i].print)
	}
	return n, true
}

func byName(a, b node) int { return strings.Compare(a.name, b.name) }

// name reads a key and its colon.
func (r *jsonTree) name() (string, bool) {
	if r.at == len(r.data) || r.data[r.at] != '"' {
		return "", false
	}
	s, ok := r.text()
	if !ok {
		return "", false
	}
	r.space()
	if !r.take(':') {
		return "", false
	}
	r.space()
	return s, true
}

// text reads a string. What it returns may share the document's memory.
func (r *jsonTree) text() (string, bool) {
	start := r.at
	plain := true
	for i := start + 1; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			r.at = i + 1
			if plain {
				return unsafe.String(unsafe.SliceData(r.data[start+1:]), i-start-1), true
			}
			return unusual(r.data[start:r.at])
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			return "", false
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return "", false
}

// unusual decodes a string with escapes, or with letters that are written in several ways.
func unusual(quoted []byte) (string, bool) {
	if inner := quoted[1 : len(quoted)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return norm.NFC.String(string(inner)), true
	}
	v, err := decode.Decode(decode.JSON, quoted, decode.Limits{})
	if err != nil {
		return "", false
	}
	return v.AsString(), true
}

// number gives up on numbers that are so long, large or small that the decoder looks twice.
func (r *jsonTree) number() bool {
	start := r.at
	r.take('-')
	if whole := r.digits(); whole == 0 || whole > 1 && r.data[r.at-whole] == '0' {
		return false
	}
	if r.take('.') && r.digits() == 0 || r.at-start > 100 {
		return false
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		if n := r.digits(); n == 0 || n > 2 {
			return false
		}
	}
	f, err := strconv.ParseFloat(string(r.data[start:r.at]), 64)
	r.hash.WriteByte(byte(kindNumber))
	writeInt(&r.hash, math.Float64bits(f+0))
	return err == nil
}

func (r *jsonTree) digits() int {
	start := r.at
	for r.at < len(r.data) && r.data[r.at] >= '0' && r.data[r.at] <= '9' {
		r.at++
	}
	return r.at - start
}
