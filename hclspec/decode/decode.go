// Package decode turns the bytes of a source into a value, and a value into the
// fingerprint that says whether it changed.
//
// What happens when this fails? Decode returns a *SyntaxError and no value: a
// candidate is decoded whole or not at all, and the caller keeps what it had.
// Nothing is repaired or guessed. A duplicate key, invalid UTF-8, a byte order mark,
// an unpaired surrogate, data after the end, a second document, NaN, an infinity and
// a number beyond the range of a double are errors in every format that can write
// them; so is whatever exceeds the Limits. Errors say where and what, and name keys,
// but never quote a value: it may be a secret.
//
// # Values
//
// Objects, mappings and tables become cty objects, arrays and sequences cty tuples.
//
// Numbers are exact: 9007199254740993 stays what it is, 1.0 and 1e0 are 1. A number
// may have up to 150 significant digits and a magnitude between 1e-324 and 1e309;
// any other one is an error, never a rounded value. -0 keeps its sign when written
// out again, and equals 0 in comparisons and in Key.
//
// Strings and keys are brought to Unicode normalisation form C, as all strings of
// the language are. Two keys of one object that differ only before that are
// duplicates. Raw bytes that must survive as they are need the format Bytes.
package decode

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// The limits that stand where Limits has a zero.
const (
	DefaultMaxBytes = 16 << 20
	DefaultMaxDepth = 200
	DefaultMaxNodes = 2_000_000
)

// depthCeiling bounds MaxDepth itself: the decoders recurse, and a stack overflow
// cannot be recovered from.
const depthCeiling = 10_000

// Limits bounds what Decode accepts. A zero field takes the default.
type Limits struct {
	// MaxBytes is the length of the input in bytes. For YAML, the text of all
	// scalars after aliases were expanded is held to it too.
	MaxBytes int64
	// MaxDepth is how deep arrays and objects may nest: [] is 1 deep. At most 10,000.
	MaxDepth int
	// MaxNodes is the number of values: scalars, arrays and objects. For YAML it
	// counts each alias as often as it is used. Reading two million values takes some
	// 250 MB from JSON and some 2 GB from YAML, whose parser keeps much about each.
	MaxNodes int
}

func (l Limits) withDefaults() Limits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = DefaultMaxBytes
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = DefaultMaxDepth
	}
	l.MaxDepth = min(l.MaxDepth, depthCeiling)
	if l.MaxNodes <= 0 {
		l.MaxNodes = DefaultMaxNodes
	}
	return l
}

// ErrEmpty is what a JSON document of no bytes, or of white space only, fails with.
// The other formats have a value for it: null for YAML, [] for CSV, "" for text and bytes,
// {} for the rest; Empty holds for each of these.
var ErrEmpty = errors.New("the document is empty")

// SyntaxError is why a document was refused.
type SyntaxError struct {
	Format Format
	// Line and Column count from 1, columns in characters. Both are 0 where the
	// complaint is about the document as a whole.
	Line, Column int
	// Message says what is wrong and the way out. It holds no values of the document.
	Message string

	err error
}

// Error returns the format, the position and the message in one line.
func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.Format, e.Message)
	}
	return fmt.Sprintf("%s: line %d, column %d: %s", e.Format, e.Line, e.Column, e.Message)
}

// Unwrap returns ErrEmpty for an empty document, else nil.
func (e *SyntaxError) Unwrap() error { return e.err }

// Decode reads data, which must be exactly one document of format f. All of its
// errors are *SyntaxError; only an unknown f is not. It does not keep data.
//
// Text gives one string and must be valid UTF-8; Bytes gives the base64 (standard
// alphabet, padded) of data as a string, and accepts all bytes.
func Decode(f Format, data []byte, l Limits) (cty.Value, error) {
	d := &document{format: f, data: data, limits: l.withDefaults()}
	if _, err := ParseFormat(string(f)); err != nil {
		return cty.NilVal, err
	}
	if int64(len(data)) > d.limits.MaxBytes {
		return cty.NilVal, d.failf("the document is larger than %d bytes; raise max_bytes if that is intended", d.limits.MaxBytes)
	}
	if f == Bytes {
		return cty.StringVal(base64.StdEncoding.EncodeToString(data)), nil
	}
	if err := d.checkText(); err != nil {
		return cty.NilVal, err
	}
	switch f {
	case JSON:
		return d.json()
	case YAML:
		return d.yaml()
	case TOML:
		return d.toml()
	case HCL:
		return d.hcl()
	case Env:
		return d.env()
	case Properties:
		return d.properties()
	case INI:
		return d.ini()
	case CSV:
		return d.csv()
	default:
		return cty.StringVal(string(data)), nil
	}
}

