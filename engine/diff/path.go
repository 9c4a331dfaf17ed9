package diff

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// StepKind says what a step of a path goes into.
type StepKind int

// A step goes to an attribute of an object or a key of a map (Key), to a member of
// a list or tuple (Index), or names a member of a set (Element).
const (
	Key StepKind = iota
	Index
	Element
)

// Step is one step from a value to a part of it.
type Step struct {
	Kind StepKind
	// Name is the attribute or key; for Element a text for the member, for showing only.
	Name string
	// Index counts from 0.
	Index int
}

// Path leads from a value to a part of it. The empty path is the value itself.
type Path []Step

// String writes the path as an expression would: a.b[0]["x.y"]. A member of a set is written
// as an index is; the empty path is the empty string.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.Kind == Index:
			fmt.Fprintf(&b, "[%d]", s.Index)
		case s.Kind == Key && isIdentifier(s.Name):
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Name)
		default:
			b.WriteByte('[')
			quote(&b, s.Name)
			b.WriteByte(']')
		}
	}
	return b.String()
}

// Equal reports whether two paths are the same.
func (p Path) Equal(q Path) bool { return slices.Equal(p, q) }

func isIdentifier(s string) bool {
	for i, r := range s {
		if r == '_' || unicode.IsLetter(r) {
			continue
		}
		if i == 0 || (r != '-' && !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

// quote writes s as a quoted template of the language that yields s.
func quote(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b.WriteRune(r)
			b.WriteRune(r)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r > 0xFFFF:
			fmt.Fprintf(b, `\U%08x`, r)
		default:
			fmt.Fprintf(b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
}
