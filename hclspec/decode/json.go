package decode

import (
	"unicode/utf16"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// jsonReader walks a document once, by RFC 8259 and not a byte more. It is written out
// because encoding/json accepts duplicate keys, replaces what is no UTF-8 and
// repairs half surrogate pairs.
type jsonReader struct {
	*document
	at    int // the next byte
	depth int
}

func (d *document) json() (cty.Value, error) {
	r := &jsonReader{document: d}
	r.space()
	if r.at == len(d.data) {
		e := d.failf("%s; an empty body is no JSON", ErrEmpty)
		e.err = ErrEmpty
		return cty.NilVal, e
	}
	v, err := r.value()
	if err != nil {
		return cty.NilVal, err
	}
	r.space()
	if r.at < len(d.data) {
		return cty.NilVal, r.failAt(r.at, "more data after the end of the document; a source holds exactly one")
	}
	return v, nil
}

func (r *jsonReader) space() {
	for r.at < len(r.data) {
		switch r.data[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// peek is the next byte, or 0 at the end; a NUL byte is refused wherever peek is used.
func (r *jsonReader) peek() byte {
	if r.at < len(r.data) {
		return r.data[r.at]
	}
	return 0
}

// unexpected says that something else was due at the current place.
func (r *jsonReader) unexpected(want string) error {
	if r.at >= len(r.data) {
		return r.failAt(r.at, "the document ends too early, %s was expected; was it cut off?", want)
	}
	return r.failAt(r.at, "%s was expected here", want)
}

// value reads one value; white space before it was read already.
func (r *jsonReader) value() (cty.Value, error) {
	r.nodes++
	if r.nodes > r.limits.MaxNodes {
		return cty.NilVal, r.tooManyNodes()
	}
	switch c := r.peek(); {
	case c == '{':
		return r.object()
	case c == '[':
		return r.array()
	case c == '"':
		s, err := r.string()
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(s), nil
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	case c == 't' && r.word("true"):
		return cty.True, nil
	case c == 'f' && r.word("false"):
		return cty.False, nil
	case c == 'n' && r.word("null"):
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	return cty.NilVal, r.unexpected("a value")
}

func (r *jsonReader) word(w string) bool {
	if len(r.data)-r.at < len(w) || string(r.data[r.at:r.at+len(w)]) != w {
		return false
	}
	r.at += len(w)
	return true
}

// enter reads an opening bracket and the white space after it.
func (r *jsonReader) enter() error {
	r.depth++
	if r.depth > r.limits.MaxDepth {
		return r.tooDeep(r.at)
	}
	r.at++
	r.space()
	return nil
}

// more reads what follows an element: true after a comma, false after end.
func (r *jsonReader) more(end byte, want string) (bool, error) {
	r.space()
	switch r.peek() {
	case ',':
		r.at++
		r.space()
		return true, nil
	case end:
		r.at++
		r.depth--
		return false, nil
	}
	return false, r.unexpected(want)
}

func (r *jsonReader) array() (cty.Value, error) {
	if err := r.enter(); err != nil {
		return cty.NilVal, err
	}
	if r.peek() == ']' {
		r.at++
		r.depth--
		return cty.EmptyTupleVal, nil
	}
	var elements []cty.Value
	for {
		v, err := r.value()
		if err != nil {
			return cty.NilVal, err
		}
		elements = append(elements, v)
		again, err := r.more(']', "a comma or ]")
		if err != nil {
			return cty.NilVal, err
		}
		if !again {
			return cty.TupleVal(elements), nil
		}
	}
}

func (r *jsonReader) object() (cty.Value, error) {
	if err := r.enter(); err != nil {
		return cty.NilVal, err
	}
	if r.peek() == '}' {
		r.at++
		r.depth--
		return cty.EmptyObjectVal, nil
	}
	attrs := object{}
	for {
		if r.peek() != '"' {
			return cty.NilVal, r.unexpected("a key in quotes")
		}
		start := r.at
		key, err := r.string()
		if err != nil {
			return cty.NilVal, err
		}
		r.space()
		if r.peek() != ':' {
			return cty.NilVal, r.unexpected("a colon after the key")
		}
		r.at++
		r.space()
		v, err := r.value()
		if err != nil {
			return cty.NilVal, err
		}
		if !attrs.add(key, v) {
			return cty.NilVal, r.failAt(start, "%s", duplicateKey(key))
		}
		again, err := r.more('}', "a comma or }")
		if err != nil {
			return cty.NilVal, err
		}
		if !again {
			return cty.ObjectVal(attrs), nil
		}
	}
}

func (r *jsonReader) number() (cty.Value, error) {
	start := r.at
	if r.peek() == '-' {
		r.at++
	}
	switch c := r.peek(); {
	case c == '0':
		r.at++
		if c := r.peek(); c >= '0' && c <= '9' {
			return cty.NilVal, r.failAt(start, "a number with a leading zero; write it without, or as a string")
		}
	case !r.digits():
		return cty.NilVal, r.unexpected("a digit")
	}
	if r.peek() == '.' {
		r.at++
		if !r.digits() {
			return cty.NilVal, r.unexpected("a digit")
		}
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.at++
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		if !r.digits() {
			return cty.NilVal, r.unexpected("a digit")
		}
	}
	v, err := number(r.data[start:r.at])
	if err != nil {
		return cty.NilVal, r.failAt(start, "%s", err)
	}
	return v, nil
}

// digits reads one digit or more.
func (r *jsonReader) digits() bool {
	start := r.at
	for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
		r.at++
	}
	return r.at > start
}

// string reads a string from its opening quote to its closing one. The whole document
// is known to be UTF-8.
func (r *jsonReader) string() (string, error) {
	start := r.at + 1
	for i := start; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			r.at = i + 1
			return string(r.data[start:i]), nil
		case c == '\\':
			return r.escaped(start, i)
		case c < 0x20:
			return "", r.failAt(i, "a control character in a string; escape it")
		}
	}
	r.at = len(r.data)
	return "", r.unexpected("a closing quote")
}

// escaped reads the rest of a string that starts at start and has its first escape at i.
func (r *jsonReader) escaped(start, i int) (string, error) {
	out := append(make([]byte, 0, i-start+16), r.data[start:i]...)
	for r.at = i; r.at < len(r.data); {
		switch c := r.data[r.at]; {
		case c == '"':
			r.at++
			return string(out), nil
		case c == '\\':
			var err error
			if out, err = r.escape(out); err != nil {
				return "", err
			}
		case c < 0x20:
			return "", r.failAt(r.at, "a control character in a string; escape it")
		default:
			out = append(out, c)
			r.at++
		}
	}
	return "", r.unexpected("a closing quote")
}

func (r *jsonReader) escape(out []byte) ([]byte, error) {
	start := r.at
	r.at++
	c := r.peek()
	r.at++
	switch c {
	case '"', '\\', '/':
		return append(out, c), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	case 'u':
		return r.unicodeEscape(out, start)
	}
	return nil, r.failAt(start, `an unknown escape in a string; write \\ for a backslash`)
}

// unicodeEscape reads the four digits after \u, and the second escape of a pair.
func (r *jsonReader) unicodeEscape(out []byte, start int) ([]byte, error) {
	first, ok := r.hex4()
	if !ok {
		return nil, r.failAt(start, `\u needs four hexadecimal digits`)
	}
	if !utf16.IsSurrogate(first) {
		return utf8.AppendRune(out, first), nil
	}
	if r.word(`\u`) {
		if second, ok := r.hex4(); ok {
			if c := utf16.DecodeRune(first, second); c != utf8.RuneError {
				return utf8.AppendRune(out, c), nil
			}
		}
	}
	return nil, r.failAt(start, `half of a surrogate pair (\ud800 to \udfff); the other half is missing`)
}

func (r *jsonReader) hex4() (rune, bool) {
	if len(r.data)-r.at < 4 {
		return 0, false
	}
	n, ok := hex4(r.data[r.at : r.at+4])
	if ok {
		r.at += 4
	}
	return n, ok
}

// hex4 reads four hexadecimal digits.
func hex4(digits []byte) (rune, bool) {
	var n rune
	for _, c := range digits {
		n <<= 4
		switch {
		case c >= '0' && c <= '9':
			n |= rune(c - '0')
		case c >= 'a' && c <= 'f':
			n |= rune(c - 'a' + 10)
		case c >= 'A' && c <= 'F':
			n |= rune(c - 'A' + 10)
		default:
			return 0, false
		}
	}
	return n, true
}