// Empty reports whether v says nothing: null, an object, map, list, set or tuple
// without elements, or "". Marks do not matter; an unknown value is not empty.
func Empty(v cty.Value) bool {
	v, _ = v.Unmark()
	switch {
	case v == cty.NilVal || v.IsNull():
		return true
	case !v.IsKnown():
		return false
	case v.Type() == cty.String:
		return v.AsString() == ""
	case v.CanIterateElements():
		return v.LengthInt() == 0
	}
	return false
}

// document is one input on its way to a value, with what it may still use up.
type document struct {
	format Format
	data   []byte
	limits Limits
	nodes  int
}

// failf is a complaint about the document as a whole.
func (d *document) failf(format string, args ...any) *SyntaxError {
	return &SyntaxError{Format: d.format, Message: fmt.Sprintf(format, args...)}
}

// failAt is a complaint about the byte at offset.
func (d *document) failAt(offset int, format string, args ...any) *SyntaxError {
	offset = min(max(offset, 0), len(d.data))
	before := d.data[:offset]
	e := d.failf(format, args...)
	e.Line = bytes.Count(before, []byte{'\n'}) + 1
	e.Column = utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return e
}

// The complaints that more than one format has.

func (d *document) tooManyNodes() *SyntaxError {
	return d.failf("the document holds more than %d values; fetch a smaller part of it", d.limits.MaxNodes)
}

func (d *document) tooDeep(offset int) *SyntaxError {
	return d.failAt(offset, "%s", tooDeepMessage(d.limits.MaxDepth))
}

func tooDeepMessage(levels int) string {
	return fmt.Sprintf("nested deeper than %d levels; flatten the document", levels)
}

func duplicateKey(key string) string {
	return fmt.Sprintf("duplicate key %s; keep one of the two", quoteKey(key))
}

// quoteKey writes a key for an error: escaped, so that control characters and
// bidirectional overrides show, and cut, so that it stays one line.
func quoteKey(key string) string {
	const most = 60
	if len(key) > most {
		cut := most
		// What is no UTF-8 at all has no start of a rune to look for.
		for cut > most-utf8.UTFMax && !utf8.RuneStart(key[cut]) {
			cut--
		}
		return strconv.Quote(key[:cut]) + "..."
	}
	return strconv.Quote(key)
}

// checkText refuses what no text format may hold.
func (d *document) checkText() error {
	for _, mark := range []struct {
		bytes string
		name  string
	}{
		{"\xef\xbb\xbf", "UTF-8"}, {"\xff\xfe", "UTF-16"}, {"\xfe\xff", "UTF-16"},
	} {
		if bytes.HasPrefix(d.data, []byte(mark.bytes)) {
			return &SyntaxError{
				Format: d.format, Line: 1, Column: 1,
				Message: fmt.Sprintf("the document starts with a byte order mark (%s); save it as UTF-8 without one, or set decode = \"bytes\"", mark.name),
			}
		}
	}
	if !utf8.Valid(d.data) {
		return d.failAt(invalidUTF8(d.data), "invalid UTF-8; save the document as UTF-8, or set decode = \"bytes\"")
	}
	return nil
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(data)
}

// object collects the attributes of one object and refuses duplicates.
type object map[string]cty.Value

// add returns false if key, or one that is the same in normalisation form C, is there.
func (o object) add(key string, v cty.Value) bool {
	key = cty.NormalizeString(key)
	if _, ok := o[key]; ok {
		return false
	}
	o[key] = v
	return true
}
