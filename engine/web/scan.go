package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxNesting is how deep a body may nest. The decoders of sources stop earlier.
const maxNesting = 512

// message is the body of a push: {"config_name": ..., "config_data": ...}.
type message struct {
	name []byte // decoded
	data []byte // JSON as sent, without the space around it
}

// scanError says what is wrong with a body. It goes to the sender alone.
type scanError struct {
	what   string
	offset int
}

func (e *scanError) Error() string { return fmt.Sprintf("%s at byte %d", e.what, e.offset) }

// scanMessage reads a body in one pass, without recursion and, but for a name with escapes,
// without memory. It is strict: one object, the two fields once each and no others, valid
// JSON and UTF-8 to the last byte. What the data means is decoded elsewhere, once.
func scanMessage(body []byte) (message, error) {
	if !utf8.Valid(body) {
		return message{}, &scanError{"invalid UTF-8", 0}
	}
	s := scanner{b: body}
	m, ok := s.message()
	if !ok {
		return message{}, &scanError{s.what, s.i}
	}
	return m, nil
}

type scanner struct {
	b    []byte
	i    int
	what string // first mistake, "" if there was none
}

func (s *scanner) fail(what string) bool {
	if s.what == "" {
		s.what = what
	}
	return false
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// take passes over one byte, after space.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *scanner) message() (m message, ok bool) {
	if !s.take('{') {
		return m, s.fail("no JSON object")
	}
	for first := true; ; first = false {
		if first && s.take('}') {
			break
		}
		if !s.field(&m) {
			return m, false
		}
		if s.take(',') {
			continue
		}
		if s.take('}') {
			break
		}
		return m, s.fail("no comma or closing brace")
	}
	s.space()
	switch {
	case s.i < len(s.b):
		return m, s.fail("data after the JSON object")
	case m.name == nil:
		return m, s.fail("no field config_name")
	case m.data == nil:
		return m, s.fail("no field config_data")
	}
	return m, true
}

func (s *scanner) field(m *message) bool {
	start := s.i
	key, ok := s.text()
	if !ok {
		return false
	}
	if !s.take(':') {
		return s.fail("no colon after a field's name")
	}
	s.space()
	switch {
	case string(key) == "config_name":
		if m.name != nil {
			s.i = start
			return s.fail("config_name is given twice")
		}
		if m.name, ok = s.text(); ok && m.name == nil {
			m.name = []byte{}
		}
		return ok
	case string(key) == "config_data":
		if m.data != nil {
			s.i = start
			return s.fail("config_data is given twice")
		}
		from := s.i
		if !s.value() {
			return false
		}
		m.data = s.b[from:s.i]
		return true
	}
	s.i = start
	return s.fail("a field other than config_name and config_data")
}

// text reads a string and decodes it.
func (s *scanner) text() ([]byte, bool) {
	s.space()
	start := s.i
	escaped, ok := s.str()
	if !ok {
		return nil, false
	}
	raw := s.b[start:s.i]
	if !escaped {
		return raw[1 : len(raw)-1], true
	}
	var decoded string
	// A surrogate without its partner becomes U+FFFD, which names nothing.
	if json.Unmarshal(raw, &decoded) != nil || strings.ContainsRune(decoded, utf8.RuneError) && !bytes.ContainsRune(raw, utf8.RuneError) {
		return nil, s.fail("a broken escape")
	}
	return []byte(decoded), true
}

// str passes over a string and says whether it has escapes.
func (s *scanner) str() (escaped, ok bool) {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return false, s.fail("no string")
	}
	s.i++
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return escaped, true
		case c == '\\':
			escaped = true
			if !s.escape() {
				return true, false
			}
		case c < ' ':
			return escaped, s.fail("a control character in a string")
		default:
			s.i++
		}
	}
	return escaped, s.fail("a string without an end")
}

func (s *scanner) escape() bool {
	s.i++
	if s.i >= len(s.b) {
		return s.fail("a string without an end")
	}
	switch s.b[s.i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i++
		return true
	case 'u':
		s.i++
		for range 4 {
			if s.i >= len(s.b) || !isHex(s.b[s.i]) {
				return s.fail("a broken escape")
			}
			s.i++
		}
		return true
	}
	return s.fail("a broken escape")
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// value passes over one value. What is open is kept as bits, so that nesting costs no stack.
func (s *scanner) value() bool {
	var objects [maxNesting / 64]uint64
	depth := 0
	inObject := func() bool { return objects[(depth-1)/64]>>((depth-1)%64)&1 == 1 }
	for {
		s.space()
		if s.i >= len(s.b) {
			return s.fail("the body ends too early")
		}
		c := s.b[s.i]
		if c == '{' || c == '[' {
			if depth == maxNesting {
				return s.fail("nested too deep")
			}
			if c == '{' {
				objects[depth/64] |= 1 << (depth % 64)
			} else {
				objects[depth/64] &^= 1 << (depth % 64)
			}
			depth++
			s.i++
			if !s.take(c + 2) { // '}' or ']'
				if c == '{' && !s.key() {
					return false
				}
				continue
			}
			depth--
		} else if !s.scalar(c) {
			return false
		}
		for {
			if depth == 0 {
				return true
			}
			if s.take(',') {
				if inObject() && !s.key() {
					return false
				}
				break
			}
			end := byte(']')
			if inObject() {
				end = '}'
			}
			if !s.take(end) {
				return s.fail("no comma or closing bracket")
			}
			depth--
		}
	}
}

func (s *scanner) key() bool {
	s.space()
	if _, ok := s.str(); !ok {
		return false
	}
	return s.take(':') || s.fail("no colon after a field's name")
}

func (s *scanner) scalar(c byte) bool {
	switch {
	case c == '"':
		_, ok := s.str()
		return ok
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.fail("no JSON value")
}

func (s *scanner) word(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return s.fail("no JSON value")
	}
	s.i += len(w)
	return true
}

func (s *scanner) number() bool {
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return s.fail("a broken number")
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return s.fail("a broken number")
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !s.digits() {
			return s.fail("a broken number")
		}
	}
	return true
}

func (s *scanner) digits() bool {
	from := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > from
}
